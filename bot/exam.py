"""What the gate is shown of a candidate: replies to held-out and shared requests, judged by the frozen base.

Decides nothing; the decision is engine.gate's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.kit import Kit
from bot.study import Study
from engine.gate import Evidence, Sample
from engine.judge import Judge, Question, combined, note_questions, probability
from engine.ports import EngineDownError, EngineError
from engine.requests import requests
from engine.training.lessons import Result
from engine.types import LoraRef, Prompt, Role, Sampling, Turn
from engine.wording import last_request

SHARED_REQUESTS = 16
SHARED_SEED = 20_240_229  # the shared requests are the same for everybody and every night
MAX_HELD_OUT = 8
AT_ONCE = 32


async def examine(
    kit: Kit, studied: Study, result: Result, *, candidate: LoraRef, current: LoraRef | None
) -> Evidence:
    """Everything that is to be known about a candidate before it is decided on."""
    shared = shared_prompts(kit)
    own = [prompt.bare() for prompt in studied.held_out[:MAX_HELD_OUT]]
    prompts = [*own, *shared]
    after, before = await asyncio.gather(
        _samples(kit, studied.notes, prompts, candidate), _samples(kit, studied.notes, prompts, current)
    )
    # What the person wants holds on any request: the shared ones count there too.
    return Evidence(
        prior=studied.prior,
        noted=studied.noted,
        trials=result.trials,
        candidate=after if studied.notes else (),
        current=before if studied.notes else (),
        shared_candidate=[one for one in after if one.request in _texts(shared)],
        shared_current=[one for one in before if one.request in _texts(shared)],
        divergence=result.divergence,
    )


def shared_prompts(kit: Kit) -> list[Prompt]:
    """The requests that every candidate is asked, whoever's it is."""
    texts = requests(SHARED_REQUESTS, seed=SHARED_SEED, is_practice=kit.settings.model == "practice")
    persona = kit.settings.persona
    return [Prompt(turns=(Turn(role=Role.USER, text=text),), persona=persona) for text in texts]


async def _samples(
    kit: Kit, notes: Sequence[str], prompts: Sequence[Prompt], lora: LoraRef | None
) -> list[Sample]:
    wanted, sound = note_questions(notes), kit.rubric.questions
    judge = Judge(kit.backend, (*sound, *wanted))
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int, prompt: Prompt) -> Sample:
        async with gate:
            return await _sample(kit, judge, prompt, lora, seed=number, wanted=wanted, sound=sound)

    return await asyncio.gather(*(ask(number, prompt) for number, prompt in enumerate(prompts)))


async def _sample(
    kit: Kit,
    judge: Judge,
    prompt: Prompt,
    lora: LoraRef | None,
    *,
    seed: int,
    wanted: Sequence[Question],
    sound: Sequence[Question],
) -> Sample:
    """One reply and what the base thinks of it. What could not be made or judged counts as nothing good."""
    request, prefix = last_request(prompt), kit.backend.encode(prompt)
    room = kit.backend.max_context - len(prefix) - judge.longest_question
    sampling = Sampling(max_tokens=max(1, min(room, kit.settings.limits.max_reply_tokens)), seed=seed)
    try:
        (completion,) = await kit.backend.sample(prefix, n=1, sampling=sampling, lora=lora)
        (verdict,) = await judge.score(prefix, [completion.token_ids])
    except EngineDownError:
        raise
    except EngineError:
        return Sample(request=request, text="", wanted=0.0, sound=0.0)
    return Sample(
        request=request,
        text=kit.backend.decode(completion.token_ids),
        wanted=probability(combined(wanted, verdict.answers)),
        sound=probability(combined(sound, verdict.answers)),
    )


def _texts(prompts: Sequence[Prompt]) -> frozenset[str]:
    return frozenset(last_request(prompt) for prompt in prompts)
