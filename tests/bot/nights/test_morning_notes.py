"""Morning notes arrive once, late where a platform was away, and stop nobody else's."""

from __future__ import annotations

import asyncio

import pytest

from bot.events import Notice, Person
from bot.nights.nights import run_night
from bot.store.nights import NightState
from tests.bot.conftest import StartBot
from tests.bot.nights.night import Happening, nights_of, taught, teach

pytestmark = pytest.mark.usefixtures("quick_picture")


async def test_a_morning_note_that_did_not_arrive_is_told_at_a_later_tick_and_once(
    start_bot: StartBot,
) -> None:
    async with taught(start_bot, "ann") as bot:
        heard = Happening(is_away=True)
        nights = nights_of(bot, heard)
        await run_night(nights, ["ann"])
        await nights.tick()
        assert not heard.notes
        heard.is_away = False
        await nights.tick()
        await nights.tick()
        assert [person for person, _ in heard.notes] == ["ann"]


async def test_a_morning_note_that_goes_wrong_costs_nobody_else_theirs_and_no_night(
    start_bot: StartBot,
) -> None:
    class Fragile(Happening):
        async def tell(self, person: Person, notice: Notice) -> bool:
            if person.key == "ann":
                raise ValueError("what no platform should raise")
            return await super().tell(person, notice)

    async with taught(start_bot, "ann", "bob") as bot:
        heard = Fragile()
        nights = nights_of(bot, heard)
        night = await run_night(nights, ["ann", "bob"])
        assert (night.state, night.problem) == (NightState.DONE, None)
        assert [person for person, _ in heard.notes] == ["bob"]
        await teach(bot, "cid")
        assert await nights.tick() is not None


async def test_a_morning_note_that_waits_for_its_platform_delays_no_night(start_bot: StartBot) -> None:
    class Waiting(Happening):
        async def tell(self, person: Person, notice: Notice) -> bool:
            if self.is_away:
                waits.set()
                await asyncio.Event().wait()
            return False

    waits = asyncio.Event()
    async with taught(start_bot, "ann") as bot:
        heard = Waiting()
        nights = nights_of(bot, heard)
        await run_night(nights, ["ann"])
        await teach(bot, "bob")
        heard.is_away = True
        ticking = asyncio.create_task(nights.tick())
        await waits.wait()
        (night,) = await bot.store.nights.running()
        assert [settled.person for settled in night.people] == ["bob"]
        ticking.cancel()
        await asyncio.gather(
            ticking, return_exceptions=True
        )  # it gives its lease back while the store is open
