"""The ticks that start nights. The only importer of APScheduler; decides nothing about who is due."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from bot import metrics
from bot.nights.run import Nights

log = structlog.get_logger(__name__)

EVERY_MINUTES: Final = 15


class Schedule:
    """Asks every quarter of an hour whose night it is, and at once when it starts."""

    def __init__(self, nights: Nights) -> None:
        self._nights = nights

    async def run(self) -> None:
        """Ticks until cancelled."""
        scheduler = AsyncIOScheduler(timezone=UTC)
        # A tick that was missed because the machine slept is made up for once, not once for each.
        scheduler.add_job(
            self.tick,
            CronTrigger(minute=f"*/{EVERY_MINUTES}", timezone=UTC),
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,  # the first included: the tick's lease does not part a process from itself
            misfire_grace_time=None,
        )
        scheduler.start()
        try:
            await asyncio.Event().wait()
        finally:
            scheduler.shutdown(wait=False)

    async def tick(self) -> None:
        """Start the night of whoever is due."""
        try:
            night = await self._nights.tick()
        except Exception as error:  # a database that is away is back at the next tick
            metrics.ERRORS.labels("schedule", type(error).__name__).inc()
            log.exception("nobody could be looked for whose night it is")
            return
        if night is not None:
            log.info("a night begins", night=night)
