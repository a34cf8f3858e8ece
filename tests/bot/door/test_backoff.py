"""What fails is tried again after longer and longer pauses, for as long as it takes."""

from __future__ import annotations

from bot.door.backoff import pause_s


def test_pauses_grow_to_the_longest_and_no_further() -> None:
    pauses = [pause_s(tries, first_s=0.1, longest_s=15.0) for tries in (1, 4, 20)]
    assert 0.08 <= pauses[0] <= 0.12 < 0.6 <= pauses[1] <= 1.0 < 12.0 <= pauses[2] <= 18.0


def test_what_is_tried_for_days_still_has_a_pause() -> None:
    assert pause_s(100_000, first_s=0.1, longest_s=15.0) <= 18.0
