"""One suite for both databases: SQLite in a file, and a Postgres that the tests start themselves."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from bot import ratings
from bot.context import new_id
from bot.store import Store
from tests.migrated import migrated

_databases = count(1)


class PostgresServer:
    """A server of our own in a folder, reached by a socket there. Not to be run as root, so it is not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._account = pwd.getpwnam("postgres" if _has_account("postgres") else "nobody")

    def start(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb", "-D", str(self._data), "-U", "nightloom", "-A", "trust", "--no-sync", "-E", "UTF8"
        )
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._folder}' -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    async def new_database(self) -> str:
        """The address of an empty database."""
        name = f"test_{next(_databases)}"
        connection = await asyncpg.connect(host=str(self._folder), user="nightloom", database="postgres")
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return f"postgresql+asyncpg://nightloom@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        is_root = os.geteuid() == 0
        result = subprocess.run(
            [_program(program), *arguments],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server lives
            stderr=subprocess.DEVNULL,
            timeout=120,
            check=False,
            user=self._account.pw_uid if is_root else None,
            group=self._account.pw_gid if is_root else None,
            extra_groups=[] if is_root else None,
        )
        assert result.returncode == 0, f"{program} failed: {self._log()}"

    def _log(self) -> str:
        log = self._folder / "log"
        return log.read_text(encoding="utf-8")[-2000:] if log.exists() else "no log"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    # Socket paths are short and every folder above must be open to the server's account.
    folder = Path(f"/tmp/nightloom-pg-{os.getpid()}")
    folder.mkdir(mode=0o755)
    server = PostgresServer(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'nightloom.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return await server.new_database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await open_store(migrated(url), clock)
    yield opened
    await opened.close()


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_s(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


async def open_store(url: str, clock: Clock) -> Store:
    return await Store.open(url, clock=clock, new_id=new_id, rate=ratings.rating)


def _program(name: str) -> str:
    """From PATH, or where Debian puts them."""
    found: Sequence[Path] = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    program = str(found[-1]) if found else shutil.which(name)
    assert program is not None, f"{name} is missing: install PostgreSQL's server (apt install postgresql)"
    return program


def _has_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
