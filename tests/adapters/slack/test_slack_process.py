"""The whole product as it runs: `nightloom run` in a process of its own, on the Slack of this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapters.process import Service
from tests.adapters.slack.conftest import service_on
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import Post

pytestmark = pytest.mark.real

LATEST_S = 60.0
QUIET_S = 1.0
BOTH = pytest.mark.parametrize("over_http", [False, True], ids=["socket", "http"])


@BOTH
async def test_a_mention_is_answered_rated_and_taught(
    server: SlackServer, tmp_path: Path, over_http: bool
) -> None:
    settings = {"NIGHTLOOM_LIMITS__MODE": "best"}
    async with service_on(server, tmp_path, settings, over_http=over_http) as service:
        question = server.say("UANN", "CANN", "<@UBOT> tea?")
        answer = (await answers(server, 1))[0]
        assert answer.text == "echo: tea?"
        assert answer.thread_ts == question
        server.react("UANN", "CANN", answer.ts, "+1")
        server.say("UANN", "CANN", "Answer in short prose.", thread=question)
        assert "Answer in short prose." in (await answers(server, 2))[1].text
        assert "short prose" in await command(server, "notes")
        await said_by_me(server, "1 rated answers")
        assert await service.stop() == 0


@BOTH
async def test_a_service_killed_again_and_again_answers_each_question_once(
    server: SlackServer, tmp_path: Path, over_http: bool
) -> None:
    asked = [f"question {number}" for number in range(12)]
    for number, text in enumerate(asked):
        server.workspace.say("UANN", "CANN", f"<@UBOT> {text}")
        if number % 4 == 1:
            slowly = {"NIGHTLOOM_BACKEND__DELAY_S": "0.05"}
            async with service_on(server, tmp_path, slowly, over_http=over_http) as service:
                server.announce(server.workspace)
                await asyncio.sleep(0.15 * number)
                await service.kill()
            await gone(server)
    async with service_on(server, tmp_path, over_http=over_http):
        await answered(server, asked)


@BOTH
async def test_the_connection_breaking_after_every_second_message_doubles_nothing(
    server: SlackServer, tmp_path: Path, over_http: bool
) -> None:
    asked = [f"question {number}" for number in range(8)]
    async with service_on(server, tmp_path, over_http=over_http):
        for number, text in enumerate(asked):
            if number % 2:
                server.drops["chat.postMessage"] += 1
            server.say("UANN", "CANN", f"<@UBOT> {text}")
        await answered(server, asked)
    assert server.drops["chat.postMessage"] == 0


@BOTH
async def test_a_service_stopped_in_the_midst_of_an_answer_gives_it_after_the_next_start(
    server: SlackServer, tmp_path: Path, over_http: bool
) -> None:
    slowly = {"NIGHTLOOM_BACKEND__DELAY_S": "3"}
    async with service_on(server, tmp_path, slowly, over_http=over_http) as service:
        server.say("UANN", "CANN", "<@UBOT> tea?")
        await server.settled(LATEST_S)
        assert await service.stop() == 0
        assert await answers(server, 0) == []
    await gone(server)
    async with service_on(server, tmp_path, over_http=over_http):
        await answered(server, ["tea?"])


async def test_200_reactions_while_it_was_off_are_the_servers_within_a_minute(
    server: SlackServer, tmp_path: Path
) -> None:
    async with service_on(server, tmp_path) as service:
        for number in range(20):
            server.say("UANN", "CANN", f"<@UBOT> question {number}")
            posts = await answers(server, number + 1)
        for post in posts:
            server.react("UANN", "CANN", post.ts, "-1")
        await said_by_me(server, "20 rated answers, 1.0 of 5")
        assert await service.stop() == 0
    await gone(server)
    for number, post in enumerate(posts):
        server.workspace.unreact("UANN", "CANN", post.ts, "-1")
        for name in ("confused", "hankey", "rage", "eyes"):
            server.workspace.react("UANN", "CANN", post.ts, name)
            server.workspace.unreact("UANN", "CANN", post.ts, name)
        if number % 2:
            for name in ("heart", "tada", "fire", "100", "raised_hands"):
                server.workspace.react("UANN", "CANN", post.ts, name)
    server.workspace.announcements.clear()  # nobody is there to hear of it
    async with service_on(server, tmp_path):
        await said_by_me(server, "10 rated answers, 5.0 of 5")


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"NIGHTLOOM_SLACK__BOT_TOKEN": "xoxb-1"}, "NIGHTLOOM_SLACK__APP_TOKEN is missing"),
        (
            {"NIGHTLOOM_SLACK__BOT_TOKEN": "xoxb-1", "NIGHTLOOM_SLACK__SIGNING_SECRET": "s"},
            "set NIGHTLOOM_WEB__ENABLED to true",
        ),
    ],
)
async def test_with_no_way_in_it_ends_with_one_line_that_says_what_to_do(
    tmp_path: Path, settings: dict[str, str], advice: str
) -> None:
    with pytest.raises(RuntimeError) as ended:
        await Service(tmp_path, {**settings, "NIGHTLOOM_WEB__ENABLED": "false"}).start()
    assert "ended with 2" in str(ended.value)
    assert advice in str(ended.value)
    assert "Traceback" not in str(ended.value)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LATEST_S):
        while not condition():
            await asyncio.sleep(0.02)


async def gone(server: SlackServer) -> None:
    """Slack has noticed that the service is away."""
    server.events_url = None
    await until(lambda: not server.is_connected)


async def answers(server: SlackServer, count: int) -> list[Post]:
    """What the bot has posted in the channel, once there is so much."""
    await until(lambda: len(server.workspace.replies_of_bot("CANN")) >= count)
    return server.workspace.replies_of_bot("CANN")


async def answered(server: SlackServer, questions: list[str]) -> None:
    """Each of these was answered once, and nothing else."""
    expected = sorted(f"echo: {question}" for question in questions)
    await answers(server, len(expected))
    await asyncio.sleep(QUIET_S)
    assert sorted(post.text for post in await answers(server, 0)) == expected


async def command(server: SlackServer, text: str) -> str:
    """What a slash command shows."""
    before = len(server.responses)
    await server.slash("UANN", "CANN", text)
    await until(lambda: len(server.responses) > before)
    return json.dumps(server.responses[-1], ensure_ascii=False)


async def said_by_me(server: SlackServer, wanted: str) -> None:
    """Ask for the person's own state until it says so."""
    async with asyncio.timeout(LATEST_S):
        while wanted not in await command(server, "me"):
            await asyncio.sleep(0.2)
