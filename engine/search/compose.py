"""Makes one reply to one prompt: how much is sampled, what is judged, which candidate wins.

The door to the engine's search. Knows no person, no chat and no store: what is known of the person
comes in as the prompt's notes, the judge and the LoRA.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace

from engine.errors import EngineError, RequestError
from engine.judging.judge import SOUND_FROM, Judge, Verdict
from engine.ports import Backend
from engine.search.endings import before_repeats, end_of_last_sentence
from engine.search.samples import Samples
from engine.search.shown_tree import shown_tree
from engine.search.time_limit import time_limit
from engine.search.weave import (
    Bounds,
    Shape,
    Woven,
    weave,
)
from engine.types import (
    Candidate,
    Completion,
    Composed,
    Limits,
    LoraRef,
    Mode,
    Prompt,
    TokenIds,
)

FEW = 4  # whole samples that mode `auto` begins with
# A judge that orders half-finished replies worse than this (0.5 is a coin) gets no tree to search.
RELIABLE_ON_PREFIXES = 0.7
# So many of the best replies are asked about everything; the others about what weighs most.
FINALISTS = 4

Progress = Callable[[int, int], None]


async def compose(
    backend: Backend,
    prompt: Prompt,
    *,
    judge: Judge,
    mode: Mode,
    limits: Limits,
    seed: int,
    lora: LoraRef | None = None,
    on_progress: Progress | None = None,
    shape: Shape | None = None,
    prefix_reliability: float | None = None,
    stop: asyncio.Event | None = None,
) -> Composed:
    """The best reply that the mode and the limits allow. Raises EngineError if there is none to give.

    `on_progress` is told how many branches have been made, of how many. `prefix_reliability` is how well
    the judge has been ordering half-finished replies to this person; None: not measured yet, so that a tree
    is tried, which measures it. The same seed
    and backend give the same reply, as long as the deadline is not what ends the search. Once `stop` is set
    the search ends as at its deadline: the best reply so far is the result.
    """
    composition = _Composition(
        backend,
        prompt,
        judge,
        limits,
        seed,
        lora,
        on_progress or _unheard,
        shape or Shape(),
        stop,
    )
    await composition.search(mode, prefix_reliability)
    return composition.result()


class _Composition:
    """One call of `compose`: what it was given, what it has spent and found so far."""

    def __init__(
        self,
        backend: Backend,
        prompt: Prompt,
        judge: Judge,
        limits: Limits,
        seed: int,
        lora: LoraRef | None,
        report: Progress,
        shape: Shape,
        stop: asyncio.Event | None,
    ) -> None:
        self._stop = stop
        self._backend, self._judge, self._limits, self._lora = backend, judge, limits, lora
        self._seed, self._report, self._shape = seed, report, shape
        self._prompt_ids = backend.encode(prompt)
        self._room = self._room_for_reply()
        self._unspent = limits.budget_tokens
        self._is_finished: dict[TokenIds, bool] = {}  # every reply found, and whether the model ended it
        self._samples = Samples(backend, self._prompt_ids, judge, limits, room=self._room, lora=lora)
        self._verdicts: dict[TokenIds, Verdict] = {}
        self._woven: Woven | None = None
        self._mode = Mode.FAST
        self._branches = 0
        self._started = asyncio.get_running_loop().time()

    async def search(self, mode: Mode, prefix_reliability: float | None) -> None:
        if mode is Mode.FAST:
            await self._in_time(self._sample(1, planned=1))
        elif mode is Mode.BEST:
            await self._sample_and_judge(self._limits.samples)
        elif mode is Mode.WEAVE:
            await self._weave()
        else:
            await self._little_first(prefix_reliability)

    # --- the modes ---

    async def _sample_and_judge(self, count: int) -> None:
        begun = 0
        while begun < count and (affordable := self._affordable(count - begun)):
            await self._in_time(self._sample(affordable, planned=self._branches + count - begun))
            begun += affordable
        await self._in_time(self._judge_finished())

    async def _little_first(self, prefix_reliability: float | None) -> None:
        """A few whole samples; where the judge is not content with any, more of what serves it best."""
        if not self._judge.has_preference:
            await self._in_time(self._sample(1, planned=1))
            if all(map(self._is_sound, self._is_finished)):
                return
        await self._sample_and_judge(min(FEW, self._limits.samples))
        if not self._judge.has_preference:
            return
        try:
            if self._is_content() or self._is_time_up():
                return
            if prefix_reliability is None or prefix_reliability >= RELIABLE_ON_PREFIXES:
                await self._weave(is_enough=self._judge.is_content)
            else:
                await self._more_samples()
        except EngineError:
            if not self._is_finished:  # even a reply that is cut short is better than none
                raise
        return

    async def _more_samples(self) -> None:
        """Whole samples in growing batches until the judge is content or the budget is spent."""
        batch, barren = 2 * self._limits.samples, 0
        while not self._is_content() and barren < 2 and (count := self._affordable(batch)):
            known = len(self._is_finished)
            await self._sample_and_judge(count)
            barren = barren + 1 if len(self._is_finished) == known else 0
            batch *= 2

    async def _weave(self, is_enough: Callable[[Verdict], bool] = lambda verdict: False) -> None:
        bounds = Bounds(
            budget_tokens=self._unspent,
            max_reply_tokens=min(self._room, self._unspent),
            deadline_s=max(self._limits.deadline_s - self._seconds(), 0.001),
        )
        before = self._branches
        woven = await weave(
            self._sample_branches,
            self._judge_branches,
            shape=self._aligned(self._shape),
            bounds=bounds,
            seed=self._seed,
            is_enough=is_enough,
            on_progress=lambda done, total: self._report(before + done, before + total),
            stop=self._stop,
        )
        self._mode, self._woven = Mode.WEAVE, woven
        self._unspent -= woven.generated_tokens
        for node in woven.finished or (woven.best,):
            self._is_finished[node.token_ids] = node.is_finished
            if node.is_judged:
                self._verdicts[node.token_ids] = node.verdict
        await self._in_time(self._ask_finalists())

    # --- whole samples ---

    async def _sample(self, count: int, *, planned: int) -> None:
        """Find whole replies. What has been generated is kept whatever becomes of the rest."""
        self._report(self._branches, planned)
        first = self._branches
        seed = random.Random(f"{self._seed} {first}").getrandbits(31) if first else self._seed
        self._branches += count
        self._mode = Mode.BEST if self._branches > 1 else Mode.FAST
        for completion in await self._samples.draw(count, first=first, seed=seed):
            self._unspent -= len(completion.token_ids)
            self._is_finished[completion.token_ids] = completion.finished
        self._report(self._branches, planned)

    def _keep_begun(self) -> None:
        """What was being written when time was up is better than nothing."""
        for token_ids in self._samples.begun.values():
            self._unspent -= len(token_ids)
            self._is_finished.setdefault(token_ids, False)
        self._samples.begun.clear()

    async def _judge_finished(self) -> None:
        """Finished replies are judged; where there is none, the others as they would be ended."""
        has_whole = any(self._is_finished.values())
        unjudged = [
            ids
            for ids, is_finished in self._is_finished.items()
            if is_finished is has_whole and ids not in self._verdicts
        ]
        if len(self._is_finished) > 1 and unjudged:
            texts = unjudged if has_whole else [self._whole_sentences(token_ids) for token_ids in unjudged]
            try:
                if len(unjudged) <= FINALISTS:
                    verdicts = await self._judge.score(self._prompt_ids, texts)
                else:
                    verdicts = await self._judge.glance(self._prompt_ids, texts, [True] * len(texts))
            except EngineError:
                return  # an unjudged reply is better than none
            self._verdicts.update(zip(unjudged, verdicts, strict=True))
            if has_whole:
                await self._ask_finalists()

    async def _ask_finalists(self) -> None:
        """Everything that was not yet asked about the best replies."""
        best = sorted(self._verdicts, key=lambda ids: self._verdicts[ids].score, reverse=True)[:FINALISTS]
        known = [self._verdicts[token_ids] for token_ids in best]
        if len(best) > 1:
            with contextlib.suppress(EngineError):  # then they stay as the glance put them
                verdicts = await self._judge.complete(self._prompt_ids, best, known)
                self._verdicts.update(zip(best, verdicts, strict=True))

    # --- what the tree search is given ---

    async def _sample_branches(
        self, begun: TokenIds, count: int, max_tokens: int, seed: int
    ) -> Sequence[Completion]:
        sampling = self._limits.sampling(max_tokens, seed)
        return await self._backend.sample(
            self._prompt_ids + begun, n=count, sampling=sampling, lora=self._lora
        )

    async def _judge_branches(
        self, replies: Sequence[TokenIds], finished: Sequence[bool]
    ) -> Sequence[Verdict]:
        return await self._judge.glance(self._prompt_ids, replies, finished)

    def _aligned(self, shape: Shape) -> Shape:
        """A first chunk after which branches end where the cache's blocks do.

        All that is computed of a question about such a branch is the question: of a branch the model has
        read all tokens but the last, and the cache gives back what was read, in whole blocks. It has half a
        block at least: of less than that a judge can tell little, and weighing it costs as much.
        """
        block = self._backend.cache_block_tokens
        if block <= 1 or shape.chunk_tokens % block:
            return shape
        short = (1 - len(self._prompt_ids)) % block
        return replace(shape, first_chunk_tokens=short if short >= block // 2 else short + block)

    # --- what it costs ---

    def _room_for_reply(self) -> int:
        free = self._backend.max_context - len(self._prompt_ids) - self._judge.longest_question
        room = min(self._limits.max_reply_tokens, self._limits.budget_tokens, free)
        if room < 1:
            raise RequestError(
                f"The conversation fills the model's context of {self._backend.max_context} tokens: "
                "start a new one."
            )
        return room

    def _affordable(self, count: int) -> int:
        """How many of so many whole samples can be begun: none when time is up."""
        if self._is_time_up():
            return 0
        return min(count, self._unspent // self._room)

    async def _in_time(self, work: Coroutine[None, None, None]) -> None:
        """Do something until the deadline; what it has found by then is kept."""
        async with time_limit(self._started + self._limits.deadline_s, self._stop):
            await work
        self._keep_begun()  # what time was up for

    def _is_time_up(self) -> bool:
        is_stopped = self._stop is not None and self._stop.is_set()
        return is_stopped or self._seconds() >= self._limits.deadline_s

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._started

    # --- what was found ---

    def _is_sound(self, token_ids: TokenIds) -> bool:
        return self._judge.soundness(self._backend.decode(token_ids)) >= SOUND_FROM

    def _is_content(self) -> bool:
        best = self._best_verdict()
        return best is not None and self._judge.is_content(best)

    def _best_verdict(self) -> Verdict | None:
        return self._verdicts.get(max(self._verdicts, key=self._rank, default=()))

    def result(self) -> Composed:
        candidates = list(self._candidates())
        if not candidates:
            raise RequestError("The model gave no reply in time. Ask again, or in other words.")
        best = candidates[0]
        return Composed(
            best=best,
            others=tuple(candidates[1:]),
            tree=shown_tree(candidates, self._woven, self._backend.decode),
            mode=self._mode,
            seed=self._seed,
            generated_tokens=self._limits.budget_tokens - self._unspent,
            seconds=self._seconds(),
        )

    def _candidates(self) -> Iterator[Candidate]:
        """What there is to show, best first, no text twice; cut replies only where nothing is whole."""
        has_whole = any(self._is_finished.values())
        found = [ids for ids, is_finished in self._is_finished.items() if is_finished or not has_whole]
        found.sort(key=self._rank, reverse=True)  # stable: of equals the first found
        seen: set[str] = set()
        for token_ids in found:
            is_cut = not self._is_finished[token_ids]
            kept = self._whole_sentences(token_ids) if is_cut else token_ids
            text = self._backend.decode(kept)
            if text.strip() and text not in seen:
                seen.add(text)
                verdict = self._verdicts.get(token_ids, Verdict(score=0.0))
                yield Candidate(
                    token_ids=kept,
                    text=text,
                    score=verdict.score,
                    is_cut=is_cut,
                    answers=dict(verdict.answers),
                )

    def _rank(self, token_ids: TokenIds) -> tuple[bool, bool, bool, float]:
        """What is whole comes before what has come apart, what was asked everything before the rest."""
        verdict = self._verdicts.get(token_ids)
        if verdict is None:
            return False, False, False, 0.0
        return verdict.is_sound, True, self._judge.is_complete(verdict), verdict.score

    def _whole_sentences(self, token_ids: TokenIds) -> TokenIds:
        """A reply that was cut off, up to its last full sentence that is new; as it is where it has none."""
        end = end_of_last_sentence(before_repeats(self._backend.decode(token_ids)))
        kept = len(token_ids) if end else 0
        while kept and len(self._backend.decode(token_ids[:kept])) > end:
            kept -= 1
        return token_ids[:kept] or token_ids


def _unheard(done: int, total: int) -> None:
    """Progress that nobody asked for."""
