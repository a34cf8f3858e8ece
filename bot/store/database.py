"""Opens the database, and runs every transaction. Knows no table and no query.

Postgres runs writes side by side. SQLite has one writer at a time, so the writes that wait while one
transaction is on its way to the disk go together into the next: five hundred small writes a second
cost a handful of commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import URL, Table, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import StoreError
from bot.store import schema

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

BUSY_TIMEOUT_MS: Final = 10_000
DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
MAX_BATCH: Final = 200
WIPE_TRIES: Final = 40
MAX_CHECKED_BYTES: Final = 512 * 1024 * 1024


def insert(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say what to do when the row is there already."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Work[T]
    result: asyncio.Future[T]


class Database:
    """A database that is migrated and ready. Open it with `Database.open`."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._readers = _engine(url, is_writer=False)
        self._writers = _engine(url, is_writer=True) if self.is_sqlite else self._readers
        self._jobs: asyncio.Queue[_Job[Any]] = asyncio.Queue()  # Any: each job has a result of its own type
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str) -> Database:
        """Connect and migrate. Raises StoreError in words, whatever is wrong."""
        database = cls(_parsed(url))
        try:
            async with database._writers.begin() as connection:
                await _check_integrity(connection, database.url)
                await connection.run_sync(schema.upgrade)
        except StoreError:
            await database._dispose()
            raise
        except (SQLAlchemyError, OSError) as error:
            await database._dispose()
            raise _explained(database.url, error) from error
        if database.is_sqlite:
            database._writer = asyncio.create_task(database._write_for_ever(), name="store writer")
        return database

    async def close(self) -> None:
        """Finish the writes that wait, then close every connection."""
        if self._writer is not None:
            await self._jobs.join()
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
            self._writer = None
        await self._dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for queries. On SQLite it refuses to write."""
        async with self._readers.connect() as connection:
            yield connection

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; it is durable on return.

        `work` may be run again from the start after a neighbour in the same transaction failed, so it
        changes nothing but the database. Cancelling the caller does not stop a write half-way.
        """
        if not self.is_sqlite:
            async with self._writers.begin() as connection:
                return await work(connection)
        if self._writer is None:
            raise StoreError("closed", "The database is closed.")
        job: _Job[T] = _Job(work=work, result=asyncio.get_running_loop().create_future())
        self._jobs.put_nowait(job)
        return await job.result

    async def wipe_freed(self) -> None:
        """Leave no byte of deleted rows in SQLite's files: the write-ahead log is emptied.

        Freed pages were overwritten when they were freed (`secure_delete`).
        """
        if not self.is_sqlite:
            return
        for _ in range(WIPE_TRIES):  # a reader that holds an old page keeps the log from being emptied
            async with self._writers.connect() as connection:
                raw = await connection.get_raw_connection()
                cursor = await raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]  # aiosqlite's, which the pool types as possibly absent
                is_busy = (await cursor.fetchone())[0]
            if not is_busy:
                return
            await asyncio.sleep(0.05)

    async def _write_for_ever(self) -> None:
        while True:
            jobs = [await self._jobs.get()]
            while len(jobs) < MAX_BATCH and not self._jobs.empty():
                jobs.append(self._jobs.get_nowait())
            await self._write_together(jobs)
            for _ in jobs:
                self._jobs.task_done()

    async def _write_together(self, jobs: list[_Job[Any]]) -> None:
        wanted = [job for job in jobs if not job.result.cancelled()]
        try:
            async with self._writers.begin() as connection:
                results = [await job.work(connection) for job in wanted]
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the one who asked for the write
            if len(wanted) > 1:
                for job in wanted:
                    await self._write_together([job])
            elif not wanted[0].result.done():
                wanted[0].result.set_exception(error)
            return
        for job, result in zip(wanted, results, strict=True):
            if not job.result.done():
                job.result.set_result(result)

    async def _dispose(self) -> None:
        await self._readers.dispose()
        await self._writers.dispose()


def _engine(url: URL, *, is_writer: bool) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_size=10, max_overflow=10, pool_pre_ping=True, pool_timeout=30)
    engine = create_async_engine(url, pool_size=1 if is_writer else 4, max_overflow=0, pool_timeout=30)

    # Any: the connection of the driver, which is untyped.
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not at the first write
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if is_writer:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")  # acknowledged is on the disk
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA secure_delete=ON")  # what a person had erased is overwritten
        else:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    def begin(connection: Any) -> None:  # Any: as above
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    return engine


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except SQLAlchemyError as error:
        raise StoreError("database_url", f"database.url is no database address: {error}") from error
    driver = DRIVERS.get(parsed.drivername.partition("+")[0])
    if driver is None:
        raise StoreError("database_url", "database.url must begin with sqlite:// or postgresql://.")
    if driver.startswith("sqlite") and not parsed.database:
        raise StoreError("database_url", "database.url names no file: as sqlite:///nightloom.db.")
    return parsed.set(drivername=driver)


async def _check_integrity(connection: AsyncConnection, url: URL) -> None:
    if connection.dialect.name != "sqlite" or not url.database:
        return
    if Path(url.database).stat().st_size > MAX_CHECKED_BYTES:
        return
    found = (await connection.exec_driver_sql("PRAGMA quick_check(1)")).scalar_one()
    if found != "ok":
        raise StoreError("database_corrupt", f"{_place(url)} is damaged ({found}): restore it from a backup.")


def _explained(url: URL, error: Exception) -> StoreError:
    """What is wrong with the database, in one line with the next step."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    place, low = _place(url), text.lower()
    if url.get_backend_name() != "sqlite":
        return StoreError("database_unreachable", f"{place} cannot be used: {text}. Check database.url.")
    if "not a database" in low or "malformed" in low:
        return StoreError("database_corrupt", f"{place} is damaged ({text}): restore it from a backup.")
    if "readonly" in low or "read-only" in low:
        return StoreError("database_read_only", f"{place} is read-only: make file and folder writable.")
    if "unable to open" in low or isinstance(error, OSError):
        advice = "check that its folder exists and is writable"
        return StoreError("database_unreachable", f"{place} cannot be opened: {advice}.")
    return StoreError("database", f"{place} cannot be used: {text}.")


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"The database {url.database}"
    return f"The database {url.render_as_string(hide_password=True)}"
