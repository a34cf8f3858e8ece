"""How well the judge has been ordering half-finished replies to each person: whether `auto` grows trees.

Seen in the trees of their last answers and kept in this process alone. As long as nothing is measured a tree
is tried, which measures it. Where the judge proves poor no more trees grow; those that told so are forgotten
after so many answers, and then it is tried again, for notes and LoRAs change.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

from engine.reliability import Order, order, prefix_reliability
from engine.types import TreeNode

ANSWERS: Final = 40  # of one person, that are remembered
PEOPLE: Final = 5000  # who are remembered, those who were answered last


class Reliability:
    """What the last answers to each person told."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, deque[Order]] = OrderedDict()

    def of(self, person: str) -> float | None:
        """The share of branches put in the right order; None: not measured yet, or no longer."""
        return prefix_reliability(self._seen.get(person, ()))

    def saw(self, person: str, tree: Sequence[TreeNode]) -> None:
        """An answer was made, with this tree."""
        self._seen.setdefault(person, deque(maxlen=ANSWERS)).append(order(tree))
        self._seen.move_to_end(person)
        while len(self._seen) > PEOPLE:
            self._seen.popitem(last=False)

    def forget(self, person: str) -> None:
        self._seen.pop(person, None)
