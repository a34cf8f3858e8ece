"""SQLite: one writer whose waiting writes go together, and readers that never wait for it.

The writes that wait while one transaction is on its way to the disk go together into the next, so that
five hundred small writes a second cost a handful of commits. With the write-ahead log a reader never waits
for the writer. Each connection has a thread of its own (`sqlite_connection`). The file itself is looked after
by plain statements, on a connection of aiosqlite.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import aiosqlite
import sqlalchemy
from sqlalchemy import URL

from bot.errors import StoreError
from bot.store.database import Database, DatabaseConnection, Work, schema
from bot.store.database.sqlite_connection import SqliteConnection, connected, finished

T = TypeVar("T")

BUSY_TIMEOUT_MS: Final = 10_000
READERS: Final = 4
MAX_BATCH: Final = 200
WIPE_TRIES: Final = 40
WIPE_PAUSE_S: Final = 0.05
MAX_CHECKED_BYTES: Final = 512 * 1024 * 1024

READING: Final = (f"busy_timeout={BUSY_TIMEOUT_MS}", "query_only=ON")
WRITING: Final = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "journal_mode=WAL",
    "foreign_keys=ON",
    "synchronous=FULL",  # acknowledged is on the disk
    "secure_delete=ON",  # what a person had erased is overwritten
)


class Sqlite(Database):
    """A file, opened and migrated by `open`."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = True
        # Needs no size, as whoever puts a write in waits for it. Any: each job has a result of its own type.
        self._jobs: asyncio.Queue[_Job[Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._connections: list[SqliteConnection] = []
        self._readers: asyncio.Queue[SqliteConnection] = asyncio.Queue()  # those that nobody reads by now

    async def open(self) -> None:
        """Connect, check, migrate. Raises StoreError and SQLAlchemy's errors."""
        writer = await self._connected(WRITING, on_begin="BEGIN IMMEDIATE")
        # Readers see each statement's own moment, as on Postgres: no BEGIN, and nothing to roll back.
        readers = [await self._connected(READING) for _ in range(READERS)]
        await _check_integrity(Path(str(self.url.database)))
        is_newest = await readers[0].do(schema.is_newest)
        await writer.do(partial(_prepare, is_newest=is_newest))
        for reader in readers:
            self._readers.put_nowait(reader)
        self._task = asyncio.create_task(self._write_for_ever(writer), name="store writer")

    async def close(self) -> None:
        if self._task is not None:
            await self._jobs.join()
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        while self._connections:
            await self._connections.pop().close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[DatabaseConnection]:
        """A connection for queries; it refuses to write."""
        line = await self._readers.get()
        try:
            yield line
        finally:
            self._readers.put_nowait(line)

    async def write(self, work: Work[T]) -> T:
        """As promised; cancelling the caller does not stop a write half-way."""
        if self._task is None:
            raise StoreError("closed", "The database is closed.")
        job: _Job[T] = _Job(work=work, result=asyncio.get_running_loop().create_future())
        self._jobs.put_nowait(job)
        return await job.result

    async def wipe_freed(self) -> None:
        """Empty the write-ahead log. Freed pages were overwritten when they were freed."""
        async with aiosqlite.connect(str(self.url.database), timeout=BUSY_TIMEOUT_MS / 1000) as connection:
            for _ in range(WIPE_TRIES):  # while another empties it, this is refused at once
                ((is_busy, *_),) = await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                if not is_busy:
                    return
                await asyncio.sleep(WIPE_PAUSE_S)

    async def _connected(self, pragmas: Sequence[str], *, on_begin: str | None = None) -> SqliteConnection:
        line = await connected(self.url, pragmas=pragmas, on_begin=on_begin)
        self._connections.append(line)
        return line

    async def _write_for_ever(self, writer: SqliteConnection) -> None:
        while True:
            jobs = [await self._jobs.get()]
            while len(jobs) < MAX_BATCH and not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            wanted = [job for job in jobs if not job.result.cancelled()]
            for job, ending in zip(wanted, await writer.do(partial(_together, writer, wanted)), strict=True):
                ending.tell(job.result)
            for _ in jobs:
                self._jobs.task_done()


def _prepare(connection: sqlalchemy.Connection, *, is_newest: bool) -> None:
    with connection.begin():
        if not is_newest:
            schema.upgrade(connection)
        # A write that changes nothing: a read-only file is refused now, not at the first message.
        connection.exec_driver_sql("PRAGMA user_version=0")


def _together(
    writer: SqliteConnection, jobs: Sequence[_Job[Any]], connection: sqlalchemy.Connection
) -> Sequence[_Ending]:
    """Do all jobs in one transaction. Where a job fails, give each a transaction of its own."""
    try:
        with connection.begin():
            return [_Ending(value=finished(job.work(writer))) for job in jobs]
    except Exception as error:  # noqa: BLE001  whatever it is, it belongs to whoever asked for the write
        if len(jobs) == 1:
            return [_Ending(error=error)]
    return [ending for job in jobs for ending in _together(writer, [job], connection)]


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


async def _check_integrity(file: Path) -> None:
    """Raises StoreError for a damaged file.

    It takes seconds, in which a service that runs on this file goes on writing.
    """
    if file.stat().st_size > MAX_CHECKED_BYTES:
        return
    async with aiosqlite.connect(file) as connection:
        ((found,),) = await connection.execute_fetchall("PRAGMA quick_check(1)")
    if found != "ok":
        raise StoreError("database_corrupt", f"The database {file} is damaged: restore it from a backup.")
