"""What this process remembers of people, in one place, so that one call forgets a person."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeAlias, TypeVar

from engine.judging.hypotheses import Population
from engine.search.reliability import Order, order, prefix_reliability
from engine.types import TreeNode

T = TypeVar("T")

ANSWERS: Final = 40  # of one person, whose trees are remembered
PEOPLE: Final = 5000  # who are remembered, those of whom something was seen last
COMPARISONS: Final = 12  # of one person, the last ones that were weighed
REPLIES: Final = 20_000  # whose owners are remembered

IsTheirs: TypeAlias = Callable[[str], bool]  # whether a key is that of the person who is forgotten


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

    def forget(self, is_theirs: IsTheirs) -> None:
        for person in [person for person in self._seen if is_theirs(person)]:
            del self._seen[person]


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

    def forget(self, is_theirs: IsTheirs) -> None:
        self._seen.forget(is_theirs)


class ReplyOwners:
    """Whose a reply is, and in which conversation. It never changes, and every reaction asks for it."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def of(self, reply: str) -> tuple[str, str] | None:
        """Person and conversation; None: it is not remembered."""
        return self._owners.get(reply)

    def saw(self, reply: str, *, person: str, conversation: str) -> None:
        self._owners[reply] = (person, conversation)
        if len(self._owners) > REPLIES:
            self._owners.popitem(last=False)

    def forget(self, is_theirs: IsTheirs) -> None:
        for reply in [reply for reply, (person, _) in self._owners.items() if is_theirs(person)]:
            del self._owners[reply]


@dataclass(slots=True)
class KnownPopulation:
    """What everybody wants on the whole, as it was when it was last looked at."""

    population: Population = field(default_factory=Population)
    looked_at: datetime | None = None

    def forget(self, is_theirs: IsTheirs) -> None:
        """Whoever it was, what is left of them in it goes at the next look, which is due now."""
        del is_theirs
        self.looked_at = None


@dataclass(frozen=True, slots=True)
class PersonCaches:
    """All that a process remembers of people beside the store and the engine."""

    reliability: Reliability = field(default_factory=Reliability)
    # How much the best question "which is better?" would have taught, whenever it was time for one.
    comparison_worths: Recent[float] = field(default_factory=lambda: Recent(each=COMPARISONS))
    reply_owners: ReplyOwners = field(default_factory=ReplyOwners)
    population: KnownPopulation = field(default_factory=KnownPopulation)

    def forget(self, is_theirs: IsTheirs) -> None:
        """Nothing of this person is remembered any more."""
        for cache in (self.reliability, self.comparison_worths, self.reply_owners, self.population):
            cache.forget(is_theirs)
