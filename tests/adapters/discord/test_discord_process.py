"""The whole product as it runs: `nightloom run` in a process of its own, on the Discord of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.adapters.discord.conftest import service_on
from tests.fakes.discord_server import Channel, DiscordServer, Fault, User

pytestmark = pytest.mark.real

LATEST_S = 60.0
QUIET_S = 1.0


async def test_a_mention_is_answered_rated_and_taught(
    server: DiscordServer, tmp_path: Path, room: Channel, ann: User
) -> None:
    async with service_on(server, tmp_path, {"NIGHTLOOM_LIMITS__MODE": "best"}) as service:
        server.mention(ann, room, "tea?")
        answer = await server.answer(room, timeout_s=LATEST_S)
        assert answer.content == "echo: tea?"
        server.world.react(ann, answer, "👍")
        server.say(ann, room, "Answer in short prose.", reply_to=answer)
        revision = await server.answer(room, 2, timeout_s=LATEST_S)
        assert "Answer in short prose." in revision.content
        await server.until(lambda: server.interactions.commands)
        notes = await server.interactions.slash(ann, room, "nightloom notes")
        assert "short prose" in await server.interactions.responded(notes, timeout_s=LATEST_S)
        me = await server.interactions.slash(ann, room, "nightloom me")
        assert "1 rated answers" in await server.interactions.responded(me, timeout_s=LATEST_S)
        assert await service.stop() == 0


@pytest.mark.parametrize("window_s", [180.0, 0.0], ids=["nonce remembered", "nonce forgotten"])
async def test_a_service_killed_again_and_again_answers_each_question_once(
    server: DiscordServer, tmp_path: Path, room: Channel, ann: User, window_s: float
) -> None:
    server.world.nonce_window_s = window_s
    asked = [f"question {number}" for number in range(12)]
    for number, text in enumerate(asked):
        server.mention(ann, room, text)
        if number % 4 == 1:
            async with service_on(server, tmp_path, {"NIGHTLOOM_BACKEND__DELAY_S": "0.05"}) as service:
                await asyncio.sleep(0.15 * number)
                await service.kill()
            server.gateway.sessions.clear()
    async with service_on(server, tmp_path):
        await answered(server, room, asked)


async def test_the_connection_breaking_after_every_second_message_doubles_nothing(
    server: DiscordServer, tmp_path: Path, room: Channel, ann: User
) -> None:
    asked = [f"question {number}" for number in range(8)]
    async with service_on(server, tmp_path):
        for number, text in enumerate(asked):
            if number % 2:
                server.faults.append(Fault(method="POST", path="/messages$", breaks_after=True))
            server.mention(ann, room, text)
        await answered(server, room, asked)


async def test_a_service_stopped_in_the_midst_of_an_answer_gives_it_after_the_next_start(
    server: DiscordServer, tmp_path: Path, room: Channel, ann: User
) -> None:
    async with service_on(server, tmp_path, {"NIGHTLOOM_BACKEND__DELAY_S": "3"}) as service:
        server.mention(ann, room, "tea?")
        await server.until(lambda: room.typing, timeout_s=LATEST_S)
        assert await service.stop() == 0
    async with service_on(server, tmp_path):
        await answered(server, room, ["tea?"])


async def test_200_reactions_while_it_was_off_are_the_servers_within_a_minute(
    server: DiscordServer, tmp_path: Path, room: Channel, ann: User
) -> None:
    async with service_on(server, tmp_path) as service:
        answers = []
        for number in range(20):
            server.mention(ann, room, f"question {number}")
            answers.append(await server.answer(room, number + 1, timeout_s=LATEST_S))
        for answer in answers:
            server.world.react(ann, answer, "👎")
        await rated(server, ann, room, "20 rated answers, 1.0 of 5")
        assert await service.stop() == 0
    server.gateway.sessions.clear()
    for number, answer in enumerate(answers):
        for emoji in ("👎", "😕", "💩"):
            server.world.react(ann, answer, emoji)
            server.world.unreact(ann, answer, emoji)
        if number % 2:
            for emoji in ("❤️", "🎉", "🔥", "💯"):
                server.world.react(ann, answer, emoji)
    async with service_on(server, tmp_path):
        await rated(server, ann, room, "10 rated answers, 5.0 of 5")


async def test_a_wrong_token_ends_it_with_one_line_that_says_what_to_do(
    server: DiscordServer, tmp_path: Path
) -> None:
    settings = {"NIGHTLOOM_DISCORD__TOKEN": "wrong", "NIGHTLOOM_WEB__ENABLED": "false"}
    with pytest.raises(RuntimeError) as ended:
        async with service_on(server, tmp_path, settings):
            pass
    assert "ended with 2" in str(ended.value)
    assert "Reset Token" in str(ended.value)
    assert "Traceback" not in str(ended.value)


async def test_sharded_it_answers_in_every_server(server: DiscordServer, tmp_path: Path, ann: User) -> None:
    rooms = [server.world.add_channel(server.world.add_guild(f"home {n}", ann), "room") for n in range(4)]
    direct = server.world.direct(ann)
    # discord.py starts shards five seconds apart, as Discord demands.
    async with service_on(server, tmp_path, {"NIGHTLOOM_DISCORD__SHARDS": "2"}):
        await server.until(lambda: server.gateway.identified == 2, timeout_s=LATEST_S)
        for room in rooms:
            server.mention(ann, room, "tea?")
            assert (await server.answer(room, timeout_s=LATEST_S)).content == "echo: tea?"
        server.say(ann, direct, "tea?")
        assert (await server.answer(direct, timeout_s=LATEST_S)).content == "echo: tea?"


async def answered(server: DiscordServer, room: Channel, questions: list[str]) -> None:
    """Each of these was answered once, and nothing else."""
    expected = sorted(f"echo: {question}" for question in questions)

    def texts() -> list[str]:
        return sorted(message.content for message in server.answers(room))

    await server.until(lambda: texts() == expected or len(texts()) > len(expected), timeout_s=LATEST_S)
    await asyncio.sleep(QUIET_S)
    assert texts() == expected


async def rated(server: DiscordServer, user: User, room: Channel, wanted: str) -> None:
    """Ask for the person's own state until it says so."""
    await server.until(lambda: server.interactions.commands, timeout_s=LATEST_S)
    async with asyncio.timeout(LATEST_S):
        said = ""
        while wanted not in said:
            await asyncio.sleep(0.2)
            asked = await server.interactions.slash(user, room, "nightloom me")
            said = await server.interactions.responded(asked, timeout_s=LATEST_S)
