"""Agents on Slack: suggested prompts, sessions with their titles, the stop button, and the manifest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from adapters.slack import sessions
from tests.adapters.slack.conftest import LATEST_S, StartSlack
from tests.fakes.held_backend import HeldBackend
from tests.fakes.slack_manifest import complaints_about_manifest
from tests.fakes.slack_server import SlackServer

MANIFEST = Path(__file__).parents[3] / "deploy" / "slack-manifest.yaml"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LATEST_S):
        while not condition():
            await asyncio.sleep(0.02)


def test_slack_takes_the_manifest_for_a_new_app() -> None:
    assert complaints_about_manifest(yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))) == []


async def test_who_opens_the_conversation_is_shown_prompts_though_there_is_no_thread(
    start: StartSlack, server: SlackServer
) -> None:
    async with start():
        channel = server.open_messages("UANN")
        await until(lambda: server.workspace.suggested.get((channel, None)))


async def test_an_app_that_was_installed_as_an_assistant_still_works(
    start: StartSlack, server: SlackServer
) -> None:
    server.workspace.is_agent = False
    async with start() as bot:
        channel, thread = server.open_assistant("UANN")
        await until(lambda: server.workspace.suggested.get((channel, thread)))
        server.say("UANN", channel, "tea?", thread=thread)
        said = await bot.answer(channel, 2)
        assert said.text == "echo: tea?"
        assert said.thread_ts == thread


async def test_what_a_person_looks_at_is_acknowledged_and_not_kept(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        server.look_at("UANN", "CBOB")
        await server.settled()
        assert len(server.acked_after_s) == 1
        assert not await bot.store.people.all()


async def test_a_thread_s_session_works_until_its_answer_is_there(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        question, _ = await bot.ask("UANN", "CANN", "which tea?")
        session = server.workspace.sessions["CANN", question]
        await until(lambda: session["status"] == "active")
        assert session["history"] == ["processing", "active"]
        assert session["title"] == "which tea?"


async def test_a_session_works_on_while_another_answer_in_its_thread_is_made(
    start: StartSlack, server: SlackServer
) -> None:
    backend = HeldBackend()
    async with start(backend=backend) as bot:
        question, _ = await bot.ask("UANN", "CANN", "tea?")
        session = server.workspace.sessions["CANN", question]
        await until(lambda: session["status"] == "active")
        backend.is_free.clear()
        server.say("UANN", "CANN", "<@UBOT> coffee?", thread=question)
        server.say("UBOB", "CANN", "<@UBOT> milk?", thread=question)
        await until(lambda: session["status"] == "processing")
        backend.is_free.set()
        await bot.answer("CANN", 3)
        await until(lambda: session["status"] == "active")


async def test_an_edited_first_question_renames_its_session(start: StartSlack, server: SlackServer) -> None:
    async with start() as bot:
        question, _ = await bot.ask("UANN", "CANN", "tea?")
        server.edit("UANN", "CANN", question, "<@UBOT> coffee?")
        await until(lambda: server.workspace.sessions["CANN", question]["title"] == "coffee?")


async def test_the_stop_button_ends_the_search_and_shows_what_was_found(
    start: StartSlack, server: SlackServer
) -> None:
    slow = {"limits": {"mode": "weave", "deadline_s": 600.0, "budget_tokens": 10**6}}
    async with start(settings=slow, delay_s=0.2) as bot:
        question = server.say("UANN", "CANN", "<@UBOT> " + "a long question about tea " * 40)
        sessions_of = server.workspace.sessions
        await until(lambda: sessions_of.get(("CANN", question), {}).get("status") == "processing")
        await asyncio.sleep(2.0)
        server.stop_session("UBOB", "CANN", question)  # another person's stop changes nothing
        await asyncio.sleep(0.5)
        assert not server.workspace.replies_of_bot("CANN")
        server.stop_session("UANN", "CANN", question)
        said = await bot.answer("CANN", 1)
        assert said.text.startswith("echo: a long question")
        await until(lambda: sessions_of["CANN", question]["status"] == "active")


async def test_a_session_that_an_earlier_process_left_working_is_ended_by_its_stop_button(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        question, _ = await bot.ask("UANN", "CANN", "tea?")
        session = server.workspace.sessions["CANN", question]
        await until(lambda: session["status"] == "active")
        session["status"] = "processing"
        server.stop_session("UANN", "CANN", question)
        await until(lambda: session["status"] == "active")


async def test_a_session_that_nobody_ends_ends_by_itself(
    start: StartSlack, server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "WORK_MAX_S", 0.2)
    backend = HeldBackend()
    backend.is_free.clear()
    async with start(backend=backend):
        question = server.say("UANN", "CANN", "<@UBOT> tea?")
        await until(lambda: ("CANN", question) in server.workspace.sessions)
        await until(lambda: server.workspace.sessions["CANN", question]["status"] == "active")
        backend.is_free.set()
