"""What a measure is: a name, a count, and what a half-written reply already says about it.

Knows no measure by name: those are in the catalogue.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from engine.judging.measures.blocks import settled
from engine.judging.measures.reply import Reply, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What some measures need beside the reply: the person's name and what was asked."""

    name: str | None = None
    request: str = ""


Counting: TypeAlias = Callable[[Reply, Occasion], float]
Decided: TypeAlias = Callable[[Reply, Occasion], bool]


class Course(Enum):
    """How a count behaves while the reply is being written."""

    GROWS = "only grows"
    BEGINNING = "decided by the beginning"
    END = "known at the end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Something that code can count in a reply. No count is negative, and none is above `most`.

    `languages` are those whose words the rule knows; none means that it needs no language. `least` counts,
    in the settled part of a half-written reply, what no continuation can take away; without it `counting`
    does so. `is_decided` says, of the settled part, whether the beginning has told everything.
    """

    name: str
    about: str
    course: Course
    counting: Counting
    languages: tuple[str, ...] = ()
    most: float = math.inf
    least: Counting | None = None
    is_decided: Decided | None = None

    def count(self, text: str, occasion: Occasion) -> float:
        """The count of a finished reply."""
        return self.counting(read(text), occasion)

    def limits(self, text_so_far: str, occasion: Occasion) -> tuple[float, float]:
        """The least and the greatest count that any finished reply with this beginning can have."""
        if self.course is Course.END:
            return 0.0, self.most
        reply = read(settled(text_so_far))
        if self.is_decided is not None and self.is_decided(reply, occasion):
            count = self.counting(reply, occasion)
            return count, count
        if self.course is Course.BEGINNING and self.least is None:
            return 0.0, self.most
        return (self.least or self.counting)(reply, occasion), self.most
