"""aiosqlite with as few errands to its thread as there can be. Knows no table and no query.

As SQLAlchemy drives aiosqlite, a query goes to the connection's thread and back four times: for a cursor,
to execute, to fetch, to close. Each errand waits until a busy event loop comes round to it. Here a statement
is one errand, and so is a whole piece of work that awaits nothing but the connection: it is run in that
thread from its first step to its last, and its statements are executed where they are asked for.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import aiosqlite
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

T = TypeVar("T")

ROWS_A_FETCH: Final = 64


def engine(url: URL, *, pragmas: Iterable[str], **options: Any) -> AsyncEngine:
    """Connections that begin a transaction only when told to. `options` are create_async_engine's."""
    opened = partial(_opened, str(url.database), tuple(pragmas))
    return create_async_engine(
        url, async_creator=partial(_connected, opened), hide_parameters=True, **options
    )


async def in_thread(connection: AsyncConnection, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of the work, which awaits nothing but the connection, done in the connection's thread."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, _Connection)
    return await driver.errand(lambda: finished(work()))


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that never has to wait: here and now."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise RuntimeError("a write may await nothing but its connection")


def _opened(path: str, pragmas: Sequence[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


async def _connected(opened: Callable[[], sqlite3.Connection]) -> aiosqlite.Connection:
    connection = _Connection(opened, ROWS_A_FETCH)
    connection._thread.daemon = True  # SQLAlchemy does so too: a program that fails to close must still end
    try:
        return await connection
    except BaseException:
        connection._thread.join()  # it is ending, and its last word needs this loop
        raise


class _Connection(aiosqlite.Connection):
    async def errand(self, work: Callable[[], T]) -> T:
        """Do the work in this connection's thread: at once if that is where we are."""
        if threading.current_thread() is self._thread:
            return work()
        result: T = await self._execute(work)  # type: ignore[no-untyped-call]
        return result

    def cursor(self) -> _Cursor:  # type: ignore[override]  # SQLAlchemy asks for less than aiosqlite gives
        return _Cursor(self)

    async def commit(self) -> None:
        await self.errand(self._conn.commit)

    async def rollback(self) -> None:
        await self.errand(self._conn.rollback)


class _Cursor:
    """What SQLAlchemy asks of a cursor. Any: parameters and rows are described by columns, not by types."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> _Cursor:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> None:
        await self._connection.errand(partial(self._run, sqlite3.Cursor.execute, statement, parameters))

    async def executemany(self, statement: str, parameters: Any) -> None:
        await self._connection.errand(partial(self._run, sqlite3.Cursor.executemany, statement, parameters))

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    def _run(self, run: Callable[..., Any], statement: str, parameters: Any) -> None:
        cursor = self._connection._conn.cursor()
        try:
            run(cursor, statement, parameters)
            self._rows = cursor.fetchall()
            self.description = cursor.description
            self.rowcount = cursor.rowcount
            self.lastrowid = cursor.lastrowid
        finally:
            cursor.close()
