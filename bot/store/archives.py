"""All that is kept of one person, as records that leave the store and come back. Knows no file format.

A record that came from elsewhere keeps the id that it had there as its `import_key`: it comes in once,
and leaves again under the same id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Table, or_, select, update

from bot.ratings import normal
from bot.records import (
    Archive,
    BranchRecord,
    ChoiceRecord,
    DocumentRecord,
    Left,
    NoteRecord,
    PersonRecord,
    ReplyRecord,
    TeachingRecord,
)
from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert
from bot.store.recorded_replies import Delivery, prompt_json, prompt_of, request_of
from engine.types import Mode

PER_INSERT: Final = 200  # rows; SQLite bounds the variables of a statement
Ids = Mapping[str, str]


class ArchiveStore:
    def __init__(self, database: Database, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def of_person(self, person: str) -> Archive:
        """Everything of a person but the LoRA's files."""
        async with self._database.reading() as connection:
            rows = {name: await _all(connection, table, person) for name, table in _TABLES.items()}
            people = select(tables.people).where(tables.people.c.key == person)
            owner = (await connection.execute(people)).one()
            reactions = await _reactions(connection, person)
        ids = {row.id: row.import_key or row.id for found in rows.values() for row in found}
        return Archive(
            person=PersonRecord(
                name=owner.name,
                memory=owner.memory,
                lora=owner.lora,
                mode=None if owner.mode is None else Mode(owner.mode),
                timezone=owner.timezone,
            ),
            replies=tuple(_reply(row, ids, reactions.get(row.id, ())) for row in rows["replies"]),
            teachings=tuple(_teaching(row, ids) for row in rows["teachings"]),
            notes=tuple(_note(row, ids) for row in rows["notes"]),
            choices=tuple(_choice(row, ids) for row in rows["choices"]),
            documents=tuple(_document(row, ids) for row in rows["documents"]),
        )

    async def take_in(self, person: str, archive: Archive) -> tuple[dict[str, int], list[Left]]:
        """Take in what is not there yet, all or nothing; how much of each kind, and what was left."""

        async def work(connection: DatabaseConnection) -> tuple[dict[str, int], list[Left]]:
            return await _Arrival(connection, person, self._clock(), self._new_id).take(archive)

        return await self._database.write(work)


class _Arrival:
    """One archive on its way in, within one transaction."""

    def __init__(
        self, connection: DatabaseConnection, person: str, now: datetime, new_id: Callable[[], str]
    ) -> None:
        self._connection = connection
        self._person = person
        self._now = now
        self._new_id = new_id
        self._taken: dict[str, int] = {}
        self._left: Counter[tuple[str, str]] = Counter()

    async def take(self, archive: Archive) -> tuple[dict[str, int], list[Left]]:
        if archive.person is not None:
            await self._settings(archive.person)
        replies = await self._replies(archive.replies)
        notes = await self._notes(archive.notes)
        await self._teachings(archive.teachings, replies, notes)
        await self._choices(archive.choices, replies)
        await self._documents(archive.documents)
        left = [Left(what=what, why=why, count=count) for (what, why), count in self._left.items()]
        return {name: count for name, count in self._taken.items() if count}, left

    async def _settings(self, record: PersonRecord) -> None:
        """How the person had set the bot. Not their consent: that was given to another server."""
        await self._connection.execute(
            update(tables.people)
            .where(tables.people.c.key == self._person)
            .values(memory=record.memory, lora=record.lora, mode=record.mode, timezone=record.timezone)
        )

    async def _replies(self, records: Sequence[ReplyRecord]) -> Ids:
        known = await self._known("replies")
        ids = {one.id: known.get(one.id) or self._new_id() for one in records}
        new = [one for one in records if one.id not in known]
        await self._insert(
            "replies",
            [
                {
                    "id": ids[one.id],
                    "person": self._person,
                    "conversation": one.conversation,
                    "revises": None if one.revises is None else ids.get(one.revises),
                    "text": one.text,
                    "request": request_of(one.prompt),
                    "model": one.model,
                    "seed": one.seed,
                    "mode": one.mode,
                    "score": one.score,
                    "answers": one.answers,
                    "actions": [],
                    "never_learn": one.never_learn,
                    "delivery": Delivery.IMPORTED,
                    "at": one.at,
                    "import_key": one.id,
                }
                for one in new
            ],
            there_already=len(records) - len(new),
        )
        await self._searches(new, ids)
        await self._reactions(new, ids)
        return {**known, **ids}

    async def _searches(self, records: Sequence[ReplyRecord], ids: Ids) -> None:
        rows = [
            {
                "reply": ids[record.id],
                "alternatives": [asdict(branch) for branch in record.alternatives],
                "prompt": prompt_json(record.prompt),
                "tree": [],
            }
            for record in records
        ]
        await self._put(tables.searches, rows)

    async def _reactions(self, records: Sequence[ReplyRecord], ids: Ids) -> None:
        rows = [
            {"reply": ids[one.id], "person": self._person, "emoji": emoji, "is_on": True, "at": one.at}
            for one in records
            for emoji in sorted({name for name in map(normal, one.reactions) if name is not None})
        ]
        await self._put(tables.reactions, rows)

    async def _notes(self, records: Sequence[NoteRecord]) -> Ids:
        known = await self._known("notes")
        ids = {one.id: known.get(one.id) or self._new_id() for one in records}
        new = [one for one in records if one.id not in known]
        rows = [
            {
                "id": ids[one.id],
                "person": self._person,
                "kind": one.kind,
                "text": one.text,
                "source": one.source,
                "origin": one.origin,
                "manner": one.manner,
                "created_at": one.at,
                "deleted_at": one.deleted_at,
                "import_key": one.id,
            }
            for one in new
        ]
        await self._insert("notes", rows, there_already=len(records) - len(new))
        return {**known, **ids}

    async def _teachings(self, records: Sequence[TeachingRecord], replies: Ids, notes: Ids) -> None:
        known = await self._known("teachings")
        new = [one for one in records if one.id not in known and one.reply in replies]
        orphans = sum(one.id not in known and one.reply not in replies for one in records)
        rows: list[dict[str, Any]] = [  # Any: the values of columns
            {
                "id": self._new_id(),
                "person": self._person,
                "reply": replies[one.reply],
                "kind": one.kind,
                "text": one.text,
                "wanted": one.wanted,
                "note": None if one.note is None else notes.get(one.note),
                "revision": None if one.revision is None else replies.get(one.revision),
                "attempts": [],
                "never_learn": one.never_learn,
                "at": one.at,
                "import_key": one.id,
            }
            for one in new
        ]
        await self._insert("teachings", rows, there_already=len(records) - len(new) - orphans)
        self._orphans("teachings", orphans)

    async def _choices(self, records: Sequence[ChoiceRecord], replies: Ids) -> None:
        known = await self._known("choices")
        new = [one for one in records if one.id not in known and one.reply in replies]
        orphans = sum(one.id not in known and one.reply not in replies for one in records)
        rows = [
            {
                "id": self._new_id(),
                "person": self._person,
                "reply": replies[one.reply],
                "kind": one.kind,
                "alternative": one.alternative[:64],
                "chosen_text": one.chosen,
                "rejected_text": one.rejected,
                "at": one.at,
                "import_key": one.id,
            }
            for one in new
        ]
        await self._insert("choices", rows, there_already=len(records) - len(new) - orphans)
        self._orphans("choices", orphans)

    async def _documents(self, records: Sequence[DocumentRecord]) -> None:
        known = await self._known("documents")
        new = [one for one in records if one.id not in known]
        rows = [
            {
                "id": self._new_id(),
                "person": self._person,
                "title": one.title,
                "text": one.text,
                "at": one.at,
                "import_key": one.id,
            }
            for one in new
        ]
        await self._insert("documents", rows, there_already=len(records) - len(new))

    async def _known(self, name: str) -> dict[str, str]:
        """The ids, here and where they came from, of the records that are there already."""
        table = _TABLES[name]
        query = select(table.c.id, table.c.import_key).where(table.c.person == self._person)
        rows = (await self._connection.execute(query)).all()
        return {key: row.id for row in rows for key in (row.id, row.import_key) if key is not None}

    async def _insert(self, name: str, rows: Sequence[dict[str, Any]], *, there_already: int) -> None:
        # Any: the values of columns
        await self._put(_TABLES[name], rows)
        self._taken[name] = len(rows)
        if there_already:
            self._left[name, "there already"] += there_already

    def _orphans(self, name: str, count: int) -> None:
        if count:
            self._left[name, "the answer that they are about is missing"] += count

    async def _put(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:  # Any: as above
        for start in range(0, len(rows), PER_INSERT):
            chunk = rows[start : start + PER_INSERT]
            await self._connection.execute(insert(self._connection, table).on_conflict_do_nothing(), chunk)


_TABLES: Final = {
    "replies": tables.replies,
    "teachings": tables.teachings,
    "notes": tables.notes,
    "choices": tables.choices,
    "documents": tables.documents,
}
_WORDS: Final = {
    "replies": ("request", "text"),
    "teachings": ("text", "wanted"),
    "notes": ("text", "source"),
    "choices": ("chosen_text", "rejected_text"),
    "documents": ("title", "text"),
}
_ORDER: Final = {"replies": "seq", "notes": "created_at"}


async def _all(connection: DatabaseConnection, table: Table, person: str) -> Sequence[Row[Any]]:
    # Any: a row described by columns
    order = table.c[_ORDER.get(table.name, "at")]
    has_words = or_(*(table.c[name] != "" for name in _WORDS[table.name]))
    is_kept = has_words | table.c.import_key.is_not(None)  # else it was withdrawn, and is erased
    query = select(table).where(table.c.person == person, is_kept).order_by(order, table.c.id)
    if table is tables.replies:
        searches = tables.searches
        query = query.join(searches, searches.c.reply == table.c.id)
        query = query.add_columns(searches.c.alternatives, searches.c.prompt)
    return (await connection.execute(query)).all()


async def _reactions(connection: DatabaseConnection, person: str) -> dict[str, list[str]]:
    """The emoji that the person has on their own answers."""
    reactions, replies = tables.reactions, tables.replies
    query = (
        select(reactions.c.reply, reactions.c.emoji)
        .join(replies, replies.c.id == reactions.c.reply)
        .where(reactions.c.person == person, replies.c.person == person, reactions.c.is_on)
        .order_by(reactions.c.emoji)
    )
    found: dict[str, list[str]] = {}
    for reply, emoji in await connection.execute(query):
        found.setdefault(reply, []).append(emoji)
    return found


def _reply(row: Row[Any], ids: Ids, reactions: Iterable[str]) -> ReplyRecord:  # Any: as above, here and below
    return ReplyRecord(
        id=ids[row.id],
        at=row.at,
        conversation=row.conversation,
        prompt=prompt_of(row.prompt),
        text=row.text,
        model=row.model,
        mode=Mode(row.mode),
        seed=row.seed,
        score=row.score,
        answers=row.answers,
        alternatives=tuple(BranchRecord(**branch) for branch in row.alternatives),
        revises=None if row.revises is None else ids.get(row.revises),
        # What was said to a question that was changed or withdrawn is not learned from, there as here.
        never_learn=row.never_learn or not row.is_current,
        reactions=tuple(reactions),
    )


def _teaching(row: Row[Any], ids: Ids) -> TeachingRecord:
    return TeachingRecord(
        id=ids[row.id],
        at=row.at,
        reply=ids.get(row.reply, row.reply),
        kind=row.kind,
        text=row.text,
        wanted=row.wanted,
        note=None if row.note is None else ids.get(row.note),
        revision=None if row.revision is None else ids.get(row.revision),
        never_learn=row.never_learn,
    )


def _note(row: Row[Any], ids: Ids) -> NoteRecord:
    return NoteRecord(
        id=ids[row.id],
        at=row.created_at,
        kind=row.kind,
        text=row.text,
        source=row.source,
        origin=row.origin,
        manner=row.manner,
        deleted_at=row.deleted_at,
    )


def _choice(row: Row[Any], ids: Ids) -> ChoiceRecord:
    return ChoiceRecord(
        id=ids[row.id],
        at=row.at,
        reply=ids.get(row.reply, row.reply),
        kind=row.kind,
        alternative=row.alternative,
        chosen=row.chosen_text,
        rejected=row.rejected_text,
    )


def _document(row: Row[Any], ids: Ids) -> DocumentRecord:
    return DocumentRecord(id=ids[row.id], at=row.at, title=row.title, text=row.text)
