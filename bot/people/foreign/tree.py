"""Walks the trees of messages that other programs keep: nodes by id, each naming its parent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bot.errors import Refused
from bot.people.foreign.found import MAX_TURNS, Found, Json
from engine.types import Turn

MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 5_000
MAX_PROMPT_CHARS: Final = 20_000
MAX_STEPS_BACK: Final = 10 * MAX_TURNS  # nodes that are looked at for a prompt; most forms have empty ones


def check_number(nodes: Mapping[str, Json]) -> None:
    if len(nodes) > MAX_NODES:
        raise Refused("archive_too_large", f"The tree has more than {MAX_NODES} nodes.")


def is_enough(turns: Sequence[Turn]) -> bool:
    """Whether a prompt needs nothing of what was said still earlier."""
    return len(turns) >= MAX_TURNS or sum(len(turn.text) for turn in turns) > MAX_PROMPT_CHARS


def ancestors(nodes: Mapping[str, Mapping[str, Json]], key: str, found: Found) -> Iterator[str]:
    """From the parent to the root. A circle ends it."""
    seen = {key}
    while (parent := nodes[key].get("parent")) is not None and str(parent) in nodes:
        key = str(parent)
        if key in seen or len(seen) > MAX_DEPTH:
            found.left["answers", "go round in a circle"] += 1
            return
        seen.add(key)
        yield key
