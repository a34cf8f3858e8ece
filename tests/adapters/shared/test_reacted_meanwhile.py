"""Reactions that are heard of while reactions are read back."""

from __future__ import annotations

from adapters.shared.reacted_meanwhile import Touched


def test_nothing_is_kept_of_what_is_heard_while_nobody_reads() -> None:
    touched: Touched[str] = Touched()
    touched.heard("m")
    with touched.watched():
        assert touched.counts()["m"] == 0
        with touched.watched():
            touched.heard("m")
        touched.heard("m")
        assert touched.counts() == {"m": 2}
    assert touched.counts() == {}
