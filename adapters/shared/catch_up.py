"""What a platform did not tell is read back, and where that fails again, ever more seldom, until it works.

Knows no platform: what reading back means is handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bot import metrics
from bot.door.backoff import pause_s
from bot.events import Platform

AGAIN_S: Final = 30.0
LONGEST_S: Final = 900.0

log = structlog.get_logger(__name__)


class ReadBack:
    """Reads back whenever something may have been missed. `run` it beside the connection."""

    def __init__(self, platform: Platform, read: Callable[[], Awaitable[None]]) -> None:
        self._platform = platform
        self._read = read
        self._due = asyncio.Event()

    def missed(self) -> None:
        """Something may have been: a new session begins, or what was told could not be taken in."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._read()
                failures = 0
            except Exception as error:  # a database that is away for a while comes back
                metrics.ERRORS.labels(self._platform, type(error).__name__).inc()
                failures += 1
                again_in_s = pause_s(failures, first_s=AGAIN_S, longest_s=LONGEST_S)
                log.exception("not read back", platform=self._platform, again_in_s=round(again_in_s))
                await asyncio.sleep(again_in_s)
                self._due.set()
