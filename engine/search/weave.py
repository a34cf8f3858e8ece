"""The tree search for a reply: branches grow by chunks of tokens, the judge says where to go on.

A node's score is the judge's log-odds for the branch so far, its logit is score / temperature, and it
draws one Gumbel number when it is born. Leaves are expanded in the order of logit + Gumbel, which
samples the frontier without replacement in proportion to softmax(score / temperature). When a round's
children have landed, the beam is sampled by stochastic beam search (Kool, van Hoof, Welling 2019),
committed one level deeper, and the rest pruned.

Many expansions are in flight at once. They are judged in any order, but take their place in the tree
in the order in which they were begun, so the tree depends on the seed and on what came back, never on
what came back first. Knows no model, no prompt and no text: what samples and what judges is passed in.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from engine.errors import EngineDownError, EngineError, RequestError
from engine.judging.judge import Verdict, bounded
from engine.search.time_limit import time_limit
from engine.search.tree import Node, logsumexp, perturb
from engine.types import Completion, TokenIds

# (the reply so far, how many continuations, tokens at most, seed) → continuations
SampleBranches: TypeAlias = Callable[[TokenIds, int, int, int], Awaitable[Sequence[Completion]]]
# (replies, which of them are finished) → a verdict for each
JudgeBranches: TypeAlias = Callable[[Sequence[TokenIds], Sequence[bool]], Awaitable[Sequence[Verdict]]]

# A backend that fails or repeats itself this often in a row has nothing more to give.
MAX_BARREN = 4
# Once a whole reply is there, nothing is begun anew that could not have so many expansions side by side.
WAVE_EXPANSIONS = 2
# First chunks get at most this share of what is left: where replies are long, beginnings alone are no answer.
FIRST_CHUNKS = 2 / 3
# With nothing finished at this share of the deadline, the best branch is brought to its end.
COMPLETE_FROM = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the tree grows."""

    chunk_tokens: int = 32
    first_chunk_tokens: int | None = None  # of the root's children, where it differs
    children: int = 8  # of one expansion
    round_children: int = 48
    width: int = 6  # expansions in flight; 1 is the sequential search
    beam_width: int = 6  # more than one, so that a round has several leaves to begin with
    max_lookahead: int = 3  # levels below the committed depth
    temperature: float = 1.0  # of the choice among branches

    def __post_init__(self) -> None:
        counts = (self.chunk_tokens, self.children, self.round_children, self.width, self.beam_width)
        if min(*counts, self.max_lookahead) < 1 or not self.temperature > 0:
            raise ValueError(f"Every number of a search's shape must be positive: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one search may cost. A branch that reaches `max_reply_tokens` is cut, not finished."""

    budget_tokens: int
    max_reply_tokens: int
    deadline_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Woven:
    """What a search found. `finished`: whole replies, best first. `open`: the best branch that is not."""

    root: Node
    finished: tuple[Node, ...]
    open: Node | None
    generated_tokens: int

    @property
    def best(self) -> Node:
        best = self.finished[0] if self.finished else self.open
        if best is None:
            raise RequestError("The search found no reply.")
        return best


async def weave(
    sample: SampleBranches,
    judge: JudgeBranches,
    *,
    shape: Shape,
    bounds: Bounds,
    seed: int,
    is_enough: Callable[[Verdict], bool] = lambda verdict: False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_expand: Callable[[Node], None] = lambda node: None,
    stop: asyncio.Event | None = None,
) -> Woven:
    """Search for the best whole reply. Raises EngineError only if not even the start of one was made.

    The search ends when the budget is spent, the deadline has come, `stop` is set, nothing is left to extend,
    or a whole reply is enough. Where no branch has ended by then, the best one is sampled on to its end.
    Cancelling it cancels every call that is under way.
    """
    search = _Search(sample, judge, shape, bounds, seed, is_enough, on_progress, on_expand)
    is_whole = False
    async with time_limit(asyncio.get_running_loop().time() + bounds.deadline_s, stop):
        await search.run()
        is_whole = True
    if not is_whole:
        search.keep_unjudged()
    return search.woven()


@dataclass(frozen=True, slots=True)
class _Expansion:
    """An expansion under way: what it extends, what it may cost, and the task that makes it.

    `sampled` is filled before the judge is asked.
    """

    node: Node
    reserved_tokens: int
    sampled: list[Completion]
    task: asyncio.Task[_Landed]


@dataclass(frozen=True, slots=True)
class _Landed:
    """What an expansion brought back, with verdicts where the judge gave any."""

    completions: Sequence[Completion] = ()
    verdicts: Sequence[Verdict] | None = None
    error: EngineError | None = None


class _Search:
    """The state of one search. Only `run` changes the tree, one landed expansion after the other."""

    def __init__(
        self,
        sample: SampleBranches,
        judge: JudgeBranches,
        shape: Shape,
        bounds: Bounds,
        seed: int,
        is_enough: Callable[[Verdict], bool],
        on_progress: Callable[[int, int], None],
        on_expand: Callable[[Node], None],
    ) -> None:
        self._sample, self._judge = sample, judge
        self._shape, self._bounds = shape, bounds
        self._is_enough, self._report, self._on_expand = is_enough, on_progress, on_expand
        self._gumbels = random.Random(f"{seed} gumbels")
        self._seeds = random.Random(f"{seed} seeds")
        self._root = Node(id=0, parent=None, chunk=(), token_ids=(), is_committed=True)
        self._nodes = [self._root]
        self._beam = [self._root]
        self._level = 0  # the depth to which branches are committed
        self._unspent = bounds.budget_tokens
        self._landed_children = 0
        self._barren = 0
        self._is_over = False
        self._has_finished = False
        self._error: EngineError | None = None
        self._flights: deque[_Expansion] = deque()

    # --- the search ---

    async def run(self) -> None:
        self._report(0, self._planned_children())
        half_way = asyncio.get_running_loop().time() + COMPLETE_FROM * self._bounds.deadline_s
        async with asyncio.TaskGroup() as group:
            while not self._is_over and self._may_go_on(half_way):
                if not any(self._open_leaves()):
                    self._begin_again()
                if not await self._round(group, half_way):
                    break
                self._commit()
            for flight in self._flights:  # an early end leaves some; what they reserved counts as spent
                flight.task.cancel()
            self._flights.clear()
        if not self._has_finished:
            await self._complete()

    async def _round(self, group: asyncio.TaskGroup, half_way: float) -> int:
        """Expand leaves until the round's children are made; how many were begun."""
        frontier = [(*_descending(leaf), leaf) for leaf in self._open_leaves()]
        heapq.heapify(frontier)
        begun = 0
        while True:
            while self._may_begin(begun, frontier, half_way):
                begun += self._begin(group, heapq.heappop(frontier)[-1], self._shape.round_children - begun)
            if not self._flights or self._is_over:
                return begun
            await asyncio.wait([self._flights[0].task])
            flight = self._flights.popleft()
            for child in self._land(flight.node, flight.reserved_tokens, flight.task.result()):
                if self._is_open(child):
                    heapq.heappush(frontier, (*_descending(child), child))

    def _may_begin(self, begun: int, frontier: Sequence[object], half_way: float) -> bool:
        return (
            bool(frontier)
            and begun < self._shape.round_children
            and len(self._flights) < self._shape.width
            and self._may_go_on(half_way)
        )

    def _may_go_on(self, half_way: float) -> bool:
        """Whether another chunk can be paid for, in tokens, time and patience."""
        if self._is_over or self._barren >= MAX_BARREN:
            return False
        if self._has_finished:
            # A wave takes as long for the last few tokens as for many: crumbs of the budget are left.
            expansions = 1 if self._flights else WAVE_EXPANSIONS
            return self._spendable() >= expansions * self._shape.children * self._shape.chunk_tokens
        return self._spendable() >= 1 and asyncio.get_running_loop().time() < half_way

    def _begin(self, group: asyncio.TaskGroup, node: Node, room: int) -> int:
        """Start an expansion; how many children it was promised."""
        wanted, chunk_tokens, tokens = self._shape.children, self._shape.chunk_tokens, self._spendable()
        if node is self._root:
            # Until the first chunks are there nothing else can be done: they use the whole width.
            wanted *= self._shape.width
            chunk_tokens = self._shape.first_chunk_tokens or chunk_tokens
            tokens = min(tokens, int(FIRST_CHUNKS * self._unspent))
        max_tokens = min(chunk_tokens, self._growth(node), self._spendable())
        count = max(1, min(wanted, room, tokens // max_tokens))
        self._unspent -= count * max_tokens
        self._on_expand(node)
        sampled: list[Completion] = []
        seed = self._seeds.getrandbits(31)
        task = group.create_task(self._expand(node, count, max_tokens, seed, sampled))
        self._flights.append(_Expansion(node, count * max_tokens, sampled, task))
        return count

    async def _expand(
        self, node: Node, count: int, max_tokens: int, seed: int, sampled: list[Completion]
    ) -> _Landed:
        """Sample children and have them judged at once. Touches nothing of the tree."""
        try:
            completions = await self._sample(node.token_ids, count, max_tokens, seed)
        except EngineError as error:
            return _Landed(error=error)
        sampled.extend(
            _within(completion, max_tokens)
            for completion in completions[:count]
            if completion.token_ids or (completion.finished and node.token_ids)  # else it adds nothing
        )
        completions = tuple(sampled)
        replies = [(node.token_ids + completion.token_ids, completion.finished) for completion in completions]
        different = list(dict.fromkeys(replies))
        try:
            judged = await self._judge([ids for ids, _ in different], [ended for _, ended in different])
            verdicts = dict(zip(different, judged, strict=True))
        except EngineError as error:
            return _Landed(completions=completions, error=error)
        return _Landed(completions=completions, verdicts=[verdicts[reply] for reply in replies])

    def _land(self, parent: Node, reserved_tokens: int, landed: _Landed) -> list[Node]:
        """Give what an expansion brought its place in the tree; the children that are new."""
        used = sum(len(completion.token_ids) for completion in landed.completions)
        self._unspent += reserved_tokens - used
        self._error = landed.error or self._error
        self._is_over = self._is_over or isinstance(landed.error, EngineDownError)
        born = [
            child
            for number, completion in enumerate(landed.completions)
            if (child := self._bear(parent, completion, landed.verdicts[number] if landed.verdicts else None))
        ]
        self._carry_up(parent)
        self._barren = 0 if born else self._barren + 1
        self._landed_children += len(landed.completions)
        self._report(self._landed_children, self._planned_children())
        self._is_over = self._is_over or any(c.is_finished and self._is_enough(c.verdict) for c in born)
        return born

    def _bear(self, parent: Node, completion: Completion, verdict: Verdict | None) -> Node | None:
        """A new child; None for one that is the same as a sibling."""
        chunk, is_finished = completion.token_ids, completion.finished
        if any(child.chunk == chunk and child.is_finished == is_finished for child in parent.children):
            return None
        child = Node(
            id=len(self._nodes),
            parent=parent,
            chunk=chunk,
            token_ids=parent.token_ids + chunk,
            is_finished=is_finished,
        )
        child.is_judged = verdict is not None
        child.verdict = verdict or parent.verdict  # unjudged, it is taken for as good as what it continues
        child.logit = bounded(child.verdict.score) / self._shape.temperature
        child.gumbel = -math.log(self._gumbels.expovariate(1.0) or 1e-300)
        child.is_cut = not is_finished and self._growth(child) < 1
        parent.children.append(child)
        self._nodes.append(child)
        self._has_finished = self._has_finished or is_finished
        return child

    def _carry_up(self, node: Node | None) -> None:
        """A parent is worth what its children are together."""
        while node is not None and not node.is_committed and node.children:
            node.logit = logsumexp([child.logit for child in node.children])
            node = node.parent

    # --- the beam ---

    def _commit(self) -> None:
        """Sample the beam one level deeper, top down and without replacement; prune the rest."""
        candidates: list[Node] = []
        for node in self._beam:
            children = [child for child in node.children if not child.is_pruned and self._leads_on(child)]
            if children:
                perturb(node, children)
            elif self._is_open(node):
                children = [node]
            candidates.extend(children)
        candidates.sort(key=lambda node: node.g_phi, reverse=True)
        self._beam = candidates[: self._shape.beam_width]
        for node in self._beam:
            node.is_committed = True
        for node in candidates[self._shape.beam_width :]:
            for branch in node.nodes():
                branch.is_pruned = True
        self._level += 1

    def _begin_again(self) -> None:
        """Nothing is left to extend below the beam: draw further first chunks."""
        for node in self._nodes[1:]:
            node.is_pruned = True
        self._beam, self._level = [self._root], 0
        self._root.g_phi = self._root.phi = 0.0

    def _open_leaves(self) -> Iterator[Node]:
        for top in self._beam:
            if top is self._root and all(child.is_pruned for child in top.children):
                yield top
            yield from (n for n in top.nodes() if n is not self._root and not n.children and self._is_open(n))

    def _is_open(self, node: Node) -> bool:
        """Whether a leaf may be extended now."""
        within = node.depth < self._level + self._shape.max_lookahead
        return within and not (node.is_finished or node.is_cut or node.is_pruned)

    def _leads_on(self, node: Node) -> bool:
        """Whether something below a node can still grow, now or when the beam is deeper."""
        leaves = (leaf for leaf in node.nodes() if not leaf.children)
        return any(not (leaf.is_finished or leaf.is_cut or leaf.is_pruned) for leaf in leaves)

    # --- what it costs, and how it ends ---

    def _growth(self, node: Node) -> int:
        return self._bounds.max_reply_tokens - len(node.token_ids)

    def _spendable(self) -> int:
        """Tokens for the search. Until a branch has ended, some are kept to bring one to its end."""
        if self._has_finished:
            return self._unspent
        kept = min(self._bounds.max_reply_tokens, self._bounds.budget_tokens // 2)
        return self._unspent - kept

    def _planned_children(self) -> int:
        open_tokens = self._unspent + sum(flight.reserved_tokens for flight in self._flights)
        return self._landed_children + open_tokens // self._shape.chunk_tokens

    async def _complete(self) -> None:
        """Sample the best branch on until it ends."""
        node = self._best_open()
        while not self._is_over and self._barren < MAX_BARREN:
            max_tokens = min(self._shape.chunk_tokens, self._growth(node), self._unspent)
            if max_tokens < 1 or node.is_finished:
                return
            self._unspent -= max_tokens
            landed = await self._expand(node, 1, max_tokens, self._seeds.getrandbits(31), [])
            born = self._land(node, max_tokens, landed)
            node = born[0] if born else node

    def _best_open(self) -> Node:
        """The unfinished branch that the judge likes best among those that may still grow."""
        leaves = [n for n in self._nodes[1:] if not (n.is_finished or n.is_cut or n.children)]
        return max(leaves, key=lambda n: (n.verdict.score, len(n.token_ids)), default=self._root)

    def keep_unjudged(self) -> None:
        """At the deadline: what was sampled in time but not judged is better than nothing."""
        for flight in self._flights:
            if flight.sampled:
                self._land(flight.node, flight.reserved_tokens, _Landed(completions=flight.sampled))
        self._flights.clear()

    def woven(self) -> Woven:
        finished = [node for node in self._nodes if node.is_finished]
        finished.sort(key=lambda node: (not node.is_judged, -node.verdict.score, node.id))
        unfinished = [node for node in self._nodes[1:] if not (node.is_finished or node.children)]
        # A branch as long as it may be is nearer to an end than one that was left behind.
        best_open = max(unfinished, key=lambda node: (node.is_cut, node.verdict.score), default=None)
        if not finished and best_open is None:
            raise self._error or RequestError("The model gave no reply in time. Ask again.")
        return Woven(
            root=self._root,
            finished=tuple(finished),
            open=best_open,
            generated_tokens=self._bounds.budget_tokens - self._unspent,
        )


def _descending(leaf: Node) -> tuple[bool, float, int]:
    """The key that puts the leaf to be expanded next at the top of a heap."""
    is_committed, perturbed_logit = leaf.priority
    return not is_committed, -perturbed_logit, leaf.id


def _within(completion: Completion, max_tokens: int) -> Completion:
    if len(completion.token_ids) <= max_tokens:
        return completion
    return Completion(token_ids=completion.token_ids[:max_tokens], finished=False)
