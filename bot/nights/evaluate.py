"""Evaluates a candidate: it and the current LoRA answer the same requests, and the base judges the replies.

What follows from the evidence is decided in engine.learning.gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from bot.answering.respond import QUESTION_TOKENS, limits_of
from bot.context import Context
from bot.nights.material.prepare import GateMaterial
from engine.errors import EngineDownError, EngineError
from engine.judging import scope
from engine.judging.judge import UNASKED, Judge, Verdict, combined, probability, suffices
from engine.judging.rubric import note_questions
from engine.learning.gate import Decision, Evidence, GateBounds, Sample, decide, looks_worse
from engine.learning.lessons import Result
from engine.types import Completion, LoraRef, Prompt, Role, Turn
from engine.wording import last_request

# So many shared requests are asked of every candidate, and all of them of a candidate that looks worse on
# the few. By chance alone one candidate in six does.
FEW_SHARED: Final = 32
MAX_HELD_OUT: Final = 8
AT_ONCE: Final = 32

NotesByPrompt: TypeAlias = Sequence[tuple[str, ...]]  # of each prompt, the notes that are meant for it


@dataclass(slots=True)
class JudgedReply:
    """A reply, or None where it could not be made, and the judge's answers about it so far.

    Answers about a person's notes are not kept here: a reply of the base is shared by everybody.
    """

    completion: Completion | None
    verdict: Verdict = UNASKED


class Evaluation:
    """Evaluates candidates. The base's replies to the shared requests are made once, for everybody."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = asyncio.Lock()
        self._of_base: dict[tuple[Prompt, ...], Sequence[JudgedReply]] = {}
        self._shared = shared_prompts(context)

    async def decide(
        self, material: GateMaterial, result: Result, *, candidate: LoraRef, current: LoraRef | None
    ) -> tuple[Decision, Evidence]:
        """Whether the candidate goes live, and why. A candidate that looks worse is asked more first."""
        bounds = GateBounds(promote_at=self._context.settings.learning.promote_at)
        few, others = self._shared[:FEW_SHARED], self._shared[FEW_SHARED:]
        own = tuple(prompt.bare() for prompt in material.held_out[:MAX_HELD_OUT])
        evidence = await self._evidence(material, result, candidate, current, shared=few, own=own)
        if looks_worse(evidence, bounds):
            more = await self._evidence(material, result, candidate, current, shared=others, own=())
            evidence = evidence.with_more(more)
        return decide(evidence, bounds), evidence

    async def _evidence(
        self,
        material: GateMaterial,
        result: Result,
        candidate: LoraRef,
        current: LoraRef | None,
        *,
        shared: tuple[Prompt, ...],
        own: tuple[Prompt, ...],
    ) -> Evidence:
        """What these requests show of a candidate."""
        for_shared, for_own = [await self._meant(material.notes, prompts) for prompts in (shared, own)]
        after_shared, before_shared, noted, after_own, before_own = await asyncio.gather(
            self._shared_samples(for_shared, shared, candidate),
            self._shared_samples(for_shared, shared, current),
            self._noted_samples(for_shared if material.notes else (), shared),
            self._samples(for_own, own, candidate),
            self._samples(for_own, own, current),
        )
        own_after, own_before = _complete_rows(after_own, before_own)
        after, before, with_notes = _complete_rows(after_shared, before_shared, noted or before_shared)
        # A person's wishes hold on any request, so the shared ones count for them too.
        return Evidence(
            prior=material.prior,
            trials=result.trials,
            candidate=(*own_after, *after) if material.notes else (),
            current=(*own_before, *before) if material.notes else (),
            shared_candidate=after,
            shared_current=before,
            shared_noted=with_notes,
            divergence=result.divergence,
        )

    async def _meant(self, notes: Sequence[str], prompts: Sequence[Prompt]) -> NotesByPrompt:
        backend = self._context.backend
        return await asyncio.gather(
            *(scope.meant(backend, notes, last_request(prompt)) for prompt in prompts)
        )

    async def _shared_samples(
        self, meant: NotesByPrompt, prompts: tuple[Prompt, ...], lora: LoraRef | None
    ) -> Sequence[Sample | None]:
        if lora is not None:
            return await self._samples(meant, prompts, lora)
        async with self._lock:
            if prompts not in self._of_base:
                self._of_base[prompts] = await _replies(self._context, prompts, None)
        return await _judged(self._context, meant, prompts, self._of_base[prompts])

    async def _noted_samples(
        self, meant: NotesByPrompt, prompts: Sequence[Prompt]
    ) -> Sequence[Sample | None]:
        """The base's replies with the notes in sight, judged as if it had known the notes by itself."""
        if not meant:
            return ()
        with_notes = [replace(prompt, notes=notes) for prompt, notes in zip(prompts, meant, strict=True)]
        replies = await _replies(self._context, with_notes, None)
        return await _judged(self._context, meant, prompts, replies)

    async def _samples(
        self, meant: NotesByPrompt, prompts: Sequence[Prompt], lora: LoraRef | None
    ) -> Sequence[Sample | None]:
        return await _judged(self._context, meant, prompts, await _replies(self._context, prompts, lora))


def shared_prompts(context: Context) -> tuple[Prompt, ...]:
    """The requests that every candidate is asked, whoever's it is."""
    texts, persona = context.everyday.shared, context.settings.persona
    return tuple(Prompt(turns=(Turn(role=Role.USER, text=text),), persona=persona) for text in texts)


def _complete_rows(*sides: Sequence[Sample | None]) -> list[tuple[Sample, ...]]:
    """The samples of the requests that every side answered: an error speaks neither for nor against."""
    rows = [[sample for sample in row if sample is not None] for row in zip(*sides, strict=True)]
    complete = [row for row in rows if len(row) == len(sides)]
    return list(zip(*complete, strict=True)) if complete else [()] * len(sides)


async def _replies(
    context: Context, prompts: Sequence[Prompt], lora: LoraRef | None
) -> Sequence[JudgedReply]:
    """One reply to each prompt."""
    gate, by_day = asyncio.Semaphore(AT_ONCE), limits_of(context)

    async def reply(number: int, prompt: Prompt) -> JudgedReply:
        prefix = context.backend.encode(prompt)
        free_tokens = context.backend.max_context - len(prefix) - QUESTION_TOKENS
        sampling = by_day.sampling(max(1, free_tokens), number)
        try:
            async with gate:
                (completion,) = await context.backend.sample(prefix, n=1, sampling=sampling, lora=lora)
        except EngineDownError:
            raise
        except EngineError:
            return JudgedReply(None)
        return JudgedReply(completion)

    return await asyncio.gather(*(reply(number, prompt) for number, prompt in enumerate(prompts)))


async def _judged(
    context: Context, meant: NotesByPrompt, prompts: Sequence[Prompt], replies: Sequence[JudgedReply]
) -> Sequence[Sample | None]:
    """The base's verdict on each reply; None where the reply could not be made or judged."""
    sound, gate = context.rubric.questions, asyncio.Semaphore(AT_ONCE)

    async def sample(notes: Sequence[str], prompt: Prompt, reply: JudgedReply) -> Sample | None:
        if reply.completion is None:
            return None
        wanted = note_questions(notes)
        judge = Judge(context.backend, (*sound, *wanted))
        tokens = reply.completion.token_ids
        try:
            async with gate:
                prefix = context.backend.encode(prompt)
                (verdict,) = await judge.complete(prefix, [tokens], [reply.verdict])
        except EngineDownError:
            raise
        except EngineError:
            return None
        answers = {question.name: verdict.answers[question.name] for question in sound}
        reply.verdict = replace(UNASKED, answers=answers)
        return Sample(
            request=last_request(prompt),
            text=context.backend.decode(tokens),
            wanted=probability(combined(wanted, verdict.answers)),
            is_sound=suffices(sound, verdict.answers),
        )

    return await asyncio.gather(*map(sample, meant, prompts, replies))
