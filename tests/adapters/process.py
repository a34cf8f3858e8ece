"""`nightloom run` as a process of its own, pointed at a chat platform of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.running import Running

STOP_S = 30.0


class Service(Running):
    """A running service. It may be ended in every way, and started again on the same data."""

    async def stop(self) -> int:
        """As an init system ends it, which kills what takes long; the exit code."""
        async with asyncio.timeout(STOP_S):
            return await super().stop()


@asynccontextmanager
async def running(
    data: Path, settings: Mapping[str, str], *, connected: Callable[[], Awaitable[None]]
) -> AsyncIterator[Service]:
    """Start it on a data folder, and wait until it is connected. It is killed if the test leaves it."""
    service = Service(data, settings)
    try:
        await service.start()
        await connected()
        yield service
    except Exception as error:  # whatever a test fails by, what the service said is told with it
        error.add_note((data / "service.log").read_text(encoding="utf-8")[-5000:])
        raise
    finally:
        await service.kill()
