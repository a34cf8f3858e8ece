"""Postgres: a pool of connections, writes side by side. Several processes may share one database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store.database import Database, DatabaseConnection, Work, schema

T = TypeVar("T")

CONNECTIONS: Final = 10
MORE_CONNECTIONS: Final = 10
WAIT_FOR_CONNECTION_S: Final = 30


class Postgres(Database):
    """A database on a server, opened and migrated by `open`."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = False
        self._engine = create_async_engine(
            url,
            pool_size=CONNECTIONS,
            max_overflow=MORE_CONNECTIONS,
            pool_timeout=WAIT_FOR_CONNECTION_S,
            pool_pre_ping=True,
            hide_parameters=True,  # an error is logged, what people wrote is not
        )

    async def open(self) -> None:
        """Connect and migrate. Raises StoreError and SQLAlchemy's errors."""
        async with self._engine.begin() as connection:
            await connection.run_sync(schema.upgrade)

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[DatabaseConnection]:
        async with self._engine.connect() as connection:
            yield connection

    async def write(self, work: Work[T]) -> T:
        async with self._engine.begin() as connection:
            return await work(connection)

    async def wipe_freed(self) -> None:
        """Nothing to do here: Postgres's own vacuum frees what was deleted."""
