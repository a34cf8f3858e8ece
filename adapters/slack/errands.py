"""Small work that may wait until an event is acknowledged, as asking Slack for a name. Knows no events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import structlog

from bot import metrics

Errand: TypeAlias = Callable[[], Awaitable[None]]

AT_ONCE: Final = 32
MAX_WAITING: Final = 2_000

log = structlog.get_logger(__name__)


class Errands:
    """Runs errands, several at a time. An errand that finds no room is dropped and counted."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Errand] = asyncio.Queue(MAX_WAITING)

    def add(self, errand: Errand) -> None:
        """Run this as soon as there is time."""
        try:
            self._waiting.put_nowait(errand)
        except asyncio.QueueFull:
            metrics.ERRORS.labels("slack", "errand_dropped").inc()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            errand = await self._waiting.get()
            try:
                await errand()
            except Exception as error:  # an errand is no event: the next errand must still be run
                metrics.ERRORS.labels("slack", type(error).__name__).inc()
                log.exception("slack.errand_failed")
