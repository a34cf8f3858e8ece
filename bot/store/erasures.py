"""Who was erased of late, so that every process that lives forgets them too. Names nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select

from bot.store import tables
from bot.store.database import Database, DatabaseConnection
from engine.loras.library import person_folder

erasures, loras = tables.erasures, tables.loras

KEPT: Final = timedelta(days=1)  # a process that lives looks every few seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A person's end. `person`: their folder's name, which leads to nobody; `loras`: number → name."""

    id: str
    person: str
    loras: dict[int, str]


class ErasureStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_others(self, owner: str) -> Sequence[Erasure]:
        """The erasures of the last day that other processes carried out."""
        query = select(erasures).where(erasures.c.owner != owner)
        async with self._database.reading() as connection:
            found = await connection.execute(query)
            return [Erasure(id=row.id, person=row.person, loras=dict(row.loras)) for row in found]


async def note(connection: DatabaseConnection, person: str, *, id: str, owner: str, now: datetime) -> None:
    """Within the transaction that erases the person: as long as their LoRAs are known."""
    theirs = select(loras.c.id, loras.c.name).where(loras.c.person == person)
    named = [[row.id, row.name] for row in await connection.execute(theirs)]
    await connection.execute(delete(erasures).where(erasures.c.at < now - KEPT))
    await connection.execute(
        erasures.insert().values(id=id, person=person_folder(person), loras=named, owner=owner, at=now)
    )
