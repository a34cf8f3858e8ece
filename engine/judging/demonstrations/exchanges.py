"""Composes short exchanges that show a model what a set of wishes looks like. Knows no model and no person.

An answer is built from one topic's material, in one plan after the other, until it is counted to meet every
wish. An answer that does not is never returned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from engine.judging.demonstrations.answer import build
from engine.judging.demonstrations.plans import CODE, Bounds, bounds_of, plans
from engine.judging.demonstrations.topics import TOPICS, Topic
from engine.judging.measures import Occasion, Wish
from engine.types import Example

RATING: Final = 5
STEM: Final = 5  # two words with the same first letters are taken for forms of one word
SHORTEST: Final = 2  # answers have about so many sentences, or up to two more, if no wish says how many
LENGTHS: Final = 3
HOPELESS_AFTER: Final = 4  # topics without an answer: the others have none either, or hardly any

_WORD = re.compile(r"[^\W\d_]+")


def demonstrations(
    wishes: Sequence[Wish], *, count: int = 3, unlike: str = "", name: str | None = None
) -> tuple[Example, ...]:
    """Up to `count` exchanges whose answers meet every wish; fewer, or none, where code cannot make them.

    `unlike` is the person's request. None is about the same thing: a model would copy it.
    """
    bounds = bounds_of(wishes)
    if not wishes or bounds.are_hopeless:
        return ()
    examples: list[Example] = []
    failures = 0
    for number, topic in enumerate(TOPICS):
        if len(examples) >= count or failures >= HOPELESS_AFTER:
            break
        if _is_usable(topic, bounds, unlike, name):
            answer = _answer(topic, wishes, bounds, SHORTEST + number % LENGTHS, name)
            if answer:
                examples.append(Example(request=topic.request, reply=answer, rating=RATING))
            failures += not answer
    return tuple(examples)


def _is_usable(topic: Topic, bounds: Bounds, unlike: str, name: str | None) -> bool:
    if bounds.needs("names") and (topic.is_for_others or not name):
        return False
    if bounds.needs(*CODE) and not topic.code:
        return False
    return not _stems(unlike) & _stems(" ".join(topic.words))


def _stems(text: str) -> set[str]:
    return {word.lower().removesuffix("s")[:STEM] for word in _WORD.findall(text)}


def _answer(topic: Topic, wishes: Sequence[Wish], bounds: Bounds, size: int, name: str | None) -> str | None:
    occasion = Occasion(name=name, request=topic.request)
    for plan in plans(topic, bounds, size):
        answer = build(topic, bounds, plan, name or "")
        if answer and all(wish.is_met(answer, occasion) for wish in wishes):
            return answer
    return None
