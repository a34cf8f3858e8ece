"""A wish is a measure with a bound, `words <= 45`: whether a reply meets it, what a beginning promises.

Knows no person and no manner by name.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from engine.judging.measures.blocks import Block, Kind, settled
from engine.judging.measures.catalogue import MEASURES
from engine.judging.measures.language import is_clearly_not_in
from engine.judging.measures.measure import Occasion
from engine.judging.measures.reply import Reply, read
from engine.judging.measures.words import count_words

# Structure that has not come by then does not come any more.
LATE_WORDS: Final = 80
WHOLE_PARAGRAPH_WORDS: Final = 20
NEXT_PARAGRAPH_WORDS: Final = 8  # so many of the next one are no line that announces a list
COMES_EARLY: Final = frozenset({"structures", "list_items", "bullets", "numbered", "tables"})
# After so many words a reply does not change its language any more.
LANGUAGE_WORDS: Final = 15


class WishError(ValueError):
    """The text is no wish."""


class UnknownMeasure(WishError):
    """The wish names a measure that does not exist."""

    def __init__(self, name: str) -> None:
        nearest = difflib.get_close_matches(name.lower(), MEASURES, n=1, cutoff=0.0)[0]
        super().__init__(f"There is no measure {name!r}. The nearest is {nearest!r}.")
        self.name = name
        self.nearest = nearest


class Relation(StrEnum):
    AT_MOST = "<="
    AT_LEAST = ">="
    EXACTLY = "=="


class Outlook(Enum):
    """What a half-written reply says about a wish. MET and LOST are certain, whatever follows."""

    MET = "met"
    OPEN = "open"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A bound on the count of a measure. Raises UnknownMeasure, or WishError if the bound is no count."""

    measure: str
    relation: Relation
    bound: float

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise UnknownMeasure(self.measure)
        if not (math.isfinite(self.bound) and self.bound >= 0.0):
            raise WishError(f"The bound of a wish is a number from 0 on, not {self.bound}.")

    def __str__(self) -> str:
        """The text from which `parse` makes the same wish."""
        bound = int(self.bound) if float(self.bound).is_integer() else self.bound
        return f"{self.measure} {self.relation} {bound}"

    def is_met(self, text: str, occasion: Occasion) -> bool:
        """Whether a finished reply meets it."""
        return self._holds(MEASURES[self.measure].count(text, occasion))

    def outlook(self, text_so_far: str, occasion: Occasion, *, is_finished: bool = False) -> Outlook:
        """Whether the wish is met or lost for certain, or may still go either way."""
        if is_finished:
            return Outlook.MET if self.is_met(text_so_far, occasion) else Outlook.LOST
        least, most = MEASURES[self.measure].limits(text_so_far, occasion)
        match self.relation:
            case Relation.AT_MOST:
                is_certain, is_possible = most <= self.bound, least <= self.bound
            case Relation.AT_LEAST:
                is_certain, is_possible = least >= self.bound, most >= self.bound
            case Relation.EXACTLY:
                is_certain, is_possible = least == most == self.bound, least <= self.bound <= most
        if is_certain:
            return Outlook.MET
        return Outlook.OPEN if is_possible else Outlook.LOST

    def seems_lost(self, text_so_far: str, occasion: Occasion) -> bool:
        """Whether a half-written reply has lost the wish as far as experience tells, if not for certain.

        No list or table comes after 80 words, nor when prose follows a whole paragraph without a colon at its
        end. Behind an empty line comes another paragraph. After 15 words the language stays. In the replies
        of a small model fewer than one in fifty of the wishes that seemed lost so were met after all.
        """
        if self.outlook(text_so_far, occasion) is not Outlook.OPEN:
            return self.outlook(text_so_far, occasion) is Outlook.LOST
        reply = read(settled(text_so_far))
        if self.measure in COMES_EARLY:
            return self._needs_some and not self._count(reply, occasion) and _is_late(reply)
        if self.measure == "paragraphs" and self.relation is not Relation.AT_LEAST:
            is_at_the_bound = self._count(read(text_so_far), occasion) >= self.bound
            return is_at_the_bound and _awaits_another_paragraph(text_so_far)
        if self.measure.startswith("language_") and self._needs_some:
            language = self.measure.removeprefix("language_")
            return count_words(reply.plain) >= LANGUAGE_WORDS and is_clearly_not_in(reply, language)
        return False

    def closeness(self, text: str, occasion: Occasion) -> float:
        """How near a finished reply comes: 1 if it meets the wish, else less the more it misses the bound.

        50 words come to .9 of "at most 45", 100 to two thirds of "at least 150". Where none is wanted, a
        single count comes to .5.
        """
        count = MEASURES[self.measure].count(text, occasion)
        if self._holds(count):
            return 1.0
        if count < self.bound:
            share = count / self.bound
        else:
            share = self.bound / count if self.bound else 1.0 / (1.0 + count)
        return min(share, math.nextafter(1.0, 0.0))

    @property
    def _needs_some(self) -> bool:
        return self.relation is not Relation.AT_MOST and self.bound > 0.0

    def _count(self, reply: Reply, occasion: Occasion) -> float:
        return MEASURES[self.measure].counting(reply, occasion)

    def _holds(self, count: float) -> bool:
        match self.relation:
            case Relation.AT_MOST:
                return count <= self.bound
            case Relation.AT_LEAST:
                return count >= self.bound
            case Relation.EXACTLY:
                return count == self.bound


def parse(text: str) -> Wish:
    """The wish that a text like "words <= 45" names. Raises UnknownMeasure or WishError."""
    for relation in Relation:
        name, sign, bound = text.partition(relation)
        if sign:
            return Wish(measure=name.strip(), relation=relation, bound=_number(bound, text))
    raise WishError(f"Write a wish as MEASURE <= NUMBER, with <=, >= or ==, not {text!r}.")


def _number(bound: str, text: str) -> float:
    try:
        return float(bound)
    except ValueError:
        raise WishError(f"Write a number behind the sign in {text!r}, not {bound.strip()!r}.") from None


def _is_late(reply: Reply) -> bool:
    if count_words(reply.plain) > LATE_WORDS:
        return True
    *ended, last = reply.blocks or (Block(kind=Kind.CODE),)
    goes_on_in_prose = last.kind is Kind.PROSE and count_words(last.text) >= NEXT_PARAGRAPH_WORDS
    return goes_on_in_prose and any(
        count_words(block.text) >= WHOLE_PARAGRAPH_WORDS and block.text.rstrip(" *_")[-1:] not in ":："
        for block in ended
    )


def _awaits_another_paragraph(text_so_far: str) -> bool:
    blocks = read(text_so_far).blocks
    is_after_empty_line = text_so_far.rstrip(" \t").endswith("\n\n")
    return is_after_empty_line and bool(blocks) and blocks[-1].kind is not Kind.CODE
