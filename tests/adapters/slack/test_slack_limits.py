"""Slack's `ratelimited` on every method that the bot calls: it delays, and nothing is lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

import adapters
from adapters.slack.connection import RATE_LIMIT_TRIES
from adapters.slack.sending import PIECE_CHARS
from tests.adapters.slack.conftest import LATEST_S, StartSlack
from tests.adapters.slack.installing import public
from tests.fakes.slack_methods import METHODS
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import Workspace

# slack_sdk names its client to Slack by what aiohttp has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")

Way: TypeAlias = Callable[[StartSlack, SlackServer], Awaitable[None]]
SLACK_SOURCES = sorted((Path(adapters.__file__).parent / "slack").glob("*.py"))
OF_THE_APP = {"apps.connections.open", "oauth.v2.access"}  # no workspace's methods
SPACES = {method.partition(".")[0] for method in METHODS.keys() | OF_THE_APP}
ACKNOWLEDGED = {"learning": {"slack": {"acknowledged": True}}}


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(2 * LATEST_S):
        while not look():
            await asyncio.sleep(0.02)


async def asks(start: StartSlack, server: SlackServer) -> None:
    async with start() as bot:
        _, answer = await bot.ask("UANN", "CANN", "tea?")
        assert answer.text == "echo: tea?"


async def edits_a_long_question_to_a_short_one(start: StartSlack, server: SlackServer) -> None:
    posts = server.workspace.replies_of_bot
    async with start() as bot:
        question = server.say("UANN", "CANN", "<@UBOT> " + "lot " * PIECE_CHARS)
        await until(lambda: len(posts("CANN")) > 3)
        await bot.noted(posts("CANN")[0])
        server.edit("UANN", "CANN", question, "<@UBOT> tea?")
        await until(lambda: [post.text for post in posts("CANN")] == ["echo: tea?"])


async def is_asked_for_consent(start: StartSlack, server: SlackServer) -> None:
    async with start(settings=ACKNOWLEDGED) as bot:
        _, answer = await bot.ask("UANN", "CANN", "tea?")
        server.react("UANN", "CANN", answer.ts, "heart")
        await until(lambda: "May I learn" in "".join(p.text for p in server.workspace.replies_of_bot("DANN")))


async def is_refused_in_a_channel(start: StartSlack, server: SlackServer) -> None:
    async with start(settings={"limits": {"waiting_per_person": 1}}, delay_s=0.5):
        for number in range(4):
            server.say("UANN", "CANN", f"<@UBOT> question {number}")
        await until(lambda: server.workspace.whispers_to("UANN"))


async def comes_back_after_a_while(start: StartSlack, server: SlackServer) -> None:
    """Everything that is read back: a question alone, one in a thread, a reaction."""
    limits = dict(server.rate_limits)
    server.rate_limits.clear()
    async with start() as bot:
        question, answer = await bot.ask("UANN", "CANN", "tea?")
        reply = await bot.noted(answer)
    server.workspace.say("UANN", "CANN", "<@UBOT> milk?")
    server.workspace.say("UANN", "CANN", "<@UBOT> sugar?", thread=question)
    server.workspace.react("UANN", "CANN", answer.ts, "heart")
    server.workspace.announcements.clear()  # nobody is there to hear of it
    server.rate_limits.update(limits)
    async with start() as bot:
        await until(lambda: len(server.workspace.replies_of_bot("CANN")) == 3)
        async with asyncio.timeout(LATEST_S):
            while (await bot.store.replies.get(reply)).rating != 5:
                await asyncio.sleep(0.02)


async def corrects(start: StartSlack, server: SlackServer) -> None:
    async with start() as bot:
        _, answer = await bot.ask("UANN", "CANN", "tea?")
        await server.shortcut("UANN", "CANN", answer.ts, "correct_this")
        await until(lambda: server.workspace.views)


async def opens_the_home_tab(start: StartSlack, server: SlackServer) -> None:
    async with start():
        server.open_home("UANN")
        await until(lambda: "UANN" in server.workspace.homes)


async def opens_the_conversation(start: StartSlack, server: SlackServer) -> None:
    async with start(delay_s=2.0):
        channel = server.open_messages("UANN")
        await until(lambda: server.workspace.suggested.get((channel, None)))
        first = server.workspace.say("UANN", channel, "Let me begin a thread.")
        server.workspace.announcements.clear()
        server.say("UANN", channel, "tea?", thread=first)
        await until(lambda: server.workspace.statuses)
        await until(lambda: len(server.workspace.replies_of_bot(channel)) == 1)


async def edits_the_first_question_of_a_thread(start: StartSlack, server: SlackServer) -> None:
    async with start() as bot:
        question, _ = await bot.ask("UANN", "CANN", "tea?")
        sessions = server.workspace.sessions
        await until(lambda: sessions.get(("CANN", question), {}).get("status") == "active")
        server.edit("UANN", "CANN", question, "<@UBOT> coffee?")
        await until(lambda: sessions["CANN", question]["title"] == "coffee?")


async def exports(start: StartSlack, server: SlackServer) -> None:
    async with start() as bot:
        await bot.ask("UANN", "CANN", "tea?")
        await server.slash("UANN", "CANN", "export")
        await until(
            lambda: [
                upload for upload in server.workspace.uploads.values() if upload.get("channel") == "DANN"
            ]
        )


async def installs(start: StartSlack, server: SlackServer) -> None:
    server.workspaces["T2"] = Workspace("T2", token="xoxb-2")
    async with public(start, server) as service:
        assert (await service.install("T2")).status == 200


# How often each is refused: more often than a call waits by itself where the work is taken up again.
SHORT, LONG = RATE_LIMIT_TRIES, RATE_LIMIT_TRIES + 1
WAYS: dict[str, tuple[int, Way]] = {
    "agents.sessions.rename": (LONG, edits_the_first_question_of_a_thread),
    "agents.sessions.setStatus": (LONG, edits_the_first_question_of_a_thread),
    "apps.connections.open": (LONG, asks),
    "assistant.threads.setStatus": (SHORT, opens_the_conversation),
    "assistant.threads.setSuggestedPrompts": (SHORT, opens_the_conversation),
    "auth.test": (LONG, comes_back_after_a_while),
    "chat.delete": (LONG, edits_a_long_question_to_a_short_one),
    "chat.postEphemeral": (LONG, is_refused_in_a_channel),
    "chat.postMessage": (LONG, asks),
    "chat.update": (LONG, edits_a_long_question_to_a_short_one),
    "conversations.history": (LONG, comes_back_after_a_while),
    "conversations.open": (LONG, is_asked_for_consent),
    "conversations.replies": (LONG, comes_back_after_a_while),
    "files.completeUploadExternal": (SHORT, exports),
    "files.getUploadURLExternal": (SHORT, exports),
    "oauth.v2.access": (SHORT, installs),
    "reactions.get": (LONG, comes_back_after_a_while),
    "users.conversations": (LONG, comes_back_after_a_while),
    "users.info": (LONG, asks),
    "views.open": (SHORT, corrects),
    "views.publish": (SHORT, opens_the_home_tab),
}


@pytest.mark.parametrize("method", sorted(WAYS))
async def test_a_rate_limit_delays_and_loses_nothing(
    start: StartSlack, server: SlackServer, method: str
) -> None:
    times, way = WAYS[method]
    server.retry_after_s = 0
    server.rate_limits[method] = times
    await way(start, server)
    assert server.rate_limits[method] == 0


def test_every_method_is_tried() -> None:
    """What the fake answers is what the bot calls, and all of that is limited above."""
    assert set(WAYS) == METHODS.keys() | OF_THE_APP
    named = set(re.findall(r'"([a-z]+(?:\.[a-zA-Z]+)+)"', "".join(map(Path.read_text, SLACK_SOURCES))))
    assert {name for name in named if name.split(".")[0] in SPACES} <= set(WAYS)


async def test_a_long_wait_is_planned_and_not_sat_out(start: StartSlack, server: SlackServer) -> None:
    """One person's answer waits; everybody else's goes on meanwhile."""
    async with start() as bot:
        server.retry_after_s, server.rate_limits["chat.postMessage"] = 6, 1
        server.say("UANN", "CANN", "<@UBOT> tea?")
        await until(lambda: server.rate_limits["chat.postMessage"] == 0)
        _, answer = await bot.ask("UBOB", "CBOB", "coffee?")
        assert answer.text == "echo: coffee?"
        assert not server.workspace.replies_of_bot("CANN")
        assert (await bot.answer("CANN", 1)).text == "echo: tea?"
