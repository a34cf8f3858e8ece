"""The search on a scripted world: tokens are numbers, the judge adds up what it likes."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.sequential import sequential_search
from engine.errors import EngineDownError, EngineError, RequestError
from engine.judging.judge import Verdict
from engine.search.tree import Node, perturb
from engine.search.weave import (
    FIRST_CHUNKS,
    WAVE_EXPANSIONS,
    Bounds,
    Shape,
    Woven,
    weave,
)
from engine.types import Completion, TokenIds

END = 999  # the token after which a scripted branch has ended


class World:
    """Samples and judges by a fixed rule: the same call gives the same answer, whatever happens around it."""

    def __init__(self, *, end_chance: float = 0.2, delays: random.Random | None = None) -> None:
        self.end_chance = end_chance
        self.delays = delays
        self.running = 0
        self.tokens = 0
        self.fail_sample: Callable[[int], EngineError | None] = lambda call: None
        self.fail_judge: Callable[[int], EngineError | None] = lambda call: None
        self.calls = 0
        self.judgements = 0

    async def sample(self, prefix: TokenIds, count: int, max_tokens: int, seed: int) -> Sequence[Completion]:
        self.calls += 1
        call = self.calls
        await self._wait()
        if error := self.fail_sample(call):
            raise error
        return [self._completion(random.Random(f"{prefix} {seed} {i}"), max_tokens) for i in range(count)]

    def _completion(self, rng: random.Random, max_tokens: int) -> Completion:
        tokens: list[int] = []
        while len(tokens) < max_tokens:
            self.tokens += 1
            if rng.random() < self.end_chance:
                return Completion(token_ids=(*tokens, END), finished=True)
            tokens.append(rng.randrange(999))
        return Completion(token_ids=tuple(tokens), finished=False)

    async def judge(self, replies: Sequence[TokenIds], finished: Sequence[bool]) -> Sequence[Verdict]:
        assert len(finished) == len(replies)
        self.judgements += 1
        call = self.judgements
        await self._wait()
        if error := self.fail_judge(call):
            raise error
        return [Verdict(score=score_of(reply)) for reply in replies]

    async def judge_one(self, reply: TokenIds) -> float:
        return score_of(reply)

    async def _wait(self) -> None:
        self.running += 1
        try:
            await asyncio.sleep(self.delays.random() / 500 if self.delays else 0)
        finally:
            self.running -= 1


def score_of(reply: TokenIds) -> float:
    return sum(1.0 if token % 2 else -1.0 for token in reply) / math.sqrt(len(reply))


def outline(woven: Woven) -> list[tuple[int, int | None, TokenIds, bool]]:
    nodes = sorted(woven.root.nodes(), key=lambda node: node.id)
    return [(n.id, n.parent.id if n.parent else None, n.chunk, n.is_committed) for n in nodes]


SHAPE = Shape(chunk_tokens=4, children=4, round_children=12, width=3, beam_width=3)
BOUNDS = Bounds(budget_tokens=200, max_reply_tokens=24, deadline_s=30)


async def grow(world: World, *, shape: Shape = SHAPE, bounds: Bounds = BOUNDS, seed: int = 1) -> Woven:
    return await weave(world.sample, world.judge, shape=shape, bounds=bounds, seed=seed)


async def test_the_answer_is_the_best_finished_branch() -> None:
    woven = await grow(World())
    assert woven.best.is_finished
    finished = [node for node in woven.root.nodes() if node.is_finished]
    assert len(finished) > 1
    assert woven.best.verdict.score == max(score_of(node.token_ids) for node in finished)
    assert [node.verdict.score for node in woven.finished] == sorted(
        (node.verdict.score for node in finished), reverse=True
    )


async def test_a_finished_branch_is_never_extended() -> None:
    woven = await grow(World(end_chance=0.3))
    assert not any(node.children for node in woven.root.nodes() if node.is_finished)


@settings(max_examples=60, deadline=None)
@given(
    end_chance=st.sampled_from([0.0, 0.02, 0.2, 0.9, 1.0]),
    chunk=st.integers(1, 9),
    children=st.integers(1, 7),
    round_children=st.integers(1, 20),
    width=st.integers(1, 6),
    beam=st.integers(1, 4),
    lookahead=st.integers(1, 4),
    budget=st.integers(1, 300),
    max_reply=st.integers(1, 40),
    seed=st.integers(0, 10**9),
)
def test_it_ends_within_its_budget_with_finite_numbers(
    end_chance: float,
    chunk: int,
    children: int,
    round_children: int,
    width: int,
    beam: int,
    lookahead: int,
    budget: int,
    max_reply: int,
    seed: int,
) -> None:
    world = World(end_chance=end_chance)
    shape = Shape(
        chunk_tokens=chunk,
        children=children,
        round_children=round_children,
        width=width,
        beam_width=beam,
        max_lookahead=lookahead,
    )
    bounds = Bounds(budget_tokens=budget, max_reply_tokens=max_reply, deadline_s=30)
    try:
        woven = asyncio.run(grow(world, shape=shape, bounds=bounds, seed=seed))
    except RequestError:
        assert budget < 1  # a budget of one token makes a start
        raise
    assert world.tokens <= budget
    assert woven.generated_tokens == world.tokens
    for node in woven.root.nodes():
        assert all(map(math.isfinite, (node.logit, node.gumbel, node.verdict.score, node.g_phi)))
        assert len(node.token_ids) <= max_reply
        assert not (node.is_finished and node.children)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
async def test_the_tree_depends_on_the_seed_and_not_on_what_lands_first(width: int) -> None:
    shape = Shape(chunk_tokens=4, children=3, round_children=9, width=width)
    trees = [
        outline(await grow(World(end_chance=0.1, delays=random.Random(order)), shape=shape))
        for order in range(4)
    ]
    assert all(tree == trees[0] for tree in trees)
    assert outline(await grow(World(end_chance=0.1), shape=shape, seed=2)) != trees[0]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("beam_width", [1, 3])
async def test_a_width_of_one_is_the_sequential_search(seed: int, beam_width: int) -> None:
    world = World(end_chance=0.0)
    expanded: list[TokenIds] = []
    shape = Shape(chunk_tokens=3, children=4, round_children=12, width=1, beam_width=beam_width)
    bounds = Bounds(budget_tokens=2 * 36 * 3, max_reply_tokens=36 * 3, deadline_s=30)
    await weave(
        world.sample,
        world.judge,
        shape=shape,
        bounds=bounds,
        seed=seed,
        on_expand=lambda node: expanded.append(node.token_ids),
    )
    found = await sequential_search(
        world.sample,
        world.judge_one,
        budget=36,
        round_budget=12,
        expand=4,
        chunk_tokens=3,
        max_lookahead=3,
        temperature=1.0,
        seed=seed,
        beam_width=beam_width,
    )
    assert len(found.expanded) == 9
    assert tuple(expanded) == found.expanded


async def test_several_expansions_are_in_flight_before_the_first_is_judged() -> None:
    world = World(end_chance=0.0, delays=random.Random(3))
    begun: list[tuple[int, int]] = []
    await weave(
        world.sample,
        world.judge,
        shape=SHAPE,
        bounds=BOUNDS,
        seed=1,
        on_expand=lambda node: begun.append((node.depth, world.judgements)),
    )
    first_judged = [node_depth for node_depth, judgements in begun if judgements == 1]
    assert begun[0] == (0, 0)
    assert len(first_judged) == SHAPE.width


@pytest.mark.parametrize("first_chunk_tokens", [4, 12, 24])
async def test_beginnings_leave_enough_to_go_on_with(first_chunk_tokens: int) -> None:
    shape = replace(SHAPE, first_chunk_tokens=first_chunk_tokens)
    woven = await grow(World(end_chance=0.0), shape=shape, bounds=replace(BOUNDS, max_reply_tokens=48))
    beginnings = woven.root.children
    assert 0 < len(beginnings) * first_chunk_tokens <= FIRST_CHUNKS * BOUNDS.budget_tokens
    assert any(node.children for node in beginnings)


async def test_identical_children_are_one_and_judged_once() -> None:
    judged: list[Sequence[TokenIds]] = []

    async def sample(prefix: TokenIds, count: int, max_tokens: int, seed: int) -> list[Completion]:
        return [Completion(token_ids=(1, END), finished=True)] * count

    async def judge(replies: Sequence[TokenIds], finished: Sequence[bool]) -> list[Verdict]:
        judged.append(replies)
        return [Verdict(score=1.0) for _ in replies]

    woven = await weave(sample, judge, shape=SHAPE, bounds=BOUNDS, seed=1)
    assert len(woven.finished) == 1
    assert all(replies == [(1, END)] for replies in judged)


async def test_no_wave_is_begun_for_the_last_crumbs_of_the_budget() -> None:
    begun: list[int] = []
    world = World(end_chance=0.3)

    async def sample(prefix: TokenIds, count: int, max_tokens: int, seed: int) -> Sequence[Completion]:
        begun.append(count * max_tokens)
        return await world.sample(prefix, count, max_tokens, seed)

    woven = await weave(sample, world.judge, shape=SHAPE, bounds=BOUNDS, seed=1)
    whole = WAVE_EXPANSIONS * SHAPE.children * SHAPE.chunk_tokens
    assert BOUNDS.budget_tokens - whole < woven.generated_tokens <= BOUNDS.budget_tokens
    assert len(begun) > 5


@pytest.mark.parametrize(
    "odd",
    [
        [],
        [Completion(token_ids=(), finished=False)],
        [Completion(token_ids=(), finished=True)],
        [Completion(token_ids=(1,), finished=False)],
        [Completion(token_ids=(1,) * 500, finished=True)],
        [Completion(token_ids=(2,), finished=True)] * 100,
    ],
    ids=["none", "empty", "ends at once", "short", "too long", "too many"],
)
async def test_whatever_a_backend_returns_the_search_ends(odd: list[Completion]) -> None:
    async def sample(prefix: TokenIds, count: int, max_tokens: int, seed: int) -> list[Completion]:
        return odd

    try:
        woven = await asyncio.wait_for(
            weave(sample, World().judge, shape=SHAPE, bounds=BOUNDS, seed=1), timeout=5
        )
    except RequestError:
        assert not any(completion.token_ids for completion in odd)
        return
    assert 0 < woven.generated_tokens <= BOUNDS.budget_tokens
    assert len(woven.best.token_ids) <= BOUNDS.max_reply_tokens


async def test_a_judge_that_fails_costs_the_order_and_not_the_reply() -> None:
    world = World()
    world.fail_judge = lambda call: RequestError("no")
    woven = await grow(world)
    assert woven.best.is_finished
    assert all(node.verdict.score == 0 for node in woven.root.nodes())


async def test_a_judged_reply_goes_before_an_unjudged_one() -> None:
    world = World()
    world.fail_judge = lambda call: RequestError("no") if call % 2 else None
    woven = await grow(world)
    judged = [node.is_judged for node in woven.finished]
    assert judged == sorted(judged, reverse=True)


async def test_a_judge_that_gives_no_number_leaves_scores_finite() -> None:
    world = World()

    async def judge(replies: Sequence[TokenIds], finished: Sequence[bool]) -> list[Verdict]:
        return [
            Verdict(score=value)
            for value, _ in zip((math.nan, math.inf, -math.inf) * 9, replies, strict=False)
        ]

    woven = await weave(world.sample, judge, shape=SHAPE, bounds=BOUNDS, seed=1)
    assert all(math.isfinite(node.logit) for node in woven.root.nodes())


async def test_a_backend_that_fails_now_and_then_still_gives_the_best_of_the_rest() -> None:
    world = World()
    world.fail_sample = lambda call: RequestError("no") if call % 2 else None
    woven = await grow(world)
    assert woven.best.is_finished
    assert woven.generated_tokens <= BOUNDS.budget_tokens


async def test_a_backend_that_always_fails_is_told_as_its_own_error() -> None:
    world = World()
    world.fail_sample = lambda call: RequestError("the model is on fire")
    with pytest.raises(RequestError, match="on fire"):
        await grow(world)


async def test_an_engine_that_dies_ends_the_search_with_what_there_is() -> None:
    world = World(end_chance=0.3)
    world.fail_sample = lambda call: EngineDownError("gone") if call > 1 else None
    woven = await grow(world)
    assert woven.best.is_finished
    assert world.calls <= 1 + SHAPE.width


async def test_where_nothing_ends_in_time_the_best_branch_is_brought_to_its_end() -> None:
    class Late(World):
        def _completion(self, rng: random.Random, max_tokens: int) -> Completion:
            self.tokens += max_tokens
            return Completion(token_ids=tuple(rng.randrange(999) for _ in range(max_tokens)), finished=False)

        async def sample(
            self, prefix: TokenIds, count: int, max_tokens: int, seed: int
        ) -> Sequence[Completion]:
            if len(prefix) >= 20:
                return [Completion(token_ids=(END,), finished=True)]
            return await super().sample(prefix, count, max_tokens, seed)

    bounds = Bounds(budget_tokens=96, max_reply_tokens=24, deadline_s=30)
    woven = await grow(Late(), bounds=bounds)
    assert woven.best.is_finished
    assert len(woven.finished) == 1
    assert woven.generated_tokens <= 96


async def test_a_model_that_never_ends_gives_its_best_branch_uncut_by_the_search() -> None:
    woven = await grow(World(end_chance=0.0))
    assert not woven.finished
    assert woven.open is not None
    assert len(woven.best.token_ids) == BOUNDS.max_reply_tokens


async def test_the_deadline_is_kept_and_leaves_nothing_running() -> None:
    began: list[float] = []
    loop = asyncio.get_running_loop()

    class Slow(World):
        async def _wait(self) -> None:
            self.running += 1
            began.append(loop.time())
            try:
                await asyncio.sleep(0.03)
            finally:
                self.running -= 1

    world = Slow()
    started = loop.time()
    bounds = Bounds(budget_tokens=10**6, max_reply_tokens=24, deadline_s=0.2)
    woven = await grow(world, bounds=bounds)
    assert max(began) - started <= 0.2 + 0.03  # nothing is begun later, however busy the machine is
    assert loop.time() - started < 2.0  # it would go on for hours
    assert woven.best.token_ids
    assert world.running == 0


async def test_what_was_sampled_but_not_judged_by_the_deadline_is_kept() -> None:
    async def judge(replies: Sequence[TokenIds], finished: Sequence[bool]) -> list[Verdict]:
        await asyncio.sleep(60)
        raise AssertionError

    bounds = Bounds(budget_tokens=100, max_reply_tokens=24, deadline_s=0.2)
    woven = await weave(World(end_chance=0.5).sample, judge, shape=SHAPE, bounds=bounds, seed=1)
    assert woven.best.is_finished
    assert not woven.best.is_judged


async def test_a_deadline_that_nothing_met_is_an_error_that_says_so() -> None:
    async def sample(prefix: TokenIds, count: int, max_tokens: int, seed: int) -> list[Completion]:
        await asyncio.sleep(60)
        raise AssertionError

    bounds = Bounds(budget_tokens=100, max_reply_tokens=24, deadline_s=0.02)
    with pytest.raises(RequestError, match="in time"):
        await weave(sample, World().judge, shape=SHAPE, bounds=bounds, seed=1)


async def test_cancelling_it_at_any_await_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    for ticks in itertools.count():
        world = World(end_chance=0.05)
        search = asyncio.create_task(grow(world))
        for _ in range(ticks):
            await asyncio.sleep(0)
        if search.done():
            break
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search
        assert world.running == 0
        assert asyncio.all_tasks() == before
    assert ticks > 20


async def test_it_stops_as_soon_as_a_whole_reply_is_enough() -> None:
    world = World()
    bounds = Bounds(budget_tokens=100_000, max_reply_tokens=24, deadline_s=30)
    woven = await weave(
        world.sample,
        world.judge,
        shape=SHAPE,
        bounds=bounds,
        seed=1,
        is_enough=lambda verdict: verdict.score > 0.5,
    )
    assert woven.best.verdict.score > 0.5
    assert world.calls < 30
    assert world.running == 0


async def test_progress_counts_branches_up_to_what_was_planned() -> None:
    world = World(end_chance=0.0)
    seen: list[tuple[int, int]] = []
    bounds = Bounds(budget_tokens=72 * 4 + 24, max_reply_tokens=24, deadline_s=30)
    await weave(
        world.sample,
        world.judge,
        shape=SHAPE,
        bounds=bounds,
        seed=1,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[0] == (0, 78)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert all(done <= total for done, total in seen)


def test_the_beam_is_a_sample_without_replacement_with_the_right_probabilities() -> None:
    scores = [0.0, 0.7, -1.0, 1.2]
    weights = [math.exp(score) for score in scores]
    total = sum(weights)
    rng = random.Random(5)
    draws = 20_000
    seen: Counter[tuple[int, int]] = Counter()
    for _ in range(draws):
        root = Node(id=0, parent=None, chunk=(), token_ids=())
        children = [
            Node(id=i, parent=root, chunk=(i,), token_ids=(i,), logit=s) for i, s in enumerate(scores)
        ]
        for child in children:
            child.gumbel = -math.log(rng.expovariate(1.0))
        perturb(root, children)
        first, second = sorted(children, key=lambda child: -child.g_phi)[:2]
        seen[first.id, second.id] += 1
    chi_square = 0.0
    for a in range(4):
        for b in range(4):
            if a != b:
                expected = draws * weights[a] / total * weights[b] / (total - weights[a])
                chi_square += (seen[a, b] - expected) ** 2 / expected
    assert chi_square < 31.3  # 11 degrees of freedom, p = 0.001


async def test_the_beam_of_a_whole_search_is_such_a_sample() -> None:
    scores = {1: 0.0, 2: 0.7, 3: -1.0, 4: 1.2}

    async def sample(prefix: TokenIds, count: int, max_tokens: int, seed: int) -> list[Completion]:
        chunks = [(5,)] * count if prefix else [(token,) for token in scores]
        return [Completion(token_ids=chunk, finished=False) for chunk in chunks]

    async def judge(replies: Sequence[TokenIds], finished: Sequence[bool]) -> list[Verdict]:
        return [Verdict(score=scores[reply[0]]) for reply in replies]

    shape = Shape(chunk_tokens=1, children=4, round_children=4, width=1, beam_width=2)
    bounds = Bounds(budget_tokens=9, max_reply_tokens=4, deadline_s=30)
    draws = 2000
    seen: Counter[frozenset[int]] = Counter()
    for seed in range(draws):
        woven = await weave(sample, judge, shape=shape, bounds=bounds, seed=seed)
        seen[frozenset(node.chunk[0] for node in woven.root.children if node.is_committed)] += 1
    weights = {token: math.exp(score) for token, score in scores.items()}
    total = sum(weights.values())
    chi_square = 0.0
    for a, b in itertools.combinations(scores, 2):
        either_first = 1 / (total - weights[a]) + 1 / (total - weights[b])
        expected = draws * weights[a] * weights[b] / total * either_first
        chi_square += (seen[frozenset((a, b))] - expected) ** 2 / expected
    assert chi_square < 20.5  # 5 degrees of freedom, p = 0.001


def test_a_beam_over_two_parents_is_sampled_as_if_its_leaves_were_one_list() -> None:
    """Top-down over two levels must give each pair of grandchildren its probability."""
    logits = {0: [0.0, 1.0], 1: [0.5, -0.5]}
    leaves = [(parent, i, logit) for parent, row in logits.items() for i, logit in enumerate(row)]
    total = sum(math.exp(logit) for *_, logit in leaves)
    rng = random.Random(11)
    seen: Counter[tuple[int, int]] = Counter()
    draws = 20_000
    for _ in range(draws):
        root = Node(id=0, parent=None, chunk=(), token_ids=())
        parents = []
        for number, row in logits.items():
            logit = math.log(sum(map(math.exp, row)))
            parents.append(Node(id=number, parent=root, chunk=(), token_ids=(), logit=logit))
            parents[-1].gumbel = -math.log(rng.expovariate(1.0))
        perturb(root, parents)
        children = []
        for parent in parents:
            mine = [
                Node(
                    id=i,
                    parent=parent,
                    chunk=(),
                    token_ids=(),
                    logit=logit,
                    gumbel=-math.log(rng.expovariate(1.0)),
                )
                for i, logit in enumerate(logits[parent.id])
            ]
            perturb(parent, mine)
            children.extend(mine)
        best = max(children, key=lambda child: child.g_phi)
        assert best.parent is not None
        seen[best.parent.id, best.id] += 1
    chi_square = sum(
        (seen[parent, i] - draws * math.exp(logit) / total) ** 2 / (draws * math.exp(logit) / total)
        for parent, i, logit in leaves
    )
    assert chi_square < 16.3  # 3 degrees of freedom, p = 0.001
