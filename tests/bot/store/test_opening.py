"""A database is brought to this version's schema; what cannot be used is refused in one line."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, make_url, text

from bot.errors import StoreError
from bot.store import Store, tables
from bot.store.database import DatabaseConnection, schema
from bot.store.recorded_replies import prompt_of
from tests.bot.store.conftest import Clock, PostgresServer, open_store
from tests.bot.store.making import OWNER, message, taken


@contextmanager
def at_revision(address: str, revision: str) -> Iterator[sqlalchemy.Connection]:
    """A transaction on a database as an older version left it."""
    engine = create_engine(address)
    with engine.begin() as connection:
        config = schema.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection
    engine.dispose()


async def test_a_database_is_opened_again_with_all_that_was_in_it(url: str, clock: Clock) -> None:
    first = await open_store(url, clock)
    item = await taken(first)
    await first.close()
    second = await open_store(url, clock)
    assert await second.inbox.get(item.id) == item
    await second.close()


async def test_a_newer_database_is_refused(url: str, clock: Clock) -> None:
    store = await open_store(url, clock)

    async def make_newer(connection: DatabaseConnection) -> None:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await store.database.write(make_newer)
    await store.close()
    with pytest.raises(StoreError, match=r"newer Nightloom.*9999"):
        await open_store(url, clock)


async def test_the_migrations_make_exactly_the_tables_that_the_code_describes(
    tmp_path: Path, clock: Clock
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    await (await open_store(url, clock)).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        found = {
            index["name"]
            for table in tables.metadata.tables
            for index in inspect(connection).get_indexes(table)
        }
    engine.dispose()
    assert {index.name for table in tables.metadata.tables.values() for index in table.indexes} <= found
    assert schema.newest() == "0008"


async def test_what_an_older_database_says_is_kept(tmp_path: Path, clock: Clock) -> None:
    address = f"sqlite:///{tmp_path / 'a.db'}"
    with at_revision(address, "0002") as connection:
        at = "'2026-01-01 00:00:00'"
        connection.execute(
            text(f"INSERT INTO people (key, platform, created_at) VALUES ('ann', 'web', {at})")
        )
        for values in ("'old', 'critique', NULL", "'abcf0', 'message', 'old'"):
            connection.execute(
                text(
                    "INSERT INTO notes (id, origin, replaces, person, kind, text, source, created_at) "
                    f"VALUES ({values}, 'ann', 'fact', '', '', {at})"
                )
            )
        for night, asked in (("n1", "'[\"ann\"]'"), ("n2", "NULL")):
            connection.execute(
                text(
                    "INSERT INTO nights (id, state, asked, started_at) "
                    f"VALUES ('{night}', 'done', {asked}, {at})"
                )
            )
        connection.execute(
            text(
                "INSERT INTO events (platform, event, kind, subject, at) "
                f"VALUES ('discord', 'e1', 'message', 'abc', {at})"
            )
        )
    store = await open_store(address, clock)
    assert not (await store.inbox.take(message("e1"), conversation="c", owner=OWNER)).is_new
    old, passing = await store.notes.get("old"), await store.notes.get("abcf0")
    assert (old.replaced_by, old.message, passing.message) == ("abcf0", None, "abc")
    assert [(await store.nights.get(night)).was_asked for night in ("n1", "n2")] == [True, False]
    await store.close()


async def test_an_older_reply_says_what_was_asked_and_keeps_its_search(tmp_path: Path, clock: Clock) -> None:
    address = f"sqlite:///{tmp_path / 'a.db'}"
    turns = [
        ("user", "Who swims?"),
        ("assistant", "An otter."),
        ("user", "Why? Answer again with this in mind."),
    ]
    prompt = {"turns": [{"role": role, "text": said} for role, said in turns], "notes": ["be brief"]}
    with at_revision(address, "0004") as connection:
        connection.execute(
            text(
                "INSERT INTO people (key, platform, created_at) VALUES ('ann', 'web', '2026-01-01 00:00:00')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO replies (id, person, conversation, text, prompt, model, seed, mode, answers, "
                "alternatives, tree, actions, delivery, at) VALUES ('r', 'ann', 'c', 'It.', :prompt, 'm', 1, "
                "'fast', '{}', '[{\"id\": \"b\", \"text\": \"They.\", \"score\": 1.0}]', '[]', '[]', "
                "'sent', '2026-01-01 00:00:00')"
            ),
            {"prompt": json.dumps(prompt)},
        )
        connection.execute(text("INSERT INTO reactions VALUES ('r', 'ann', '👍', 1, '2026-01-01 00:00:00')"))
    store = await open_store(address, clock)
    (exchange,) = await store.examples.of_person("ann", limit=10)
    assert (exchange.request, exchange.reply) == ("Who swims?", "It.")
    kept = await store.replies.recorded("r")
    assert (kept.prompt, [branch.text for branch in kept.branches]) == (prompt_of(prompt), ["They."])
    await store.close()


def damage(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name says" * 100)


def truncate(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE a (b TEXT)")
    connection.executemany("INSERT INTO a VALUES (?)", [("x" * 500,)] * 500)
    connection.commit()
    connection.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("spoil", [damage, truncate])
async def test_a_corrupt_file_is_refused_with_what_to_do(tmp_path: Path, clock: Clock, spoil: object) -> None:
    path = tmp_path / "a.db"
    assert callable(spoil)
    spoil(path)
    with pytest.raises(StoreError, match=r"a\.db is damaged.*restore it from a backup") as refused:
        await open_store(f"sqlite:///{path}", clock)
    assert refused.value.code == "database_corrupt"


async def test_a_folder_that_is_not_there_is_said_to_be_so(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(StoreError, match="check that its folder exists"):
        await open_store(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}", clock)


@pytest.mark.parametrize("address", ["nonsense", "mysql://a/b", "sqlite://", "sqlite:///:memory:"])
async def test_an_address_that_is_none_is_refused_with_the_form_of_one(address: str, clock: Clock) -> None:
    with pytest.raises(StoreError, match="sqlite://"):
        await open_store(address, clock)


async def test_a_server_that_is_away_is_refused_without_showing_the_password(clock: Clock) -> None:
    with pytest.raises(StoreError, match=r"Check database\.url") as refused:
        await open_store("postgresql://me:hunter2@127.0.0.1:1/nightloom", clock)
    assert "hunter2" not in refused.value.message


async def test_only_one_service_answers_from_an_sqlite_file(tmp_path: Path, clock: Clock) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    first, second = await open_store(url, clock), await open_store(url, clock)
    await first.serve_alone()
    with pytest.raises(StoreError, match="Another Nightloom runs"):
        await second.serve_alone()
    await first.close()
    await second.serve_alone()
    await second.close()


@pytest.mark.real
async def test_several_services_share_a_postgres(postgres: PostgresServer, clock: Clock) -> None:
    url = await postgres.new_database()
    first, second = await open_store(url, clock), await open_store(url, clock)
    await first.serve_alone()
    await second.serve_alone()
    taken_by_first = await first.inbox.take(message("e1"), conversation="c", owner=OWNER)
    again = await second.inbox.take(message("e1"), conversation="c", owner="other")
    assert (again.id, again.is_new) == (taken_by_first.id, False)
    await first.close()
    await second.close()


async def test_an_erased_persons_words_are_in_no_file(tmp_path: Path, clock: Clock) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'a.db'}", clock)
    for number in range(50):
        await taken(store, f"e{number}", text=f"the secret llama {number} " * 50)
    await taken(store, "kept", who="bob", text="an open alpaca")
    await store.people.erase("ann")
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    await store.close()
    assert b"secret llama" not in held
    assert b"open alpaca" in held


async def test_a_failing_write_takes_no_neighbour_with_it(store: Store) -> None:
    async def fail(connection: DatabaseConnection) -> None:
        await connection.execute(tables.people.insert().values(key="eve", platform="web", created_at=None))

    endings = await asyncio.gather(
        *(taken(store, f"e{number}") for number in range(10)),
        store.database.write(fail),
        *(taken(store, f"f{number}") for number in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(ending, BaseException) for ending in endings) == 1
    assert len(await store.inbox.of_conversation("ann", "room/t")) == 20


def test_a_read_only_database_is_refused(tmp_path: Path) -> None:
    """Root may write anywhere, so the refusal is tried on what SQLite says of such a file."""
    from sqlalchemy.exc import OperationalError

    from bot.store.database.opening import _explained

    cause = sqlite3.OperationalError("attempt to write a readonly database")
    error = _explained(make_url(f"sqlite:///{tmp_path / 'a.db'}"), OperationalError("s", {}, cause))
    assert error.code == "database_read_only"
    assert os.sep in error.message
