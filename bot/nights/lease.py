"""Holds leases for as long as something takes that only one process may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from bot.store.leases import LeaseStore

log = structlog.get_logger(__name__)


class LeaseLost(Exception):
    """What this process did alone, another may be doing by now."""


@asynccontextmanager
async def held(leases: LeaseStore, names: Sequence[str], owner: str, *, for_s: float) -> AsyncIterator[None]:
    """Renews leases that were taken, while inside. Breaks off with LeaseLost when they have run out."""
    loop = asyncio.get_running_loop()
    until = asyncio.timeout(for_s)

    async def renew() -> None:
        while True:
            await asyncio.sleep(for_s / 3)
            began = loop.time()
            try:
                taken = [await leases.take(name, owner, for_s=for_s) for name in names]
            except Exception:  # while the database is away they run out, and then it is over
                log.exception("leases could not be renewed")
                continue
            if all(taken):
                until.reschedule(began + for_s)

    try:
        async with until:
            renewing = asyncio.create_task(renew())
            try:
                yield
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
    except TimeoutError:
        if until.expired():
            raise LeaseLost from None
        raise
