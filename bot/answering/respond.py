"""One message becomes one reply, with its alternatives, ready to be recorded. Sends and stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from bot.answering import comparison, conversation, memory
from bot.answering.drafting import Answered, WovenReply, drafted
from bot.answering.live_lora import judging, live_lora
from bot.answering.taste import taste_of
from bot.context import Context
from bot.errors import Unknown
from bot.events import Place
from bot.store.inbox import Item
from bot.store.people import KnownPerson
from bot.store.recorded_replies import Draft
from engine import wording
from engine.judging.judge import Judge
from engine.judging.measures import Occasion
from engine.judging.rubric import Question, manner_questions, note_questions
from engine.search.compose import compose
from engine.types import Limits, Mode, Prompt

QUESTION_TOKENS: Final = 64  # kept free behind a reply, for the judge
_Number = TypeVar("_Number", int, float)
OnProgress = Callable[[int, int], None]


async def respond(
    context: Context, item: Item, on_progress: OnProgress, stop: asyncio.Event | None = None
) -> Draft:
    """Gather, recall, weave: the reply to a question. Raises Refused, EngineError.

    Once `stop` is set the best reply found so far is the result.
    """
    person = await _person(context, item)
    limits = limits_of(context)
    room = context.backend.max_context - limits.max_reply_tokens - QUESTION_TOKENS
    prompt = await conversation.gather(
        context, item, budget_tokens=room - memory.reserved_tokens(context, person)
    )
    left = room - len(context.backend.encode(prompt))
    prompt = await memory.recall(context, person, prompt, budget_tokens=left)
    woven = await weave(
        context, prompt, person, mode_of(context, item, person), on_progress, place=item.place, stop=stop
    )
    answered = Answered(
        message=item.id,
        cause=item.id,
        person=item.person.key,
        conversation=item.conversation,
        revision=item.revision,
    )
    made = drafted(context, woven, answered, reply_id=context.new_id())
    return replace(made, duel=await comparison.opponent(context, person, made))


async def weave(
    context: Context,
    prompt: Prompt,
    person: KnownPerson,
    mode: Mode,
    on_progress: OnProgress,
    *,
    place: Place | None,
    notes_asked: Sequence[Question] | None = None,
    stop: asyncio.Event | None = None,
) -> WovenReply:
    """The best reply to a prompt, under the person's notes and their LoRA.

    `place`: whose rubric the judge asks. `notes_asked`: what it asks instead of one question for each note.
    """
    rubric = context.rubric_of(place)
    noted = [rubric.noted(note) for note in prompt.notes]
    asked = note_questions(noted) if notes_asked is None else notes_asked
    lora = await live_lora(context, person)
    taste = await taste_of(context, person)
    has_opinion = person.memory and taste.has_learned
    matters = await asyncio.to_thread(taste.worth_asking) if has_opinion else ()
    judge = Judge(
        context.backend,
        (*rubric.questions, *asked, *manner_questions(matters)),
        judging(lora),
        taste.opinion if matters else None,
        occasion=Occasion(name=prompt.name, request=wording.last_request(prompt)),
    )
    composed = await compose(
        context.backend,
        prompt,
        judge=judge,
        mode=mode,
        limits=limits_of(context),
        seed=context.new_seed(),
        lora=lora,
        on_progress=on_progress,
        prefix_reliability=_reliability_on_prefixes(context, person),
        stop=stop,
    )
    context.caches.reliability.saw(person.key, composed.tree)
    return WovenReply(composed=composed, prompt=prompt, lora=lora)


def mode_of(context: Context, item: Item, person: KnownPerson) -> Mode:
    """How much search an answer gets: as the message says, else the person, else the operator."""
    return item.mode or person.mode or context.settings.limits.mode


def limits_of(context: Context) -> Limits:
    """What one answer may cost, within what the model can take, and how it is sampled."""
    limits, set_by_operator = context.settings.limits, context.settings.backend
    advised = context.backend.sampling_defaults
    return Limits(
        max_reply_tokens=min(limits.max_reply_tokens, context.backend.max_context // 2),
        budget_tokens=limits.budget_tokens,
        deadline_s=limits.deadline_s,
        samples=limits.samples,
        temperature=_first(set_by_operator.temperature, advised.temperature),
        top_p=_first(set_by_operator.top_p, advised.top_p),
        top_k=_first(set_by_operator.top_k, advised.top_k),
        repetition_penalty=_first(set_by_operator.repetition_penalty, advised.repetition_penalty),
        frequency_penalty=_first(set_by_operator.frequency_penalty, advised.frequency_penalty),
    )


def _first(wanted: _Number | None, otherwise: _Number) -> _Number:
    return otherwise if wanted is None else wanted


def _reliability_on_prefixes(context: Context, person: KnownPerson) -> float | None:
    """How well half-written replies are judged for this person; before anything is seen, as the model can."""
    seen = context.caches.reliability.of(person.key)
    return 0.0 if seen is None and not context.backend.profile.tells_of_halves else seen


async def _person(context: Context, item: Item) -> KnownPerson:
    person = await context.store.people.get(item.person.key)
    if person is None:  # erased while their message waited
        raise Unknown("unknown_person", "You are not known here any more.")
    return person
