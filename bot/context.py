"""What the parts of the bot work with: settings, store, model, clock, chance. Made once, by the wiring."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bot.events import Place, Platform
from bot.per_person import PersonCaches
from bot.settings import Settings
from bot.store import Store
from engine.judging.rubric import Rubric
from engine.learning.everyday_requests import EverydayRequests
from engine.ports import Backend

ID_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that looks like something else
ID_CHARS: Final = 12


def now() -> datetime:
    """The time, aware and UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A short random string; sixty bits, so that two are never the same."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_CHARS))


def new_seed() -> int:
    """What makes one answer differ from the next."""
    return secrets.randbelow(2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Handed to everything in `bot`. `owner` names this process among those that share an inbox."""

    settings: Settings
    store: Store
    backend: Backend
    rubric: Rubric = field(default_factory=Rubric)
    rubrics: Mapping[tuple[Platform, str], Rubric] = field(default_factory=dict)  # of single channels
    everyday: EverydayRequests = field(default_factory=EverydayRequests)
    caches: PersonCaches = field(default_factory=PersonCaches)
    clock: Callable[[], datetime] = now
    new_id: Callable[[], str] = new_id
    new_seed: Callable[[], int] = new_seed
    owner: str = field(default_factory=new_id)

    def rubric_of(self, place: Place | None) -> Rubric:
        """The judge's questions for an answer that goes there. A channel may have its own."""
        if place is None:
            return self.rubric
        # Slack's channel names its workspace first.
        return self.rubrics.get((place.platform, place.channel.rpartition("/")[2]), self.rubric)
