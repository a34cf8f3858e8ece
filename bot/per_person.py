"""What this process remembers of each person: the last few things that were seen, of one kind each."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from engine.search.reliability import Order, order, prefix_reliability
from engine.types import TreeNode

T = TypeVar("T")

ANSWERS: Final = 40  # of one person, whose trees are remembered
PEOPLE: Final = 5000  # who are remembered, those of whom something was seen last


class Recent(Generic[T]):
    """`each`: how much is remembered of one person."""

    def __init__(self, *, each: int) -> None:
        self._each = each
        self._seen: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        """How many people are remembered."""
        return len(self._seen)

    def of(self, person: str) -> Sequence[T]:
        """What was seen of a person, oldest first."""
        return self._seen.get(person, ())

    def saw(self, person: str, what: T) -> None:
        self._seen.setdefault(person, deque(maxlen=self._each)).append(what)
        self._seen.move_to_end(person)
        while len(self._seen) > PEOPLE:
            self._seen.popitem(last=False)

    def forget(self, person: str) -> None:
        self._seen.pop(person, None)


class Reliability:
    """How well the judge has been ordering half-finished replies to each person: whether `auto` grows trees.

    Seen in the trees of their last answers. As long as nothing is measured a tree is tried, which measures
    it. Where the judge proves poor no more trees grow; those that told so are forgotten after so many
    answers, and then it is tried again, for notes and LoRAs change.
    """

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
