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

ENDING_MAY_TAKE_S: Final = 2.0


class Typing:
    """What is shown for one item while it is worked on. `chat` None: its platform is off now."""

    def __init__(self, chat: Chat | None, listeners: Listeners, item: Item) -> None:
        self._chat = chat
        self._listeners = listeners
        self._item = item
        self._latest: Progress | None = None
        self._moved = asyncio.Event()
        self._showing: asyncio.Task[None] | None = None
        self._is_over = False

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
        """While within, the person sees that it works. Left without `end`, what is shown is taken back."""
        if self._chat is None:
            yield
            return
        self._showing = asyncio.create_task(self._show(self._chat))
        try:
            yield
        finally:
            if not self._is_over:
                await self.end()
                await self._take_back(self._chat)

    async def end(self) -> None:
        """Show nothing more: the answer itself takes away what is shown.

        A call that is under way is waited for: it must not arrive behind the answer.
        """
        self._is_over = True
        self._moved.set()
        showing = self._showing
        if showing is None:
            return
        try:
            await asyncio.wait([showing], timeout=ENDING_MAY_TAKE_S)
        finally:
            showing.cancel()

    async def _show(self, chat: Chat) -> None:
        while not self._is_over:
            self._moved.clear()
            await chat.working(self._item.place, self._item.ref, self._latest)
            await self._moved.wait()

    async def _take_back(self, chat: Chat) -> None:
        try:
            async with asyncio.timeout(ENDING_MAY_TAKE_S):
                await chat.idle(self._item.place, self._item.ref)
        except TimeoutError:
            return  # the platform is slow; what it shows goes away by itself
