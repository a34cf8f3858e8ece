"""Everyday requests that a person might make next: what a night asks the model besides their own.

A model has to be asked about many things to learn a manner of answering and not an answer. Knows no
person. The practice model knows its own world only, and is asked from there.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache

_TOPICS = (
    "bread", "tea", "chess", "the moon", "cats", "old bicycles", "jazz", "rain", "city parks", "volcanoes",
    "sleep", "knitting", "the printing press", "bees", "maps", "soup", "swimming", "board games", "owls",
    "photography", "gardens", "trains", "the violin", "ice", "markets", "libraries", "coffee", "rivers",
    "clocks", "running", "letters", "fire", "mountains", "toys", "spices", "paper", "bridges", "glass",
)  # fmt: skip
_FRAMES = (
    "Tell me about {topic}.",
    "Explain {topic} to me.",
    "What is interesting about {topic}?",
    "Give me some advice about {topic}.",
    "How do I get started with {topic}?",
    "Write a few lines about {topic}.",
    "What should I know about {topic}?",
    "Why do people care about {topic}?",
    "Help me plan a day around {topic}.",
    "What do beginners get wrong about {topic}?",
)


SHARED = 128
NEAR_AMONG = 64
_SHARED_SEED = 20_240_229


def requests(count: int, *, seed: int, is_practice: bool) -> Sequence[str]:
    """So many different requests, none of them shared; the same for the same seed."""
    kept_back = set(shared(is_practice=is_practice))
    drawn = _drawn(random.Random(seed), is_practice)
    return tuple(itertools.islice((text for text in drawn if text not in kept_back), count))


def near(text: str, *, seed: int, is_practice: bool) -> str:
    """The request that has most words in common with another, of some that are drawn."""
    words = set(text.lower().split())
    others = (other for other in requests(NEAR_AMONG, seed=seed, is_practice=is_practice) if other != text)
    return max(others, key=lambda other: len(words & set(other.lower().split())) / len(other.split()))


@lru_cache(maxsize=2)
def shared(*, is_practice: bool) -> tuple[str, ...]:
    """The requests that everybody's candidates are examined by, and none is trained on."""
    return tuple(itertools.islice(_drawn(random.Random(_SHARED_SEED), is_practice), SHARED))


def _drawn(source: random.Random, is_practice: bool) -> Iterator[str]:
    """Requests without end of the practice world, or all others that there are; no text twice."""
    if not is_practice:
        every = [frame.format(topic=topic) for frame in _FRAMES for topic in _TOPICS]
        yield from source.sample(every, len(every))
        return
    # The practice world is large and only the practice model needs it.
    from engine.practice import world

    seen: set[str] = set()
    for asked in world.requests(source, held_out=False):
        if not asked.facts and asked.text not in seen:
            seen.add(asked.text)
            yield asked.text
