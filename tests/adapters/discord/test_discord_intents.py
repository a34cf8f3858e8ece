"""What Discord grants: intents refused at the start and later, granted again, and a token that is refused."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.discord import connection
from adapters.discord.connection import BAD_TOKEN, NO_CONTENT
from tests.adapters.discord.conftest import Running, StartDiscord
from tests.fakes.discord_gateway import MESSAGE_CONTENT
from tests.fakes.discord_server import Channel, DiscordServer, User

QUIET_S = 0.5


def complaints(logs: list[Any]) -> list[str]:
    return [entry["event"] for entry in logs if entry["log_level"] in ("warning", "error")]


async def test_without_the_intent_at_the_start_it_says_so_in_a_line_and_works_on(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User
) -> None:
    server.gateway.portal_intents = 0
    with capture_logs() as logs:
        async with start() as bot:
            await bot.ask(ann, room, "tea?")
            server.say(ann, server.world.direct(ann), "coffee?")
            await server.answer(server.world.direct(ann))
    assert complaints(logs) == [NO_CONTENT]
    assert server.gateway.refused == 1


async def test_an_intent_that_is_taken_away_later_is_told_in_a_line_and_it_works_on(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    await bot.ask(ann, room, "tea?")
    with capture_logs() as logs:
        await server.gateway.take_content_away()
        await server.until(lambda: server.gateway.identified == 2)
        await bot.ask(ann, room, "coffee?")
    assert complaints(logs) == [NO_CONTENT]


async def test_an_intent_that_is_granted_again_is_used_again(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONTENT_AGAIN_S", 0.1)
    server.gateway.portal_intents = 0
    async with start() as bot:
        _, answer = await bot.ask(ann, room, "tea?")
        server.gateway.portal_intents = MESSAGE_CONTENT
        await server.until(lambda: server.gateway.identified == 2)
        server.say(ann, room, "shorter, please", reply_to=answer)
        assert "shorter, please" in (await server.answer(room, 2)).content


@pytest.mark.parametrize("code", [4013, 4014])
async def test_intents_that_are_refused_altogether_are_told_in_a_line_without_a_loop(
    server: DiscordServer, start: StartDiscord, room: Channel, code: int
) -> None:
    server.gateway.close_code = code
    with capture_logs() as logs:
        async with start(waits=False):
            await server.until(lambda: len(complaints(logs)) == 2, timeout_s=30.0)
            await asyncio.sleep(QUIET_S)
    assert server.gateway.refused == 2
    assert len(complaints(logs)) == 2, "the content that is not granted, and what to do"
    assert all("intent" in complaint.lower() for complaint in complaints(logs))


@pytest.mark.parametrize("shards", [None, 2])
async def test_a_token_that_is_refused_later_is_told_in_a_line_and_leaves_no_task_behind(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User, shards: int | None
) -> None:
    stray: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: stray.append(context["message"]))
    async with start(shards=shards) as bot:
        await bot.ask(ann, room, "tea?")
        with capture_logs() as logs:
            server.gateway.close_code = 4004
            await server.gateway.cut(forget=True)
            await server.until(lambda: complaints(logs), timeout_s=30.0)
            await asyncio.sleep(QUIET_S)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints(logs) == [BAD_TOKEN]
    assert stray == []
