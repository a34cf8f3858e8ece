"""Keeps the process responsive: shortens the pauses of the garbage collector and of switching threads."""

from __future__ import annotations

import gc
import sys
from typing import Final

# The collector looks at young objects after so many new objects. Python's own 700 is too few: an answer makes
# tens of thousands of objects, and nearly all of them are freed without the collector.
COLLECTS_AFTER: Final = (20_000, 10, 10)
# A thread with a statement's result waits at most so long for its turn. Python's own 5 ms is too long.
THREADS_WAIT_S: Final = 0.001


def shorten() -> None:
    """Call it once everything is loaded. The collector never looks at the objects of that moment again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTS_AFTER)
    sys.setswitchinterval(THREADS_WAIT_S)
