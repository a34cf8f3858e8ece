"""What `nightloom check` found: one line each, good or with what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. Where it is not good, the text says what to do."""

    is_good: bool
    text: str
