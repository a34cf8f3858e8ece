"""No statement of a message, a reaction or a tick goes through a table that grows with people and answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from bot.events import Choice, Deletion, Edit, Reaction
from bot.store import Store
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from tests.bot.store.conftest import Clock, open_store
from tests.bot.store.making import NOON, OWNER, answered, draft, person, posted, reaction, ref, taken
from tests.migrated import migrated

GROWING = {
    "replies",
    "searches",
    "reply_refs",
    "inbox",
    "reactions",
    "teachings",
    "notes",
    "choices",
    "events",
}


@pytest.fixture
def statements() -> Iterator[dict[str, Any]]:
    """Every statement that is executed, with the parameters of its last time."""
    seen: dict[str, Any] = {}

    def note(connection: object, cursor: object, statement: str, parameters: Any, *more: object) -> None:
        seen[statement] = parameters[0] if isinstance(parameters, list) else parameters

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    yield seen
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


async def _a_day(store: Store) -> None:
    """A question, its answer and what is done with it, from the asking to the withdrawal; and the ticks."""
    first = await answered(store, "e1")
    await posted(store, first, "m1")
    await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    await store.examples.of_person("ann", limit=300)
    await store.examples.rated("ann", limit=200)
    await store.choices.answers_since_duel("ann")
    await store.choices.telling("ann", limit=60)
    await store.notes.active("ann")
    item = await taken(store, "e2")
    await store.inbox.earlier(item, limit=40)
    await store.inbox.begin(item.id, owner=OWNER)
    made = draft(item)
    await store.replies.record(made, owner=OWNER)
    await store.replies.last_texts([item.id])
    await store.replies.of_messages([item.id])
    await store.replies.of_cause(item.id)
    await store.replies.at(ref("m1"))
    await store.replies.never_learn(made.id, True)
    choice = Choice(event="c1", reply=first, person=person(), alternative="b1", at=NOON)
    await store.choices.take(choice, owner=OWNER)
    note = NewNote(
        id="n1",
        person="ann",
        kind=NoteKind.NOTE,
        text="be brief",
        source="be brief",
        origin=Origin.MESSAGE,
        message=item.id,
    )
    await store.notes.keep(note)
    await store.notes.take_back(["n1"])
    await store.teachings.of_message(item.id)
    await store.teachings.of_revision(first)
    await store.teachings.of_note("n1")
    edit = Edit(event="x", ref=item.ref, person=item.person, text="new", at=NOON)
    await store.inbox.edit(edit, item.id, owner=OWNER)
    await store.withdrawals.take(Deletion(event="d", ref=item.ref, at=NOON), item.id)
    await store.inbox.adopt("another", limit=10)
    await store.deliveries.adopt("another", limit=10)
    await store.events.forget(before=NOON - timedelta(days=1))
    await store.nights.untold(since=NOON)


async def test_no_growing_table_is_gone_through(
    tmp_path: Path, clock: Clock, statements: dict[str, Any]
) -> None:
    file = tmp_path / "a.db"
    store = await open_store(migrated(f"sqlite:///{file}"), clock)
    statements.clear()
    await _a_day(store)
    await store.close()
    scans = {}
    with sqlite3.connect(file) as connection:
        for statement, parameters in statements.items():
            if statement.split()[0] in {"SELECT", "UPDATE", "DELETE", "INSERT"}:
                rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
                gone_through = {row[3].split()[1] for row in rows if row[3].startswith("SCAN ")}
                if gone_through & GROWING:
                    scans[statement] = gone_through
    connection.close()
    assert len(statements) > 50
    assert scans == {}


async def test_a_reaction_is_one_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await posted(store, await answered(store), "m1")
    writes: list[object] = []
    write = store.database.write

    async def counted(work: Any) -> Any:
        writes.append(work)
        return await write(work)

    monkeypatch.setattr(store.database, "write", counted)
    event: Reaction = reaction("👍", "m1", event="r1")
    await store.reactions.put(event, "👍")
    assert len(writes) == 1
