"""The people, and what each has set. Erases them. Knows no feedback."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, TypedDict, Unpack

from sqlalchemy import Row, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.events import Person, Platform
from bot.store import erasures, tables
from bot.store.database import Database, DatabaseConnection, insert
from engine.types import Mode

# What is counted when a person is erased; everything else that is theirs goes with these.
COUNTED: Final = ("inbox", "replies", "reactions", "teachings", "notes", "choices", "documents", "loras")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPerson:
    """A person as the store knows them. `learning` None: they were not asked yet."""

    key: str
    platform: Platform
    name: str | None
    learning: bool | None
    consent_asked_at: datetime | None
    memory: bool
    lora: bool
    mode: Mode | None
    timezone: str
    is_blocked: bool
    live_lora: int | None
    taste: dict[str, Any] | None  # Any: engine.judging.taste's own JSON
    night_told_at: datetime | None
    created_at: datetime


class PersonFields(TypedDict, total=False):
    """What of a person can be changed."""

    name: str | None
    learning: bool | None
    consent_asked_at: datetime | None
    memory: bool
    lora: bool
    mode: Mode | None
    timezone: str
    is_blocked: bool
    live_lora: int | None
    taste: dict[str, Any] | None  # Any: engine.judging.taste's own JSON


class PersonStore:
    def __init__(self, database: Database, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def meet(self, person: Person) -> None:
        """Make sure that a row for this person exists."""

        async def work(connection: DatabaseConnection) -> None:
            await meet(connection, person, self._clock())

        await self._database.write(work)

    async def get(self, key: str) -> KnownPerson | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(PERSON, {"of_key": key})).one_or_none()
        return None if row is None else known(row)

    async def all(self) -> Sequence[KnownPerson]:
        """Everybody, by key."""
        async with self._database.reading() as connection:
            found = await connection.execute(select(tables.people).order_by(tables.people.c.key))
            return [known(row) for row in found]

    async def tastes(
        self, platforms: Collection[Platform], *, min_ratings: int, at_most: int
    ) -> Sequence[dict[str, Any]]:  # Any: engine.judging.taste's own JSON
        """The stored tastes of a random sample of those who agreed to be learned from on these platforms."""
        people = tables.people
        query = (
            select(people.c.taste)
            .where(people.c.learning.is_(True), people.c.platform.in_(platforms))
            .where(people.c.taste["ratings"].as_float() >= min_ratings)
            .order_by(func.random())
            .limit(at_most)
        )
        async with self._database.reading() as connection:
            return [row.taste for row in await connection.execute(query)]

    async def change(self, key: str, **fields: Unpack[PersonFields]) -> bool:
        """Set what is named, and leave the rest. False: unknown person."""

        async def work(connection: DatabaseConnection) -> bool:
            changed = await connection.execute(
                update(tables.people).where(tables.people.c.key == key).values(**fields)
            )
            return changed.rowcount == 1

        return await self._database.write(work)

    async def asked(self, key: str) -> bool:
        """The person is asked for consent now. False: they were asked before."""

        async def work(connection: DatabaseConnection) -> bool:
            not_yet = (tables.people.c.key == key) & tables.people.c.consent_asked_at.is_(None)
            changed = await connection.execute(
                update(tables.people).where(not_yet).values(consent_asked_at=self._clock())
            )
            return changed.rowcount == 1

        return await self._database.write(work)

    async def not_asked(self, key: str) -> None:
        """The question did not arrive: they are to be asked again."""
        await self.change(key, consent_asked_at=None)

    async def erase(self, key: str, *, owner: str = "") -> dict[str, int]:
        """Delete the person and everything of theirs; how many rows of each kind there were.

        Every other process than `owner` hears of it in `erasures`. On SQLite the freed pages are overwritten
        and the write-ahead log is emptied, so that no byte of their text is left in the files.
        """

        async def work(connection: DatabaseConnection) -> dict[str, int]:
            counts = {name: await _count(connection, name, key) for name in COUNTED}
            await erasures.note(connection, key, id=self._new_id(), owner=owner, now=self._clock())
            events, said = tables.events, select(tables.inbox.c.id).where(tables.inbox.c.person == key)
            # Platforms are read back: what was said there must stay known, or it would be answered once more.
            stays = events.c.subject.in_(said) & (events.c.platform != Platform.WEB)
            await connection.execute(update(events).where(stays).values(subject=None))
            for table in (tables.inbox, tables.replies):
                theirs = select(table.c.id).where(table.c.person == key)
                await connection.execute(delete(events).where(events.c.subject.in_(theirs)))
            gone = await connection.execute(delete(tables.people).where(tables.people.c.key == key))
            return {**counts, "people": gone.rowcount}

        counts = await self._database.write(work)
        await self._database.wipe_freed()
        return counts


async def meet(connection: DatabaseConnection, person: Person, now: datetime) -> None:
    """Make sure of this person's row, within a transaction. A person without a name keeps the old name."""
    values = {"key": person.key, "platform": person.platform, "name": person.name, "created_at": now}
    await connection.execute(_met(connection.dialect.name, has_name=person.name is not None), values)


# Statements that every event runs are made once: making one costs as much as running it.
PERSON: Final = select(tables.people).where(tables.people.c.key == bindparam("of_key"))


@cache
def _met(dialect: str, *, has_name: bool) -> sqlite.Insert | postgresql.Insert:
    row = insert(dialect, tables.people)
    if not has_name:
        return row.on_conflict_do_nothing()
    is_renamed = tables.people.c.name.is_distinct_from(row.excluded.name)
    return row.on_conflict_do_update(
        index_elements=["key"], set_={"name": row.excluded.name}, where=is_renamed
    )


async def _count(connection: DatabaseConnection, name: str, key: str) -> int:
    table = tables.metadata.tables[name]
    found = await connection.execute(select(func.count()).select_from(table).where(table.c.person == key))
    return int(found.scalar_one())


# Any: a row of a table that is described by columns, not by types.
def known(row: Row[Any]) -> KnownPerson:
    return KnownPerson(
        key=row.key,
        platform=Platform(row.platform),
        name=row.name,
        learning=row.learning,
        consent_asked_at=row.consent_asked_at,
        memory=row.memory,
        lora=row.lora,
        mode=None if row.mode is None else Mode(row.mode),
        timezone=row.timezone,
        is_blocked=row.is_blocked,
        live_lora=row.live_lora,
        taste=row.taste,
        night_told_at=row.night_told_at,
        created_at=row.created_at,
    )
