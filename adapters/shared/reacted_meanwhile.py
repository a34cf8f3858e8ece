"""Which messages are reacted to while reactions are read back: what was read of those is old by then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

M = TypeVar("M", bound=Hashable)


class Touched(Generic[M]):
    """Counts the reactions heard of, message by message, as long as somebody reads; else it keeps nothing."""

    def __init__(self) -> None:
        self._counts: Counter[M] = Counter()
        self._readers = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """For the time of a reading."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._counts.clear()

    def heard(self, message: M) -> None:
        """A reaction to it was heard of just now."""
        if self._readers:
            self._counts[message] += 1

    def counts(self) -> Counter[M]:
        """How often each was reacted to so far, to be compared with after the reading."""
        return self._counts.copy()
