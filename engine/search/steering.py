"""Begins or ends a reply as a wish wants it, where a few words do that: the model writes all the rest.

A small model that is told to end with a question often forgets it by then, and goes on from "Would you"
without being told. Half of the samples are steered, so that there is something to choose from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from engine.judging.measures import Relation, Wish

# By the name of the measure. What is opened or closed in one language is right in that language alone.
_OPENINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "bullets": ("- ",),
    "numbered": ("1. ",),
    "greetings": ("Hello! ", "Hi there! ", "Hey! "),
    "starts_with_code": ("```",),
}
_CLOSINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "ends_with_question": (" Would you", " Do you", " What", " How"),
}
CLOSING_TOKENS: Final = 32  # of one closing question


def openings(wishes: Sequence[Wish]) -> tuple[str, ...]:
    """With which words a reply may begin so that it is as wanted; none where no wish says how it begins.

    A greeting comes before a list: where both are wanted the list is the model's own to begin.
    """
    wanted = [
        name for name in ("greetings", "starts_with_code", "numbered", "bullets") if _wants(wishes, name)
    ]
    return _cased(_OPENINGS[wanted[0]], wishes) if wanted else ()


def closings(wishes: Sequence[Wish]) -> tuple[str, ...]:
    """With which words a further sentence may begin so that the reply ends as wanted."""
    wanted = [name for name in _CLOSINGS if _wants(wishes, name)]
    return _cased(_CLOSINGS[wanted[0]], wishes) if wanted else ()


def closed(text: str) -> str | None:
    """A text up to the end of the question that was begun behind it; None: the question has no end."""
    end = text.find("?")
    return None if end < 0 else text[: end + 1]


def _wants(wishes: Sequence[Wish], name: str) -> bool:
    """Whether something is to be there, and not to be absent."""
    return any(
        wish.measure == name and wish.relation is not Relation.AT_MOST and wish.bound >= 1 for wish in wishes
    )


def _cased(texts: tuple[str, ...], wishes: Sequence[Wish]) -> tuple[str, ...]:
    """In lower case or in capitals, where that is wanted of the whole reply."""
    unwanted = {wish.measure for wish in wishes if wish.relation is not Relation.AT_LEAST and wish.bound == 0}
    if "capitals" in unwanted:
        return tuple(text.lower() for text in texts)
    return tuple(text.upper() for text in texts) if "small_letters" in unwanted else texts
