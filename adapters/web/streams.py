"""A person's server-sent events: progress, replies, notices, nights. Knows no other call."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from adapters.web import schema
from adapters.web.answers import reply_of
from bot.door.app import App
from bot.door.listeners import News
from bot.errors import TooMany
from bot.events import NightProgress, Notice, Progress, Reply

HEARTBEAT_S = 15.0
WRITE_TIMEOUT_S = 30.0
MAX_STREAMS = 2_000
MAX_STREAMS_OF_ONE = 12
BEAT = b": still here\n\n"


class EventStreams:
    """All streams that are open. `close` ends them, so that a stopping server need not wait."""

    def __init__(self, app: App, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._app = app
        self._heartbeat_s = heartbeat_s
        self._open: Counter[str] = Counter()
        self._closing = asyncio.Event()

    def close(self) -> None:
        self._closing.set()

    @property
    def count(self) -> int:
        return self._open.total()

    async def serve(self, request: web.Request, person: str) -> web.StreamResponse:
        """Send everything that happens to a person, until the client or the server goes."""
        with self._counted(person):
            async with self._app.listen(person) as heard:
                response = web.StreamResponse(
                    headers={
                        "Content-Type": "text/event-stream",
                        "Cache-Control": "no-store",
                        "X-Accel-Buffering": "no",  # a proxy in front must not collect events
                    }
                )
                await response.prepare(request)
                # The client is gone, or has stopped reading: it comes back by itself.
                with suppress(ConnectionError, TimeoutError):
                    await self._send_all(response, heard)
        return response

    async def _send_all(self, response: web.StreamResponse, heard: AsyncIterator[News]) -> None:
        await _write(response, BEAT)
        closing = asyncio.ensure_future(self._closing.wait())
        coming = asyncio.ensure_future(_next(heard))
        try:
            while not closing.done():
                await asyncio.wait(
                    {coming, closing}, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED
                )
                if not coming.done():
                    await _write(response, BEAT)
                    continue
                event = coming.result()
                if event is None:
                    return
                await _write(response, await self._written(event))
                coming = asyncio.ensure_future(_next(heard))
        finally:
            closing.cancel()
            coming.cancel()
            await asyncio.wait({closing, coming})

    async def _written(self, event: News) -> bytes:
        """An event as it goes over the line."""
        kind, shown = await self._shown(event)
        return f"event: {kind}\ndata: {shown.model_dump_json(by_alias=True)}\n\n".encode()

    async def _shown(self, event: News) -> tuple[str, schema.Shown]:
        if isinstance(event, Reply):
            return "reply", await reply_of(self._app, event)
        if isinstance(event, Progress):
            return "progress", schema.Progress.model_validate(event)
        if isinstance(event, NightProgress):
            return "night", schema.NightProgress.model_validate(event)
        return "notice", shown_notice(event)

    def _counted(self, person: str) -> _Place:
        if self._closing.is_set():
            raise TooMany("stopping", "Nightloom is stopping. Come back in a moment.", retry_after_s=5)
        if self.count >= MAX_STREAMS or self._open[person] >= MAX_STREAMS_OF_ONE:
            raise TooMany(
                "too_many_streams",
                f"{self._open[person]} event streams of {person} are open; close one first.",
                retry_after_s=10,
            )
        return _Place(self._open, person)


class _Place:
    """One stream's place among those that may be open."""

    def __init__(self, streams: Counter[str], person: str) -> None:
        self._streams = streams
        self._person = person

    def __enter__(self) -> None:
        self._streams[self._person] += 1

    def __exit__(self, *_: object) -> None:
        self._streams[self._person] -= 1
        if not self._streams[self._person]:
            del self._streams[self._person]


def shown_notice(notice: Notice) -> schema.Notice:
    image = None if notice.image_png is None else base64.b64encode(notice.image_png).decode()
    return schema.Notice(
        text=notice.text,
        actions=[schema.Action.model_validate(action) for action in notice.actions],
        image_png=image,
        file_name=notice.file_name,
    )


async def _next(heard: AsyncIterator[News]) -> News | None:
    return await anext(heard, None)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(data)
