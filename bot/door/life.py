"""Says that this process lives, takes up what dead ones left, and hears whom others have forgotten.

Knows no platform and no SQL.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from bot import metrics
from bot.context import Context
from bot.door.worker import Workers
from bot.people.forget import Forgetting

log = structlog.get_logger(__name__)

LIFE_SIGN_S: Final = 5.0
DEAD_AFTER_S: Final = 20.0
DYING_MAY_TAKE_S: Final = 1.0
EVENTS_ARE_KEPT: Final = timedelta(days=30)  # far longer than any platform delivers again
FORGET_EVENTS_EVERY: Final = timedelta(hours=6)


class Life:
    """`has_adopted` is set once what earlier processes left is taken up."""

    def __init__(self, context: Context, workers: Workers, forgetting: Forgetting) -> None:
        self._context = context
        self._workers = workers
        self._forgetting = forgetting
        self._events_forgotten_at = datetime.min.replace(tzinfo=UTC)
        self.has_adopted = asyncio.Event()

    async def begin(self) -> None:
        """Before any work: whoever looks at the inbox sees that its owner lives."""
        await self._context.store.leases.live(self._context.owner, for_s=DEAD_AFTER_S)

    async def run(self) -> None:
        """Give signs of life until cancelled."""
        while True:
            try:
                await self._give_sign()
            except Exception as error:  # a database that is away for a while comes back
                metrics.ERRORS.labels("live", type(error).__name__).inc()
                log.exception("no sign of life could be given")
            await asyncio.sleep(LIFE_SIGN_S)

    async def end(self) -> None:
        """What is left is free at once; where that cannot be said, once this process's lease runs out."""
        try:
            async with asyncio.timeout(DYING_MAY_TAKE_S):
                await self._context.store.leases.die(self._context.owner)
        except Exception as error:  # a database that is away must not make a stop a fault
            metrics.ERRORS.labels("die", type(error).__name__).inc()
            log.exception("the lease could not be given back")

    async def _give_sign(self) -> None:
        store, now = self._context.store, self._context.clock()
        await store.leases.live(self._context.owner, for_s=DEAD_AFTER_S)
        await self._workers.adopt()
        self.has_adopted.set()
        await self._forgetting.hear()
        if now - self._events_forgotten_at > FORGET_EVENTS_EVERY:
            self._events_forgotten_at = now
            await store.events.forget(before=now - EVENTS_ARE_KEPT)
