"""The last few things that were seen of each person, in this process alone. Knows not what they are."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

PEOPLE: Final = 5000  # who are remembered, those of whom something was seen last


class Recent(Generic[T]):
    """`each`: how much is remembered of one person."""

    def __init__(self, *, each: int) -> None:
        self._each = each
        self._seen: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        """How many people are remembered."""
        return len(self._seen)

    def of(self, person: str) -> Sequence[T]:
        """What was seen of a person, oldest first."""
        return self._seen.get(person, ())

    def saw(self, person: str, what: T) -> None:
        self._seen.setdefault(person, deque(maxlen=self._each)).append(what)
        self._seen.move_to_end(person)
        while len(self._seen) > PEOPLE:
            self._seen.popitem(last=False)

    def forget(self, person: str) -> None:
        self._seen.pop(person, None)
