"""A line of `nightloom check`. Knows no platform."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of a check. Where it is not good, the text says what to do."""

    is_good: bool
    text: str


def good(text: str) -> Finding:
    return Finding(is_good=True, text=text)


def bad(text: str) -> Finding:
    return Finding(is_good=False, text=text)
