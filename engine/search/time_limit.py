"""Ends work at a time, or sooner when it is told to stop. Knows nothing of the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def time_limit(at: float, stop: asyncio.Event | None = None) -> AsyncIterator[None]:
    """Cancel the block at this time of the loop's clock, or once `stop` is set, and go on behind the block.

    A timeout of the block's own passes through.
    """
    try:
        async with asyncio.timeout_at(at) as limit:
            stopping = asyncio.create_task(_stopped(stop, limit)) if stop is not None else None
            try:
                yield
            finally:
                if stopping is not None:
                    stopping.cancel()
    except TimeoutError:
        if not limit.expired():
            raise


async def _stopped(stop: asyncio.Event, limit: asyncio.Timeout) -> None:
    await stop.wait()
    limit.reschedule(asyncio.get_running_loop().time())
