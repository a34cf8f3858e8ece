"""How far a night is, for each person in it: told to whoever listens, and no more often than they can use."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from bot.events import NightProgress

EVERY_S: Final = 0.2

Listen = Callable[[str, NightProgress], None]


class Phase(StrEnum):
    """What a night is doing for a person."""

    PREPARING = "preparing"  # the lessons are made
    TRAINING = "training"
    EVALUATING = "evaluating"  # candidate and current answer, and the gate decides
    DONE = "done"


class NightReporter:
    """Reports the progress of one night."""

    def __init__(self, night: str, listen: Listen) -> None:
        self._night, self._listen = night, listen
        self._told_at: dict[str, float] = {}

    def report(self, person: str, phase: Phase, done: int, total: int) -> None:
        """Steps within preparing and training are dropped where they follow each other too quickly."""
        now = time.monotonic()
        is_step = phase in (Phase.PREPARING, Phase.TRAINING)
        if is_step and now - self._told_at.get(person, -EVERY_S) < EVERY_S:
            return
        self._told_at[person] = now
        self._listen(
            person, NightProgress(night=self._night, person=person, phase=phase, done=done, total=total)
        )
