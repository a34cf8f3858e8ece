"""Exactly one answer to each question, whatever Discord, the network and the process do."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.adapters.discord.conftest import Running, StartDiscord
from tests.fakes.discord_server import Channel, DiscordServer, Fault, User

QUIET_S = 0.5


async def test_every_event_told_twice(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User
) -> None:
    server.gateway.sends_twice = True
    async with start():
        for number in range(5):
            server.mention(ann, room, f"question {number}")
        await answered(server, room, [f"question {number}" for number in range(5)])


async def test_a_connection_cut_and_resumed(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    await bot.ask(ann, room, "before")
    await server.gateway.cut()
    server.mention(ann, room, "while it was away")
    await answered(server, room, ["before", "while it was away"])
    assert server.gateway.resumed == 1


async def test_a_new_session_that_replays_nothing(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    await bot.ask(ann, room, "before")
    await server.gateway.cut(forget=True)
    server.mention(ann, room, "while it was away")
    await server.until(lambda: server.gateway.identified == 2)
    server.mention(ann, room, "after")
    await answered(server, room, ["before", "while it was away", "after"])


async def test_reconnections_in_the_midst_of_a_flood(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    asked = [f"question {number}" for number in range(30)]
    for number, text in enumerate(asked):
        server.mention(ann, room, text)
        if number % 10 == 5:
            await server.gateway.ask_reconnect()
            await asyncio.sleep(0.05)
    await answered(server, room, asked)


async def test_a_rate_limit_at_every_call(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User
) -> None:
    server.limits_every_call = True
    async with start():
        asked = [f"question {number}" for number in range(5)]
        for text in asked:
            server.mention(ann, room, text)
        await answered(server, room, asked)


async def test_a_real_bucket_is_kept_to(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    server.bucket = (2, 0.5)
    asked = [f"question {number}" for number in range(6)]
    for text in asked:
        server.mention(ann, room, text)
    await answered(server, room, asked)


@pytest.mark.parametrize("window_s", [180.0, 0.0], ids=["nonce remembered", "nonce forgotten"])
async def test_a_connection_that_breaks_after_the_message_was_taken(
    bot: Running, server: DiscordServer, room: Channel, ann: User, window_s: float
) -> None:
    server.world.nonce_window_s = window_s
    server.faults.append(Fault(method="POST", path="/messages$", times=2, breaks_after=True))
    server.mention(ann, room, "tea?")
    await server.answer(room)
    await bot.noted(server.answers(room)[0])
    await answered(server, room, ["tea?"])


async def test_a_taken_message_is_found_behind_many_others(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User, bob: User
) -> None:
    server.world.nonce_window_s = 0.0
    async with start(delay_s=1.0) as bot:
        server.faults.append(Fault(method="POST", path="/messages$", times=2, breaks_after=True))
        server.mention(ann, room, "tea?")
        for number in range(150):
            server.say(bob, room, f"word {number}")
        await server.answer(room)
        await bot.noted(server.answers(room)[0])
        await answered(server, room, ["tea?"])


async def test_a_connection_that_breaks_within_a_long_answer(
    bot: Running, server: DiscordServer, ann: User
) -> None:
    server.world.nonce_window_s = 0.0
    direct = server.world.direct(ann)
    server.say(ann, direct, "lot " * 499 + "end")
    server.faults.append(Fault(method="POST", path="/messages$", breaks_after=True))
    await server.answer(direct, 2)
    await bot.noted(server.answers(direct)[1])
    await asyncio.sleep(QUIET_S)
    assert len(server.answers(direct)) == 2


async def test_errors_of_discord_itself(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    server.faults.append(Fault(method="POST", path="/messages$", times=1, status=503))
    server.faults.append(Fault(method="POST", path="/messages$", times=2, breaks_before=True))
    server.mention(ann, room, "tea?")
    await answered(server, room, ["tea?"])


@pytest.mark.parametrize("window_s", [180.0, 0.0], ids=["nonce remembered", "nonce forgotten"])
async def test_a_process_that_dies_after_sending(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User, window_s: float
) -> None:
    """The message is there, but the process never learned of it: the next one finds it."""
    server.world.nonce_window_s = window_s
    async with start():
        server.faults.append(Fault(method="POST", path="/messages$", breaks_after=True))
        server.faults.append(Fault(method="POST", path="/messages$", times=99, breaks_before=True))
        server.faults.append(Fault(method="GET", path="/messages$", times=99, breaks_before=True))
        server.mention(ann, room, "tea?")
        await server.answer(room)
    server.faults.clear()
    async with start() as again:
        await again.noted(server.answers(room)[0])
        await answered(server, room, ["tea?"])


async def test_a_question_asked_while_the_process_was_down(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User
) -> None:
    async with start() as bot:
        await bot.ask(ann, room, "before")
    server.gateway.sessions.clear()
    server.mention(ann, room, "meanwhile")
    server.say(ann, server.world.direct(ann), "never talked here before")
    server.mention(ann, room, "too long ago", ago_s=7200)
    async with start():
        await answered(server, room, ["before", "meanwhile"])


async def test_with_a_missed_age_of_zero_nothing_is_answered_late(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User
) -> None:
    server.mention(ann, room, "meanwhile")
    async with start(missed_max_age_s=0) as bot:
        await asyncio.sleep(2.5)  # discord.py waits two seconds for servers to be told
        await bot.ask(ann, room, "now")
        await answered(server, room, ["now"])


async def test_a_progress_message_of_a_dead_process_becomes_the_answer(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User
) -> None:
    async with start(delay_s=1.0, progress_after_s=0.1):
        server.mention(ann, room, "tea?")
        await server.answer(room)
        server.faults.append(Fault(method="DELETE", path="/messages/", times=99, breaks_before=True))
    server.faults.clear()
    async with start():
        await answered(server, room, ["tea?"])


async def test_without_network_at_the_start_it_keeps_trying(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User
) -> None:
    server.faults.append(Fault(method="GET", path="/users/@me", times=1, breaks_before=True))
    async with start() as bot:
        await bot.ask(ann, room, "tea?")


async def test_it_stops_soon_where_discord_does_not_answer(
    server: DiscordServer, start: StartDiscord, room: Channel
) -> None:
    server.faults.append(Fault(method="GET", path="/users/@me", delay_s=30.0))
    async with start(waits=False):
        await asyncio.sleep(0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 5


async def test_a_gateway_that_is_away_for_a_while(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    server.gateway.is_refusing = True
    await server.gateway.cut()
    await asyncio.sleep(0.5)
    server.gateway.is_refusing = False
    server.mention(ann, room, "tea?")
    await answered(server, room, ["tea?"], timeout_s=20)


async def test_200_reactions_put_on_and_taken_off_while_it_was_away(
    server: DiscordServer, start: StartDiscord, room: Channel, ann: User, bob: User
) -> None:
    users = [ann, bob, *(server.world.add_user(f"user{number}") for number in range(8))]
    async with start() as bot:
        answers = [(await bot.ask(ann, room, f"question {number}"))[1] for number in range(10)]
        replies = [await bot.noted(answer) for answer in answers]
        for answer in answers:
            for user in users:
                server.world.react(user, answer, "👍")
        for reply in replies:
            while await bot.emoji(reply, users[-1]) != {"👍"}:
                await asyncio.sleep(0.01)
    server.gateway.sessions.clear()
    for answer in answers:
        for user in users[::2]:
            server.world.unreact(user, answer, "👍")
        for user in users[1::2]:
            server.world.react(user, answer, "🎉")
        for user in users:
            server.world.react(user, answer, "❤️")
    began = time.monotonic()
    async with start() as bot:
        for answer, reply in zip(answers, replies, strict=True):
            for user in users:
                there = {emoji for emoji, people in answer.reactions.items() if user in people}
                while {emoji.replace("\ufe0f", "") for emoji in await bot.emoji(reply, user)} != {
                    emoji.replace("\ufe0f", "") for emoji in there
                }:
                    assert time.monotonic() - began < 60
                    await asyncio.sleep(0.02)


async def answered(
    server: DiscordServer, room: Channel, questions: list[str], *, timeout_s: float = 15.0
) -> None:
    """Each of these was answered once, and nothing else."""
    expected = sorted(f"echo: {question}" for question in questions)

    def texts() -> list[str]:
        return sorted(message.content for message in server.answers(room))

    end = time.monotonic() + timeout_s
    while texts() != expected and time.monotonic() < end:
        await asyncio.sleep(0.02)
    await asyncio.sleep(QUIET_S)
    assert texts() == expected
