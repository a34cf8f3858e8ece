"""What people said under answers, and what became of it: a note, a revision. Knows no model and no chat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, select, update

from bot.events import MessageState, TeachingKind
from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert
from bot.store.feedback import notes as store_notes
from bot.store.feedback.notes import NewNote
from bot.store.inbox import ItemKind

teachings, inbox, replies = tables.teachings, tables.inbox, tables.replies

# Made once, as every answer asks for them: making a statement costs as much as running it.
OF_PERSON: Final = (
    select(teachings)
    .where(
        teachings.c.person == bindparam("of_person"),
        (teachings.c.text != "") | teachings.c.import_key.is_not(None),  # else it was withdrawn
    )
    .order_by(teachings.c.at, teachings.c.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a revision, and what the judge answered about it."""

    text: str
    score: float
    answers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """`wanted`: the text that a correction gives. `revision`: the reply that was made under a critique."""

    id: str
    person: str
    reply: str
    message: str | None
    kind: TeachingKind
    text: str
    wanted: str | None
    note: str | None
    revision: str | None
    attempts: tuple[Attempt, ...]
    never_learn: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTeaching:
    """What is kept of a thread reply as soon as it is understood.

    `note`: the id of the note that says it, also where that one was there before; of several facts the last.
    `revision`: the id that the reply made under it will have.
    """

    id: str
    person: str
    reply: str
    message: str
    kind: TeachingKind
    text: str
    wanted: str | None = None
    note: str | None = None
    revision: str | None = None
    never_learn: bool = False
    at: datetime


class TeachingStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, teaching: NewTeaching, notes: Sequence[NewNote], *, note_text: str | None) -> None:
        """Keep a teaching with the notes that it makes, once; the thread reply's outcome says what it was.

        Nothing is kept of a thread reply that was withdrawn.
        """

        async def work(connection: DatabaseConnection) -> None:
            is_it = (inbox.c.id == teaching.message) & (inbox.c.state != MessageState.CANCELLED)
            outcome = {"kind": teaching.kind, "note": note_text}
            changed = await connection.execute(update(inbox).where(is_it).values(outcome=outcome))
            if changed.rowcount == 0:
                return
            row = insert(connection, teachings).values(**asdict(teaching), attempts=[])
            if (await connection.execute(row.on_conflict_do_nothing())).rowcount == 0:
                return
            for note in notes:
                await store_notes.keep(connection, note, self._clock())

        await self._database.write(work)

    async def tried(self, teaching_id: str, attempts: Sequence[Attempt]) -> None:
        """The tries at a revision so far."""

        async def work(connection: DatabaseConnection) -> None:
            values = {"attempts": [asdict(attempt) for attempt in attempts]}
            await connection.execute(update(teachings).where(teachings.c.id == teaching_id).values(**values))

        await self._database.write(work)

    async def of_message(self, item_id: str) -> Teaching | None:
        """What a thread reply taught."""
        return await self._one(teachings.c.message == item_id)

    async def of_revision(self, reply_id: str) -> Teaching | None:
        """The teaching under which a reply was made."""
        return await self._one(teachings.c.revision == reply_id)

    async def of_note(self, note_id: str) -> Teaching | None:
        """The teaching that first made a note."""
        made_by = select(tables.notes.c.teaching).where(tables.notes.c.id == note_id).scalar_subquery()
        return await self._one(teachings.c.id == made_by)

    async def of_person(self, person: str) -> Sequence[Teaching]:
        """Everything that a person taught and did not withdraw, oldest first."""
        async with self._database.reading() as connection:
            return [_teaching(row) for row in await connection.execute(OF_PERSON, {"of_person": person})]

    async def take_back(self, teaching: Teaching, *, owner: str | None = None) -> None:
        """The teaching was not meant: its notes go, those before them hold again, no night learns from it.

        With an `owner` it was a question: the thread reply waits to be answered, by this process.
        """

        async def work(connection: DatabaseConnection) -> None:
            await take_back(connection, teaching.id, self._clock())
            if owner is not None:
                await _ask_instead(connection, teaching, owner)

        await self._database.write(work)

    async def _one(self, condition: Any) -> Teaching | None:  # Any: SQLAlchemy's expression
        async with self._database.reading() as connection:
            row = (await connection.execute(select(teachings).where(condition).limit(1))).one_or_none()
        return None if row is None else _teaching(row)


async def take_back(connection: DatabaseConnection, teaching_id: str, now: datetime) -> None:
    """Take a teaching back within a transaction."""
    made = tables.notes.c.teaching == teaching_id
    own = (await connection.execute(select(tables.notes.c.id).where(made))).scalars().all()
    await store_notes.take_back(connection, own, now)
    await connection.execute(update(teachings).where(teachings.c.id == teaching_id).values(never_learn=True))


async def _ask_instead(connection: DatabaseConnection, teaching: Teaching, owner: str) -> None:
    """Make the thread reply a question that waits. Its revision is no answer any more."""
    await connection.execute(
        update(replies).where(replies.c.id == teaching.revision).values(is_current=False, never_learn=True)
    )
    await connection.execute(
        update(inbox)
        .where(
            inbox.c.id == teaching.message,
            inbox.c.kind == ItemKind.THREAD_REPLY,
            inbox.c.state != MessageState.CANCELLED,
        )
        .values(
            kind=ItemKind.MESSAGE,
            outcome={"kind": TeachingKind.QUESTION, "note": None},
            state=MessageState.WAITING,
            problem=None,
            attempts=0,
            owner=owner,
        )
    )
    await connection.execute(
        update(teachings).where(teachings.c.id == teaching.id).values(kind=TeachingKind.QUESTION)
    )


def _teaching(row: Row[Any]) -> Teaching:  # Any: a row described by columns
    return Teaching(
        id=row.id,
        person=row.person,
        reply=row.reply,
        message=row.message,
        kind=TeachingKind(row.kind),
        text=row.text,
        wanted=row.wanted,
        note=row.note,
        revision=row.revision,
        attempts=tuple(Attempt(**attempt) for attempt in row.attempts),
        never_learn=row.never_learn,
        at=row.at,
    )
