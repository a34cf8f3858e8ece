"""How well the judge has been ordering half-finished replies to each person: whether `auto` grows trees.

Seen in the trees of their last answers and kept in this process alone. As long as nothing is measured a tree
is tried, which measures it. Where the judge proves poor no more trees grow; those that told so are forgotten
after so many answers, and then it is tried again, for notes and LoRAs change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.recent import Recent
from engine.reliability import Order, order, prefix_reliability
from engine.types import TreeNode

ANSWERS: Final = 40  # of one person, that are remembered


class Reliability:
    """What the last answers to each person told."""

    def __init__(self) -> None:
        self._seen: Recent[Order] = Recent(each=ANSWERS)

    def of(self, person: str) -> float | None:
        """The share of branches put in the right order; None: not measured yet, or no longer."""
        return prefix_reliability(self._seen.of(person))

    def saw(self, person: str, tree: Sequence[TreeNode]) -> None:
        """An answer was made, with this tree."""
        self._seen.saw(person, order(tree))

    def forget(self, person: str) -> None:
        self._seen.forget(person)
