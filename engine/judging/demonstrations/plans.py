"""Says in which ways an answer may be built so that it might meet some wishes, the best way first.

Knows no text: whether an answer does meet the wishes is counted when it is built.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.judging.demonstrations.topics import Topic
from engine.judging.measures import Relation, Wish

LISTS: Final = ("bullets", "numbered", "list_items")
CODE: Final = ("code_blocks", "starts_with_code")
PARAGRAPH_SENTENCES: Final = 4
# What no material is there for. Every other language than English is not there either.
MISSING: Final = (
    "praise",
    "offers",
    "apologies",
    "disclaimers",
    "fillers",
    "restatements",
    "parentheses",
    "dashes",
)
LIST_ITEMS: Final = 5  # a longer list is made only where a wish asks for it


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of each measure the wishes ask for at least, and allow at most."""

    least: Mapping[str, float]
    most: Mapping[str, float]

    def needs(self, *measures: str) -> bool:
        return any(self.least.get(measure, 0) > 0 for measure in measures)

    def allows(self, measure: str, count: int = 1) -> bool:
        return count <= self.most.get(measure, math.inf)

    def concerns(self, *measures: str) -> bool:
        return any(measure in self.least or measure in self.most for measure in measures)

    @property
    def are_hopeless(self) -> bool:
        """Whether they contradict each other, or ask for something that no topic has."""
        languages = [measure for measure in self.least if measure.startswith("language_")]
        return (
            any(least > self.most.get(measure, math.inf) for measure, least in self.least.items())
            or self.needs(*MISSING)
            or any(self.needs(language) for language in languages if language != "language_en")
        )

    @property
    def ask_for_a_list(self) -> bool:
        return self.needs(*LISTS) or (self.needs("structures") and not self.needs("headings", "tables"))


def bounds_of(wishes: Sequence[Wish]) -> Bounds:
    least: dict[str, float] = {}
    most: dict[str, float] = {}
    for wish in wishes:
        if wish.relation is not Relation.AT_MOST:
            least[wish.measure] = max(wish.bound, least.get(wish.measure, 0))
        if wish.relation is not Relation.AT_LEAST:
            most[wish.measure] = min(wish.bound, most.get(wish.measure, math.inf))
    return Bounds(least, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of a topic an answer takes, and where it goes."""

    sentences: int
    items: int
    paragraphs: int
    has_said_as_items: bool = False  # what is said of a special kind stands in the list, not behind it
    is_full: bool = False  # with all that the wishes allow


def plans(topic: Topic, bounds: Bounds, size: int) -> Iterator[Plan]:
    """Every plan. If no wish says how many, an answer has about `size` sentences, a list one item more."""
    said = sum(bounds.needs(measure) for measure in topic.said)
    for sentences in _sentence_counts(topic, bounds, size, said):
        for items in _item_counts(bounds, size):
            for paragraphs in _paragraph_counts(bounds, sentences + said):
                for has_said_as_items in (False, True) if items and said else (False,):
                    yield Plan(
                        sentences=sentences,
                        items=items,
                        paragraphs=paragraphs,
                        has_said_as_items=has_said_as_items,
                    )
    whole = len(topic.sentences)
    for paragraphs in _paragraph_counts(bounds, whole + len(topic.said)):
        yield Plan(sentences=whole, items=_item_counts(bounds, size)[0], paragraphs=paragraphs, is_full=True)


def _sentence_counts(topic: Topic, bounds: Bounds, size: int, said: int) -> Sequence[int]:
    counts = range(len(topic.sentences) + 1)
    if bounds.ask_for_a_list:
        return counts
    if bounds.needs("tables", *CODE):
        return sorted(counts, key=lambda count: abs(count - 1))
    if bounds.needs("summaries") and not bounds.allows("sentences", 2):
        return (0,)  # the summary is the sentence
    wanted = max(1, min(size, bounds.most.get("sentences", size)) - said)
    return sorted(counts, key=lambda count: (not count, abs(count - wanted)))


def _item_counts(bounds: Bounds, size: int) -> Sequence[int]:
    if not bounds.ask_for_a_list:
        return (0,)
    least = max(int(bounds.least.get(measure, 0)) for measure in (*LISTS, "structures"))
    wanted = max(least, size + 1)
    return sorted(range(max(least, LIST_ITEMS) + 1), key=lambda count: abs(count - wanted))


def _paragraph_counts(bounds: Bounds, sentences: int) -> Sequence[int]:
    usual = max(1, math.ceil(sentences / PARAGRAPH_SENTENCES))
    if not bounds.concerns("paragraphs", "longest_paragraph"):
        return (usual,)
    most = max(1, min(sentences, bounds.most.get("paragraphs", sentences)))
    return sorted(range(1, int(most) + 1), key=lambda count: abs(count - usual))
