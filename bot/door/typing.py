"""Shows a person that an answer to them is being made, and how far it is. Knows no platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bot.door.listeners import Listeners
from bot.events import Progress
from bot.ports import Chat
from bot.store.inbox import Item

IDLE_MAY_TAKE_S: Final = 2.0


class Status:
    """What is shown for one item while it is worked on. `chat` None: its platform is off now."""

    def __init__(self, chat: Chat | None, listeners: Listeners, item: Item) -> None:
        self._chat = chat
        self._listeners = listeners
        self._item = item
        self._latest: Progress | None = None
        self._moved = asyncio.Event()
        self.is_answered = False  # the answer itself takes the status away

    def progress(self, done: int, total: int) -> None:
        """So many branches of so many are made."""
        item = self._item
        self._latest = Progress(
            message=item.id, conversation=item.conversation, person=item.person.key, done=done, total=total
        )
        self._listeners.tell(item.person.key, self._latest)
        self._moved.set()

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """While within, the person sees that it works."""
        if self._chat is None:
            yield
            return
        showing = asyncio.create_task(self._show(self._chat))
        try:
            yield
        finally:
            showing.cancel()
            if not self.is_answered:
                await self._take_back(self._chat)

    async def _show(self, chat: Chat) -> None:
        await chat.working(self._item.place, self._item.ref, None)
        while True:
            await self._moved.wait()
            self._moved.clear()
            await chat.working(self._item.place, self._item.ref, self._latest)

    async def _take_back(self, chat: Chat) -> None:
        try:
            async with asyncio.timeout(IDLE_MAY_TAKE_S):
                await chat.idle(self._item.place, self._item.ref)
        except TimeoutError:
            return  # the platform is slow; what it shows goes away by itself
