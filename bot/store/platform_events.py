"""Which deliveries of the platforms were taken, so that a repeated one changes nothing. Knows no question."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from functools import cache

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from bot.events import Platform
from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert

events = tables.events


class EventKind(StrEnum):
    """What a platform tells."""

    MESSAGE = "message"
    THREAD_REPLY = "thread_reply"
    EDIT = "edit"
    DELETION = "deletion"
    REACTION = "reaction"
    CHOICE = "choice"


class EventStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def subject(self, platform: Platform, event: str) -> str | None:
        """The id of what a delivery made, empty where that was erased. None: it was not here before."""
        async with self._database.reading() as connection:
            return await subject(connection, platform, event)

    async def forget(self, *, before: datetime) -> int:
        """Drop the ids of deliveries that no platform will repeat any more; how many there were."""

        async def work(connection: DatabaseConnection) -> int:
            return (await connection.execute(delete(events).where(events.c.at < before))).rowcount

        return await self._database.write(work)


async def first_time(
    connection: DatabaseConnection,
    platform: Platform,
    event: str,
    kind: EventKind,
    subject: str | None,
    now: datetime,
) -> bool:
    """Note a platform's delivery, within a transaction. False: it was here before."""
    values = {"platform": platform, "event": _digest(event), "kind": kind, "subject": subject, "at": now}
    return (await connection.execute(_unless_there(connection.dialect.name), values)).rowcount == 1


async def subject(connection: DatabaseConnection, platform: Platform, event: str) -> str | None:
    found = await connection.execute(
        select(events.c.subject).where(events.c.platform == platform, events.c.event == _digest(event))
    )
    row = found.one_or_none()
    return None if row is None else row.subject or ""


def _digest(event: str) -> str:
    """An id may name who did it; what is kept of it outlives them."""
    return hashlib.sha256(event.encode()).hexdigest()


@cache
def _unless_there(dialect: str) -> sqlite.Insert | postgresql.Insert:
    return insert(dialect, tables.events).on_conflict_do_nothing()
