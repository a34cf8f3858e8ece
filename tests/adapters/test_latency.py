"""What a starting service does to its process."""

import gc
import sys

from adapters import latency


def test_pauses_are_shortened() -> None:
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    try:
        latency.shorten()
        assert gc.get_threshold() == latency.COLLECTS_AFTER
        assert gc.get_freeze_count() > 0
        assert sys.getswitchinterval() <= latency.THREADS_WAIT_S
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
