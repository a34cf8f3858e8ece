"""What was taught on Slack by day is answered after the night."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.slack.text import unescape
from tests.adapters.slack.conftest import service_on
from tests.adapters.whole_loop import ANSWER_S, NIGHT_S, SETTINGS, teach_by_day_and_ask_after_the_night
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import Post

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

NAMES = {"❤️": "heart", "👎": "-1"}


class SlackRoom:
    """A channel for the questions, each in a thread of its own; the morning note is a direct message."""

    def __init__(self, server: SlackServer) -> None:
        self.server = server
        self.told = 0

    async def ask(self, text: str) -> Post:
        number = len(self._posts("CANN")) + 1
        self.server.say("UANN", "CANN", f"<@UBOT> {text}")
        return await self._post("CANN", number, ANSWER_S)

    async def react(self, answer: Post, emoji: str) -> None:
        self.server.react("UANN", "CANN", answer.ts, NAMES[emoji])

    async def teach(self, answer: Post, text: str) -> Post:
        number = len(self._posts("CANN")) + 1
        self.server.say("UANN", "CANN", text, thread=answer.thread_ts)
        return await self._post("CANN", number, ANSWER_S)

    async def command(self, text: str) -> str:
        self.told = len(self._posts("DANN"))
        before = len(self.server.responses)
        await self.server.slash("UANN", "CANN", text)
        shown = await self._response(before)
        if "direct message" not in shown:
            return shown
        post = await self._post("DANN", self.told + 1, ANSWER_S)  # what comes with a picture is sent there
        return unescape(post.text + json.dumps(post.blocks, ensure_ascii=False))

    async def morning_note(self) -> Post:
        return await self._post("DANN", self.told + 1, NIGHT_S)

    async def show_more(self, note: Post) -> str:
        assert "Undo" in json.dumps(note.blocks), note.text
        elements = [element for block in note.blocks for element in block.get("elements", [])]
        button = next(element for element in elements if element["text"]["text"] == "Show me more")
        before = len(self.server.responses)
        await self.server.press("UANN", "DANN", note.ts, button["action_id"])
        return await self._response(before)

    def text(self, answer: Post) -> str:
        return unescape(answer.text)

    def _posts(self, channel: str) -> list[Post]:
        return self.server.workspace.replies_of_bot(channel)

    async def _post(self, channel: str, number: int, timeout_s: float) -> Post:
        await until(lambda: len(self._posts(channel)) >= number, timeout_s)
        return self._posts(channel)[number - 1]

    async def _response(self, before: int) -> str:
        await until(lambda: len(self.server.responses) > before, ANSWER_S)
        return unescape(json.dumps(self.server.responses[-1], ensure_ascii=False))


async def until(condition: Callable[[], object], timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


async def test_what_was_taught_by_day_is_answered_after_the_night(
    server: SlackServer, tmp_path: Path
) -> None:
    settings = {
        **SETTINGS,
        "NIGHTLOOM_LEARNING__SLACK__ACKNOWLEDGED": "true",
        "NIGHTLOOM_SLACK__OPERATORS": '["UANN"]',
    }
    async with service_on(server, tmp_path, settings) as service:
        await teach_by_day_and_ask_after_the_night(SlackRoom(server), random.Random(7))
        assert await service.stop() == 0
