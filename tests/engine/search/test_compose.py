"""Composing a reply on the scripted backend, whose best reply is the unnumbered one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engine.backends.scripted import ScriptedBackend
from engine.errors import EngineDownError, RequestError
from engine.judging.judge import Judge
from engine.judging.rubric import Question, note_questions
from engine.ports import Watch
from engine.search.compose import FINALISTS, compose
from engine.search.endings import end_of_last_sentence
from engine.search.reliability import order, prefix_reliability
from engine.types import (
    Completion,
    Composed,
    Limits,
    LoraRef,
    Mode,
    Prompt,
    Role,
    Sampling,
    TokenIds,
    TreeNode,
    Turn,
)

LIMITS = Limits(max_reply_tokens=64, budget_tokens=1500, deadline_s=20.0, samples=4)
GOOD = Question(name="good", text="Is it good?")


def prompt(text: str = "hello") -> Prompt:
    return Prompt(turns=(Turn(role=Role.USER, text=text),))


async def made(
    mode: Mode,
    *,
    backend: ScriptedBackend | None = None,
    limits: Limits = LIMITS,
    questions: Sequence[Question] = (GOOD,),
    text: str = "hello",
    reliability: float | None = None,
    lora: LoraRef | None = None,
    progress: list[tuple[int, int]] | None = None,
) -> Composed:
    backend = backend or ScriptedBackend()
    return await compose(
        backend,
        prompt(text),
        judge=Judge(backend, questions, lora),
        mode=mode,
        limits=limits,
        seed=7,
        lora=lora,
        on_progress=None if progress is None else lambda done, total: progress.append((done, total)),
        prefix_reliability=reliability,
    )


@pytest.mark.parametrize("mode", list(Mode))
async def test_every_mode_gives_the_reply_the_judge_likes_best(mode: Mode) -> None:
    composed = await made(mode)
    assert composed.best.text == "echo: hello"
    assert composed.mode is not Mode.AUTO
    assert composed.seconds >= 0
    assert 0 < composed.generated_tokens <= LIMITS.budget_tokens


async def test_fast_samples_once() -> None:
    composed = await made(Mode.FAST)
    assert (composed.mode, composed.others) == (Mode.FAST, ())


async def test_best_keeps_the_other_samples_in_the_judges_order() -> None:
    composed = await made(Mode.BEST)
    assert [one.text for one in composed.others] == ["echo: hello #2", "echo: hello #3", "echo: hello #4"]
    scores = [composed.best.score, *(one.score for one in composed.others)]
    assert scores == sorted(scores, reverse=True)
    assert set(composed.best.answers) == {"good"}


async def test_the_tree_holds_every_branch_and_marks_the_chosen_path() -> None:
    for mode in (Mode.BEST, Mode.WEAVE):
        composed = await made(mode, text="a somewhat longer request than the size of one chunk")
        by_id = {node.id: node for node in composed.tree}
        assert len(by_id) == len(composed.tree)
        chosen = [node for node in composed.tree if node.is_chosen]
        assert "".join(node.text for node in chosen) == composed.best.text
        assert all(node.parent in by_id for node in composed.tree if node.parent is not None)


async def test_auto_stops_at_a_few_samples_when_the_judge_is_content() -> None:
    backend = ScriptedBackend()
    composed = await made(Mode.AUTO, backend=backend)
    assert composed.mode is Mode.BEST
    assert len(backend.used) == 2  # one call that samples, one that asks


async def test_auto_spends_more_when_the_judge_is_not_content() -> None:
    never = Question(name="never", text="Is it good?", weight=-1.0, is_wish=True)
    samples = await made(Mode.AUTO, questions=[GOOD, never], reliability=0.55)
    assert samples.mode is Mode.BEST
    assert len(samples.others) > LIMITS.samples
    tree = await made(Mode.AUTO, questions=[GOOD, never], reliability=0.9)
    assert tree.mode is Mode.WEAVE
    unmeasured = await made(Mode.AUTO, questions=[GOOD, never], reliability=None)
    assert unmeasured.mode is Mode.WEAVE


async def test_auto_samples_once_where_there_is_nothing_to_choose_by() -> None:
    assert (await made(Mode.AUTO, questions=())).mode is Mode.FAST


async def test_a_lora_samples_and_judges() -> None:
    backend = ScriptedBackend()
    lora = LoraRef(name="p/1", id=1, path=Path("p/1"))
    await made(Mode.WEAVE, backend=backend, lora=lora)
    assert set(backend.used) == {"p/1"}


@pytest.mark.parametrize("mode", list(Mode))
async def test_progress_ends_where_it_said_it_would_or_before(mode: Mode) -> None:
    progress: list[tuple[int, int]] = []
    await made(mode, progress=progress)
    assert progress
    assert all(0 <= done <= total for done, total in progress)


@pytest.mark.parametrize("mode", list(Mode))
async def test_the_same_seed_gives_the_same_reply(mode: Mode) -> None:
    first, second = await made(mode), await made(mode)
    assert (first.best, first.others, first.tree) == (second.best, second.others, second.tree)


class Failing(ScriptedBackend):
    """Fails at chosen calls of `sample` (counted from 1) and always at `ask` if told to."""

    def __init__(self, *, samples: Sequence[int] = (), asks: bool = False) -> None:
        super().__init__()
        self._calls = 0
        self._bad, self._asks = samples, asks

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        self._calls += 1
        if self._calls in self._bad:
            raise EngineDownError("the engine died")
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        if self._asks:
            raise RequestError("no answer")
        return await super().ask(prompts, lora=lora)


@pytest.mark.parametrize("mode", list(Mode))
async def test_a_judge_that_fails_still_lets_a_reply_out(mode: Mode) -> None:
    composed = await made(mode, backend=Failing(asks=True))
    assert composed.best.text.startswith("echo: hello")


@pytest.mark.parametrize("mode", list(Mode))
async def test_a_backend_that_is_down_is_told_as_such(mode: Mode) -> None:
    with pytest.raises(EngineDownError, match="died"):
        await made(mode, backend=Failing(samples=range(1, 100)))


async def test_an_engine_that_dies_after_the_first_samples_loses_none_of_them() -> None:
    never = Question(name="never", text="Is it good?", weight=-1.0)
    for reliability in (0.5, 0.9):
        composed = await made(
            Mode.AUTO,
            backend=Failing(samples=range(2, 100)),
            questions=[GOOD, never],
            reliability=reliability,
        )
        assert composed.best.text.startswith("echo: hello")


async def test_a_reply_longer_than_its_limit_ends_with_a_sentence() -> None:
    text = "One thing. Another thing. And then something that goes on and on and on without an end in sight"
    composed = await made(Mode.BEST, text=text, limits=Limits(max_reply_tokens=50, budget_tokens=400))
    assert composed.best.text == "echo: One thing. Another thing."


async def test_a_prompt_that_fills_the_context_says_what_to_do() -> None:
    with pytest.raises(RequestError, match="start a new one"):
        await made(Mode.FAST, backend=ScriptedBackend(max_context=40))


@pytest.mark.parametrize("mode", list(Mode))
async def test_the_deadline_is_kept(mode: Mode) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    limits = Limits(max_reply_tokens=64, budget_tokens=10**6, deadline_s=0.6, samples=4)
    never = Question(name="never", text="Is it good?", weight=-1.0)
    backend = ScriptedBackend(delay_s=0.16)
    composed = await made(mode, backend=backend, questions=[GOOD, never], limits=limits)
    assert composed.best.text
    assert loop.time() - started < 3.0  # 0.6 s where the machine is not busy; without a deadline far more


async def test_once_stopped_the_best_so_far_is_the_reply() -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    started = loop.time()
    limits = Limits(max_reply_tokens=64, budget_tokens=10**6, deadline_s=60.0, samples=4)
    backend = ScriptedBackend(delay_s=0.16)
    never = Question(name="never", text="Is it good?", weight=-1.0)
    loop.call_later(0.6, stop.set)
    composed = await compose(
        backend,
        prompt(),
        judge=Judge(backend, [GOOD, never]),
        mode=Mode.WEAVE,
        limits=limits,
        seed=7,
        stop=stop,
    )
    assert composed.best.text
    assert loop.time() - started < 3.0


async def test_a_slow_model_that_ends_nothing_in_time_is_shown_as_far_as_it_came() -> None:
    class Rambling(ScriptedBackend):
        """Begins quickly, and does not come to an end."""

        async def sample(
            self,
            prefix: TokenIds,
            *,
            n: int,
            sampling: Sampling,
            lora: LoraRef | None = None,
            watch: Watch | None = None,
        ) -> Sequence[Completion]:
            await asyncio.sleep(0.0 if sampling.max_tokens > 100 else 5.0)
            said = self.encode_text("It is so. " * 20)[: sampling.max_tokens]
            return [Completion(token_ids=said, finished=False)] * n

    limits = Limits(max_reply_tokens=150, budget_tokens=10**6, deadline_s=0.3, samples=4)
    composed = await made(Mode.AUTO, backend=Rambling(), limits=limits)
    assert composed.best.text.endswith("It is so.")


async def test_a_deadline_that_leaves_nothing_is_an_error_that_says_what_to_do() -> None:
    limits = Limits(max_reply_tokens=64, budget_tokens=1500, deadline_s=0.02, samples=4)
    for mode in Mode:
        with pytest.raises(RequestError, match="Ask again"):
            await made(mode, backend=ScriptedBackend(delay_s=1.0), limits=limits)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.012, 0.03])
async def test_cancelling_it_leaves_nothing_running(mode: Mode, after_s: float) -> None:
    before = asyncio.all_tasks()
    never = Question(name="never", text="Is it good?", weight=-1.0)
    making = asyncio.create_task(made(mode, backend=ScriptedBackend(delay_s=0.01), questions=[GOOD, never]))
    await asyncio.sleep(after_s)
    if not making.done():
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
    assert asyncio.all_tasks() == before


async def test_notes_are_asked_about_and_kept_by_name() -> None:
    composed = await made(Mode.BEST, questions=note_questions(["Be brief.", "Be brief.", "Be kind."]))
    assert set(composed.best.answers) == {"note: Be brief.", "note: Be kind."}


@pytest.mark.parametrize("mode", [Mode.BEST, Mode.WEAVE])
async def test_only_the_best_are_asked_everything_and_one_of_them_is_the_reply(mode: Mode) -> None:
    questions = (GOOD, *note_questions(["Be brief."]))
    composed = await made(mode, questions=questions, limits=replace(LIMITS, samples=9))
    answered = [len(one.answers) for one in (composed.best, *composed.others)]
    assert answered[:FINALISTS] == [2] * FINALISTS
    assert set(answered[FINALISTS:]) == {1}
    assert composed.best.text == "echo: hello"


def test_a_sentence_ends_where_a_reader_would_say_so() -> None:
    assert end_of_last_sentence("One. Two") == 4
    assert end_of_last_sentence("It costs 3.50 euros") == 0
    assert end_of_last_sentence('He said "yes." And') == 14
    assert end_of_last_sentence("Ends here!") == 10


def branches(*scores: tuple[float, float]) -> list[TreeNode]:
    """A tree of half-finished branches, each with one finished child: (its score, the child's)."""
    nodes = [TreeNode(id=0, parent=None, text="", score=0.0, is_finished=False, is_chosen=True)]
    for half, whole in scores:
        for parent, score in ((0, half), (len(nodes), whole)):
            nodes.append(
                TreeNode(
                    id=len(nodes),
                    parent=parent,
                    text="x",
                    score=score,
                    is_finished=parent > 0,
                    is_chosen=False,
                )
            )
    return nodes


def test_prefix_reliability_is_the_share_of_branches_put_in_the_right_order() -> None:
    right = branches(*((float(i), float(i)) for i in range(12)))
    wrong = branches(*((float(i), -float(i)) for i in range(12)))
    assert prefix_reliability([order(right)]) == 1.0
    assert prefix_reliability([order(wrong)]) == 0.0
    assert prefix_reliability([order(right), order(wrong)]) == 0.5
    assert prefix_reliability([order(branches((0.0, 1.0), (1.0, 2.0)))]) is None
    assert prefix_reliability([]) is None


class Blocks(ScriptedBackend):
    """Caches in blocks, and keeps what was asked of it first."""

    first: tuple[int, int] | None = None  # tokens of the prompt, and of the continuation at most

    @property
    def cache_block_tokens(self) -> int:
        return 32

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        self.first = self.first or (len(prefix), sampling.max_tokens)
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)


@pytest.mark.parametrize("length", range(1, 40, 3))
async def test_the_first_chunk_ends_with_a_block_and_has_half_of_one(length: int) -> None:
    backend = Blocks()
    limits = replace(LIMITS, budget_tokens=2304)
    await compose(
        backend, prompt("a" * length), judge=Judge(backend, [GOOD]), mode=Mode.WEAVE, limits=limits, seed=7
    )
    assert backend.first is not None
    prompt_tokens, first_chunk = backend.first
    assert 16 <= first_chunk < 16 + 32
    assert (prompt_tokens + first_chunk) % 32 == 1  # all but the last token were read
