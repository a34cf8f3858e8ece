"""Slack waits three seconds for an acknowledgement. Nothing but the inbox row comes before it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from structlog.testing import capture_logs

from tests.adapters.slack.conftest import LATEST_S, StartSlack
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import Post

SOON_S = 1.0
SLOW_S = 6.0
BOUND = {"limits": {"messages_per_minute": 1}}


async def test_questions_are_acknowledged_at_once_however_slow_slack_is(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        server.api_delay_s = SLOW_S
        for number in range(10):
            server.workspace.add_user(f"U{number}", f"person {number}")
            server.workspace.channels["CANN"].members.add(f"U{number}")
            server.say(f"U{number}", "CANN", "<@UBOT> tea?")
        await server.settled()
        assert len(server.acked_after_s) == 20, "a message and its mention each"
        assert max(server.acked_after_s) < SOON_S
        server.api_delay_s = 0.0
        await bot.answer("CANN", 10)


async def test_a_refusal_is_acknowledged_at_once_though_slack_limits_the_telling(
    start: StartSlack, server: SlackServer
) -> None:
    server.retry_after_s = 8
    async with start(settings=BOUND) as bot:
        await bot.ask("UANN", "CANN", "tea?")
        server.rate_limits["chat.postEphemeral"] = 9
        server.acked_after_s.clear()
        server.say("UANN", "CANN", "<@UBOT> coffee?")
        await server.settled()
        assert max(server.acked_after_s) < SOON_S


async def test_the_asker_s_name_is_stored_though_it_is_asked_for_later(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        await bot.ask("UANN", "CANN", "tea?")
        async with asyncio.timeout(LATEST_S):
            while True:
                known = await bot.store.people.get("slack:T1:UANN")
                if known and known.name == "ann":
                    break
                await asyncio.sleep(0.02)


async def test_an_event_of_a_shared_channel_belongs_to_the_workspace_with_the_app(
    start: StartSlack, server: SlackServer
) -> None:
    server.workspace.companies["UBOB"] = "TOTHER"
    async with start() as bot:
        question, answer = await bot.ask("UBOB", "CANN", "tea?")
        assert answer.text == "echo: tea?"
        server.say("UBOB", "CANN", "Answer in short prose.", thread=question)
        await bot.answer("CANN", 2)
        server.react("UBOB", "CANN", answer.ts, "heart")
        await server.settled()
        assert await bot.store.reactions.people_on(await bot.noted(answer)) == {"slack:T1:UBOB"}


async def test_an_event_of_an_unknown_workspace_is_acknowledged_ignored_and_named_once(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        event = {"type": "message", "channel": "C9", "user": "U9", "text": "<@UBOT> tea?", "ts": "1.000001"}
        with capture_logs() as logs:
            for number in range(3):
                body: dict[str, Any] = {
                    "type": "event_callback",
                    "team_id": "T9",
                    "event_id": f"E{number}",
                    "event": event,
                }
                body["authorizations"] = [{"team_id": "T9", "user_id": "UBOT", "is_bot": True}]
                await server._deliver("events_api", body)
        unknown = [entry for entry in logs if entry["event"] == "slack.unknown_workspace"]
        assert len(unknown) == 1
        assert not await bot.store.people.all()
        assert server.calls["auth.test"] <= 2, "not asked for at every event"


async def test_slackbot_is_no_person(start: StartSlack, server: SlackServer) -> None:
    server.workspace.add_user("USLACKBOT", "Slackbot")
    async with start() as bot:
        server.say("USLACKBOT", "CANN", "Reminder: <@UBOT> tea.")
        server.say("USLACKBOT", "DANN", "Reminder: tea.")
        _, answer = await bot.ask("UANN", "CBOB", "coffee?")
        server.react("USLACKBOT", "CBOB", answer.ts, "heart")
        await server.settled()
        assert [person.key for person in await bot.store.people.all()] == ["slack:T1:UANN"]


async def test_a_token_that_is_revoked_for_a_while_loses_nothing(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        await bot.ask("UANN", "CANN", "tea?")
        server.workspace.is_revoked = True
        server.say("UANN", "CANN", "<@UBOT> coffee?")
        server.workspace.say("UBOB", "CBOB", "<@UBOT> milk?")
        server.workspace.announcements.clear()  # Slack sends no events while the token is revoked
        await asyncio.sleep(1.0)
        server.workspace.is_revoked = False
        assert (await bot.answer("CANN", 2)).text == "echo: coffee?"
        assert (await bot.answer("CBOB", 1)).text == "echo: milk?"


async def test_an_uninstalled_app_is_told_in_a_line_and_what_was_taught_stays(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        question, _ = await bot.ask("UANN", "CANN", "tea?")
        server.say("UANN", "CANN", "Answer in short prose.", thread=question)
        await bot.answer("CANN", 2)
        with capture_logs() as logs:
            server.workspace.uninstall()
            server.announce(server.workspace)
            await server.settled()
        assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["slack.uninstalled"]
        assert await bot.store.notes.active("slack:T1:UANN")


async def test_a_missing_scope_is_named_at_the_start(start: StartSlack, server: SlackServer) -> None:
    server.workspace.scopes.discard("reactions:read")
    with capture_logs() as logs:
        async with start():
            async with asyncio.timeout(LATEST_S):
                while not any(entry["event"] == "slack.missing_scopes" for entry in logs):
                    await asyncio.sleep(0.02)
    named = [entry for entry in logs if entry["event"] == "slack.missing_scopes"]
    assert [entry["scopes"] for entry in named] == ["reactions:read"]


async def test_an_event_that_slack_delivers_hours_later_is_answered(
    start: StartSlack, server: SlackServer
) -> None:
    ts = f"{time.time() - 5 * 3600:.6f}"
    async with start() as bot:
        event: dict[str, Any] = {"type": "app_mention", "channel": "CANN", "user": "UANN", "ts": ts}
        event |= {"text": "<@UBOT> tea?", "event_ts": ts}
        body: dict[str, Any] = {"type": "event_callback", "team_id": "T1", "event_id": "E1", "event": event}
        server.workspace.posts["CANN", ts] = Post(ts=ts, channel="CANN", user="UANN", text="<@UBOT> tea?")
        for _ in range(2):
            await server._deliver("events_api", body, attempt=1)
        assert (await bot.answer("CANN", 1)).text == "echo: tea?"
        await asyncio.sleep(0.5)
        assert len(server.workspace.replies_of_bot("CANN")) == 1
