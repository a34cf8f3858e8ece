"""All that a person has said of their answers, out of the store, as far as it may be learned from.

What was withdrawn, changed, marked or taken back is left out here. Judges nothing and asks no model.
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


async def gather(context: Context, person: KnownPerson) -> list[Feedback]:
    """All that a person has said about the answers to their own questions, and may be learned from."""
    recorded = await context.store.replies.of_person(person.key, limit=MAX_REPLIES)
    began = await context.store.replies.beginnings(person.key)
    # What is said later comes after these, so each keeps its number; only what is imported may come before.
    in_order = sorted((at, name) for name, at in began.items())
    numbers = {name: number for number, (_, name) in enumerate(in_order)}
    known = {
        one.reply.id: _About(one, _thread(one, numbers, began))
        for one in recorded
        if one.is_current and not one.never_learn
    }
    feedback = [_rated(one) for one in known.values() if one.recorded.reply.rating is not None]
    deleted = {note.id for note in await context.store.notes.all(person.key) if note.deleted_at is not None}
    for teaching in await context.store.teachings.of_person(person.key):
        # What somebody has taken back, or replaced by its contrary, is not taught any more.
        if teaching.never_learn or teaching.note in deleted or teaching.reply not in known:
            continue
        made = _taught(teaching, known)
        if made is not None:
            feedback.append(made)
    choices = await context.store.choices.of_person(person.key)
    return feedback + [_chosen(one, known[one.reply]) for one in choices if one.reply in known]


@dataclass(frozen=True, slots=True)
class _About:
    """A reply that something was said of, and the thread that it is trained on or held out with."""

    recorded: RecordedReply
    thread: int


def _thread(one: RecordedReply, numbers: Mapping[str, int], began: Mapping[str, datetime]) -> int:
    """Its conversation's number; one that goes on, as a direct message does, counts on by the day."""
    name = one.reply.conversation
    return numbers[name] + (one.at - began[name]) // A_DAY


def _rated(about: _About) -> Feedback:
    one = about.recorded
    return Feedback(
        id=one.reply.id,
        source=Source.RATING,
        thread=about.thread,
        at=one.at,
        prompt=one.prompt,
        reply=one.reply.text,
        rating=one.reply.rating,
    )


def _taught(teaching: Teaching, known: Mapping[str, _About]) -> Feedback | None:
    about = known[teaching.reply]
    if teaching.kind is TeachingKind.CORRECTION and teaching.wanted:
        source, better = Source.CORRECTION, teaching.wanted
    elif teaching.kind is TeachingKind.CRITIQUE and teaching.revision and teaching.revision in known:
        source, better = Source.REVISION, known[teaching.revision].recorded.reply.text
    else:
        return None
    return Feedback(
        id=teaching.id,
        source=source,
        thread=about.thread,
        at=teaching.at,
        prompt=about.recorded.prompt,
        reply=about.recorded.reply.text,
        better=better,
    )


def _chosen(chosen: Preference, about: _About) -> Feedback:
    return Feedback(
        id=chosen.id,
        source=Source.CHOICE,
        thread=about.thread,
        at=chosen.at,
        prompt=about.recorded.prompt,
        reply=chosen.rejected_text,
        better=chosen.chosen_text,
    )
