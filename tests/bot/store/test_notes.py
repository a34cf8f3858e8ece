"""Notes that make room for each other and are taken back, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio

from bot.events import Deletion
from bot.store import Store
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from bot.store.inbox import Item
from tests.bot.store.making import NOON, taken


def note(text: str, stated: Item, *instead_of: str) -> NewNote:
    return NewNote(
        id=text,
        person=stated.person.key,
        kind=NoteKind.NOTE,
        text=text,
        source=stated.text,
        origin=Origin.MESSAGE,
        message=stated.id,
        instead_of=instead_of,
    )


async def standing(store: Store) -> list[str]:
    return [note.text for note in await store.notes.active("ann")]


async def test_what_was_replaced_again_and_again_holds_once_all_that_replaced_it_is_taken_back(
    store: Store,
) -> None:
    stated = await taken(store)
    await store.notes.keep(note("one", stated))
    await store.notes.keep(note("two", stated, "one"))
    await store.notes.keep(note("three", stated, "two"))
    await store.notes.keep(note("four", stated, "three"))
    await store.notes.take_back(["three", "two"])
    assert await standing(store) == ["four"]
    await store.notes.take_back(["four"])
    assert await standing(store) == ["one"]


async def test_notes_that_replaced_each_other_are_taken_back_together(store: Store) -> None:
    stated = await taken(store)
    await store.notes.keep(note("one", stated))
    await store.notes.keep(note("two", stated, "one"))
    await store.notes.keep(note("three", stated, "two"))
    await store.notes.take_back(["two", "three"])
    assert await standing(store) == ["one"]


async def test_a_withdrawal_at_the_very_moment_leaves_no_note(store: Store) -> None:
    for number in range(20):
        stated = await taken(store, f"e{number}")
        deletion = Deletion(event=f"d{number}", ref=stated.ref, at=NOON)
        await asyncio.gather(
            store.notes.keep(note(f"note {number}", stated)), store.withdrawals.take(deletion, stated.id)
        )
    assert await standing(store) == []
