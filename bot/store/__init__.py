"""The database and its parts. All SQL of the product is in this package."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO

from bot.errors import StoreError
from bot.store.archives import ArchiveStore
from bot.store.database import Database
from bot.store.database.opening import open_database
from bot.store.deliveries import DeliveryStore
from bot.store.erasures import ErasureStore
from bot.store.feedback.choices import ChoiceStore
from bot.store.feedback.examples import ExampleStore
from bot.store.feedback.notes import NoteStore
from bot.store.feedback.reactions import ReactionStore
from bot.store.feedback.teachings import TeachingStore
from bot.store.inbox import InboxStore
from bot.store.installations import InstallationStore
from bot.store.leases import LeaseStore
from bot.store.loras import LoraStore
from bot.store.nights import NightStore
from bot.store.people import PersonStore
from bot.store.platform_events import EventStore
from bot.store.recorded_replies import Rate
from bot.store.replies import ReplyStore
from bot.store.withdrawals import WithdrawalStore


class Store:
    """An open, migrated database. Each part speaks for its own tables."""

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime], new_id: Callable[[], str], rate: Rate
    ) -> None:
        self.database = database
        self.people = PersonStore(database, clock, new_id)
        self.erasures = ErasureStore(database)
        self.inbox = InboxStore(database, clock, new_id)
        self.events = EventStore(database)
        self.withdrawals = WithdrawalStore(database, clock)
        self.replies = ReplyStore(database, clock, rate)
        self.deliveries = DeliveryStore(database, clock, rate)
        self.examples = ExampleStore(database, rate)
        self.reactions = ReactionStore(database, clock)
        self.choices = ChoiceStore(database, clock, new_id)
        self.teachings = TeachingStore(database, clock)
        self.notes = NoteStore(database, clock)
        self.archives = ArchiveStore(database, new_id)
        self.leases = LeaseStore(database, clock)
        self.installations = InstallationStore(database, clock)
        self.loras = LoraStore(database, clock)
        self.nights = NightStore(database, clock)
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
