"""Decides who is due for a night: consent, enough new feedback, and the hour in the person's own zone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.context import Context
from bot.store.nights import Freshness
from bot.store.people import KnownPerson

MayLearn = Callable[[KnownPerson], bool]


async def people_due(context: Context, may_learn: MayLearn) -> list[str]:
    """Those with news whose hour has passed since their last night."""
    hour, now = context.settings.learning.hour, context.clock()
    return [
        fresh.person.key
        for fresh in await people_with_news(context, may_learn)
        if is_due(now, timezone=fresh.person.timezone, hour=hour, last_night=fresh.last_night)
    ]


async def people_with_news(context: Context, may_learn: MayLearn) -> Sequence[Freshness]:
    """Those who may be learned from and have said enough that is new."""
    found = await context.store.nights.freshness(at_least=context.settings.learning.min_feedback)
    return [fresh for fresh in found if may_learn(fresh.person)]


def is_due(now: datetime, *, timezone: str, hour: int, last_night: datetime | None) -> bool:
    """Whether the set hour has passed in the person's zone since their last night.

    The hour is looked for backwards from now, so a machine that was off at three catches up.
    """
    return last_night is None or last_night < last_hour(now, timezone=timezone, hour=hour)


def last_hour(now: datetime, *, timezone: str, hour: int) -> datetime:
    """The last moment, in UTC, at which it was that hour for the person. An unknown zone counts as UTC."""
    local = now.astimezone(_zone(timezone))
    edge = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    # The wall clock goes back by a day; the zone says what that is in UTC, daylight saving included.
    if edge.astimezone(UTC) > now:
        edge -= timedelta(days=1)
    return edge.astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
