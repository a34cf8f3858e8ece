"""The clock: a tick at a time, failures survived, and nothing else that looks for nights."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from bot.nights.ticks import ticking
from bot.store.nights import Night
from tests.bot.conftest import StartBot
from tests.bot.nights.night import Happening, carried, nights_of, taught

pytestmark = pytest.mark.usefixtures("quick_picture")


async def test_one_tick_at_a_time_in_a_process_the_first_included(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = most_at_once = ticks = 0

    async def slow_tick() -> None:
        nonlocal at_once, most_at_once, ticks
        ticks, at_once = ticks + 1, at_once + 1
        most_at_once = max(most_at_once, at_once)
        await asyncio.sleep(0.1)
        at_once -= 1

    monkeypatch.setattr("bot.nights.ticks.CronTrigger", lambda **_: IntervalTrigger(seconds=0.02))
    async with asyncio.timeout(10.0), ticking(look=lambda: None, look_every_s=60.0, tick=slow_tick):
        while ticks < 3:
            await asyncio.sleep(0.01)
    assert most_at_once == 1


async def test_a_tick_that_fails_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = 0

    async def failing_tick() -> None:
        nonlocal ticks
        ticks += 1
        raise OSError("the database is away")

    monkeypatch.setattr("bot.nights.ticks.CronTrigger", lambda **_: IntervalTrigger(seconds=0.02))
    async with asyncio.timeout(10.0), ticking(look=lambda: None, look_every_s=60.0, tick=failing_tick):
        while ticks < 3:
            await asyncio.sleep(0.01)


async def test_the_clock_is_the_only_thing_that_looks_for_nights_that_a_dead_process_left(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taught(start_bot, "ann") as bot:
        nights, looks = nights_of(bot, Happening(), lease_s=60.0), 0
        running = bot.store.nights.running

        async def counted() -> Sequence[Night]:
            nonlocal looks
            looks += 1
            return await running()

        monkeypatch.setattr(bot.store.nights, "running", counted)
        monkeypatch.setattr("bot.nights.ticks.IntervalTrigger", lambda **_: IntervalTrigger(seconds=3600))
        async with carried(nights):
            while not looks:  # at once when it starts
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
        assert looks == 1
