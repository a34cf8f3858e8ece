"""Catching up: when to read again what a platform did not tell, and which of the reactions read are old.

Knows no platform: what is read, and how, is handed in.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

import structlog

from bot import metrics
from bot.door.backoff import pause_s
from bot.events import Platform

M = TypeVar("M", bound=Hashable)

AGAIN_S: Final = 30.0
LONGEST_S: Final = 900.0

log = structlog.get_logger(__name__)


class CatchUpRuns:
    """Catches up whenever something may have been missed. Start `run` beside the connection.

    Where catching up fails it is tried again, after longer and longer pauses, until it works.
    """

    def __init__(self, platform: Platform, catch_up: Callable[[], Awaitable[None]]) -> None:
        self._platform = platform
        self._catch_up = catch_up
        self._due = asyncio.Event()

    def missed(self) -> None:
        """Something may have been missed: a new session begins, or an event could not be taken in."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._catch_up()
                failures = 0
            except Exception as error:  # a database that is away for a while comes back
                metrics.ERRORS.labels(self._platform, type(error).__name__).inc()
                failures += 1
                again_in_s = pause_s(failures, first_s=AGAIN_S, longest_s=LONGEST_S)
                log.exception("catching up failed", platform=self._platform, again_in_s=round(again_in_s))
                await asyncio.sleep(again_in_s)
                self._due.set()


class ReactionCounts(Generic[M]):
    """Counts the reactions to each message that arrive while reactions are being read.

    Where a message's count changed during the reading, what was read of it may be old. Outside of readings
    nothing is counted and nothing kept.
    """

    def __init__(self) -> None:
        self._counts: Counter[M] = Counter()
        self._readers = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count for the time of a reading."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._counts.clear()

    def add(self, message: M) -> None:
        """A reaction to this message has just arrived."""
        if self._readers:
            self._counts[message] += 1

    def snapshot(self) -> Counter[M]:
        """The counts so far, to be compared with those after the reading."""
        return self._counts.copy()
