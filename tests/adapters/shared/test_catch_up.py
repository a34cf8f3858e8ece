"""Reactions that arrive while reactions are being read."""

from __future__ import annotations

from adapters.shared.catch_up import ReactionCounts


def test_reactions_are_counted_only_while_somebody_reads() -> None:
    counts: ReactionCounts[str] = ReactionCounts()
    counts.add("m")
    with counts.reading():
        assert counts.snapshot()["m"] == 0
        with counts.reading():
            counts.add("m")
        counts.add("m")
        assert counts.snapshot() == {"m": 2}
    assert counts.snapshot() == {}
