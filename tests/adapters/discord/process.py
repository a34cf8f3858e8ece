"""`nightloom run` as a process of its own, pointed at the Discord of this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.discord_server import DiscordServer

START_S = 60.0
STOP_S = 15.0
MODULE = "adapters.cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running service."""

    process: asyncio.subprocess.Process
    log: Path

    async def stop(self) -> int:
        """Ask it to end, as an init system does; its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            return await self.process.wait()

    async def kill(self) -> None:
        """End it as a power cut does."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def running(
    server: DiscordServer, data: Path, environment: Mapping[str, str] | None = None, *, waits: bool = True
) -> AsyncIterator[Process]:
    """Start it on a data folder, and wait until it is connected. It is killed if the test leaves it."""
    settings = {
        "NIGHTLOOM_DATA": str(data),
        "NIGHTLOOM_BACKEND__KIND": "scripted",
        "NIGHTLOOM_WEB__ENABLED": "false",
        "NIGHTLOOM_DISCORD__TOKEN": server.token,
        "NIGHTLOOM_DISCORD__API_URL": server.api_url,
        "NIGHTLOOM_DISCORD__GATEWAY_URL": server.gateway_url,
        **(environment or {}),
    }
    sessions = server.gateway.identified
    log = data / f"log-{sessions}.txt"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, "run", stdout=output, stderr=output, env={**os.environ, **settings}
        )
    started = Process(process=process, log=log)
    try:
        if waits:
            # A process that ends at once is as good an end of waiting as a connection.
            await server.until(
                lambda: server.gateway.identified > sessions or process.returncode is not None,
                timeout_s=START_S,
            )
            assert process.returncode is None, log.read_text()
        yield started
    finally:
        await started.kill()
