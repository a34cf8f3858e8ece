"""Decides at what hour a person's night begins. Pure: the clock's time and the last night are passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def is_due(now: datetime, *, timezone: str, hour: int, last_night: datetime | None) -> bool:
    """Whether the set hour has passed in the person's zone since their last night.

    The hour is looked for backwards from now, so a machine that was off at three catches up.
    """
    return last_night is None or last_night < last_hour(now, timezone=timezone, hour=hour)


def last_hour(now: datetime, *, timezone: str, hour: int) -> datetime:
    """The last moment, in UTC, at which it was that hour for the person. An unknown zone counts as UTC."""
    local = now.astimezone(_zone(timezone))
    edge = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    # The wall clock goes back by a day; what that is in UTC the zone says, daylight saving included.
    if edge.astimezone(UTC) > now:
        edge -= timedelta(days=1)
    return edge.astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
