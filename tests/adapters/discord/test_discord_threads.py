"""Threads archived or locked meanwhile, and servers that the bot was removed from: it is never silent."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from tests.adapters.discord.conftest import StartDiscord
from tests.adapters.discord.test_discord_interactions import BEST, press, shown
from tests.fakes.discord_server import Channel, DiscordServer, Message, Permission, User


def a_thread(server: DiscordServer, room: Channel, ann: User) -> Channel:
    return server.world.open_thread(server.say(ann, room, "topic"), "a topic")


async def asked_and_archived(server: DiscordServer, thread: Channel, ann: User, *, locked: bool) -> Message:
    """The progress of an answer is shown in the thread, and then the thread is archived."""
    server.mention(ann, thread, "tea?")
    progress = await server.answer(thread)
    assert progress.content.startswith("⏳")
    server.world.archive(thread, locked=locked)
    return progress


async def test_an_answer_with_progress_reopens_the_thread_that_was_archived_meanwhile(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(delay_s=1.0, progress_after_s=0.1):
        thread = a_thread(server, room, ann)
        await asked_and_archived(server, thread, ann, locked=False)
        await server.until(lambda: [answer.content for answer in server.answers(thread)] == ["echo: tea?"])
        assert not thread.is_archived


async def test_taking_another_answer_in_an_archived_thread_changes_the_answer(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(settings=BEST) as bot:
        thread = a_thread(server, room, ann)
        server.mention(ann, thread, "tea?")
        answer = await server.answer(thread)
        await bot.noted(answer)
        pressed = await press(server, ann, answer, "Other answers")
        other = shown(pressed).content.split("\n", 1)[1]
        server.world.archive(thread)
        await press(server, ann, shown(pressed), "Take this one")
        await server.until(lambda: answer.content == other)


async def test_an_answer_for_a_locked_thread_is_told_of_in_the_direct_messages(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(delay_s=1.0, progress_after_s=0.1):
        thread = a_thread(server, room, ann)
        await asked_and_archived(server, thread, ann, locked=True)
        direct = server.world.direct(ann)
        await server.until(
            lambda: "the thread is locked" in "".join(m.content for m in server.answers(direct))
        )


async def test_where_the_direct_messages_are_closed_too_the_threads_channel_says_so(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    ann.accepts_direct_messages = False
    async with start(delay_s=1.0, progress_after_s=0.1):
        thread = a_thread(server, room, ann)
        await asked_and_archived(server, thread, ann, locked=True)
        await server.until(
            lambda: "your direct messages are closed" in "".join(m.content for m in server.answers(room))
        )


async def test_a_bot_that_was_removed_from_the_server_says_that(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(delay_s=0.5):
        server.mention(ann, room, "tea?")
        await asyncio.sleep(0.2)
        assert room.guild
        with capture_logs() as logs:
            server.world.remove_bot(room.guild)
            direct = server.world.direct(ann)
            await server.until(lambda: server.answers(direct))
        assert "removed from this server" in server.answers(direct)[0].content
        assert [entry["server"] for entry in logs if "was removed" in entry["event"]] == ["home"]


async def test_a_channel_that_the_bot_may_not_see_is_named_as_that(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(delay_s=0.5):
        server.mention(ann, room, "tea?")
        await asyncio.sleep(0.2)
        server.world.deny(room, Permission.VIEW_CHANNEL)
        direct = server.world.direct(ann)
        await server.until(lambda: server.answers(direct))
        assert "View Channel" in server.answers(direct)[0].content
