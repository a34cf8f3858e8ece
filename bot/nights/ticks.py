"""The clock of the nights. The only importer of APScheduler; decides nothing about who is due."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bot import metrics

log = structlog.get_logger(__name__)

TICK_EVERY_MINUTES: Final = 15


@asynccontextmanager
async def ticking(
    *, look: Callable[[], None], look_every_s: float, tick: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[None]:
    """While inside, calls `look` every few seconds and `tick` every quarter of an hour, first at once."""

    async def look_now() -> None:  # a plain function would run in a thread
        look()

    async def tick_safely() -> None:
        try:
            if tick is not None:
                await tick()
        except Exception as error:  # a database that is away is back at the next tick
            metrics.ERRORS.labels("schedule", type(error).__name__).inc()
            log.exception("nobody could be looked for whose night it is")

    scheduler = AsyncIOScheduler(timezone=UTC)
    _add(scheduler, look_now, IntervalTrigger(seconds=look_every_s, timezone=UTC))
    if tick is not None:
        _add(scheduler, tick_safely, CronTrigger(minute=f"*/{TICK_EVERY_MINUTES}", timezone=UTC))
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)


# Any: APScheduler has no types.
def _add(scheduler: Any, job: Callable[[], Awaitable[None]], trigger: Any) -> None:
    # A call that was missed because the machine slept is made up for once, not once for each.
    scheduler.add_job(
        job,
        trigger,
        next_run_time=datetime.now(UTC),
        coalesce=True,
        max_instances=1,  # the first included: the tick's lease does not keep a process from itself
        misfire_grace_time=None,
    )
