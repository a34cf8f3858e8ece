"""What SQLite's side of the store promises: who waits for whom, and what goes to a thread how often."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bot.store import Store
from bot.store.database import DatabaseConnection, schema, sqlite
from bot.store.database.sqlite import READERS
from bot.store.database.sqlite_connection import ConnectionThread
from bot.store.people import meet
from tests.bot.store.conftest import Clock, open_store
from tests.bot.store.making import NOON, OWNER, message, person, taken
from tests.migrated import migrated


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    opened = await open_store(migrated(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"), clock)
    yield opened
    await opened.close()


@pytest.fixture
def errands(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Everything that was handed to a connection's thread."""
    handed: list[object] = []
    do = ConnectionThread.do

    async def counted(self: ConnectionThread, work: Callable[[], object]) -> object:
        handed.append(work)
        return await do(self, work)

    monkeypatch.setattr(ConnectionThread, "do", counted)
    return handed


async def test_a_statement_is_compiled_for_all_readers_at_once(store: Store) -> None:
    """What is compiled is kept by dialect, and each engine of SQLAlchemy's has one of its own."""
    async with store.database.reading() as first, store.database.reading() as other:
        assert first.dialect is other.dialect


async def test_writes_that_wait_together_go_to_the_thread_once(store: Store, errands: list[object]) -> None:
    questions = [store.inbox.take(message(f"e{n}"), conversation="c", owner=OWNER) for n in range(50)]
    await asyncio.gather(*questions)
    assert len(errands) == 1


async def test_a_query_goes_to_the_thread_once(store: Store, errands: list[object]) -> None:
    await store.people.all()  # the first reader's connection is opened
    errands.clear()
    await store.people.all()
    assert len(errands) == 1


async def test_a_write_that_awaits_something_else_is_refused_and_takes_no_neighbour_with_it(
    store: Store,
) -> None:
    async def wait(connection: DatabaseConnection) -> None:
        await asyncio.sleep(0)

    endings = await asyncio.gather(
        taken(store, "e1"), store.database.write(wait), taken(store, "e2"), return_exceptions=True
    )
    assert [isinstance(ending, RuntimeError) for ending in endings] == [False, True, False]
    assert len(await store.inbox.of_conversation("ann", "room/t")) == 2


async def test_an_errand_that_fails_fails_for_who_gave_it_and_the_thread_goes_on() -> None:
    thread = ConnectionThread()
    with pytest.raises(ZeroDivisionError):
        await thread.do(lambda: 1 // 0)
    assert await thread.do(threading.current_thread) is not threading.current_thread()
    thread.end()


def test_a_thread_outlives_the_loop_that_gave_it_an_errand() -> None:
    goes_on, is_done = threading.Event(), threading.Event()

    def work() -> None:
        goes_on.wait(10)

    async def leave() -> ConnectionThread:
        thread = ConnectionThread()
        waiting = asyncio.create_task(thread.do(work))
        await asyncio.sleep(0)
        waiting.cancel()
        return thread

    thread = asyncio.run(leave())
    goes_on.set()
    asyncio.run(thread.do(is_done.set))
    assert is_done.is_set()
    thread.end()


async def test_a_reader_cannot_write(store: Store) -> None:
    async with store.database.reading() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(text("DELETE FROM people"))


async def test_a_reader_does_not_wait_for_a_transaction_under_way(store: Store, tmp_path: Path) -> None:
    await taken(store)
    async with aiosqlite.connect(tmp_path / "a.db", isolation_level=None) as other, asyncio.timeout(5):
        await other.execute("BEGIN IMMEDIATE")
        await other.execute("DELETE FROM people")
        assert len(await store.people.all()) == 1
        await other.execute("ROLLBACK")


async def test_a_service_goes_on_writing_while_a_command_looks_through_its_file(
    store: Store, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_looking, goes_on = asyncio.Event(), asyncio.Event()

    async def look(file: Path) -> None:
        is_looking.set()
        await goes_on.wait()

    monkeypatch.setattr(sqlite, "_check_integrity", look)
    opening = asyncio.create_task(open_store(f"sqlite:///{tmp_path / 'a.db'}", clock))
    async with asyncio.timeout(5):
        await is_looking.wait()
        await taken(store)
    goes_on.set()
    await (await opening).close()


async def test_what_is_up_to_date_is_not_migrated(
    store: Store, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(schema, "upgrade")
    await (await open_store(f"sqlite:///{tmp_path / 'a.db'}", clock)).close()


async def test_reads_that_are_cancelled_leave_the_readers_to_others(store: Store) -> None:
    await taken(store)
    for _ in range(5):
        reads = [asyncio.create_task(store.people.all()) for _ in range(3 * READERS)]
        await asyncio.sleep(0)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
    async with asyncio.timeout(5):
        found = await asyncio.gather(*(store.people.all() for _ in range(3 * READERS)))
    assert all(len(people) == 1 for people in found)


async def test_a_write_whose_asker_is_gone_is_done_all_the_same(store: Store) -> None:
    is_half_way, is_gone = threading.Event(), threading.Event()

    async def work(connection: DatabaseConnection) -> None:
        await meet(connection, person("eve"), NOON)
        is_half_way.set()
        is_gone.wait(10)
        await meet(connection, person("fay"), NOON)

    asking = asyncio.create_task(store.database.write(work))
    await asyncio.to_thread(is_half_way.wait, 10)
    asking.cancel()
    is_gone.set()
    await taken(store)  # writes are done one after the other
    assert [known.key for known in await store.people.all()] == ["ann", "eve", "fay"]
