"""Keeps what a person says in passing as notes and facts, and takes it back. Understands nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.answering.drafting import undo_button
from bot.context import Context
from bot.store.feedback.notes import NewNote, Note, NoteKind, Origin
from bot.store.inbox import Item
from bot.store.recorded_replies import Draft
from bot.teaching import note_wording, said_in_passing
from bot.teaching.said_in_passing import Fact


async def keep(context: Context, item: Item) -> Sequence[Note]:
    """Keep the facts and the wishes for all answers that a message states, once; the notes made of them.

    Of a message that was edited, what only its earlier words stated is taken back.
    """
    if item.revision:
        earlier = [note for note in await _stated(context, item) if note.source != item.text]
        await context.store.notes.take_back([note.id for note in earlier])
    facts, wishes = said_in_passing.facts(item.text), said_in_passing.wishes(item.text)
    if not facts and not wishes:
        return ()
    person = await context.store.people.get(item.person.key)
    if person is None or not person.memory or item.never_learn:
        return ()
    standing = await context.store.notes.active(person.key)
    stated = f"{item.id}r{item.revision}"  # the ids stay, however often this is tried
    for number, fact in enumerate(facts):
        if known(fact, standing) is None:
            await context.store.notes.keep(fact_note(fact, item, standing, note_id=f"{stated}f{number}"))
    for number, wish in enumerate(wishes):
        placed = await note_wording.placed(context, wish, await context.store.notes.active(person.key))
        if placed.same_as is None:
            await context.store.notes.keep(_wish_note(placed, item, note_id=f"{stated}w{number}"))
    return await _standing(context, item)


async def shown(context: Context, draft: Draft, kept: Sequence[Note]) -> Draft:
    """The answer with a line above it that says what was noted, and a button that takes it back."""
    if not kept:
        return draft
    heading = note_wording.told(kept, await context.store.notes.all(draft.person))
    return replace(draft, heading=heading, actions=(undo_button(draft.id), *draft.actions))


async def take_back(context: Context, item: Item) -> Sequence[Note]:
    """What a message stated was not meant: the notes made of it that stood until now."""
    stated = await _stated(context, item)
    await context.store.notes.take_back([note.id for note in stated])
    return [note for note in stated if note.deleted_at is None]


def known(fact: Fact, standing: Iterable[Note]) -> Note | None:
    """The note that says a fact already."""
    return next((note for note in standing if _plain(note.text) == _plain(fact.text)), None)


def fact_note(
    fact: Fact,
    item: Item,
    standing: Iterable[Note],
    *,
    note_id: str,
    teaching: str | None = None,
) -> NewNote:
    """The note for a fact. It takes the place of what was known about the same thing."""
    return NewNote(
        id=note_id,
        person=item.person.key,
        kind=NoteKind.FACT,
        text=fact.text,
        source=item.text,
        origin=Origin.MESSAGE if teaching is None else Origin.CRITIQUE,
        teaching=teaching,
        message=item.id if teaching is None else None,
        instead_of=tuple(
            note.id
            for note in standing
            if note.kind is NoteKind.FACT
            and any(one.key == fact.key for one in said_in_passing.facts(note.text))
        ),
    )


async def _standing(context: Context, item: Item) -> Sequence[Note]:
    """The notes made of a message that stand."""
    return [note for note in await _stated(context, item) if note.deleted_at is None]


async def _stated(context: Context, item: Item) -> Sequence[Note]:
    """All notes made of a message: what made room for another would come back with that one's end."""
    return [note for note in await context.store.notes.all(item.person.key) if note.message == item.id]


def _wish_note(placed: note_wording.Placed, item: Item, *, note_id: str) -> NewNote:
    return NewNote(
        id=note_id,
        person=item.person.key,
        kind=NoteKind.NOTE,
        text=placed.text,
        source=item.text,
        origin=Origin.MESSAGE,
        manner=placed.manner,
        message=item.id,
        instead_of=tuple(note.id for note in placed.instead_of),
    )


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
