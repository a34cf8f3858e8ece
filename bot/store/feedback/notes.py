"""What stands about a person in every prompt: notes and facts. Knows no model.

A note that was deleted stays as a row, so that the same evidence does not bring it back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, bindparam, select, update

from bot.errors import NotYours, Unknown
from bot.events import MessageState
from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert

notes = tables.notes

# Made once, as every answer asks for them: making a statement costs as much as running it.
OF_PERSON: Final = (
    select(notes).where(notes.c.person == bindparam("of_person")).order_by(notes.c.created_at, notes.c.id)
)
MAX_ACTIVE: Final = 200  # a person's oldest note makes room


class NoteKind(StrEnum):
    NOTE = "note"  # how to answer
    FACT = "fact"  # something that is so


class Origin(StrEnum):
    """Where a note comes from."""

    CRITIQUE = "critique"  # said under an answer
    MESSAGE = "message"  # said in passing
    REACTIONS = "reactions"  # seen in the ratings
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    id: str
    person: str
    kind: NoteKind
    text: str
    source: str
    origin: Origin
    manner: str | None
    teaching: str | None
    message: str | None
    replaced_by: str | None
    created_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNote:
    """A note that is about to be kept. `instead_of`: the active notes that it makes obsolete.

    `teaching`, `message`: what made it, said under an answer or in passing.
    """

    id: str
    person: str
    kind: NoteKind
    text: str
    source: str
    origin: Origin
    manner: str | None = None
    teaching: str | None = None
    message: str | None = None
    instead_of: tuple[str, ...] = ()


class NoteStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def active(self, person: str) -> Sequence[Note]:
        """What stands about the person now, oldest first."""
        return [note for note in await self.all(person) if note.deleted_at is None]

    async def all(self, person: str) -> Sequence[Note]:
        """The deleted ones too, oldest first."""
        async with self._database.reading() as connection:
            return [_note(row) for row in await connection.execute(OF_PERSON, {"of_person": person})]

    async def get(self, note_id: str) -> Note:
        """Raises Unknown."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(notes).where(notes.c.id == note_id))).one_or_none()
        if row is None:
            raise Unknown("unknown_note", f"There is no note {note_id!r}.")
        return _note(row)

    async def keep(self, note: NewNote) -> None:
        """Keep a note, once, and delete those that it makes obsolete."""

        async def work(connection: DatabaseConnection) -> None:
            await keep(connection, note, self._clock())

        await self._database.write(work)

    async def delete(self, person: str, note_id: str) -> Note:
        """The note does not hold any more. Doing it again changes nothing. Raises Unknown, NotYours."""
        note = await self.get(note_id)
        if note.person != person:
            raise NotYours("not_yours", "This note is somebody else's.")

        async def work(connection: DatabaseConnection) -> None:
            standing = update(notes).where(notes.c.id == note_id, notes.c.deleted_at.is_(None))
            await connection.execute(standing.values(deleted_at=self._clock()))

        await self._database.write(work)
        return note

    async def take_back(self, ids: Collection[str]) -> None:
        """Delete notes that were not meant. Notes that they had replaced hold again."""

        async def work(connection: DatabaseConnection) -> None:
            await take_back(connection, ids, self._clock())

        await self._database.write(work)

    async def infer(self, person: str, wanted: Sequence[NewNote]) -> tuple[Sequence[str], Sequence[str]]:
        """Keep these notes and no other as seen in the reactions. Returns the new ids, and the gone ones.

        A manner whose note the person deleted is not among them: the caller sees to that.
        """

        async def work(connection: DatabaseConnection) -> tuple[Sequence[str], Sequence[str]]:
            query = select(notes).where(
                notes.c.person == person, notes.c.origin == Origin.REACTIONS, notes.c.deleted_at.is_(None)
            )
            standing = {row.manner: row.id for row in await connection.execute(query)}
            manners = {note.manner for note in wanted}
            gone = [note_id for manner, note_id in standing.items() if manner not in manners]
            # No longer seen is not the same as unwanted: the row goes, and may come back.
            if gone:
                await connection.execute(notes.delete().where(notes.c.id.in_(gone)))
            new = [note for note in wanted if note.manner not in standing]
            for note in new:
                await keep(connection, note, self._clock())
            return [note.id for note in new], gone

        return await self._database.write(work)


async def keep(connection: DatabaseConnection, note: NewNote, now: datetime) -> None:
    """Keep a note within a transaction. A known id changes nothing; nor does a message that was withdrawn."""
    if note.message is not None and not await _is_said(connection, note.message, note.source):
        return
    row = insert(connection, notes).values(
        id=note.id,
        person=note.person,
        kind=note.kind,
        text=note.text,
        source=note.source,
        origin=note.origin,
        manner=note.manner,
        teaching=note.teaching,
        message=note.message,
        created_at=now,
    )
    if (await connection.execute(row.on_conflict_do_nothing())).rowcount == 0:
        return
    await _make_room(connection, note.instead_of, note.id, now)
    await _make_room(connection, await _beyond(connection, note.person), note.id, now)


async def take_back(connection: DatabaseConnection, ids: Collection[str], now: datetime) -> None:
    """Delete notes that were not meant, within a transaction. Notes that they had replaced hold again."""
    query = select(notes.c.id).where(notes.c.id.in_(ids), notes.c.deleted_at.is_(None))
    standing = (await connection.execute(query)).scalars().all()
    await connection.execute(update(notes).where(notes.c.id.in_(standing)).values(deleted_at=now))
    # A note that was deleted before keeps what it had replaced hidden until the later note returns it.
    replaced = notes.alias("replaced")
    for note_id in set(ids).difference(standing):
        later = select(replaced.c.replaced_by).where(replaced.c.id == note_id).scalar_subquery()
        await connection.execute(
            update(notes).where(notes.c.replaced_by == note_id).values(replaced_by=later)
        )
    made_room = notes.c.replaced_by.in_(standing) & notes.c.id.not_in(ids)
    await connection.execute(update(notes).where(made_room).values(deleted_at=None, replaced_by=None))
    # These notes do not return either, should the note that replaced them be taken back.
    await connection.execute(update(notes).where(notes.c.id.in_(ids)).values(replaced_by=None))


async def _is_said(connection: DatabaseConnection, message: str, text: str) -> bool:
    """Whether the message still says this. Nobody edits or withdraws it until the transaction ends."""
    inbox = tables.inbox
    stands = (inbox.c.id == message) & (inbox.c.text == text) & (inbox.c.state != MessageState.CANCELLED)
    said = select(inbox.c.id).where(stands).with_for_update()  # SQLite has one writer, and no need
    return (await connection.execute(said)).one_or_none() is not None


async def _make_room(
    connection: DatabaseConnection, ids: Collection[str], note_id: str, now: datetime
) -> None:
    obsolete = update(notes).where(notes.c.id.in_(ids), notes.c.deleted_at.is_(None))
    await connection.execute(obsolete.values(deleted_at=now, replaced_by=note_id))


async def _beyond(connection: DatabaseConnection, person: str) -> Sequence[str]:
    query = (
        select(notes.c.id)
        .where(notes.c.person == person, notes.c.deleted_at.is_(None))
        .order_by(notes.c.created_at.desc(), notes.c.id)
        .offset(MAX_ACTIVE)
    )
    return list((await connection.execute(query)).scalars())


def _note(row: Row[Any]) -> Note:  # Any: a row described by columns
    return Note(
        id=row.id,
        person=row.person,
        kind=NoteKind(row.kind),
        text=row.text,
        source=row.source,
        origin=Origin(row.origin),
        manner=row.manner,
        teaching=row.teaching,
        message=row.message,
        replaced_by=row.replaced_by,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
    )
