"""The behaviour that all platforms share, on Slack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any  # Slack's bodies are JSON

import pytest

from adapters.slack.text import unescape
from tests.adapters.chat_contract import Asked, PushedContract, PushedDriver
from tests.adapters.slack.conftest import LATEST_S, Running, StartSlack
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import Post


class SlackDriver(PushedDriver):
    """People in a workspace of two. Everybody asks in a channel of their own; the answer is a thread."""

    def __init__(self, bot: Running) -> None:
        self.bot = bot
        self.app = bot.app
        self.server = bot.server
        self.workspace = bot.server.workspace

    def key(self, name: str) -> str:
        return f"slack:{self.workspace.team}:{_user(name)}"

    async def ask(self, name: str, text: str) -> Asked:
        question, answer = await self.bot.ask(_user(name), _room(name), text)
        reply = await self.bot.noted(answer)
        return Asked(question=question, answer=answer, reply=reply, text=unescape(answer.text))

    async def shown(self, name: str) -> list[str]:
        return [unescape(post.text) for post in self.workspace.replies_of_bot(_room(name))]

    async def react(self, name: str, asked: Asked, emoji: str, *, on: bool = True) -> None:
        short = {"❤️": "heart", "👍": "+1::skin-tone-3", "👎": "thumbsdown"}[emoji]
        change = self.server.react if on else self.server.unreact
        change(_user(name), _room(name), _post(asked.answer).ts, short)

    async def teach(self, name: str, asked: Asked, text: str) -> None:
        self.server.say(_user(name), _room(name), text, thread=str(asked.question))

    async def edit(self, name: str, asked: Asked, text: str) -> None:
        self.server.edit(_user(name), _room(name), str(asked.question), f"<@{self.workspace.bot}> {text}")

    async def withdraw(self, name: str, asked: Asked) -> None:
        self.server.withdraw(_user(name), _room(name), str(asked.question))

    async def take_other(self, name: str, asked: Asked) -> str:
        page = await self._press(name, _post(asked.answer), "Other answers")
        other = unescape(_text(page)).split("\n", 1)[1]
        await self._press(name, self._ephemeral(name, page), "Take this one")
        return other

    async def why(self, name: str, asked: Asked) -> str:
        return unescape(_text(await self._press(name, _post(asked.answer), "Why?")))

    async def told_privately(self, name: str) -> list[str]:
        direct = self.workspace.replies_of_bot(self.workspace.direct_channel(_user(name)))
        return [unescape(post.text) for post in [*direct, *self.workspace.whispers_to(_user(name))]]

    async def agree(self, name: str) -> None:
        direct = self.workspace.replies_of_bot(self.workspace.direct_channel(_user(name)))
        told = [*direct, *self.workspace.whispers_to(_user(name))]
        asked = next(post for post in told if "May I learn" in post.text)
        await self._press(name, asked, "Yes, learn from me")

    async def notes(self, name: str) -> list[str]:
        return unescape(_text(await self._command(name, "notes"))).splitlines()

    async def delete_note(self, name: str, number: int) -> None:
        await self._command(name, f"notes delete {number}")

    async def set_mode(self, name: str, mode: str) -> None:
        await self._command(name, f"mode {mode}")

    async def export(self, name: str) -> bytes:
        await self._command(name, "export")
        return bytes(list(self.workspace.uploads.values())[-1]["content"])

    async def import_(self, name: str, archive: bytes) -> None:
        self.server.send_file(_user(name), "mine.zip", archive)
        await self._command(name, "import")

    async def forget(self, name: str) -> None:
        await self._command(name, "forget everything")

    async def ask_told_twice(self, name: str, text: str) -> None:
        self.server.is_repeating = True
        self.server.say(_user(name), _room(name), f"<@{self.workspace.bot}> {text}")
        await self.server.settled()
        self.server.is_repeating = False

    async def ask_untold(self, name: str, text: str) -> Asked:
        self.server.holds["chat.postMessage"] = asyncio.Event()
        question = self.server.say(_user(name), _room(name), f"<@{self.workspace.bot}> {text}")
        answer = await self.bot.answer(_room(name), 1)
        return Asked(question=question, answer=answer, reply="", text=unescape(answer.text))

    def tell(self) -> None:
        self.server.holds.pop("chat.postMessage").set()

    async def reconnect(self) -> None:
        await self.server.disconnect()
        await self.server.connected()

    async def _press(self, name: str, post: Post, label: str) -> dict[str, Any]:
        element = next(
            element
            for block in post.blocks
            for element in block.get("elements", [])
            if element.get("text", {}).get("text") == label
        )
        before = len(self.server.responses)
        await self.server.press(_user(name), post.channel, post.ts, element["action_id"])
        return await self._response(before)

    async def _command(self, name: str, text: str) -> dict[str, Any]:
        before = len(self.server.responses)
        await self.server.slash(_user(name), _room(name), text)
        return await self._response(before)

    async def _response(self, before: int) -> dict[str, Any]:
        async with asyncio.timeout(LATEST_S):
            while len(self.server.responses) <= before:
                await asyncio.sleep(0.01)
        return self.server.responses[-1]

    def _ephemeral(self, name: str, response: dict[str, Any]) -> Post:
        """What a response shows, as a message that can be pressed."""
        room = _room(name)
        post = Post(
            ts=self.workspace.next_ts(),
            channel=room,
            user=self.workspace.bot,
            text=response["text"],
            blocks=response["blocks"],
            only_for=_user(name),
        )
        self.workspace.posts[room, post.ts] = post
        return post


def _user(name: str) -> str:
    return f"U{name.upper()}"


def _room(name: str) -> str:
    return f"C{name.upper()}"


def _post(handle: object) -> Post:
    assert isinstance(handle, Post)
    return handle


def _text(response: dict[str, Any]) -> str:
    return "".join(block["text"]["text"] for block in response["blocks"] if block["type"] == "section")


@pytest.fixture
async def driver(start: StartSlack, server: SlackServer) -> AsyncIterator[SlackDriver]:
    settings = {
        "limits": {"mode": "best", "samples": 3},
        "learning": {"slack": {"acknowledged": True}},
        "comparison": {"one_in": 0},
    }
    async with start(settings=settings) as bot:
        yield SlackDriver(bot)


class TestSlack(PushedContract):
    """Slack keeps the contract."""
