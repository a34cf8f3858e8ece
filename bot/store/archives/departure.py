"""One person's rows as the records of an archive. Of what was withdrawn there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, Table, or_, select

from bot.records import (
    Archive,
    BranchRecord,
    ChoiceRecord,
    DocumentRecord,
    NoteRecord,
    PersonRecord,
    ReplyRecord,
    TeachingRecord,
)
from bot.store import tables
from bot.store.database import DatabaseConnection
from bot.store.recorded_replies import prompt_of
from engine.types import Mode

Ids = Mapping[str, str]


async def archive_of(connection: DatabaseConnection, person: str) -> Archive:
    """Everything of a person but the LoRA's files."""
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
