"""Showing two answers side by side: rarely, only to people who teach, and never against the settings."""

from __future__ import annotations

import itertools
from pathlib import Path

from engine import judge
from engine.judge import load_rubric
from tests.bot.conftest import StartBot
from tests.bot.teaching import who

RUBRIC = load_rubric(Path(judge.__file__).with_name("rubric.toml"))


async def test_of_three_answers_at_most_one_asks_which_is_better(start_bot: StartBot) -> None:
    async with start_bot(rubric=RUBRIC, duels={"one_in": 3}) as bot:
        await bot.store.people.meet(who("ann"))
        await bot.store.people.change("ann", learning=True)
        duels = [(await bot.ask(f"number {i}", conversation=f"d{i}")).replies[0].duel for i in range(7)]
        asked = [number for number, duel in enumerate(duels) if duel]
        assert asked
        assert asked[0] >= 2
        assert all(later - earlier >= 3 for earlier, later in itertools.pairwise(asked))


async def test_who_does_not_teach_is_never_asked_to_choose(start_bot: StartBot) -> None:
    async with start_bot(rubric=RUBRIC, duels={"one_in": 1}) as bot:
        await bot.store.people.meet(who("ann"))
        await bot.store.people.change("ann", learning=False)
        assert (await bot.ask("hello")).replies[0].duel is None


async def test_a_setting_of_zero_never_asks(start_bot: StartBot) -> None:
    async with start_bot(rubric=RUBRIC, duels={"one_in": 0}) as bot:
        await bot.store.people.meet(who("ann"))
        await bot.store.people.change("ann", learning=True)
        assert (await bot.ask("hello")).replies[0].duel is None
