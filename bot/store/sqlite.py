"""SQLite: one writer, in a thread of its own, and readers without one.

The writes that wait while one transaction is on its way to the disk go together into the next, so that
five hundred small writes a second cost a handful of commits. Reads are done where they are asked for: an
indexed query takes less time than handing it to a thread and back, and a reader never waits for the
writer (write-ahead log).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import sqlalchemy
from sqlalchemy import URL, CursorResult, Dialect, Engine, Executable, create_engine, event

from bot.errors import StoreError
from bot.store import schema
from bot.store.database import Connection, Database, Work

T = TypeVar("T")

BUSY_TIMEOUT_MS: Final = 10_000
MAX_BATCH: Final = 200
WIPE_TRIES: Final = 40
WIPE_PAUSE_S: Final = 0.05
MAX_CHECKED_BYTES: Final = 512 * 1024 * 1024


class Sqlite(Database):
    """A file, opened and migrated by `open`."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = True
        self._readers = _engine(url, is_writer=False)
        self._writer = _engine(url, is_writer=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._jobs: asyncio.Queue[_Job[Any]] = asyncio.Queue()  # Any: each job has a result of its own type
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, check, migrate. Raises StoreError and SQLAlchemy's errors."""
        await self._in_thread(self._prepare)
        self._task = asyncio.create_task(self._write_for_ever(), name="store writer")

    async def close(self) -> None:
        if self._task is not None:
            await self._jobs.join()
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._in_thread(self._writer.dispose)
        self._readers.dispose()
        self._thread.shutdown()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A connection for queries; it refuses to write."""
        with self._readers.connect() as connection:
            yield _Direct(connection)

    async def write(self, work: Work[T]) -> T:
        """As promised; cancelling the caller does not stop a write half-way."""
        if self._task is None:
            raise StoreError("closed", "The database is closed.")
        job: _Job[T] = _Job(work=work, result=asyncio.get_running_loop().create_future())
        self._jobs.put_nowait(job)
        return await job.result

    async def wipe_freed(self) -> None:
        """Empty the write-ahead log. Freed pages were overwritten when they were freed."""
        await self._in_thread(self._empty_log)

    async def _write_for_ever(self) -> None:
        while True:
            jobs = [await self._jobs.get()]
            while len(jobs) < MAX_BATCH and not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            wanted = [job for job in jobs if not job.result.cancelled()]
            for job, ending in zip(wanted, await self._in_thread(self._together, wanted), strict=True):
                ending.tell(job.result)
            for _ in jobs:
                self._jobs.task_done()

    def _together(self, jobs: Sequence[_Job[Any]]) -> Sequence[_Ending]:
        """All in one transaction; where one of them fails, each in one of its own."""
        try:
            with self._writer.begin() as connection:
                return [_Ending(value=_run(job.work, connection)) for job in jobs]
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the one who asked for the write
            if len(jobs) == 1:
                return [_Ending(error=error)]
        return [ending for job in jobs for ending in self._together([job])]

    def _prepare(self) -> None:
        with self._writer.begin() as connection:
            _check_integrity(connection, Path(str(self.url.database)))
            schema.upgrade(connection)

    def _empty_log(self) -> None:
        for _ in range(WIPE_TRIES):  # a reader that holds an old page keeps the log from being emptied
            raw = self._writer.raw_connection()
            try:
                is_busy = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                raw.close()
            if not is_busy:
                return
            time.sleep(WIPE_PAUSE_S)

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:  # Any: as run_in_executor takes and gives
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Work[T]
    result: asyncio.Future[T]


@dataclass(slots=True, kw_only=True)
class _Ending:
    """How a write ended. Any: its result, of whatever type."""

    value: Any = None
    error: Exception | None = None

    def tell(self, result: asyncio.Future[Any]) -> None:
        if result.done():  # cancelled meanwhile
            return
        if self.error is not None:
            result.set_exception(self.error)
        else:
            result.set_result(self.value)


class _Direct:
    """A connection whose queries are done when they are asked for: nothing ever waits."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    # Any: parameters and rows are described by columns, not by types.
    async def execute(
        self, statement: Executable, parameters: Any = None, /
    ) -> CursorResult[*tuple[Any, ...]]:
        return self._connection.execute(statement, parameters)


def _run(work: Work[T], connection: sqlalchemy.Connection) -> T:
    """Run an asynchronous function that never has to wait, here and now."""
    coroutine = work(_Direct(connection))
    assert isinstance(coroutine, Coroutine)
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("a write may await nothing but its connection")


def _engine(url: URL, *, is_writer: bool) -> Engine:
    # Readers never wait for one another: each gets a connection, and the pool keeps a few.
    engine = create_engine(url, pool_size=4, max_overflow=-1, connect_args={"check_same_thread": False})

    # Any: the connection of the driver.
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not at the first write
        pragmas = [f"busy_timeout={BUSY_TIMEOUT_MS}"]
        if is_writer:
            pragmas += ["journal_mode=WAL", "foreign_keys=ON"]
            pragmas.append("synchronous=FULL")  # acknowledged is on the disk
            pragmas.append("secure_delete=ON")  # what a person had erased is overwritten
        else:
            pragmas.append("query_only=ON")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _check_integrity(connection: sqlalchemy.Connection, file: Path) -> None:
    if file.stat().st_size > MAX_CHECKED_BYTES:
        return
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise StoreError("database_corrupt", f"The database {file} is damaged: restore it from a backup.")
