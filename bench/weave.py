"""Measures the tree search against a sequential one, plain generation and whole samples.

Each prompt is a held-out request of the practice world from a person with a hidden preference. The model
that generates is told nothing of it; the judge is asked one question for each of the notes that word it, and
the rubric's. Utility is whether the chosen reply complies with the preference, as the world's own checker
reads it. A speed-up compares the tokens that were made and judged in a second: the sequential search ends
when the one branch that it committed to has ended, often long before its budget is spent, so seconds alone
would compare little work with much. Everything runs in one process on one backend, prompt by prompt in turn,
so that what else the machine does falls on all alike. Results: bench/results/weave.json.
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from bench.record import interval, record, show
from bench.sequential import sequential_search
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings
from engine.judging.judge import UNASKED, Judge, Verdict, combined
from engine.judging.rubric import load_rubric, note_questions
from engine.models.catalogue import PRACTICE, PRACTICE_RUBRIC
from engine.ports import Backend
from engine.search.compose import compose
from engine.search.reliability import Order, order, prefix_reliability
from engine.types import Completion, Limits, LoraRef, Mode, Prompt, Role, Sampling, TokenIds, Turn
from practice import world
from practice.manners import Preference, manner_of
from practice.world import canonical_note

ROOT = Path(__file__).parent.parent
WEIGHTS = PRACTICE
RUBRIC = PRACTICE_RUBRIC

CHILDREN, CHUNK_TOKENS, ROUND, EXPAND, LOOKAHEAD = 72, 32, 24, 8, 3
LIMITS = Limits(max_reply_tokens=160, budget_tokens=CHILDREN * CHUNK_TOKENS, deadline_s=120.0, samples=8)
ANSWERS = ("fast", "sequential", "best_equal_tokens", "best_equal_seconds", "weave", "auto")
WISHES = 3  # dimensions of a hidden preference


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One prompt and what the person who wrote it wants, in notes that only the judge sees."""

    prompt: Prompt
    preference: Preference
    notes: tuple[str, ...]
    seed: int


@dataclass(slots=True)
class Measured:
    """What one way of answering cost and gave, prompt by prompt."""

    seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    complies: list[float] = field(default_factory=list)
    share_met: list[float] = field(default_factory=list)


def cases(count: int, seed: int) -> list[Case]:
    """Held-out requests, each from somebody who wants other things."""
    rng = random.Random(seed)
    requests = world.requests(rng, held_out=True)
    made = []
    for number in range(count):
        preference = Preference.draw(rng, WISHES)
        made.append(
            Case(
                prompt=Prompt(turns=(Turn(role=Role.USER, text=next(requests).text),), name="Robin"),
                preference=preference,
                notes=tuple(canonical_note(dimension, value) for dimension, value in preference.wanted),
                seed=seed * 1000 + number,
            )
        )
    return made


class Bench:
    """One backend, with or without a LoRA, and everything that is measured on it."""

    def __init__(self, backend: Backend, lora: LoraRef | None) -> None:
        self._backend, self._lora = backend, lora
        self._rubric = load_rubric(RUBRIC)
        self.ways: dict[str, Measured] = {}
        self._orders: list[Order] = []  # what the trees so far told of the judge, as the bot would know it
        self._batch = 32  # whole samples that take as long as a search; adapts
        self._reply_tokens = 40.0

    def judge(self, case: Case) -> Judge:
        questions = (*self._rubric.questions, *note_questions(case.notes))
        return Judge(self._backend, questions, self._lora)

    async def measure(self, case: Case) -> None:
        """Answer one prompt in every way, the costly ones next to each other."""
        await self._backend.sample(self._backend.encode(case.prompt), n=1, sampling=Sampling(max_tokens=1))
        await self._timed("plain", case, self._plain)
        remembering = _Remembering(self.judge(case))
        await self._timed("weave", case, lambda c: self._compose(c, Mode.WEAVE, judge=remembering))
        await self._timed(
            "weave_judge_free", case, lambda c: self._compose(c, Mode.WEAVE, judge=remembering.recall())
        )
        await self._timed("sequential", case, self._sequential)
        await self._timed("fast", case, lambda c: self._compose(c, Mode.FAST))
        await self._timed("auto", case, lambda c: self._compose(c, Mode.AUTO))
        weave = self.ways["weave"]
        await self._timed("best_equal_tokens", case, lambda c: self._best_of_tokens(c, weave.tokens[-1]))
        await self._timed("best_equal_seconds", case, lambda c: self._best_of_seconds(c, weave.seconds[-1]))

    async def _timed(
        self, way: str, case: Case, answer: Callable[[Case], Awaitable[tuple[TokenIds, int]]]
    ) -> None:
        began = time.perf_counter()
        reply, tokens = await answer(case)
        seconds = time.perf_counter() - began
        measured = self.ways.setdefault(way, Measured())
        measured.seconds.append(seconds)
        measured.tokens.append(tokens)
        met = case.preference.share_met(manner_of(self._backend.decode(reply), case.prompt.name))
        measured.share_met.append(met)
        measured.complies.append(float(met == 1.0))

    # --- the ways of answering ---

    async def _compose(self, case: Case, mode: Mode, judge: Judge | None = None) -> tuple[TokenIds, int]:
        composed = await compose(
            self._backend,
            case.prompt,
            judge=judge or self.judge(case),
            mode=mode,
            limits=LIMITS,
            seed=case.seed,
            lora=self._lora,
            prefix_reliability=prefix_reliability(self._orders),
        )
        self._orders.append(order(composed.tree))
        return composed.best.token_ids, composed.generated_tokens

    async def _plain(self, case: Case) -> tuple[TokenIds, int]:
        """What the machine can generate at most: all at once, unjudged."""
        completions = await self._sample(case, (), CHILDREN, CHUNK_TOKENS, case.seed)
        return completions[0].token_ids, sum(len(one.token_ids) for one in completions)

    async def _sequential(self, case: Case) -> tuple[TokenIds, int]:
        """The ancestor: one question about one reply at a time."""
        judge, prompt_ids = self.judge(case), self._backend.encode(case.prompt)
        singly = [Judge(self._backend, [question], self._lora) for question in judge.questions]

        async def judge_one(reply: TokenIds) -> float:
            answers: dict[str, float] = {}
            for one in singly:
                answers |= (await one.score(prompt_ids, [reply]))[0].answers
            return combined(judge.questions, answers)

        found = await sequential_search(
            lambda begun, n, max_tokens, seed: self._sample(case, begun, n, max_tokens, seed),
            judge_one,
            budget=CHILDREN,
            round_budget=ROUND,
            expand=EXPAND,
            chunk_tokens=CHUNK_TOKENS,
            max_lookahead=LOOKAHEAD,
            temperature=1.0,
            seed=case.seed,
        )
        return found.reply, found.generated_tokens

    async def _best_of_tokens(self, case: Case, tokens: int) -> tuple[TokenIds, int]:
        """The best of as many whole samples as so many tokens pay for."""
        count = math.ceil(1.5 * tokens / max(self._reply_tokens, 1.0))
        completions = await self._sample(case, (), count, LIMITS.max_reply_tokens, case.seed)
        self._reply_tokens = statistics.fmean(len(one.token_ids) for one in completions)
        kept, spent = [], 0
        for one in completions:
            if spent + len(one.token_ids) <= tokens:
                kept.append(one)
                spent += len(one.token_ids)
        return await self._judged_best(case, kept), spent

    async def _best_of_seconds(self, case: Case, seconds: float) -> tuple[TokenIds, int]:
        """The best of one batch of whole samples, of a size that takes about so many seconds."""
        began = time.perf_counter()
        completions = await self._sample(case, (), self._batch, LIMITS.max_reply_tokens, case.seed)
        best = await self._judged_best(case, completions)
        took = time.perf_counter() - began
        self._batch = max(2, round(self._batch * min(max(seconds / took, 0.5), 1.5)))
        return best, sum(len(one.token_ids) for one in completions)

    async def _judged_best(self, case: Case, completions: Sequence[Completion]) -> TokenIds:
        replies = list(dict.fromkeys(one.token_ids for one in completions if one.finished))
        verdicts = await self.judge(case).score(self._backend.encode(case.prompt), replies)
        scored = zip((verdict.score for verdict in verdicts), replies, strict=True)
        return max(scored, default=(0.0, ()))[1]

    async def _sample(
        self, case: Case, begun: TokenIds, n: int, max_tokens: int, seed: int
    ) -> Sequence[Completion]:
        prompt_ids = self._backend.encode(case.prompt)
        sampling = LIMITS.sampling(max_tokens, seed % (1 << 31))
        return await self._backend.sample(prompt_ids + begun, n=n, sampling=sampling, lora=self._lora)

    # --- what comes of it ---

    def figures(self) -> dict[str, object]:
        weave, plain = self.ways["weave"], self.ways["plain"]
        ratios = _ratios(_rates(weave), _rates(self.ways["sequential"]))
        rates = _ratios(_rates(weave), _rates(plain))
        judging = [
            1.0 - free / full
            for free, full in zip(self.ways["weave_judge_free"].seconds, weave.seconds, strict=True)
        ]
        answers = {way: m for way, m in self.ways.items() if way in ANSWERS}
        return {
            "prompts": len(weave.seconds),
            "speedup_vs_sequential": statistics.median(ratios),
            "share_of_plain_generation": statistics.median(rates),
            "judge_share": statistics.median(judging),
            "prefix_reliability": prefix_reliability(self._orders),
            "utility": {way: statistics.fmean(m.complies) for way, m in answers.items()},
            "share_of_wishes_met": {way: statistics.fmean(m.share_met) for way, m in answers.items()},
            "seconds": {way: statistics.median(m.seconds) for way, m in self.ways.items()},
            "tokens": {way: statistics.median(m.tokens) for way, m in self.ways.items()},
            "ci": {
                "speedup_vs_sequential": interval(ratios, statistics.median),
                "share_of_plain_generation": interval(rates, statistics.median),
                "judge_share": interval(judging, statistics.median),
                "utility": {way: interval(m.complies) for way, m in answers.items()},
                "share_of_wishes_met": {way: interval(m.share_met) for way, m in answers.items()},
            },
        }


class _Remembering(Judge):
    """A judge that keeps its verdicts; `recall` gives one that answers from memory, at no cost.

    The same seed grows the same tree, so a second search asks for what the first one was told. What differs
    in the last bit between two runs is looked up anew.
    """

    def __init__(self, judge: Judge, known: dict[TokenIds, Verdict] | None = None) -> None:
        self._wrapped, self._known = judge, {} if known is None else known
        self._is_free = known is not None
        self.questions, self._opinion = judge.questions, None

    def recall(self) -> _Remembering:
        return _Remembering(self._wrapped, self._known)

    @property
    def longest_question(self) -> int:
        return self._wrapped.longest_question

    async def glance(
        self, prompt_ids: TokenIds, replies: Sequence[TokenIds], finished: Sequence[bool]
    ) -> Sequence[Verdict]:
        if self._is_free:
            return [self._known.get(reply, UNASKED) for reply in replies]
        verdicts = await self._wrapped.glance(prompt_ids, replies, finished)
        self._known.update(zip(replies, verdicts, strict=True))
        return verdicts

    async def complete(
        self, prompt_ids: TokenIds, replies: Sequence[TokenIds], verdicts: Sequence[Verdict]
    ) -> Sequence[Verdict]:
        return verdicts if self._is_free else await self._wrapped.complete(prompt_ids, replies, verdicts)


def _rates(measured: Measured) -> list[float]:
    return [tokens / seconds for tokens, seconds in zip(measured.tokens, measured.seconds, strict=True)]


def _ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(over, under, strict=True)]


def blank_lora(model: Path, folder: Path) -> LoraRef:
    """A LoRA of rank 8 on all linear layers that changes nothing, at the full price of one that does."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(model)
    adapted = get_peft_model(
        base, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    adapted.save_pretrained(folder)
    return LoraRef(name="bench/1", id=1, path=folder)


async def _measure(
    model: Path, prompts: int, lora_prompts: int, seed: int, keep: Callable[[dict[str, object]], None]
) -> None:
    backend = VllmLocalBackend(VllmSettings(model=str(model), max_context=1024))
    await backend.start(lambda said: print(said, flush=True))
    try:
        with tempfile.TemporaryDirectory() as folder:
            figures = (await _run(backend, None, prompts, seed, "without a LoRA")).figures()
            keep(figures)  # the second half takes as long again, and one broken off has told something
            if lora_prompts:
                lora = blank_lora(model, Path(folder) / "1")
                await backend.load(lora)
                figures["with_lora"] = (
                    await _run(backend, lora, lora_prompts, seed + 1, "with a LoRA")
                ).figures()
                keep(figures)
    finally:
        await backend.stop()


async def _run(backend: Backend, lora: LoraRef | None, count: int, seed: int, said: str) -> Bench:
    await Bench(backend, lora).measure(replace(cases(1, seed + 99)[0], seed=1))  # warms up
    bench = Bench(backend, lora)
    for case in track(cases(count, seed), description=f"{count} prompts {said}"):
        await bench.measure(case)
    return bench


def main(
    model: Annotated[Path, typer.Option(help="folder of the model")] = WEIGHTS,
    prompts: Annotated[int, typer.Option(help="how many prompts")] = 30,
    lora_prompts: Annotated[int, typer.Option(help="how many prompts with a LoRA active")] = 30,
    seed: int = 4,
    write: Annotated[bool, typer.Option(help="write bench/results/weave.json")] = True,
) -> None:
    """Speed and worth of the tree search."""

    def keep(figures: dict[str, object]) -> None:
        figures |= {"children": CHILDREN, "chunk_tokens": CHUNK_TOKENS}
        if write:
            record("weave", figures, seed=seed, n=prompts, model=model.name)
        else:
            show("weave", figures)

    asyncio.run(_measure(model, prompts, lora_prompts, seed, keep))


if __name__ == "__main__":
    typer.run(main)
