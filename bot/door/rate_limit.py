"""How fast one person may ask. Knows no clock but the one it is given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_PEOPLE: Final = 10_000  # remembered at once; whoever is forgotten begins with a full allowance


class RateLimit:
    """An allowance for each person that fills up steadily, to a minute's worth at most."""

    def __init__(self, per_minute: int, clock_s: Callable[[], float]) -> None:
        self._most = float(per_minute)
        self._per_second = per_minute / 60.0
        self._clock_s = clock_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, person: str) -> float:
        """Take one from the person's allowance; 0. Where it is used up: the seconds until there is one."""
        now = self._clock_s()
        left, at = self._left.pop(person, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_second)
        is_free = left >= 1.0
        self._left[person] = (left - 1.0 if is_free else left, now)
        if len(self._left) > MAX_PEOPLE:
            self._left.popitem(last=False)
        return 0.0 if is_free else (1.0 - left) / self._per_second
