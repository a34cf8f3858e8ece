"""Nights as the rest of the bot sees them: who is due, started, waited for, and in which process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.nights.nights import Nights, run_night
from bot.store.nights import Night, NightOutcome, NightState
from engine.training.scripted import ScriptedTrainer
from tests.bot.conftest import StartBot
from tests.bot.nights.night import Happening, StubbornTrainer, a_day_later, carried, nights_of, taught

pytestmark = pytest.mark.usefixtures("quick_picture")


async def test_a_night_that_failed_is_tried_again_at_the_next_hour_and_not_before(
    start_bot: StartBot,
) -> None:
    async with taught(start_bot, "ann") as bot:
        nights = nights_of(bot, Happening(), trainer=StubbornTrainer())
        assert await nights.due() == ["ann"]
        await run_night(nights, None)
        assert await nights.due() == []
        tomorrow = nights_of(replace(bot, context=replace(bot.context, clock=a_day_later)), Happening())
        assert await tomorrow.due() == ["ann"]


async def test_a_database_that_is_away_for_a_while_ends_no_nights(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taught(start_bot, "ann") as bot:
        running, failures = bot.store.nights.running, iter(range(2))

        async def away_at_first() -> Sequence[Night]:
            if next(failures, None) is not None:
                raise OSError("the database is away")
            return await running()

        monkeypatch.setattr(bot.store.nights, "running", away_at_first)
        night = await run_night(nights_of(bot, Happening(), lease_s=0.3), ["ann"])
        assert night.people[0].outcome is NightOutcome.PROMOTED


async def test_who_waits_for_a_night_looks_seldom_and_hears_of_its_end_at_once(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taught(start_bot, "ann") as bot:
        nights, looks = nights_of(bot, Happening()), 0
        get = bot.store.nights.get

        async def counted(night: str) -> Night:
            nonlocal looks
            looks += 1
            return await get(night)

        night = await nights.start(["ann"])
        with monkeypatch.context() as patched:
            patched.setattr(bot.store.nights, "get", counted)
            assert (await nights.wait(night, timeout_s=1.2)).state is NightState.RUNNING
        assert looks <= 3
        waiting = asyncio.create_task(nights.wait(night, timeout_s=30))
        carrying = asyncio.create_task(nights.run(starts_due=False))
        assert (await waiting).state is NightState.DONE
        carrying.cancel()


async def test_who_is_due_depends_on_consent_news_and_the_hour(start_bot: StartBot) -> None:
    async with taught(start_bot, "ann", "bob") as bot:
        await bot.store.people.change("bob", learning=False)
        nights = nights_of(bot, Happening())
        assert await nights.due() == ["ann"]
        started = await nights.tick()
        assert started is not None
        assert await nights.tick() is None
        async with carried(nights):
            await nights.wait(started)
        assert await nights.due() == []


async def test_unknown_people_are_refused_before_anything_begins(start_bot: StartBot) -> None:
    async with taught(start_bot, "ann") as bot:
        with pytest.raises(LookupError, match="nobody-here"):
            await nights_of(bot, Happening()).start(["nobody-here"])
        assert not await bot.store.nights.running()


async def test_two_processes_never_train_the_same_person_at_once(start_bot: StartBot) -> None:
    async with taught(start_bot, "ann") as bot:
        other = replace(bot.context, owner="another process")
        heard = Happening()
        mine = nights_of(bot, heard, lease_s=0.3)
        theirs = Nights(
            other, model_path="none", listen=heard.listen, tell=heard.tell,
            may_learn=lambda known: True, trainer=ScriptedTrainer(), lease_s=0.3,
        )  # fmt: skip
        first, second = await mine.start(["ann"]), await mine.start(["ann"])
        async with carried(mine), carried(theirs):
            ended = [await mine.wait(first), await mine.wait(second)]
        outcomes = [night.people[0].outcome for night in ended]
        assert outcomes.count(NightOutcome.PROMOTED) == 1
        assert (
            len([version for version in await bot.store.loras.of_person("ann") if version.promoted_at]) == 1
        )
