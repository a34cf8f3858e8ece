"""The workspaces that installed the Slack app, with what is needed to speak in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any  # what a platform hands over at installation is its own JSON

from sqlalchemy import delete, select

from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert

installations = tables.slack_installations


class InstallationStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def save(self, team: str, data: Mapping[str, Any]) -> None:
        """A workspace installed the app, or did so again."""

        async def work(connection: DatabaseConnection) -> None:
            row = insert(connection, installations).values(
                team=team, data=dict(data), installed_at=self._clock()
            )
            changed = {"data": row.excluded.data, "installed_at": row.excluded.installed_at}
            await connection.execute(row.on_conflict_do_update(index_elements=["team"], set_=changed))

        await self._database.write(work)

    async def of(self, team: str) -> Mapping[str, Any] | None:
        query = select(installations.c.data).where(installations.c.team == team)
        async with self._database.reading() as connection:
            found: Mapping[str, Any] | None = (await connection.execute(query)).scalar_one_or_none()
            return found

    async def teams(self) -> tuple[str, ...]:
        query = select(installations.c.team).order_by(installations.c.team)
        async with self._database.reading() as connection:
            return tuple((await connection.execute(query)).scalars())

    async def remove(self, team: str) -> None:
        """The app was uninstalled there."""

        async def work(connection: DatabaseConnection) -> None:
            await connection.execute(delete(installations).where(installations.c.team == team))

        await self._database.write(work)
