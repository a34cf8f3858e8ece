"""A connection to a SQLite file that lives in a thread of aiosqlite's. Knows no table and no query.

Everything on it happens in that thread, where SQLAlchemy is called as it is in programs without an event
loop. A statement is one errand there; so is a whole piece of work that awaits nothing but the connection.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterable
from functools import cache, partial
from typing import Any, Final, TypeVar, cast

import aiosqlite
import sqlalchemy
from sqlalchemy import URL, Dialect, Executable, NullPool

from bot.store.database import Rows

T = TypeVar("T")

ROWS_A_FETCH: Final = 64  # aiosqlite asks for it; its cursors are not used here

_opened_here = threading.local()  # the connection that is this thread's


class Line:
    """One connection, opened by `connected`."""

    def __init__(self, driver: aiosqlite.Connection, synchronous: sqlalchemy.Connection) -> None:
        self._driver = driver
        self._synchronous = synchronous

    @property
    def dialect(self) -> Dialect:
        return self._synchronous.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> Rows:  # Any: values of columns
        """The statement's result, whole."""
        if threading.current_thread() is self._driver._thread:
            return self._synchronous.execute(statement, parameters)
        return await self._errand(partial(self._whole, statement, parameters))

    async def do(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """The result of the work, done in this connection's thread."""
        return await self._errand(partial(work, self._synchronous))

    async def _errand(self, work: Callable[[], T]) -> T:
        return cast(T, await self._driver._execute(work))  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        await self._errand(self._synchronous.close)
        await self._driver.close()

    def _whole(self, statement: Executable, parameters: Any) -> Rows:
        result = self._synchronous.execute(statement, parameters)
        return cast(Rows, result.freeze()()) if result.returns_rows else result


async def connected(url: URL, *, pragmas: Iterable[str], on_begin: str | None = None) -> Line:
    """A connection that begins a transaction only when told to, then with `on_begin`.

    Raises SQLAlchemy's errors.
    """
    opened = partial(_opened, str(url.database), tuple(pragmas))
    driver = aiosqlite.Connection(opened, ROWS_A_FETCH)
    driver._thread.daemon = True  # a program that fails to close it must still end
    try:
        await driver
    except BaseException:
        driver._thread.join()  # it is ending, and its last word needs this loop
        raise
    return Line(driver, await driver._execute(partial(_synchronous, driver._conn, on_begin)))  # type: ignore[no-untyped-call]


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that never has to wait: here and now."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise RuntimeError("a write may await nothing but its connection")


def _opened(path: str, pragmas: Iterable[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _synchronous(connection: sqlite3.Connection, on_begin: str | None) -> sqlalchemy.Connection:
    """SQLAlchemy's view of the connection. Without `on_begin` each statement stands for itself."""
    _opened_here.connection = connection
    return _engine(on_begin).connect()


@cache
def _engine(on_begin: str | None) -> sqlalchemy.Engine:
    """One for all connections of a kind: a statement is compiled once, not once on each of them."""
    engine = sqlalchemy.create_engine(
        "sqlite://",
        creator=lambda: _opened_here.connection,
        poolclass=NullPool,
        pool_reset_on_return=None,
        hide_parameters=True,  # an error is logged, what people wrote is not
        **({} if on_begin else {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}),
    )
    if on_begin:
        sqlalchemy.event.listen(engine, "begin", lambda begun: begun.exec_driver_sql(on_begin))
    return engine
