"""What everybody wants is where a taste begins, learned from those alone who agreed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from bot.answering.taste import FEWEST_PEOPLE, LOOK_AGAIN, population
from bot.context import Context
from bot.events import Person, Platform
from engine.judging.hypotheses import Population
from engine.judging.rubric import Manner
from engine.judging.taste import Taste
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
        tastes = bot.store.people.tastes

        async def for_ever(*given: object, **more: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(bot.store.people, "tastes", for_ever)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await population(context)
        monkeypatch.setattr(bot.store.people, "tastes", tastes)
        assert await population(context) != Population()


async def test_of_many_people_a_sample_is_read_and_not_the_first_by_name(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.answering.taste.MOST_PEOPLE", FEWEST_PEOPLE)
    sizes: list[int] = []
    restored = Taste.restored

    def counting(state: Mapping[str, object], *given: object) -> Taste | None:
        sizes.append(cast("int", state["ratings"]))
        on_the_loop.append(threading.current_thread() is threading.main_thread())
        return restored(state, *given)  # type: ignore[arg-type]  # handed on as it is

    on_the_loop: list[bool] = []
    async with start_bot() as bot:
        context = replace(bot.context, rubric=replace(bot.context.rubric, manners=RUBRIC_MANNERS))
        await _met(bot, context, 10 * FEWEST_PEOPLE, learning=True)
        state = Taste.blank(RUBRIC_MANNERS).state()
        for number in range(10 * FEWEST_PEOPLE):  # the first by name have rated more
            await bot.store.people.change(f"True{number}", taste={**state, "ratings": 1000 - number})
        monkeypatch.setattr(Taste, "restored", counting)
        await population(context)
    assert len(sizes) == FEWEST_PEOPLE
    assert sorted(sizes, reverse=True) != list(range(1000, 1000 - FEWEST_PEOPLE, -1))
    assert not any(on_the_loop)
