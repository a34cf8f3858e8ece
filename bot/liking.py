"""What a person's ratings alone say they want, as notes that they can see and delete.

Thought through again after every rating, in the background: each rated answer is asked about once, the
taste is learned from all of them, and a want that has become clear stands as a note until it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot import noting
from bot.kit import Kit
from bot.store.notes import NewNote, Note, NoteKind, Origin
from bot.store.replies import Recorded
from engine.judge import Judge, manner_questions, plain_features
from engine.taste import Taste, Want

MAX_RATED: Final = 200  # the newest
FEWEST: Final = 4  # ratings, before anything is concluded from them


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rated:
    """A rated answer, and what the judge found in it."""

    at: datetime
    rating: int
    answers: Mapping[str, float]


async def rethink(kit: Kit, person: str) -> Sequence[Note]:
    """Learn the person's taste anew; the notes that are new by it. Raises EngineError."""
    if not kit.rubric.manners:
        return ()
    known = await kit.store.people.get(person)
    if known is None:
        return ()
    rated = [await _described(kit, one) for one in await _rated(kit, person)]
    taste = _taste(kit, rated)
    everything = await kit.store.notes.all(person)
    wanted = [want for want in _clear(taste, rated) if _may_stand(kit, want, rated, everything)]
    new, gone = await kit.store.notes.infer(person, [_note(kit, person, want, len(rated)) for want in wanted])
    await kit.store.people.change(person, taste=taste.state())
    del gone  # what is no longer clear vanishes as quietly as it came
    return [await kit.store.notes.get(note_id) for note_id in new]


async def _rated(kit: Kit, person: str) -> list[Recorded]:
    """The person's own answers that they rated and that may be learned from, the newest first."""
    recorded = await kit.store.replies.with_feedback(person, limit=MAX_RATED)
    return [one for one in recorded if one.reply.rating and one.is_current and not one.never_learn]


async def _described(kit: Kit, one: Recorded) -> _Rated:
    answers = one.manners
    if answers is None or set(answers) != {manner.name for manner in kit.rubric.manners}:
        answers = await _asked(kit, one)
        await kit.store.replies.describe(one.reply.id, one.reply.text, answers)
    told = {**answers, **plain_features(one.reply.text)}
    return _Rated(at=one.at, rating=one.reply.rating or 3, answers=told)


async def _asked(kit: Kit, one: Recorded) -> dict[str, float]:
    """The rubric's manners in an answer, read without memory: no note is to colour what is seen."""
    judge = Judge(kit.backend, manner_questions(kit.rubric.manners))
    prefix = kit.backend.encode(noting.last_exchange(one.prompt))
    verdicts = await judge.score(prefix, [kit.backend.encode_text(one.reply.text)])
    return dict(verdicts[0].answers)


def _taste(kit: Kit, rated: Sequence[_Rated]) -> Taste:
    taste = Taste.blank(kit.rubric.manners)
    for one in rated:
        taste = taste.rated(one.answers, one.rating)
    return taste


def _clear(taste: Taste, rated: Sequence[_Rated]) -> list[Want]:
    return taste.wants() if len(rated) >= FEWEST else []


def _may_stand(kit: Kit, want: Want, rated: Sequence[_Rated], everything: Sequence[Note]) -> bool:
    """Whether nothing that the person said speaks against a note: a word of theirs outweighs any guess."""
    manner = noting.manner_of(kit.rubric, want.note)
    groups = {name: one.group for one in kit.rubric.manners for name in (one.name, f"!{one.name}")}
    said = [note for note in everything if note.kind is NoteKind.NOTE and note.origin is not Origin.REACTIONS]
    taken = {groups.get(note.manner or "") for note in said if note.deleted_at is None}
    if manner is None or groups[manner] in taken:
        return False
    deletions = [note.deleted_at for note in everything if note.manner == manner and note.deleted_at]
    if not deletions:
        return True
    # The evidence that it was deleted against does not bring it back: only ratings since then count.
    since = [one for one in rated if one.at > max(deletions)]
    return any(later.note == want.note for later in _clear(_taste(kit, since), since))


def _note(kit: Kit, person: str, want: Want, ratings: int) -> NewNote:
    return NewNote(
        id=kit.new_id(),
        person=person,
        kind=NoteKind.NOTE,
        text=want.note,
        source=f"seen in {ratings} ratings",
        origin=Origin.REACTIONS,
        manner=noting.manner_of(kit.rubric, want.note),
    )
