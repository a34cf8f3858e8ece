"""What a phrase can do in a sentence. Knows no text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from bot.teaching.language.words import Phrasebook


class Kind(Enum):
    """What a phrase does. The value is its key in the lexicon's file, whose head explains it."""

    # It names a manner, or what can be counted.
    THING = "things"
    QUALITY = "qualities"
    FAULT = "faults"
    SAYS = "says"
    UNIT = "called"
    # It says whether the manner is wanted.
    NO = "no"
    SO = "so"
    TOO = "too"
    LESS = "less"
    LACK = "lack"
    WANT = "want"
    PLEASE = "please"
    PRAISE = "praise"
    ENOUGH = "enough"
    STATES = "states"
    IS = "is"
    # It says how much, and how often.
    RANGE = "range"
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    EXACTLY = "exactly"
    A_BIT = "a_bit"
    ONCE = "once"
    # It parts a sentence, or makes it hold for some requests only.
    AND = "and"
    OR = "or"
    BUT = "but"
    BECAUSE = "because"
    IF = "if"
    FOR = "for"
    # It says nothing of a manner.
    SMALL = "small"
    NOTHING = "nothing"
    ASIDE = "aside"
    ALWAYS = "always"
    WRONG = "wrong"
    ASKS = "asks"
    MATTER = "matter"


NAMING: Final = frozenset({Kind.THING, Kind.QUALITY, Kind.FAULT, Kind.SAYS})
NEGATIVE: Final = frozenset({Kind.NO, Kind.SO, Kind.TOO, Kind.LESS})
# What is wanted of a thing follows from these; the other cues only colour it.
TURNING: Final = NEGATIVE | {Kind.LACK, Kind.WANT}
CUES: Final = TURNING | {Kind.PRAISE, Kind.ENOUGH, Kind.STATES, Kind.IS}
BOUNDS: Final = (Kind.AT_LEAST, Kind.EXACTLY, Kind.AT_MOST)
JOINTS: Final = frozenset({Kind.AND, Kind.OR, Kind.BUT, Kind.BECAUSE})
# A clause with such a phrase speaks of something else than a manner.
FOREIGN: Final = frozenset({Kind.IF, Kind.FOR, Kind.WRONG, Kind.ASKS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a phrase does. `name`: of the manner or the unit that it names.

    `is_after`: it stands behind what it speaks of, as "annoying" does in "lists are annoying".
    """

    kind: Kind
    name: str = ""
    is_after: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    name: str
    book: Phrasebook[Role]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """So many of a unit. `bound`: AT_MOST, AT_LEAST or EXACTLY, where the person said which."""

    unit: str
    number: float
    bound: Kind | None
