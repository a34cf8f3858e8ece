"""Whose night it is, in every zone, over daylight saving, and after a machine was off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.nights.due import is_due, last_hour

moments = st.integers(0, 4 * 365 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])


def due(now: datetime, last_night: datetime | None, *, zone: str = "UTC") -> bool:
    return is_due(now, timezone=zone, hour=3, last_night=last_night)


def test_it_is_due_once_the_hour_has_passed_since_the_last_night() -> None:
    last = datetime(2026, 5, 4, 3, 5, tzinfo=UTC)
    assert not due(last + timedelta(hours=23), last)
    assert due(last + timedelta(hours=24), last)


def test_a_machine_that_was_off_at_three_catches_up() -> None:
    assert due(datetime(2026, 5, 5, 9, 30, tzinfo=UTC), datetime(2026, 5, 4, 3, 5, tzinfo=UTC))


def test_who_never_had_a_night_is_due() -> None:
    assert due(datetime(2026, 5, 5, 9, 30, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("zone", "hour_utc"), [("Europe/Berlin", 1), ("America/New_York", 7), ("no/such", 3)]
)
def test_the_hour_is_the_persons_own(zone: str, hour_utc: int) -> None:
    edge = last_hour(datetime(2026, 7, 1, 12, tzinfo=UTC), timezone=zone, hour=3)
    assert edge == datetime(2026, 7, 1, hour_utc, tzinfo=UTC)


@given(moments, zones, st.integers(0, 23))
def test_the_last_hour_is_behind_us_by_a_day_at_most(now: datetime, zone: str, hour: int) -> None:
    edge = last_hour(now, timezone=zone, hour=hour)
    # A day on which the clocks are turned back is an hour longer.
    assert timedelta(0) <= now - edge <= timedelta(hours=25)
    # At the hour that daylight saving leaves out, the clock shows the next one.
    assert edge.astimezone(ZoneInfo(zone)).hour in (hour, (hour + 1) % 24)


@given(moments, zones)
def test_nobody_is_due_again_right_after_a_night(now: datetime, zone: str) -> None:
    assert not due(now, now, zone=zone)
