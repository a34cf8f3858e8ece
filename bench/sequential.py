"""The search that Weave is measured against: one expansion at a time, judged one by one, a sampled end.

Follows MiniHF's weave step by step, on token ids instead of text. The one thing added: a branch that the
model has ended is not extended, as it would run on into the next turn. Shares no code with
engine.search.weave beyond the values that go in and out, so that each can be checked by the other.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from engine.types import Completion, TokenIds

Sample = Callable[[TokenIds, int, int, int], Awaitable[Sequence[Completion]]]
JudgeOne = Callable[[TokenIds], Awaitable[float]]


@dataclass(eq=False)
class Branch:
    """A node of the sequential tree."""

    token_ids: TokenIds
    parent: Branch | None = None
    is_finished: bool = False
    gumbel: float = 0.0
    depth: int = 0
    score: float = 0.0
    logit: float = -math.inf
    phi: float = 0.0
    g_phi: float = 0.0
    is_committed: bool = False
    children: list[Branch] = field(default_factory=list)

    def __lt__(self, other: Branch) -> bool:
        return self._rank() > other._rank()  # heapq gives the least; we want the greatest

    def _rank(self) -> tuple[bool, float]:
        return self.is_committed and not self.children, self.logit + self.gumbel

    def leaves(self) -> list[Branch]:
        if not self.children:
            return [self]
        return [leaf for child in self.children for leaf in child.leaves()]


@dataclass(frozen=True)
class Found:
    """What the search gave back, and how it went about it."""

    reply: TokenIds
    is_finished: bool
    expanded: tuple[TokenIds, ...]
    committed: tuple[TokenIds, ...]
    generated_tokens: int


async def sequential_search(
    sample: Sample,
    judge_one: JudgeOne,
    *,
    budget: int,
    round_budget: int,
    expand: int,
    chunk_tokens: int,
    max_lookahead: int,
    temperature: float,
    seed: int,
    beam_width: int = 1,
) -> Found:
    """The ancestor's algorithm; `budget` and `round_budget` count children."""
    gumbels, seeds = random.Random(f"{seed} gumbels"), random.Random(f"{seed} seeds")
    root = Branch(token_ids=(), is_committed=True)
    beam, generated, level = [root], 0, 0
    expanded: list[TokenIds] = []
    committed: list[TokenIds] = []
    while budget > 0:
        round_left = round_budget
        heap = [leaf for top in beam for leaf in top.leaves() if _may_grow(leaf, level + max_lookahead)]
        heapq.heapify(heap)
        if not heap:
            break
        while budget > 0 and round_left > 0 and heap:
            chosen = heapq.heappop(heap)
            expanded.append(chosen.token_ids)
            count = min(expand, budget, round_left)
            completions = await sample(chosen.token_ids, count, chunk_tokens, seeds.getrandbits(31))
            for completion in completions:
                child = Branch(chosen.token_ids + completion.token_ids, chosen, completion.finished)
                child.depth = chosen.depth + 1
                child.score = await judge_one(child.token_ids)
                child.gumbel = -math.log(gumbels.expovariate(1.0))
                _attach(child, chosen, temperature)
                if _may_grow(child, level + max_lookahead):
                    heapq.heappush(heap, child)
                generated += len(completion.token_ids)
                budget -= 1
                round_left -= 1
        beam = _next_beam(beam, beam_width)
        committed.extend(node.token_ids for node in beam)
        level += 1
    best = max((leaf for top in beam for leaf in top.leaves()), key=lambda leaf: leaf.phi + leaf.gumbel)
    return Found(best.token_ids, best.is_finished, tuple(expanded), tuple(committed), generated)


def _may_grow(leaf: Branch, depth: int) -> bool:
    return leaf.depth < depth and not leaf.is_finished


def _attach(child: Branch, parent: Branch, temperature: float) -> None:
    parent.children.append(child)
    child.logit = child.score / temperature
    node: Branch | None = parent
    while node is not None and not node.is_committed:
        node.logit = _logsumexp([below.logit for below in node.children])
        node = node.parent


def _next_beam(beam: Sequence[Branch], width: int) -> list[Branch]:
    expansions: list[Branch] = []
    for node in beam:
        _update_phi(node)
        if not node.children:
            expansions.append(node)
            continue
        for child in node.children:
            child.g_phi = child.phi + child.gumbel
        greatest = max(child.g_phi for child in node.children)
        for child in node.children:
            below = child.g_phi - greatest
            v = node.g_phi - child.g_phi + (math.log(-math.expm1(below)) if below < 0 else -math.inf)
            child.g_phi = node.g_phi - max(0.0, v) - math.log1p(math.exp(-abs(v)))
            expansions.append(child)
    expansions.sort(key=lambda node: node.g_phi, reverse=True)
    for node in expansions[:width]:
        node.is_committed = True
    return expansions[:width]


def _update_phi(node: Branch) -> None:
    if node.children:
        total = _logsumexp([child.logit for child in node.children])
        for child in node.children:
            child.phi = node.phi + child.logit - total
            _update_phi(child)


def _logsumexp(values: Sequence[float]) -> float:
    greatest = max(values)
    return greatest + math.log(sum(math.exp(value - greatest) for value in values))
