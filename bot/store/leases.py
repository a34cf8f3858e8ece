"""What only one process may do at a time, and which processes live. A lease runs out by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, or_

from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert

leases = tables.leases


class LeaseStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def take(self, name: str, owner: str, *, for_s: float) -> bool:
        """Take or renew a lease. False: another has it, and it has not run out."""

        async def work(connection: DatabaseConnection) -> bool:
            now = self._clock()
            row = insert(connection, leases).values(
                name=name, owner=owner, until=now + timedelta(seconds=for_s)
            )
            taken = await connection.execute(
                row.on_conflict_do_update(
                    index_elements=["name"],
                    set_={"owner": row.excluded.owner, "until": row.excluded.until},
                    where=or_(leases.c.owner == owner, leases.c.until <= now),
                )
            )
            return taken.rowcount == 1

        return await self._database.write(work)

    async def give_back(self, name: str, owner: str) -> None:
        async def work(connection: DatabaseConnection) -> None:
            await connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))

        await self._database.write(work)

    async def live(self, owner: str, *, for_s: float) -> None:
        """This process lives, and will say so again before `for_s` is over."""
        await self.take(f"process:{owner}", owner, for_s=for_s)

    async def die(self, owner: str) -> None:
        """This process ends; what it owns is free at once."""
        await self.give_back(f"process:{owner}", owner)

    async def end_others(self) -> None:
        """No other process lives. Only where that is known: under the lock of an SQLite file."""

        async def work(connection: DatabaseConnection) -> None:
            await connection.execute(delete(leases).where(leases.c.name.startswith("process:")))

        await self._database.write(work)
