"""What wiring reads out of the settings, and what it does to the process."""

import gc
import sys

from adapters import pauses, wiring
from bot.settings import BackendSettings, Settings


def context(model: str, most: int) -> int:
    return wiring.context_of(Settings(model=model, backend=BackendSettings(max_context=most)))


def test_the_practice_model_gets_no_more_context_than_it_learned_with() -> None:
    assert context("practice", 4096) == wiring.PRACTICE_CONTEXT
    assert context("practice", 512) == 512


def test_another_model_gets_the_context_that_the_settings_say() -> None:
    assert context("somebody/model", 4096) == 4096


def test_pauses_are_shortened() -> None:
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    try:
        pauses.shorten()
        assert gc.get_threshold() == pauses.COLLECTS_AFTER
        assert gc.get_freeze_count() > 0
        assert sys.getswitchinterval() <= pauses.THREADS_WAIT_S
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
