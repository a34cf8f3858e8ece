"""A queue that is fair between people: each in turn, and one thing of each at a time.

So one who asks a hundred things delays nobody else, and what a person says is dealt with in the order
in which they said it. Knows nothing of what is queued.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    def __init__(self) -> None:
        self._lines: dict[str, deque[T]] = {}
        self._busy: set[str] = set()
        self._turns: asyncio.Queue[str] = asyncio.Queue()  # keys that have something and are not busy
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def waiting(self, key: str) -> int:
        """How much waits in this key's line."""
        return len(self._lines.get(key, ()))

    def holds(self, key: str, thing: T) -> bool:
        """Whether it waits in this key's line."""
        return thing in self._lines.get(key, ())

    def put(self, key: str, thing: T) -> None:
        """Last in the key's line."""
        self._line(key).append(thing)
        self._length += 1

    def put_first(self, key: str, thing: T) -> None:
        """First in the key's line: something that is tried again."""
        self._line(key).appendleft(thing)
        self._length += 1

    async def get(self) -> tuple[str, T]:
        """The next thing. Its key is busy until `done`: nothing else of that key comes before."""
        while True:
            key = await self._turns.get()
            line = self._lines.get(key)
            if line:
                self._busy.add(key)
                self._length -= 1
                return key, line.popleft()
            self._lines.pop(key, None)

    def done(self, key: str) -> None:
        """What `get` gave for this key is dealt with."""
        self._busy.discard(key)
        if self._lines.get(key):
            self._turns.put_nowait(key)
        else:
            self._lines.pop(key, None)

    def remove(self, key: str, thing: T) -> bool:
        """Take something out of the line. False: it is not in it."""
        if not self.holds(key, thing):
            return False
        self._lines[key].remove(thing)
        self._length -= 1
        return True

    def remove_all(self, is_key: Callable[[str], bool]) -> None:
        """Empty the lines of these keys."""
        for key in [key for key in self._lines if is_key(key)]:
            self._length -= len(self._lines[key])
            self._lines[key].clear()

    def _line(self, key: str) -> deque[T]:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = deque()
            if key not in self._busy:
                self._turns.put_nowait(key)
        return line
