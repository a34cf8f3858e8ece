"""What the store's parts ask of a database: connections to read by, and transactions that are durable.

Knows no table and no query. The two kinds are in `sqlite` and `postgres`; `opening` picks one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from sqlalchemy import URL, CursorResult, Dialect, Executable, Table
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError

T = TypeVar("T")

# What reading or writing raises when the database, or the disk under it, is away.
AWAY: Final = (SQLAlchemyError, sqlite3.Error, OSError)


# Any: rows and parameters are described by columns, not by types.
Rows: TypeAlias = CursorResult[*tuple[Any, ...]]


class DatabaseConnection(Protocol):
    """One transaction, or one reader's view."""

    @property
    def dialect(self) -> Dialect: ...

    async def execute(self, statement: Executable, parameters: Any = None) -> Rows: ...


Work = Callable[[DatabaseConnection], Coroutine[Any, Any, T]]


class Database(Protocol):
    """A database that is migrated and ready."""

    url: URL
    is_sqlite: bool

    async def close(self) -> None:
        """Finish the writes that wait, then close every connection."""

    def reading(self) -> AbstractAsyncContextManager[DatabaseConnection]:
        """A connection for queries."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; it is durable on return.

        `work` awaits nothing but its connection and changes nothing but the database: it may be run
        again from the start.
        """

    async def wipe_freed(self) -> None:
        """Leave no byte of deleted rows in the files, as far as the database can."""


def insert(dialect: DatabaseConnection | str, table: Table) -> SqliteInsert | PostgresInsert:
    """An insert that can say what to do when the row is there already."""
    name = dialect if isinstance(dialect, str) else dialect.dialect.name
    return sqlite_insert(table) if name == "sqlite" else postgres_insert(table)
