"""Everything that goes on in the background while the door is open, and how it comes to an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from bot.door.chats import Chats
from bot.door.life import Life
from bot.door.worker import Workers
from bot.teaching.rating_queue import RatingQueue

STOPPING_MAY_TAKE_S: Final = 3.0  # with what follows 4: platforms and model have to end too within 10 s


class Work:
    """`beside`: what else is to run as long, as the nights do."""

    def __init__(
        self,
        *,
        chats: Chats,
        workers: Workers,
        rating_queue: RatingQueue,
        life: Life,
        beside: Sequence[Callable[[], Coroutine[object, object, None]]] = (),
    ) -> None:
        self.chats = chats
        self.workers = workers
        self.rating_queue = rating_queue
        self.life = life
        self._beside = beside
        self._stopping = asyncio.Event()
        self._ended: asyncio.Event | None = None  # None: `run` has not begun

    async def run(self) -> None:
        """Work until `stop`: what an earlier process left undone first."""
        self._ended = asyncio.Event()
        runs = (self.chats.run, self.workers.run, self.life.run, self.rating_queue.run, *self._beside)
        try:
            await self.life.begin()
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(run()) for run in runs]
                await self._stopping.wait()
                stop_by = time.monotonic() + STOPPING_MAY_TAKE_S
                await self.workers.stop(STOPPING_MAY_TAKE_S)
                await self.chats.drain(max(0.0, stop_by - time.monotonic()))
                for task in running:
                    task.cancel()
            await self.life.end()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Finish what is being sent, leave the rest in the inbox, end `run`. Under 10 s."""
        self._stopping.set()
        if self._ended is not None:
            await self._ended.wait()
