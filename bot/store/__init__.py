"""The database and its parts. All SQL of the product is in this package."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO

from bot.errors import StoreError
from bot.store.archives import Archives
from bot.store.choices import Choices
from bot.store.database import Database
from bot.store.examples import Examples
from bot.store.inbox import Inbox
from bot.store.installations import Installations
from bot.store.leases import Leases
from bot.store.loras import Loras
from bot.store.nights import Nights
from bot.store.notes import Notes
from bot.store.opening import open_database
from bot.store.people import People
from bot.store.reactions import Reactions
from bot.store.replies import Rate, Replies
from bot.store.teachings import Teachings


class Store:
    """An open, migrated database. Each part speaks for its own tables."""

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime], new_id: Callable[[], str], rate: Rate
    ) -> None:
        self.database = database
        self.people = People(database, clock)
        self.inbox = Inbox(database, clock, new_id)
        self.replies = Replies(database, clock, rate)
        self.examples = Examples(database, rate)
        self.reactions = Reactions(database, clock)
        self.choices = Choices(database, clock, new_id)
        self.teachings = Teachings(database, clock)
        self.notes = Notes(database, clock)
        self.archives = Archives(database, clock, new_id)
        self.leases = Leases(database, clock)
        self.installations = Installations(database, clock)
        self.loras = Loras(database, clock)
        self.nights = Nights(database, clock)
        self._lock: IO[str] | None = None

    @classmethod
    async def open(
        cls, url: str, *, clock: Callable[[], datetime], new_id: Callable[[], str], rate: Rate
    ) -> Store:
        """Connect and migrate. `rate` says what a set of emoji amounts to. Raises StoreError."""
        return cls(await open_database(url), clock=clock, new_id=new_id, rate=rate)

    async def serve_alone(self) -> None:
        """On SQLite only one service at a time answers from a database; Postgres is shared.

        Once the file's lock is ours, whoever had it is dead, and what they owned is free at once.
        Raises StoreError where another service runs.
        """
        if not self.database.is_sqlite or self._lock is not None:
            return
        self._lock = _locked(Path(f"{self.database.url.database}.lock"))
        await self.leases.end_others()

    async def close(self) -> None:
        await self.database.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _locked(path: Path) -> IO[str]:
    """The file, locked until it is closed or the process is gone, however it went."""
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        text = f"Another Nightloom runs on {path.with_suffix('')}: stop it, or set another data folder."
        raise StoreError("database_in_use", text) from error
    return lock
