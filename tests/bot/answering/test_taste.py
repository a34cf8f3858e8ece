"""What everybody wants is where a taste begins, learned from those alone who agreed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.answering.taste import FEWEST_PEOPLE, LOOK_AGAIN, population
from bot.context import Context
from bot.events import Person, Platform
from engine.judging.judge import Manner
from engine.judging.taste import Population, Taste
from tests.bot.conftest import Bot, StartBot

RUBRIC_MANNERS = tuple(
    Manner(name=name, group=name, text=f"Is it {name}?", note=f"Be {name}.") for name in ("warm", "short")
)


async def _met(bot: Bot, context: Context, count: int, *, learning: bool | None) -> None:
    """People who like what is warm."""
    taste = Taste.blank(context.rubric.manners)
    for number in range(20):
        is_warm = number % 2 == 0
        taste = taste.rated({"warm": float(is_warm), "short": float(number % 3 == 0)}, 5 if is_warm else 1)
    for number in range(count):
        key = f"{learning}{number}"
        await bot.store.people.meet(Person(key=key, platform=Platform.WEB))
        await bot.store.people.change(key, learning=learning, taste=taste.state())


def _later() -> datetime:
    return datetime.now(UTC) + 2 * LOOK_AGAIN


async def test_a_taste_begins_where_those_are_who_agreed(start_bot: StartBot) -> None:
    async with start_bot() as bot:
        context = replace(bot.context, rubric=replace(bot.context.rubric, manners=RUBRIC_MANNERS))
        await _met(bot, context, FEWEST_PEOPLE, learning=None)
        await _met(bot, context, FEWEST_PEOPLE - 1, learning=True)
        assert await population(context) == Population()
        await _met(bot, context, FEWEST_PEOPLE, learning=True)
        assert await population(context) == Population(), "looked at every few hours only"
        everybody = await population(replace(context, clock=_later))
        assert everybody.wanted["Be warm."] > 2 * everybody.wanted["Be short."]
        clearest = Taste.blank(context.rubric.manners, everybody).wants(at_least=0.0)[0]
        assert clearest.note == "Be warm."


async def test_a_look_that_is_broken_off_is_taken_again_at_the_next_question(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_bot() as bot:
        context = replace(bot.context, rubric=replace(bot.context.rubric, manners=RUBRIC_MANNERS))
        await _met(bot, context, FEWEST_PEOPLE, learning=True)
        everybody = bot.store.people.all

        async def for_ever() -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(bot.store.people, "all", for_ever)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await population(context)
        monkeypatch.setattr(bot.store.people, "all", everybody)
        assert await population(context) != Population()
