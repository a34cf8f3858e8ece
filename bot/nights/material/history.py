"""A person's feedback out of the store, as far as it may be learned from.

Leaves out what was withdrawn, changed or marked never to be learned from. Judges nothing and asks no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.context import Context
from bot.events import TeachingKind
from bot.store.feedback.choices import Preference
from bot.store.feedback.teachings import Teaching
from bot.store.people import KnownPerson
from bot.store.recorded_replies import RecordedReply
from engine.learning.dataset import Feedback, Source

MAX_REPLIES: Final = 2000
A_DAY: Final = timedelta(days=1)


async def feedback_of(context: Context, person: KnownPerson) -> list[Feedback]:
    """All feedback of a person on the answers to their own questions."""
    recorded = await context.store.replies.of_person(person.key, limit=MAX_REPLIES)
    began = await context.store.replies.beginnings(person.key)
    # A later conversation comes after these, so each keeps its number; only an imported one may come before.
    in_order = sorted((at, name) for name, at in began.items())
    numbers = {name: number for number, (_, name) in enumerate(in_order)}
    answers = {
        reply.reply.id: _Answer(reply, _thread(reply, numbers, began))
        for reply in recorded
        if reply.is_current and not reply.never_learn
    }
    feedback = [_rating(answer) for answer in answers.values() if answer.recorded.reply.rating is not None]
    deleted = {note.id for note in await context.store.notes.all(person.key) if note.deleted_at is not None}
    for teaching in await context.store.teachings.of_person(person.key):
        # A teaching whose note was deleted, or replaced by its contrary, is not taught any more.
        if teaching.never_learn or teaching.note in deleted or teaching.reply not in answers:
            continue
        taught = _teaching(teaching, answers)
        if taught is not None:
            feedback.append(taught)
    preferences = await context.store.choices.of_person(person.key)
    return feedback + [
        _preference(preference, answers[preference.reply])
        for preference in preferences
        if preference.reply in answers
    ]


@dataclass(frozen=True, slots=True)
class _Answer:
    """A reply, and the thread with which it is trained on or held out."""

    recorded: RecordedReply
    thread: int


def _thread(reply: RecordedReply, numbers: Mapping[str, int], began: Mapping[str, datetime]) -> int:
    """The number of the reply's conversation. A conversation of many days counts on by the day."""
    name = reply.reply.conversation
    return numbers[name] + (reply.at - began[name]) // A_DAY


def _rating(answer: _Answer) -> Feedback:
    recorded = answer.recorded
    return Feedback(
        id=recorded.reply.id,
        source=Source.RATING,
        thread=answer.thread,
        at=recorded.at,
        prompt=recorded.prompt,
        reply=recorded.reply.text,
        rating=recorded.reply.rating,
    )


def _teaching(teaching: Teaching, answers: Mapping[str, _Answer]) -> Feedback | None:
    """None for a teaching that gives no better reply: a question, or a critique without a revision."""
    answer = answers[teaching.reply]
    if teaching.kind is TeachingKind.CORRECTION and teaching.wanted:
        source, better = Source.CORRECTION, teaching.wanted
    elif teaching.kind is TeachingKind.CRITIQUE and teaching.revision and teaching.revision in answers:
        source, better = Source.REVISION, answers[teaching.revision].recorded.reply.text
    else:
        return None
    return Feedback(
        id=teaching.id,
        source=source,
        thread=answer.thread,
        at=teaching.at,
        prompt=answer.recorded.prompt,
        reply=answer.recorded.reply.text,
        better=better,
    )


def _preference(preference: Preference, answer: _Answer) -> Feedback:
    return Feedback(
        id=preference.id,
        source=Source.CHOICE,
        thread=answer.thread,
        at=preference.at,
        prompt=answer.recorded.prompt,
        reply=preference.rejected_text,
        better=preference.chosen_text,
    )
