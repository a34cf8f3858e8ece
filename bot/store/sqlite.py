"""SQLite: one writer whose waiting writes go together, and readers that never wait for it.

The writes that wait while one transaction is on its way to the disk go together into the next, so that
five hundred small writes a second cost a handful of commits. With the write-ahead log a reader never waits
for the writer. Each connection is aiosqlite's, with a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import sqlalchemy
from sqlalchemy import URL

from bot.errors import StoreError
from bot.store import schema
from bot.store.database import Connection, Database, Work
from bot.store.sqlite_driver import engine, finished, in_thread

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
        # Readers see each statement's own moment, as on Postgres: no BEGIN, and nothing to roll back.
        self._readers = engine(
            url,
            pragmas=READING,
            pool_size=READERS,
            max_overflow=0,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )
        self._writer = engine(url, pragmas=WRITING, pool_size=1, pool_reset_on_return=None)
        self._jobs: asyncio.Queue[_Job[Any]] = asyncio.Queue()  # Any: each job has a result of its own type
        self._task: asyncio.Task[None] | None = None

        @sqlalchemy.event.listens_for(self._writer.sync_engine, "begin")
        def begin(connection: sqlalchemy.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    async def open(self) -> None:
        """Connect, check, migrate. Raises StoreError and SQLAlchemy's errors."""
        async with self._writer.connect() as connection:
            await in_thread(connection, partial(_prepare, connection, Path(str(self.url.database))))
        self._task = asyncio.create_task(self._write_for_ever(), name="store writer")

    async def close(self) -> None:
        if self._task is not None:
            await self._jobs.join()
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._readers.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A connection for queries; it refuses to write."""
        async with self._readers.connect() as connection:
            yield connection

    async def write(self, work: Work[T]) -> T:
        """As promised; cancelling the caller does not stop a write half-way."""
        if self._task is None:
            raise StoreError("closed", "The database is closed.")
        job: _Job[T] = _Job(work=work, result=asyncio.get_running_loop().create_future())
        self._jobs.put_nowait(job)
        return await job.result

    async def wipe_freed(self) -> None:
        """Empty the write-ahead log. Freed pages were overwritten when they were freed."""
        async with self._readers.connect() as connection:
            for _ in range(WIPE_TRIES):  # while another empties it, this is refused at once
                found = await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                if not found.one()[0]:
                    return
                await asyncio.sleep(WIPE_PAUSE_S)

    async def _write_for_ever(self) -> None:
        while True:
            jobs = [await self._jobs.get()]
            while len(jobs) < MAX_BATCH and not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            wanted = [job for job in jobs if not job.result.cancelled()]
            for job, ending in zip(wanted, await self._done(wanted), strict=True):
                ending.tell(job.result)
            for _ in jobs:
                self._jobs.task_done()

    async def _done(self, jobs: Sequence[_Job[Any]]) -> Sequence[_Ending]:
        try:
            async with self._writer.connect() as connection:
                return await in_thread(connection, partial(_together, connection, jobs))
        except Exception as error:  # noqa: BLE001  there is no connection: so says each write, and the next tries anew
            return [_Ending(error=error) for _ in jobs]


async def _prepare(connection: Connection, file: Path) -> None:
    async with connection.begin():
        await connection.run_sync(_check_integrity, file)
        await connection.run_sync(schema.upgrade)
        # A write that changes nothing: a read-only file is refused now, not at the first message.
        await connection.exec_driver_sql("PRAGMA user_version=0")


async def _together(connection: Connection, jobs: Sequence[_Job[Any]]) -> Sequence[_Ending]:
    """All in one transaction; where one of them fails, each in one of its own."""
    try:
        async with connection.begin():
            return [_Ending(value=finished(job.work(connection))) for job in jobs]
    except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the one who asked for the write
        if len(jobs) == 1:
            return [_Ending(error=error)]
    return [ending for job in jobs for ending in await _together(connection, [job])]


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


def _check_integrity(connection: sqlalchemy.Connection, file: Path) -> None:
    if file.stat().st_size > MAX_CHECKED_BYTES:
        return
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise StoreError("database_corrupt", f"The database {file} is damaged: restore it from a backup.")
