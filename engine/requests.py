"""Everyday requests that a person might make next: what a night asks the model besides their own.

A model has to be asked about many things to learn a manner of answering and not an answer. Knows no
person. The practice model knows its own world only, and is asked from there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

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


def requests(count: int, *, seed: int, is_practice: bool) -> Sequence[str]:
    """So many different requests; the same for the same seed."""
    source = random.Random(seed)
    if is_practice:
        # The practice world is large and only the practice model needs it.
        from engine.practice import world

        drawn = world.requests(source, held_out=False)
        texts: dict[str, None] = {}
        for asked in drawn:
            if len(texts) == count:
                break
            if not asked.facts:
                texts[asked.text] = None
        return tuple(texts)
    every = [frame.format(topic=topic) for frame in _FRAMES for topic in _TOPICS]
    return tuple(source.sample(every, min(count, len(every))))
