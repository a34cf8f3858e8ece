"""A `nightloom run` in a process of its own, on the scripted backend, and a client for it.

Used by benches, by the tests that kill it, and by whoever takes pictures of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from engine.models import cache

TOKEN: Final = "load"
START_TIMEOUT_S: Final = 300.0
ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Talks to the web interface. Raises aiohttp's errors when the service is gone."""

    session: aiohttp.ClientSession
    url: str

    # Any: JSON.
    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> tuple[int, Any]:
        """Status and body. A call that is made again with its `key` is carried out once."""
        headers = {} if key is None else {"Idempotency-Key": key}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def ask(self, person: str, conversation: str, text: str, *, key: str | None = None) -> str | None:
        """The message's id; None: it was not acknowledged."""
        body = {"person": person, "conversation": conversation, "text": text}
        status, answer = await self.call("POST", "/api/messages", body, key=key)
        return str(answer["message"]) if status == 202 else None


class Running:
    """The process. It may be killed and started again on the same data."""

    def __init__(self, data: Path, settings: Mapping[str, str]) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._data = data
        self._settings = dict(settings)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and wait until it answers questions. Raises RuntimeError where it ends instead."""
        await self.begin()
        await self.ready()

    async def begin(self) -> None:
        """Start, and wait until it can be reached. Its model may still be loading."""
        environment = {
            **{name: value for name, value in os.environ.items() if not _is_setting(name)},
            "NIGHTLOOM_DATA": str(self._data),
            "NIGHTLOOM_BACKEND__KIND": "scripted",
            "NIGHTLOOM_WEB__PORT": str(self.port),
            "NIGHTLOOM_WEB__TOKEN": TOKEN,
            **self._settings,
        }
        self._data.mkdir(parents=True, exist_ok=True)
        with (self._data / "service.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "adapters.cli.main",
                "run",
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        await self._until_well("/healthz")

    async def ready(self) -> None:
        await self._until_well("/readyz")

    async def _until_well(self, path: str) -> None:
        assert self._process is not None, "it was begun"
        async with asyncio.timeout(START_TIMEOUT_S), aiohttp.ClientSession() as session:
            while not await _is_well(session, self.url + path):
                if (code := self._process.returncode) is not None:
                    said = (self._data / "service.log").read_text(encoding="utf-8")
                    raise RuntimeError(f"The service ended with {code}: {said[-3000:]}")
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """As a power cut would end it."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """As an operator would end it; the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        return await process.wait()

    @asynccontextmanager
    async def client(self, *, connections: int = 100) -> AsyncIterator[Client]:
        connector = aiohttp.TCPConnector(limit=connections)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            yield Client(session=session, url=self.url)


async def _is_well(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_setting(variable: str) -> bool:
    """Where the models are kept is the machine's."""
    return variable.startswith("NIGHTLOOM_") and variable != cache.VARIABLE
