"""What the gate is shown of a candidate: replies to held-out and shared requests, judged by the frozen base.

What follows from them is engine.gate's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from bot.kit import Kit
from bot.respond import QUESTION_TOKENS, limits_of
from bot.study import Study
from engine.gate import Bounds, Decision, Evidence, Sample, decide, looks_worse
from engine.judge import Judge, combined, note_questions, probability
from engine.ports import EngineDownError, EngineError
from engine.requests import requests
from engine.training.lessons import Result
from engine.types import Completion, LoraRef, Prompt, Role, Turn
from engine.wording import last_request

# The shared requests are asked of every candidate; the many of those that look worse on the few, which
# by chance alone one in six does.
FEW_SHARED, MANY_SHARED = 32, 128
SHARED_SEED = 20_240_229  # the shared requests are the same for everybody and every night
MAX_HELD_OUT = 8
AT_ONCE = 32


class Exam:
    """Examines candidates. What the bare base says to the shared requests is made once, for everybody."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._lock = asyncio.Lock()
        self._of_base: dict[int, Sequence[Completion | None]] = {}

    async def decision(
        self, studied: Study, result: Result, *, candidate: LoraRef, current: LoraRef | None
    ) -> tuple[Decision, Evidence]:
        """Whether a candidate goes live, and what that rests on. One that looks worse is asked more first."""
        bounds = Bounds(promote_at=self._kit.settings.learning.promote_at)
        for count in (FEW_SHARED, MANY_SHARED):
            evidence = await self._evidence(studied, result, candidate, current, count)
            if not looks_worse(evidence, bounds):
                break
        return decide(evidence, bounds), evidence

    async def _evidence(
        self, studied: Study, result: Result, candidate: LoraRef, current: LoraRef | None, count: int
    ) -> Evidence:
        """Everything that is to be known about a candidate, on so many shared requests."""
        shared = shared_prompts(self._kit, count)
        own = [prompt.bare() for prompt in studied.held_out[:MAX_HELD_OUT]]
        after_shared, before_shared, noted, after_own, before_own = await asyncio.gather(
            self._shared_samples(studied.notes, shared, candidate),
            self._shared_samples(studied.notes, shared, current),
            self._noted_samples(studied.notes, shared),
            self._samples(studied.notes, own, candidate),
            self._samples(studied.notes, own, current),
        )
        # What the person wants holds on any request: the shared ones count there too.
        return Evidence(
            prior=studied.prior,
            noted=studied.noted,
            trials=result.trials,
            candidate=(*after_own, *after_shared) if studied.notes else (),
            current=(*before_own, *before_shared) if studied.notes else (),
            shared_candidate=after_shared,
            shared_current=before_shared,
            shared_noted=noted or before_shared,
            divergence=result.divergence,
        )

    async def _shared_samples(
        self, notes: Sequence[str], prompts: Sequence[Prompt], lora: LoraRef | None
    ) -> Sequence[Sample]:
        if lora is not None:
            return await self._samples(notes, prompts, lora)
        async with self._lock:
            if len(prompts) not in self._of_base:
                self._of_base[len(prompts)] = await _completions(self._kit, prompts, None)
        return await _judged(self._kit, notes, prompts, self._of_base[len(prompts)])

    async def _noted_samples(self, notes: Sequence[str], prompts: Sequence[Prompt]) -> Sequence[Sample]:
        """What the base says with the notes in sight, judged as if it had known them by itself."""
        if not notes:
            return ()
        told = [replace(prompt, notes=tuple(notes)) for prompt in prompts]
        return await _judged(self._kit, (), prompts, await _completions(self._kit, told, None))

    async def _samples(
        self, notes: Sequence[str], prompts: Sequence[Prompt], lora: LoraRef | None
    ) -> Sequence[Sample]:
        return await _judged(self._kit, notes, prompts, await _completions(self._kit, prompts, lora))


def shared_prompts(kit: Kit, count: int) -> list[Prompt]:
    """The requests that every candidate is asked, whoever's it is."""
    texts = requests(count, seed=SHARED_SEED, is_practice=kit.settings.model == "practice")
    persona = kit.settings.persona
    return [Prompt(turns=(Turn(role=Role.USER, text=text),), persona=persona) for text in texts]


async def _completions(
    kit: Kit, prompts: Sequence[Prompt], lora: LoraRef | None
) -> Sequence[Completion | None]:
    """One reply to each prompt; None where it could not be made."""
    gate, by_day = asyncio.Semaphore(AT_ONCE), limits_of(kit)

    async def one(number: int, prompt: Prompt) -> Completion | None:
        prefix = kit.backend.encode(prompt)
        room = kit.backend.max_context - len(prefix) - QUESTION_TOKENS
        sampling = by_day.sampling(max(1, room), number)
        try:
            async with gate:
                (completion,) = await kit.backend.sample(prefix, n=1, sampling=sampling, lora=lora)
        except EngineDownError:
            raise
        except EngineError:
            return None
        return completion

    return await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(prompts)))


async def _judged(
    kit: Kit, notes: Sequence[str], prompts: Sequence[Prompt], completions: Sequence[Completion | None]
) -> Sequence[Sample]:
    """What the base thinks of each reply. What could not be made or judged counts as nothing good."""
    wanted, sound = note_questions(notes), kit.rubric.questions
    judge, gate = Judge(kit.backend, (*sound, *wanted)), asyncio.Semaphore(AT_ONCE)

    async def one(prompt: Prompt, completion: Completion | None) -> Sample:
        nothing = Sample(request=last_request(prompt), text="", wanted=0.0, sound=0.0)
        if completion is None:
            return nothing
        try:
            async with gate:
                (verdict,) = await judge.score(kit.backend.encode(prompt), [completion.token_ids])
        except EngineDownError:
            raise
        except EngineError:
            return nothing
        return Sample(
            request=nothing.request,
            text=kit.backend.decode(completion.token_ids),
            wanted=probability(combined(wanted, verdict.answers)),
            sound=probability(combined(sound, verdict.answers)),
        )

    return await asyncio.gather(*map(one, prompts, completions))
