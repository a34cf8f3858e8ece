"""What the gate is shown of a candidate: replies to held-out and shared requests, judged by the frozen base.

What follows from them is engine.learning.gate's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bot.answering.respond import QUESTION_TOKENS, limits_of
from bot.context import Context
from bot.nights.prepare import Material
from engine.errors import EngineDownError, EngineError
from engine.judging import scope
from engine.judging.judge import (
    UNASKED,
    Judge,
    Verdict,
    combined,
    note_questions,
    probability,
    suffices,
)
from engine.learning.gate import (
    Bounds,
    Decision,
    Evidence,
    Sample,
    decide,
    looks_worse,
)
from engine.learning.lessons import Result
from engine.types import Completion, LoraRef, Prompt, Role, Turn
from engine.wording import last_request

# So many shared requests are asked of every candidate; all of them of those that look worse on the few,
# which by chance alone one in six does.
FEW_SHARED = 32
MAX_HELD_OUT = 8
AT_ONCE = 32

Meant: TypeAlias = Sequence[tuple[str, ...]]  # of each prompt, the notes that are for it


@dataclass(slots=True)
class Examined:
    """A reply, or None where it could not be made, and what the judge has answered about it so far, but for
    what was asked about a person's notes: that is nobody else's.
    """

    completion: Completion | None
    verdict: Verdict = UNASKED


class Evaluation:
    """Examines candidates. What the bare base says to the shared requests is made once, for everybody."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = asyncio.Lock()
        self._of_base: dict[tuple[Prompt, ...], Sequence[Examined]] = {}
        self._shared = shared_prompts(context)

    async def decision(
        self, studied: Material, result: Result, *, candidate: LoraRef, current: LoraRef | None
    ) -> tuple[Decision, Evidence]:
        """Whether a candidate goes live, and what that rests on. One that looks worse is asked more first."""
        bounds = Bounds(promote_at=self._context.settings.learning.promote_at)
        few, others = self._shared[:FEW_SHARED], self._shared[FEW_SHARED:]
        own = tuple(prompt.bare() for prompt in studied.held_out[:MAX_HELD_OUT])
        evidence = await self._evidence(studied, result, candidate, current, shared=few, own=own)
        if looks_worse(evidence, bounds):
            more = await self._evidence(studied, result, candidate, current, shared=others, own=())
            evidence = evidence.with_more(more)
        return decide(evidence, bounds), evidence

    async def _evidence(
        self,
        studied: Material,
        result: Result,
        candidate: LoraRef,
        current: LoraRef | None,
        *,
        shared: tuple[Prompt, ...],
        own: tuple[Prompt, ...],
    ) -> Evidence:
        """What is to be known about a candidate from these requests."""
        for_shared, for_own = [await self._meant(studied.notes, prompts) for prompts in (shared, own)]
        after_shared, before_shared, noted, after_own, before_own = await asyncio.gather(
            self._shared_samples(for_shared, shared, candidate),
            self._shared_samples(for_shared, shared, current),
            self._noted_samples(for_shared if studied.notes else (), shared),
            self._samples(for_own, own, candidate),
            self._samples(for_own, own, current),
        )
        own_after, own_before = _seen_in_all(after_own, before_own)
        after, before, with_notes = _seen_in_all(after_shared, before_shared, noted or before_shared)
        # What the person wants holds on any request: the shared ones count there too.
        return Evidence(
            prior=studied.prior,
            trials=result.trials,
            candidate=(*own_after, *after) if studied.notes else (),
            current=(*own_before, *before) if studied.notes else (),
            shared_candidate=after,
            shared_current=before,
            shared_noted=with_notes,
            divergence=result.divergence,
        )

    async def _meant(self, notes: Sequence[str], prompts: Sequence[Prompt]) -> Meant:
        backend = self._context.backend
        return await asyncio.gather(*(scope.meant(backend, notes, last_request(each)) for each in prompts))

    async def _shared_samples(
        self, meant: Meant, prompts: tuple[Prompt, ...], lora: LoraRef | None
    ) -> Sequence[Sample | None]:
        if lora is not None:
            return await self._samples(meant, prompts, lora)
        async with self._lock:
            if prompts not in self._of_base:
                self._of_base[prompts] = await _replies(self._context, prompts, None)
        return await _judged(self._context, meant, prompts, self._of_base[prompts])

    async def _noted_samples(self, meant: Meant, prompts: Sequence[Prompt]) -> Sequence[Sample | None]:
        """What the base says with the notes in sight, judged as if it had known them by itself."""
        if not meant:
            return ()
        told = [replace(prompt, notes=those) for prompt, those in zip(prompts, meant, strict=True)]
        return await _judged(self._context, meant, prompts, await _replies(self._context, told, None))

    async def _samples(
        self, meant: Meant, prompts: Sequence[Prompt], lora: LoraRef | None
    ) -> Sequence[Sample | None]:
        return await _judged(self._context, meant, prompts, await _replies(self._context, prompts, lora))


def _seen_in_all(*sides: Sequence[Sample | None]) -> list[tuple[Sample, ...]]:
    """The samples of those requests that all sides have one of: an error speaks neither for nor against."""
    rows = [[one for one in row if one is not None] for row in zip(*sides, strict=True)]
    whole = [row for row in rows if len(row) == len(sides)]
    return list(zip(*whole, strict=True)) if whole else [()] * len(sides)


def shared_prompts(context: Context) -> tuple[Prompt, ...]:
    """The requests that candidates are asked, whoever's they are."""
    texts = context.everyday.shared
    persona = context.settings.persona
    return tuple(Prompt(turns=(Turn(role=Role.USER, text=text),), persona=persona) for text in texts)


async def _replies(context: Context, prompts: Sequence[Prompt], lora: LoraRef | None) -> Sequence[Examined]:
    """One reply to each prompt."""
    gate, by_day = asyncio.Semaphore(AT_ONCE), limits_of(context)

    async def one(number: int, prompt: Prompt) -> Examined:
        prefix = context.backend.encode(prompt)
        room = context.backend.max_context - len(prefix) - QUESTION_TOKENS
        sampling = by_day.sampling(max(1, room), number)
        try:
            async with gate:
                (completion,) = await context.backend.sample(prefix, n=1, sampling=sampling, lora=lora)
        except EngineDownError:
            raise
        except EngineError:
            return Examined(None)
        return Examined(completion)

    return await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(prompts)))


async def _judged(
    context: Context, meant: Meant, prompts: Sequence[Prompt], replies: Sequence[Examined]
) -> Sequence[Sample | None]:
    """What the base thinks of each reply; None where it could not be made or judged."""
    sound, gate = context.rubric.questions, asyncio.Semaphore(AT_ONCE)

    async def one(prompt: Prompt, notes: Sequence[str], said: Examined) -> Sample | None:
        if said.completion is None:
            return None
        wanted = note_questions(notes)
        judge = Judge(context.backend, (*sound, *wanted))
        try:
            async with gate:
                prefix, reply = context.backend.encode(prompt), said.completion.token_ids
                (verdict,) = await judge.complete(prefix, [reply], [said.verdict])
        except EngineDownError:
            raise
        except EngineError:
            return None
        said.verdict = replace(UNASKED, answers={each.name: verdict.answers[each.name] for each in sound})
        return Sample(
            request=last_request(prompt),
            text=context.backend.decode(reply),
            wanted=probability(combined(wanted, verdict.answers)),
            is_sound=suffices(sound, verdict.answers),
        )

    return await asyncio.gather(*map(one, prompts, meant, replies))
