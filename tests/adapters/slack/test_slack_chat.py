"""What Slack's users see: direct messages, the assistant pane, the Home tab, windows, refusals, HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.blocks import MAX_SECTION_CHARS, answer
from adapters.slack.check import check
from adapters.slack.sending import pieces_of
from adapters.slack.teams import SCOPES
from adapters.slack.text import to_mrkdwn, unescape
from bot.events import Action, ActionKind
from bot.settings import SlackSettings
from tests.adapters.slack.conftest import LATEST_S, Running, StartSlack, served
from tests.fakes.looking import looking
from tests.fakes.slack_blocks import complaints_about_blocks
from tests.fakes.slack_server import SlackServer

MANIFEST = Path(__file__).parents[3] / "deploy" / "slack-manifest.yaml"


@pytest.fixture
async def bot(start: StartSlack) -> AsyncIterator[Running]:
    async with start(settings={"learning": {"slack": {"acknowledged": True}}}) as running:
        yield running


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(LATEST_S):
        while not condition():
            await asyncio.sleep(0.02)


async def taught(bot: Running, wanted: str) -> None:
    """Wait until Ann has taught this text, and nothing else."""
    async with asyncio.timeout(LATEST_S):
        while not (teachings := await bot.store.teachings.of_person("slack:T1:UANN")):
            await asyncio.sleep(0.02)
    assert [teaching.wanted for teaching in teachings] == [wanted]


async def test_in_direct_messages_plain_messages_talk_and_thread_replies_teach(bot: Running) -> None:
    _, said = await bot.ask("UANN", "DANN", "tea?")
    assert said.text == "echo: tea?"
    assert said.thread_ts is None
    bot.server.say("UANN", "DANN", "Answer in short prose.", thread=said.ts)
    posts = bot.server.workspace.replies_of_bot
    await until(lambda: any(post.thread_ts == said.ts for post in posts("DANN")))
    revised = next(post for post in posts("DANN") if post.thread_ts == said.ts)
    assert "Answer in short prose." in revised.text


async def test_in_a_channel_the_answer_comes_in_the_askers_thread(bot: Running) -> None:
    question, said = await bot.ask("UANN", "CANN", "tea?")
    assert said.thread_ts == question
    again, further = await bot.ask("UANN", "CANN", "and milk?", thread=question)
    assert further.thread_ts == question
    assert again != question


async def test_another_persons_words_in_the_thread_teach_nothing(bot: Running) -> None:
    question, _ = await bot.ask("UANN", "CANN", "tea?")
    bot.server.say("UBOB", "CANN", "Answer in short prose.", thread=question)
    await bot.server.settled()
    await asyncio.sleep(0.3)
    assert len(bot.server.workspace.replies_of_bot("CANN")) == 1
    assert not await bot.store.teachings.of_person("slack:T1:UBOB")


async def test_in_a_thread_of_the_direct_messages_messages_talk_and_the_work_is_shown(bot: Running) -> None:
    first = bot.server.workspace.say("UANN", "DANN", "Let me begin a thread.")
    bot.server.workspace.announcements.clear()
    bot.server.say("UANN", "DANN", "tea?", thread=first)
    said = await bot.answer("DANN", 1)
    assert said.text == "echo: tea?"
    assert said.thread_ts == first
    assert bot.server.workspace.statuses[0]["status"]


async def test_a_model_that_writes_mentions_pings_nobody(bot: Running) -> None:
    _, said = await bot.ask("UANN", "CANN", "say &lt;!channel&gt; and &lt;@UBOB&gt;")
    assert "<!channel>" not in said.text
    assert "<@UBOB>" not in json.dumps(said.blocks)
    assert unescape(said.text) == "echo: say <!channel> and <@UBOB>"


async def test_the_home_tab_deletes_notes_and_switches_learning(bot: Running) -> None:
    question, _ = await bot.ask("UANN", "CANN", "tea?")
    bot.server.say("UANN", "CANN", "Answer in short prose.", thread=question)
    await bot.answer("CANN", 2)
    homes = bot.server.workspace.homes
    bot.server.open_home("UANN")
    await until(lambda: "short prose" in json.dumps(homes.get("UANN", {})))
    note = (await bot.store.notes.active("slack:T1:UANN"))[0]
    await bot.server.press_home("UANN", f"home:notes:{note.id}")
    await until(lambda: "short prose" not in json.dumps(homes["UANN"]))
    await bot.server.press_home("UANN", "home:learn")
    await until(lambda: "Turn learning off" in json.dumps(homes["UANN"]))
    chosen = {"text": {"type": "plain_text", "text": "fast"}, "value": "fast"}
    await bot.server.press_home("UANN", "home:mode", selected_option=chosen)
    await until(lambda: homes["UANN"] and "initial_option" in json.dumps(homes["UANN"]))


async def test_forget_on_the_home_tab_erases_the_person(bot: Running) -> None:
    await bot.ask("UANN", "CANN", "tea?")
    bot.server.open_home("UANN")
    await until(lambda: "UANN" in bot.server.workspace.homes)
    await bot.server.press_home("UANN", "home:forget")
    async with asyncio.timeout(LATEST_S):
        while await bot.store.replies.of_person("slack:T1:UANN"):
            await asyncio.sleep(0.02)


async def test_correct_this_opens_a_window_with_the_text_and_keeps_what_is_sent(bot: Running) -> None:
    _, said = await bot.ask("UANN", "CANN", "tea?")
    await bot.server.shortcut("UANN", "CANN", said.ts, "correct_this")
    views = bot.server.workspace.views
    await until(lambda: views)
    view_id, view = next(iter(views.items()))
    assert view["blocks"][0]["element"]["initial_value"] == "echo: tea?"
    refused = await bot.server.submit("UANN", view_id, {"correction": {"text": {"value": " "}}})
    assert refused["response_action"] == "errors"
    await bot.server.submit("UANN", view_id, {"correction": {"text": {"value": "Tea is warm."}}})
    await taught(bot, "Tea is warm.")


async def test_an_answer_is_taught_about_before_the_bot_is_told_where_it_stands(
    bot: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = looking(monkeypatch, bot.store.replies, "at")
    bot.server.holds["chat.postMessage"] = told = asyncio.Event()
    bot.server.say("UANN", "DANN", "tea?")
    said = await bot.answer("DANN", 1)
    bot.server.say("UANN", "DANN", "better: Tea is warm.", thread=said.ts)
    await looked.wait()
    told.set()
    await taught(bot, "Tea is warm.")


async def test_a_thumb_counts_before_the_bot_is_told_where_its_answer_stands(
    bot: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = looking(monkeypatch, bot.store.replies, "at")
    bot.server.holds["chat.postMessage"] = told = asyncio.Event()
    bot.server.say("UANN", "CANN", "<@UBOT> tea?")
    said = await bot.answer("CANN", 1)
    (reply,) = await bot.store.replies.of_person("slack:T1:UANN")
    await bot.server.press("UANN", "CANN", said.ts, "feedback", value=f"-{reply.reply.id}")
    await looked.wait()
    told.set()
    whispers = bot.server.workspace.whispers_to
    await until(lambda: any("Counted: 1 of 5" in post.text for post in whispers("UANN")))


async def test_a_thumb_counts_privately_and_is_taken_back(bot: Running) -> None:
    _, said = await bot.ask("UANN", "CANN", "tea?")
    reply = await bot.noted(said)
    await bot.server.press("UANN", "CANN", said.ts, "feedback", value=f"-{reply}")
    whispers = bot.server.workspace.whispers_to
    await until(lambda: any("Counted: 1 of 5" in post.text for post in whispers("UANN")))
    counted = next(post for post in whispers("UANN") if "Counted" in post.text)
    await bot.server.press("UANN", "CANN", counted.ts, "clear_feedback")
    async with asyncio.timeout(LATEST_S):
        while (await bot.store.replies.get(reply)).rating is not None:
            await asyncio.sleep(0.02)


async def test_a_thumb_on_an_answer_that_is_not_known_any_more_says_so(bot: Running) -> None:
    _, said = await bot.ask("UANN", "CANN", "tea?")
    await bot.server.press("UANN", "CANN", said.ts, "feedback", value="-erased")
    await until(lambda: bot.server.responses)
    assert "I do not know this answer any more" in bot.server.responses[0]["text"]


async def test_an_archive_to_import_is_found_behind_many_later_messages(bot: Running) -> None:
    bot.server.send_file("UANN", "mine.zip", b"no archive")
    for number in range(250):
        bot.server.workspace.say("UANN", "DANN", f"word {number}")
    bot.server.workspace.announcements.clear()
    await bot.server.slash("UANN", "CANN", "import")
    await until(lambda: bot.server.responses)
    assert "Send me the file" not in str(bot.server.responses[0])


async def test_whom_the_settings_do_not_allow_is_not_answered(start: StartSlack, server: SlackServer) -> None:
    async with start(settings={"slack": {"allowed_people": ("UBOB",)}}) as bot:
        server.say("UANN", "CANN", "<@UBOT> tea?")
        await bot.ask("UBOB", "CBOB", "coffee?")
        assert not server.workspace.replies_of_bot("CANN")


async def test_what_slack_refuses_to_a_command_is_told_with_what_to_do(bot: Running) -> None:
    bot.server.refusals["conversations.open"] = ["account_inactive"]
    await bot.server.slash("UANN", "CANN", "import")
    async with asyncio.timeout(LATEST_S):
        while not bot.server.responses:
            await asyncio.sleep(0.02)
    assert "install it again" in str(bot.server.responses[0])


async def test_an_archived_channel_is_noted_and_stops_nothing(bot: Running) -> None:
    bot.server.workspace.channels["CANN"].is_archived = True
    bot.server.say("UANN", "CANN", "<@UBOT> tea?")
    await bot.ask("UBOB", "CBOB", "coffee?")
    assert not bot.server.workspace.replies_of_bot("CANN")


async def test_events_over_http_are_taken_when_signed_and_leave_no_trace_when_not(
    start: StartSlack, server: SlackServer
) -> None:
    async with start(over_http=True) as bot, served(bot.chat) as address:
        url = f"{address}/slack/events"
        event = {"type": "message", "channel": "DANN", "channel_type": "im", "user": "UANN"}
        event |= {"text": "forged", "ts": "1.000001", "event_ts": "1.000001"}
        body = json.dumps({"type": "event_callback", "team_id": "T1", "event_id": "E", "event": event})
        forged = {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": "v0=00"}
        async with aiohttp.ClientSession() as client:
            for headers in (forged, server.signed_headers(body, age_s=600)):
                headers["Content-Type"] = "application/json"
                async with client.post(url, data=body, headers=headers) as refused:
                    assert refused.status == 401
        assert await bot.store.people.get("slack:T1:UANN") is None
        server.events_url = url
        _, said = await bot.ask("UANN", "DANN", "tea?")
        assert said.text == "echo: tea?"
        assert (await server.slash("UANN", "CANN", "help")) == {}
        await until(lambda: server.responses)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=9000))
def test_any_text_is_cut_into_sections_that_slack_takes(text: str) -> None:
    actions = [Action(kind=ActionKind.WHY, label="Why?", target="r")]
    for piece in pieces_of(text):
        assert len(to_mrkdwn(piece)) <= MAX_SECTION_CHARS
        assert complaints_about_blocks(answer(piece, heading=None, reply="r", actions=actions)) == []


def test_the_manifest_asks_for_exactly_the_scopes_that_the_code_uses() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    assert tuple(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES
    assert manifest["features"]["shortcuts"][0]["callback_id"] == "correct_this"
    assert manifest["features"]["slash_commands"][0]["command"] == "/nightloom"
    handled = {"agent_session_stopped", "app_home_opened", "app_mention", "app_uninstalled"}
    handled |= {f"message.{kind}" for kind in ("channels", "groups", "im", "mpim")}
    handled |= {"reaction_added", "reaction_removed"}
    assert set(manifest["settings"]["event_subscriptions"]["bot_events"]) == handled


async def test_check_names_what_is_wrong_with_the_tokens(server: SlackServer) -> None:
    def settings(**given: str) -> SlackSettings:
        return SlackSettings.model_validate({"api_url": server.api_url, **given})

    good = await check(settings(bot_token="xoxb-1", app_token="xapp-1"), is_web_on=True)
    assert all(finding.is_good for finding in good), good
    wrong = await check(settings(bot_token="xoxb-wrong"), is_web_on=True)
    assert sum(not finding.is_good for finding in wrong) == 2


async def test_check_says_that_events_over_http_need_the_web_server(server: SlackServer) -> None:
    given = {"api_url": server.api_url, "bot_token": "xoxb-1", "signing_secret": "secret"}
    settings = SlackSettings.model_validate(given)
    assert all(finding.is_good for finding in await check(settings, is_web_on=True))
    (wrong,) = [finding.text for finding in await check(settings, is_web_on=False) if not finding.is_good]
    assert "NIGHTLOOM_WEB__ENABLED" in wrong
