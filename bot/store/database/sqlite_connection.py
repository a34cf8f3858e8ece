"""A connection to a SQLite file that lives in a thread of its own. Knows no table and no query.

Everything on it happens in that thread, where SQLAlchemy is called as it is in programs without an event
loop. A statement is one errand there; so is a whole piece of work that awaits nothing but the connection.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, Final, TypeVar, cast

import sqlalchemy
from sqlalchemy import URL, Dialect, Executable, NullPool

from bot.store.database import Rows

T = TypeVar("T")

_opened_here = threading.local()  # the connection that is this thread's


class ConnectionThread:
    """Carries out errands one after the other. It does not keep a program from ending."""

    def __init__(self) -> None:
        # Needs no size, as whoever gives an errand waits. Any: each errand has a result of its own type.
        self._errands: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._thread: Final = threading.Thread(target=self._run, name="sqlite", daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        return threading.current_thread() is self._thread

    async def do(self, work: Callable[[], T]) -> T:
        """The work's result. The work goes on where whoever waits for it is cancelled."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._errands.put((work, result))
        return await result

    def end(self) -> None:
        """End the thread once it has carried out the errands that it has."""
        self._errands.put(None)

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            work, result = errand
            try:
                settle = partial(_settle, result.set_result, result, work())
            except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to who gave the errand
                settle = partial(_settle, result.set_exception, result, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                result.get_loop().call_soon_threadsafe(settle)


def _settle(how: Callable[[Any], None], result: asyncio.Future[Any], value: Any) -> None:  # Any: as above
    if not result.done():  # whoever waited was not cancelled
        how(value)


class SqliteConnection:
    """Opened by `connected`."""

    def __init__(self, thread: ConnectionThread, synchronous: sqlalchemy.Connection) -> None:
        self._thread = thread
        self._synchronous = synchronous

    @property
    def dialect(self) -> Dialect:
        return self._synchronous.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> Rows:  # Any: values of columns
        """The statement's result, whole."""
        if self._thread.is_current:
            return self._synchronous.execute(statement, parameters)
        return await self._thread.do(partial(self._whole, statement, parameters))

    async def do(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """The result of the work, done in this connection's thread."""
        return await self._thread.do(partial(work, self._synchronous))

    async def close(self) -> None:
        await self._thread.do(self._synchronous.close)
        self._thread.end()

    def _whole(self, statement: Executable, parameters: Any) -> Rows:
        result = self._synchronous.execute(statement, parameters)
        return cast(Rows, result.freeze()()) if result.returns_rows else result


async def connected(url: URL, *, pragmas: Iterable[str], on_begin: str | None = None) -> SqliteConnection:
    """A connection that begins a transaction only when told to, then with `on_begin`.

    Raises sqlite3's errors.
    """
    thread = ConnectionThread()
    try:
        opened = await thread.do(partial(_opened, str(url.database), tuple(pragmas), on_begin))
    except BaseException:
        thread.end()
        raise
    return SqliteConnection(thread, opened)


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that never has to wait: here and now."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise RuntimeError("a write may await nothing but its connection")


def _opened(path: str, pragmas: Iterable[str], on_begin: str | None) -> sqlalchemy.Connection:
    """SQLAlchemy's view of a new connection. Without `on_begin` each statement stands for itself."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    _opened_here.connection = connection
    return _engine(on_begin).connect()


@cache
def _engine(on_begin: str | None) -> sqlalchemy.Engine:
    """All connections of a kind share an engine, so that a statement is compiled once."""
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
