"""Tells listeners what happens to a person, and wakes who waits for an outcome. In this process only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from bot.events import NightProgress, Notice, Progress, Reply

News: TypeAlias = Progress | Reply | Notice | NightProgress

MAX_KEPT: Final = 200  # for a listener that does not come to fetch


class Listeners:
    def __init__(self) -> None:
        self._listeners: dict[str, set[_Listener]] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def tell(self, person: str, news: News) -> None:
        """Every listener of this person hears it."""
        for listener in self._listeners.get(person, ()):
            listener.tell(news)

    @asynccontextmanager
    async def listen(self, person: str) -> AsyncIterator[AsyncIterator[News]]:
        """Everything that happens to a person from now on.

        A listener that does not keep up loses progress; one that has lost everything else too is ended,
        so that it connects again and reads what it missed.
        """
        listener = _Listener()
        self._listeners.setdefault(person, set()).add(listener)
        try:
            yield listener.heard()
        finally:
            self._listeners[person].discard(listener)
            if not self._listeners[person]:
                del self._listeners[person]

    def settled(self, item_id: str) -> None:
        """Whoever waits for this item looks again."""
        for event in self._waiting.get(item_id, ()):
            event.set()

    @asynccontextmanager
    async def watching(self, item_id: str) -> AsyncIterator[asyncio.Event]:
        """Look at the item within: nothing that happens to it from now on is missed."""
        event = asyncio.Event()
        self._waiting.setdefault(item_id, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[item_id].discard(event)
            if not self._waiting[item_id]:
                del self._waiting[item_id]


class _Listener:
    def __init__(self) -> None:
        self._kept: deque[News] = deque()
        self._arrived = asyncio.Event()
        self._is_lost = False

    def tell(self, news: News) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept = deque(one for one in self._kept if not isinstance(one, Progress | NightProgress))
        if len(self._kept) >= MAX_KEPT:
            self._is_lost = True
        else:
            self._kept.append(news)
        self._arrived.set()

    async def heard(self) -> AsyncIterator[News]:
        while True:
            while self._kept:
                yield self._kept.popleft()
            if self._is_lost:
                return
            await self._arrived.wait()
            self._arrived.clear()
