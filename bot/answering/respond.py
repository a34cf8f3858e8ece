"""One message becomes one reply, with its alternatives, ready to be recorded. Sends and stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from bot.answering import comparison, conversation, memory
from bot.answering.live_lora import judging, live_lora
from bot.answering.taste import taste_of
from bot.context import Context
from bot.errors import Unknown
from bot.events import Action, ActionKind, Place
from bot.store.inbox import Item
from bot.store.people import KnownPerson
from bot.store.recorded_replies import Branch, Draft
from engine.judging.judge import (
    Judge,
    Question,
    manner_questions,
    note_questions,
)
from engine.search.compose import compose
from engine.types import Candidate, Composed, Limits, LoraRef, Mode, Prompt

QUESTION_TOKENS: Final = 64  # kept free behind a reply, for the judge
_Number = TypeVar("_Number", int, float)
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Woven:
    """A composed reply and what it was made under."""

    composed: Composed
    prompt: Prompt
    lora: LoraRef | None


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
    made = draft(context, item, woven)
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
) -> Woven:
    """The best reply to a prompt, under the person's notes and their LoRA.

    `place`: whose rubric the judge asks. `notes_asked`: what it asks instead of one question for each note.
    """
    asked = note_questions(prompt.notes) if notes_asked is None else notes_asked
    lora = await live_lora(context, person)
    taste = await taste_of(context, person)
    has_opinion = person.memory and taste.has_learned
    matters = await asyncio.to_thread(taste.worth_asking) if has_opinion else ()
    judge = Judge(
        context.backend,
        (*context.rubric_of(place).questions, *asked, *manner_questions(matters)),
        judging(lora),
        taste.opinion if matters else None,
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
        prefix_reliability=context.reliability.of(person.key),
        stop=stop,
    )
    context.reliability.saw(person.key, composed.tree)
    return Woven(composed=composed, prompt=prompt, lora=lora)


def draft(context: Context, item: Item, woven: Woven) -> Draft:
    """What is recorded of a woven reply to a question."""
    composed = woven.composed
    branches = tuple(_branch(context, other) for other in composed.others)
    reply_id = context.new_id()
    return Draft(
        id=reply_id,
        message=item.id,
        cause=item.id,
        person=item.person.key,
        conversation=item.conversation,
        revision=item.revision,
        text=composed.best.text,
        prompt=woven.prompt,
        model=context.backend.model,
        lora=None if woven.lora is None else woven.lora.id,
        seed=composed.seed,
        mode=composed.mode,
        score=composed.best.score,
        answers=composed.best.answers,
        branches=branches,
        tree=composed.tree,
        generated_tokens=composed.generated_tokens,
        seconds=composed.seconds,
        actions=actions(reply_id, has_others=bool(branches)),
    )


def actions(reply_id: str, *, has_others: bool) -> tuple[Action, ...]:
    """The buttons under an answer."""
    why = Action(kind=ActionKind.WHY, label="Why?", target=reply_id)
    if not has_others:
        return (why,)
    return (Action(kind=ActionKind.OTHER_ANSWERS, label="Other answers", target=reply_id), why)


def undo_button(target: str) -> Action:
    """Takes back what was noted: of a note, or of all that stands above the reply it was made with."""
    return Action(kind=ActionKind.UNDO_NOTE, label="Undo", target=target)


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
    )


def _first(wanted: _Number | None, otherwise: _Number) -> _Number:
    return otherwise if wanted is None else wanted


async def _person(context: Context, item: Item) -> KnownPerson:
    person = await context.store.people.get(item.person.key)
    if person is None:  # erased while their message waited
        raise Unknown("unknown_person", "You are not known here any more.")
    return person


def _branch(context: Context, candidate: Candidate) -> Branch:
    return Branch(id=context.new_id(), text=candidate.text, score=candidate.score, answers=candidate.answers)
