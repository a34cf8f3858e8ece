"""Ratings are thought about one person after the other, and what goes wrong with one stops nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from engine.backends.scripted import ScriptedBackend
from engine.judging.rubric import load_rubric
from engine.models.catalogue import PRACTICE_RUBRIC
from engine.types import LoraRef, TokenIds
from tests.bot.conftest import Bot, StartBot, is_answered
from tests.bot.taught import react
from tests.fakes.failing import failing

RUBRIC = load_rubric(PRACTICE_RUBRIC)


class HeldJudge(ScriptedBackend):
    """Its judge answers nothing while it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        self.is_asked.set()
        await self.go.wait()
        return await super().ask(prompts, lora=lora)


async def _is_thought_about(bot: Bot, person: str) -> None:
    async with asyncio.timeout(10):
        while (known := await bot.store.people.get(person)) is None or known.taste is None:
            await asyncio.sleep(0.005)


async def test_a_database_that_is_away_for_a_moment_stops_nothing(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_bot(rubric=RUBRIC) as bot:
        away = failing(monkeypatch, bot.store.choices, "telling", OSError("the database is away"))
        reply = (await bot.ask("hello")).replies[0]
        await react(bot, "👍", reply.id)
        await away.wait()
        await react(bot, "❤️", reply.id)
        await _is_thought_about(bot, "ann")


async def test_who_is_forgotten_while_their_ratings_are_thought_about_stops_nothing(
    start_bot: StartBot,
) -> None:
    backend = HeldJudge()
    async with start_bot(backend=backend, rubric=RUBRIC, limits={"mode": "fast"}) as bot:
        reply = (await bot.ask("hello")).replies[0]
        backend.is_asked.clear()
        backend.go.clear()
        await react(bot, "👍", reply.id)
        await backend.is_asked.wait()
        await bot.app.erase("ann")
        backend.go.set()
        other = await bot.ask("hello", person="bob")
        assert is_answered(other)
        await react(bot, "👍", other.replies[0].id, person="bob")
        await _is_thought_about(bot, "bob")
