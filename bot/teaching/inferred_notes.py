"""What a person's ratings and choices alone say they want, as notes that they can see and delete.

Thought through again after every one of them, in the background: each answer is asked about once, the
taste is learned from all of them, and a want that has become clear stands as a note until it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from bot.answering.taste import population
from bot.context import Context
from bot.store.feedback.choices import Preference
from bot.store.feedback.examples import RatedReply
from bot.store.feedback.notes import NewNote, Note, NoteKind, Origin
from bot.store.recorded_replies import RecordedReply
from bot.teaching import note_wording
from engine import wording
from engine.errors import RequestError
from engine.judging.hypotheses import Population
from engine.judging.judge import Judge, plain_features
from engine.judging.rubric import manner_questions
from engine.judging.taste import Liking, Preferred, Rated, Taste, Want

log = structlog.get_logger(__name__)

MAX_RATED: Final = 200  # the newest
MAX_CHOSEN: Final = 60
FEWEST: Final = 4  # ratings and choices, before anything is concluded from them


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """What a person's ratings and choices say, as far as they may be learned from; the newest first."""

    everybody: Population
    dated: Sequence[tuple[datetime, Liking]]

    def since(self, at: datetime) -> _Evidence:
        return replace(self, dated=[(when, liking) for when, liking in self.dated if when > at])

    def taste(self, context: Context) -> Taste:
        return Taste.blank(context.rubric.manners, self.everybody).following(
            [liking for _, liking in self.dated]
        )

    def clear(self, taste: Taste) -> list[Want]:
        return taste.wants() if len(self.dated) >= FEWEST else []

    def told(self) -> str:
        """Where a note comes from that was made of it."""
        ratings = sum(isinstance(liking, Rated) for _, liking in self.dated)
        counts = ((ratings, "rating"), (len(self.dated) - ratings, "choice"))
        return "seen in " + " and ".join(f"{n} {what}{'s' if n != 1 else ''}" for n, what in counts if n)


async def rethink(context: Context, person: str) -> Sequence[Note]:
    """Learn the person's taste anew; the notes that are new by it. Raises EngineError."""
    if not context.rubric.manners or await context.store.people.get(person) is None:
        return ()
    dated: list[tuple[datetime, Liking]] = [
        *await _rated(context, person),
        *await _preferred(context, person),
    ]
    evidence = _Evidence(
        everybody=await population(context),
        dated=sorted(dated, key=lambda entry: entry[0], reverse=True),
    )
    everything = await context.store.notes.all(person)
    taste, wanted = await asyncio.to_thread(_concluded, context, evidence, everything)
    # What is no longer clear vanishes as quietly as it came.
    new, _ = await context.store.notes.infer(
        person, [_note(context, person, want, evidence) for want in wanted]
    )
    await context.store.people.change(person, taste=taste.state())
    return [await context.store.notes.get(note_id) for note_id in new]


# --- the evidence ---


async def _rated(context: Context, person: str) -> list[tuple[datetime, Rated]]:
    """The person's own answers that they rated and that may be learned from, and when they were given."""
    rated = await context.store.examples.rated(person, limit=MAX_RATED)
    described = [await _described(context, reply) for reply in rated]
    return [dated for dated in described if dated is not None]


async def _described(context: Context, reply: RatedReply) -> tuple[datetime, Rated] | None:
    """None: the judge cannot be asked about it."""
    answers = reply.manners
    if answers is None or not _is_complete(context, answers):
        asked = await _asked(context, await context.store.replies.recorded(reply.id), [reply.text])
        if asked is None:
            return None
        (answers,) = asked
        await context.store.replies.describe(reply.id, reply.text, answers)
    return reply.at, as_rated(reply.text, reply.rating, answers)


async def _preferred(context: Context, person: str) -> list[tuple[datetime, Preferred]]:
    """The person's choices. Who chooses between the same two again changed their mind: the last one holds."""
    made = await context.store.choices.telling(person, limit=MAX_CHOSEN)
    last = {(choice.reply, frozenset((choice.chosen_text, choice.rejected_text))): choice for choice in made}
    compared = [await _compared(context, choice) for choice in last.values()]
    return [choice for choice in compared if choice is not None]


async def _compared(context: Context, choice: Preference) -> tuple[datetime, Preferred] | None:
    """None: the judge cannot be asked about one of the two."""
    manners = choice.manners
    if manners is None or not all(_is_complete(context, answers) for answers in manners.values()):
        about = await context.store.replies.recorded(choice.reply)
        asked = await _asked(context, about, [choice.chosen_text, choice.rejected_text])
        if asked is None:
            return None
        chosen, rejected = asked
        manners = {"chosen": chosen, "rejected": rejected}
        await context.store.choices.describe(choice.id, manners)
    better = _with_plain(manners["chosen"], choice.chosen_text)
    worse = _with_plain(manners["rejected"], choice.rejected_text)
    return choice.at, Preferred(better=better, worse=worse)


async def _asked(
    context: Context, recorded: RecordedReply, texts: Sequence[str]
) -> list[dict[str, float]] | None:
    """The rubric's manners in answers, read without memory: no note is to colour what is seen.

    None where the model cannot take them, as an imported text that is longer than its context.
    """
    judge = Judge(context.backend, manner_questions(context.rubric.manners))
    prefix = context.backend.encode(wording.last_exchange(recorded.prompt))
    try:
        verdicts = await judge.score(prefix, [context.backend.encode_text(text) for text in texts])
    except RequestError as error:
        log.info("an answer is left out of the taste", reply=recorded.reply.id, error=str(error))
        return None
    return [dict(verdict.answers) for verdict in verdicts]


def as_rated(text: str, rating: int, answers: Mapping[str, float]) -> Rated:
    """A rated answer in which the judge found this, as a taste learns from it."""
    return Rated(answers=_with_plain(answers, text), rating=rating)


def _is_complete(context: Context, answers: Mapping[str, float]) -> bool:
    """Whether every manner of the rubric, as it is now, was asked about."""
    return set(answers) == {manner.name for manner in context.rubric.manners}


def _with_plain(answers: Mapping[str, float], text: str) -> Mapping[str, float]:
    return {**answers, **plain_features(text)}


# --- what follows from it ---


def _concluded(context: Context, evidence: _Evidence, everything: Sequence[Note]) -> tuple[Taste, list[Want]]:
    """The taste, and what of it may stand as a note. It takes up to a fifth of a second."""
    taste = evidence.taste(context)
    return taste, [want for want in evidence.clear(taste) if _may_stand(context, want, evidence, everything)]


def _may_stand(context: Context, want: Want, evidence: _Evidence, everything: Sequence[Note]) -> bool:
    """Whether nothing that the person said speaks against a note: a word of theirs outweighs any guess."""
    manner = note_wording.manner_of(context.rubric, want.note)
    said = [note for note in everything if note.kind is NoteKind.NOTE and note.origin is not Origin.REACTIONS]
    taken = {context.rubric.group_of(note.manner) for note in said if note.deleted_at is None}
    if manner is None or context.rubric.group_of(manner) in taken:
        return False
    deletions = [note.deleted_at for note in everything if note.manner == manner and note.deleted_at]
    if not deletions:
        return True
    # The evidence that it was deleted against does not bring it back: only what came since then counts.
    since = evidence.since(max(deletions))
    return any(later.note == want.note for later in since.clear(since.taste(context)))


def _note(context: Context, person: str, want: Want, evidence: _Evidence) -> NewNote:
    return NewNote(
        id=context.new_id(),
        person=person,
        kind=NoteKind.NOTE,
        text=want.note,
        source=evidence.told(),
        origin=Origin.REACTIONS,
        manner=note_wording.manner_of(context.rubric, want.note),
    )
