"""Everyday requests that a person might make next. A night asks the model these beside the person's own.

A model has to answer about many things to learn a manner of answering and not an answer. Knows no person. A
model that knows only one small world brings requests of its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property

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
_EVERYBODYS = tuple(frame.format(topic=topic) for frame in _FRAMES for topic in _TOPICS)


class EverydayRequests:
    """The requests that a model is asked besides a person's own. `texts`: all that there are."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._texts = tuple(dict.fromkeys(texts)) or _EVERYBODYS

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """The requests that everybody's candidates are examined by, and none is trained on."""
        return tuple(self._shuffled(_SHARED_SEED)[:SHARED])

    def draw(self, count: int, *, seed: int) -> Sequence[str]:
        """So many different requests, none of them shared; the same for the same seed."""
        kept_back = set(self.shared)
        return tuple(text for text in self._shuffled(seed) if text not in kept_back)[:count]

    def near(self, text: str, *, seed: int) -> str:
        """The request that has most words in common with another, of some that are drawn."""
        words = set(text.lower().split())
        others = (other for other in self.draw(NEAR_AMONG, seed=seed) if other != text)
        return max(others, key=lambda other: len(words & set(other.lower().split())) / len(other.split()))

    def _shuffled(self, seed: int) -> list[str]:
        return random.Random(seed).sample(self._texts, len(self._texts))
