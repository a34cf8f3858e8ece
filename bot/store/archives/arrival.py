"""One person's archive on its way in, step by step. Each step is a transaction of its own.

What a step finds there already it leaves as it is, so an import that broke off is taken in again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Row, Table, select, update

from bot.errors import Unknown
from bot.ratings import kept
from bot.records import (
    Archive,
    ChoiceRecord,
    DocumentRecord,
    NoteRecord,
    PersonRecord,
    ReplyRecord,
    TeachingRecord,
)
from bot.store import tables
from bot.store.database import DatabaseConnection, Work, insert
from bot.store.recorded_replies import Delivery, prompt_json, request_of

PER_STEP: Final = 200  # records in a transaction: others' writes wait for no more than one of these
T = TypeVar("T")
Identified = TypeVar("Identified", TeachingRecord, NoteRecord, ChoiceRecord, DocumentRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the records of a step."""

    taken: int = 0
    there_already: int = 0
    orphaned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Some records of a kind, and the transaction that takes them in."""

    kind: str
    records: Sequence[object]
    work: Work[Counts]


class Arrival:
    """One archive on its way in."""

    def __init__(self, person: str, new_id: Callable[[], str]) -> None:
        self._person = person
        self._new_id = new_id

    def steps(self, archive: Archive) -> list[Step]:
        """In this order: a teaching names a reply and a note, a choice a reply."""
        steps = [Step(kind="settings", records=(), work=partial(self._settings, archive.person))]
        steps += self._chunks("replies", archive.replies, self._replies)
        steps += self._chunks("replies", _revisions_before_their_first(archive.replies), self._revisions)
        steps += self._chunks("notes", archive.notes, self._notes)
        steps += self._chunks("teachings", archive.teachings, self._teachings)
        steps += self._chunks("choices", archive.choices, self._choices)
        steps += self._chunks("documents", archive.documents, self._documents)
        return steps

    def _chunks(
        self,
        kind: str,
        records: Sequence[T],
        take: Callable[[Sequence[T], DatabaseConnection], Coroutine[None, None, Counts]],
    ) -> Iterator[Step]:
        for start in range(0, len(records), PER_STEP):
            chunk = records[start : start + PER_STEP]
            yield Step(kind=kind, records=chunk, work=partial(take, chunk))

    async def _settings(self, record: PersonRecord | None, connection: DatabaseConnection) -> Counts:
        """How the person had set the bot. Not their consent: that was given to another server."""
        if record is not None:
            await connection.execute(
                update(tables.people)
                .where(tables.people.c.key == self._person)
                .values(memory=record.memory, lora=record.lora, mode=record.mode, timezone=record.timezone)
            )
        return Counts()

    async def _replies(self, records: Sequence[ReplyRecord], connection: DatabaseConnection) -> Counts:
        await self._still_there(connection)
        wanted = {record.id for record in records} | {record.revises for record in records}
        known = await self._known(connection, tables.replies, wanted)
        new = [record for record in records if record.id not in known]
        ids = {record.id: self._new_id() for record in new}
        revised = known | ids
        rows = [self._reply_row(record, ids[record.id], revised.get(record.revises or "")) for record in new]
        await _insert(connection, tables.replies, rows)
        await _insert(connection, tables.searches, [_search_row(record, ids[record.id]) for record in new])
        await _insert(
            connection,
            tables.reactions,
            [row for record in new for row in self._reaction_rows(record, ids[record.id])],
        )
        return Counts(taken=len(new), there_already=len(records) - len(new))

    # Any: the values of columns, here and below.
    def _reply_row(self, record: ReplyRecord, reply_id: str, revises: str | None) -> dict[str, Any]:
        return {
            "id": reply_id,
            "person": self._person,
            "conversation": record.conversation,
            "revises": revises,
            "text": record.text,
            "request": request_of(record.prompt),
            "model": record.model,
            "seed": record.seed,
            "mode": record.mode,
            "score": record.score,
            "answers": record.answers,
            "actions": [],
            "never_learn": record.never_learn,
            "delivery": Delivery.IMPORTED,
            "at": record.at,
            "import_key": record.id,
        }

    def _reaction_rows(self, record: ReplyRecord, reply_id: str) -> list[dict[str, Any]]:
        emoji = sorted({name for name in map(kept, record.reactions) if name is not None})
        row = {"reply": reply_id, "person": self._person, "is_on": True, "at": record.at}
        return [{**row, "emoji": name} for name in emoji]

    async def _revisions(self, records: Sequence[ReplyRecord], connection: DatabaseConnection) -> Counts:
        """Name the reply that each of these revises: it came in later than they did."""
        wanted = {record.id for record in records} | {record.revises for record in records}
        known = await self._known(connection, tables.replies, wanted)
        for record in records:
            this = update(tables.replies).where(tables.replies.c.id == known[record.id])
            await connection.execute(this.values(revises=known.get(record.revises or "")))
        return Counts()

    async def _notes(self, records: Sequence[NoteRecord], connection: DatabaseConnection) -> Counts:
        await self._still_there(connection)
        new = await self._new(connection, tables.notes, records)
        rows = [
            {
                "id": self._new_id(),
                "person": self._person,
                "kind": record.kind,
                "text": record.text,
                "source": record.source,
                "origin": record.origin,
                "manner": record.manner,
                "created_at": record.at,
                "deleted_at": record.deleted_at,
                "import_key": record.id,
            }
            for record in new
        ]
        await _insert(connection, tables.notes, rows)
        return Counts(taken=len(new), there_already=len(records) - len(new))

    async def _teachings(self, records: Sequence[TeachingRecord], connection: DatabaseConnection) -> Counts:
        await self._still_there(connection)
        new = await self._new(connection, tables.teachings, records)
        about = {record.reply for record in new} | {record.revision for record in new}
        replies = await self._known(connection, tables.replies, about)
        notes = await self._known(connection, tables.notes, {record.note for record in new})
        rows: list[dict[str, Any]] = [
            {
                "id": self._new_id(),
                "person": self._person,
                "reply": replies[record.reply],
                "kind": record.kind,
                "text": record.text,
                "wanted": record.wanted,
                "note": notes.get(record.note or ""),
                "revision": replies.get(record.revision or ""),
                "attempts": [],
                "never_learn": record.never_learn,
                "at": record.at,
                "import_key": record.id,
            }
            for record in new
            if record.reply in replies
        ]
        await _insert(connection, tables.teachings, rows)
        return _counted(records, new, rows)

    async def _choices(self, records: Sequence[ChoiceRecord], connection: DatabaseConnection) -> Counts:
        await self._still_there(connection)
        new = await self._new(connection, tables.choices, records)
        replies = await self._known(connection, tables.replies, {record.reply for record in new})
        rows = [
            {
                "id": self._new_id(),
                "person": self._person,
                "reply": replies[record.reply],
                "kind": record.kind,
                "alternative": record.alternative[:64],
                "chosen_text": record.chosen,
                "rejected_text": record.rejected,
                "at": record.at,
                "import_key": record.id,
            }
            for record in new
            if record.reply in replies
        ]
        await _insert(connection, tables.choices, rows)
        return _counted(records, new, rows)

    async def _documents(self, records: Sequence[DocumentRecord], connection: DatabaseConnection) -> Counts:
        await self._still_there(connection)
        new = await self._new(connection, tables.documents, records)
        rows = [
            {
                "id": self._new_id(),
                "person": self._person,
                "title": record.title,
                "text": record.text,
                "at": record.at,
                "import_key": record.id,
            }
            for record in new
        ]
        await _insert(connection, tables.documents, rows)
        return Counts(taken=len(new), there_already=len(records) - len(new))

    async def _still_there(self, connection: DatabaseConnection) -> None:
        """Nobody forgets the person until the step is over. Raises Unknown where somebody had."""
        people = tables.people
        this = select(people.c.key).where(people.c.key == self._person)
        locked = this.with_for_update(read=True, key_share=True)  # SQLite has one writer, and no need
        if (await connection.execute(locked)).one_or_none() is None:
            raise Unknown("unknown_person", "You were forgotten while this was taken in.")

    async def _new(
        self, connection: DatabaseConnection, table: Table, records: Sequence[Identified]
    ) -> list[Identified]:
        known = await self._known(connection, table, {record.id for record in records})
        return [record for record in records if record.id not in known]

    async def _known(
        self, connection: DatabaseConnection, table: Table, names: Collection[str | None]
    ) -> dict[str, str]:
        """The ids of the records that are there already, by their ids here and where they came from."""
        wanted = {name for name in names if name is not None}
        columns = select(table.c.id, table.c.import_key, table.c.person)
        # Two queries: for one with OR, SQLite goes through all that the person has.
        came = columns.where(table.c.person == self._person, table.c.import_key.in_(wanted))
        made_here = columns.where(table.c.id.in_(wanted))
        rows: list[Row[Any]] = []
        for query in (came, made_here):
            rows += (await connection.execute(query)).all()
        return {
            name: row.id
            for row in rows
            for name in (row.id, row.import_key)
            if row.person == self._person and name is not None
        }


def _revisions_before_their_first(records: Sequence[ReplyRecord]) -> list[ReplyRecord]:
    """The replies that come in an earlier step than the reply that they revise."""
    steps = {record.id: index // PER_STEP for index, record in enumerate(records)}
    return [record for record in records if steps.get(record.revises or "", -1) > steps[record.id]]


def _search_row(record: ReplyRecord, reply_id: str) -> dict[str, Any]:
    return {
        "reply": reply_id,
        "alternatives": [asdict(branch) for branch in record.alternatives],
        "prompt": prompt_json(record.prompt),
        "tree": [],
    }


def _counted(records: Sequence[object], new: Sequence[object], rows: Sequence[object]) -> Counts:
    there_already, orphaned = len(records) - len(new), len(new) - len(rows)
    return Counts(taken=len(rows), there_already=there_already, orphaned=orphaned)


async def _insert(connection: DatabaseConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)
