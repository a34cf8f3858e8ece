"""How long to wait before the next try. Knows nothing of what is tried."""

from __future__ import annotations

import random
from typing import Final

MOST_DOUBLINGS: Final = 60  # what is tried for days must not grow past what a float holds


def pause_s(tries: int, *, first_s: float, longest_s: float) -> float:
    """Twice as long after each try, up to `longest_s`, and never quite the same for two that wait."""
    doubled_s = first_s * 2.0 ** min(tries - 1, MOST_DOUBLINGS)
    return min(doubled_s, longest_s) * random.uniform(0.8, 1.2)
