"""What a person wants, as notes: their own words, and what their ratings show.

The ratings are read anew, and only those that are trained on. The notes that stand by day were seen in all
ratings, so held-out ratings would vouch for what they had suggested themselves.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from bot.answering.taste import population
from bot.context import Context
from bot.nights.material import history
from bot.store.feedback.notes import Note, NoteKind, Origin
from bot.store.people import KnownPerson
from bot.store.recorded_replies import RecordedReply
from bot.teaching.inferred_notes import FEWEST, as_rated, rethink
from bot.teaching.note_wording import manner_of
from engine.judging.hypotheses import Population
from engine.judging.taste import Taste, Want

OWN_WORDS_PRIOR: Final = 0.92
NO_NOTES_PRIOR: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The notes that a person gave, the wants that their ratings show, and the ratings behind these.

    `rated`: the rated replies that are trained on, each described by the judge, the newest first.
    """

    said: tuple[Note, ...]
    seen: tuple[Want, ...]
    rated: tuple[RecordedReply, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        return (*(note.text for note in self.said), *(want.note for want in self.seen))

    @property
    def prior(self) -> float:
        """How sure it is, before any training, that these are what the person wants.

        A person's word is nearly certain. A want from ratings is as certain as the taste finds it.
        """
        if not self.said and not self.seen:
            return NO_NOTES_PRIOR
        each = [*([OWN_WORDS_PRIOR] if self.said else []), *(want.probability for want in self.seen)]
        # Not the product: a LoRA that has most of it right is better than one that has nothing.
        return math.exp(sum(map(math.log, each)) / len(each))


async def wishes_of(context: Context, person: KnownPerson, train: Collection[str]) -> Wishes:
    """`train`: the ids of the feedback that is trained on. Raises EngineError."""
    notes = [note for note in await context.store.notes.all(person.key) if note.kind is NoteKind.NOTE]
    said = [note for note in notes if _is_said(note)]
    rated = await _rated_for_training(context, person, train)
    seen = await asyncio.to_thread(_seen, context, rated, notes, await population(context))
    return Wishes(
        said=tuple(said[-context.settings.memory.max_notes :]), seen=tuple(seen), rated=tuple(rated)
    )


async def _rated_for_training(
    context: Context, person: KnownPerson, train: Collection[str]
) -> list[RecordedReply]:
    if not context.rubric.manners:
        return []
    await rethink(context, person.key)  # every rated answer is described, the newest too
    recorded = await context.store.replies.of_person(person.key, limit=history.MAX_REPLIES)
    return [
        reply
        for reply in recorded
        if reply.reply.id in train and reply.reply.rating is not None and reply.manners
    ]


def _seen(
    context: Context, rated: Sequence[RecordedReply], notes: Sequence[Note], everybody: Population
) -> list[Want]:
    if len(rated) < FEWEST:
        return []
    ratings = [as_rated(reply.reply.text, reply.reply.rating or 3, reply.manners or {}) for reply in rated]
    taste = Taste.blank(context.rubric.manners, everybody).following(ratings)
    return [want for want in taste.wants() if not _is_spoken_for(context, want, notes)]


def _is_spoken_for(context: Context, want: Want, notes: Sequence[Note]) -> bool:
    """Whether the person has said something about it, or deleted that very note: a word outweighs a guess."""
    manner = manner_of(context.rubric, want.note)
    group = context.rubric.group_of(manner) or want.manner
    for note in notes:
        if _is_said(note) and context.rubric.group_of(note.manner) == group:
            return True
        if note.manner == manner and note.deleted_at is not None and note.origin is Origin.REACTIONS:
            return True
    return False


def _is_said(note: Note) -> bool:
    return note.origin is not Origin.REACTIONS and note.deleted_at is None
