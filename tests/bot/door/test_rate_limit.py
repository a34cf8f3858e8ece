"""A person's allowance: a minute's worth at once, then as fast as it fills up again."""

from __future__ import annotations

from bot.door.rate_limit import MAX_PEOPLE, RateLimit


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_may_come_at_once_and_then_one_at_a_time() -> None:
    clock = Seconds()
    pace = RateLimit(60, clock)
    assert [pace.wait_s("ann") for _ in range(60)] == [0.0] * 60
    assert pace.wait_s("ann") == 1.0
    clock.now += 1.0
    assert pace.wait_s("ann") == 0.0
    assert pace.wait_s("ann") > 0


def test_a_refusal_costs_nothing_and_a_long_pause_fills_no_more_than_a_minutes_worth() -> None:
    clock = Seconds()
    pace = RateLimit(2, clock)
    assert [pace.wait_s("ann") for _ in range(4)] == [0.0, 0.0, 30.0, 30.0]
    clock.now += 3600
    assert [pace.wait_s("ann") for _ in range(3)] == [0.0, 0.0, 30.0]


def test_one_persons_haste_is_not_anothers_wait() -> None:
    pace = RateLimit(1, Seconds())
    assert pace.wait_s("ann") == 0.0
    assert pace.wait_s("ann") > 0
    assert pace.wait_s("bob") == 0.0


def test_no_more_people_are_remembered_than_fit() -> None:
    pace = RateLimit(1, Seconds())
    for number in range(MAX_PEOPLE + 10):
        pace.wait_s(f"p{number}")
    assert pace.wait_s(f"p{MAX_PEOPLE + 9}") > 0
    assert pace.wait_s("p0") == 0.0
