"""The behaviour that all platforms share, on Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.adapters.chat_contract import (
    LATEST_S,
    Asked,
    PushedContract,
    PushedDriver,
    asked_for_consent,
    count,
    learning,
    rating,
    until,
)
from tests.adapters.discord.conftest import Running, StartDiscord
from tests.fakes.discord_server import Channel, DiscordServer, Fault, Interaction, Message, User


class DiscordDriver(PushedDriver):
    """People on a server of two. Everybody has a channel of their own."""

    def __init__(self, bot: Running, users: dict[str, User], rooms: dict[str, Channel]) -> None:
        self.bot = bot
        self.app = bot.app
        self.server = bot.server
        self.users = users
        self.rooms = rooms
        self.told = asyncio.Event()

    def key(self, name: str) -> str:
        return f"discord:{self.users[name].id}"

    async def ask(self, name: str, text: str) -> Asked:
        question, answer = await self.bot.ask(self.users[name], self.rooms[name], text)
        reply = await self.bot.noted(answer)
        return Asked(question=question, answer=answer, reply=reply, text=answer.content)

    async def shown(self, name: str) -> list[str]:
        return [message.content for message in self.server.answers(self.rooms[name])]

    async def react(self, name: str, asked: Asked, emoji: str, *, on: bool = True) -> None:
        change = self.server.world.react if on else self.server.world.unreact
        change(self.users[name], _message(asked.answer), emoji)

    async def teach(self, name: str, asked: Asked, text: str) -> None:
        self.server.say(self.users[name], self.rooms[name], text, reply_to=_message(asked.answer))

    async def edit(self, name: str, asked: Asked, text: str) -> None:
        self.server.edit(_message(asked.question), f"{self.server.world.bot.mention} {text}")

    async def withdraw(self, name: str, asked: Asked) -> None:
        self.server.world.delete(_message(asked.question))

    async def take_other(self, name: str, asked: Asked) -> str:
        page = (await self._press(name, _message(asked.answer), "Other answers")).messages[-1]
        other = page.content.split("\n", 1)[1]
        await self._press(name, page, "Take this one")
        return other

    async def why(self, name: str, asked: Asked) -> str:
        return "\n".join((await self._press(name, _message(asked.answer), "Why?")).texts)

    async def told_privately(self, name: str) -> list[str]:
        direct = self.server.world.direct(self.users[name])
        return [message.content for message in self.server.answers(direct)]

    async def agree(self, name: str) -> None:
        asked = self.server.answers(self.server.world.direct(self.users[name]))[-1]
        await self._press(name, asked, "Yes, learn from me")

    async def notes(self, name: str) -> list[str]:
        return (await self._command(name, "notes")).texts[-1].splitlines()

    async def delete_note(self, name: str, number: int) -> None:
        await self._command(name, "notes", delete=number)

    async def set_mode(self, name: str, mode: str) -> None:
        await self._command(name, "mode", mode=mode)

    async def export(self, name: str) -> bytes:
        await self._command(name, "export")
        told = self.server.answers(self.server.world.direct(self.users[name]))
        sent = [each["url"] for message in told for each in message.attachments]
        return self.server.world.files[sent[-1].rsplit("/", 1)[1]]

    async def import_(self, name: str, archive: bytes) -> None:
        await self._command(name, "import", archive=self.server.world.keep_file("mine.zip", archive))

    async def forget(self, name: str) -> None:
        await self._command(name, "forget", confirm="everything")

    async def ask_told_twice(self, name: str, text: str) -> None:
        self.server.gateway.sends_twice = True
        self.server.mention(self.users[name], self.rooms[name], text)
        self.server.gateway.sends_twice = False

    async def ask_untold(self, name: str, text: str) -> Asked:
        posting = r"/channels/\d+/messages$"
        self.server.faults.append(Fault(method="POST", path=posting, holds=self.told))
        question = self.server.mention(self.users[name], self.rooms[name], text)
        answer = await self.server.answer(self.rooms[name], timeout_s=LATEST_S)
        return Asked(question=question, answer=answer, reply="", text=answer.content)

    def tell(self) -> None:
        self.told.set()

    async def reconnect(self) -> None:
        await self.server.gateway.cut()

    async def _press(self, name: str, message: Message, label: str) -> Interaction:
        pressed = await self.server.interactions.press(self.users[name], message, label)
        await self.server.interactions.responded(pressed)
        return pressed

    async def _command(self, name: str, command: str, **options: object) -> Interaction:
        user, room = self.users[name], self.rooms[name]
        done = await self.server.interactions.slash(user, room, f"nightloom {command}", **options)
        await self.server.interactions.responded(done)
        return done


def _message(handle: object) -> Message:
    assert isinstance(handle, Message)
    return handle


@asynccontextmanager
async def driving(
    start: StartDiscord, server: DiscordServer, ann: User, bob: User
) -> AsyncIterator[DiscordDriver]:
    guild = server.world.add_guild("home", ann, bob)
    rooms = {name: server.world.add_channel(guild, f"{name}s-room") for name in ("ann", "bob")}
    settings = {
        "limits": {"mode": "best", "samples": 3},
        "learning": {"discord": {"acknowledged": True}},
        "comparison": {"one_in": 0},
    }
    async with start(settings=settings) as bot:
        yield DiscordDriver(bot, {"ann": ann, "bob": bob}, rooms)


@pytest.fixture
async def driver(
    start: StartDiscord, server: DiscordServer, ann: User, bob: User
) -> AsyncIterator[DiscordDriver]:
    async with driving(start, server, ann, bob) as driver:
        yield driver


class TestDiscord(PushedContract):
    """Discord keeps the contract."""


# What the bot calls while people do all that they can do.
CALLS = [
    ("GET", r"/users/@me$"),
    ("PUT", r"/commands$"),
    ("POST", r"/users/@me/channels$"),
    ("POST", r"/typing$"),
    ("GET", r"/messages$"),
    ("GET", r"/channels/\d+/messages/\d+$"),
    ("GET", r"/reactions/"),
    ("POST", r"/channels/\d+/messages$"),
    ("PATCH", r"/channels/\d+/messages/\d+$"),
    ("DELETE", r"/channels/\d+/messages/\d+$"),
    ("POST", r"/callback$"),
    ("PATCH", r"/webhooks/.*/messages/@original$"),
]


async def test_where_discord_limits_every_call_all_that_people_do_still_works(
    start: StartDiscord, server: DiscordServer, ann: User, bob: User
) -> None:
    """Each call is answered with a 429 before it is carried out."""
    server.limits_every_call = True
    async with driving(start, server, ann, bob) as driver:
        asked = await driver.ask("ann", "tea?")
        other = await driver.take_other("ann", asked)
        await until(lambda: driver.shown("ann"), [other])
        assert "seed" in (await driver.why("ann", asked)).lower()
        await driver.react("ann", asked, "👍")
        await until(lambda: rating(driver, asked), 4)
        await until(lambda: asked_for_consent(driver, "ann"), 1)
        await driver.agree("ann")
        await until(lambda: learning(driver, "ann"), True)
        await driver.teach("ann", asked, "Answer in short prose.")
        await until(lambda: count(driver, "ann"), 2)
        assert any("short prose" in note for note in await driver.notes("ann"))

        direct = server.world.direct(bob)
        question = server.say(bob, direct, "lot " * 499 + "end")
        second = await server.answer(direct, 2, timeout_s=LATEST_S)
        long = Asked(question=question, answer=second, reply=await driver.bot.noted(second), text="")
        await driver.react("bob", long, "❤️")
        await until(lambda: rating(driver, long), 5)
        second.reactions.clear()
        await server.gateway.cut(forget=True)  # untold, so it is read back, from both pieces
        await server.until(lambda: server.gateway.identified == 2, timeout_s=60)
        await until(lambda: rating(driver, long), None)
        server.edit(question, "tea?")
        await server.until(lambda: server.answers(direct)[0].content == "echo: tea?")
        await server.until(lambda: not any("lot" in said.content for said in server.answers(direct)))

        archive = await driver.export("ann")
        await driver.forget("ann")
        await driver.import_("ann", archive)
        assert any("short prose" in note for note in await driver.notes("ann"))
    untried = [call for call in CALLS if not server.was_limited(*call)]
    assert not untried
