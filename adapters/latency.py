"""Keeps short the moments in which the process hears nobody: the garbage collector's, and its threads'."""

from __future__ import annotations

import gc
import sys
from typing import Final

# The collector walks the young objects after so many new ones, not after Python's 700: an answer makes
# tens of thousands, nearly all of which are gone by themselves.
COLLECTS_AFTER: Final = (20_000, 10, 10)
# A thread that has a statement's result waits at most so long until the others let it go on, not 5 ms.
THREADS_WAIT_S: Final = 0.001


def shorten() -> None:
    """Once all is loaded. What is there by now stays, and is not walked through any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTS_AFTER)
    sys.setswitchinterval(THREADS_WAIT_S)
