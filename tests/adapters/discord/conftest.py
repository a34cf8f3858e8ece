"""A whole bot on a Discord of this machine: SDK, adapter, bot, SQLite, the scripted backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import discord
import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord.chat import DiscordChat
from adapters.wiring import assembled
from bot import ratings
from bot.context import Context, new_id, now
from bot.door.app import App
from bot.door.chats import Chats
from bot.door.listeners import Listeners
from bot.settings import DiscordSettings, Settings
from bot.store import Store
from engine.backends.scripted import ScriptedBackend
from tests.adapters.process import Service, running
from tests.fakes.discord_server import Channel, DiscordServer, Message, User, discord_server
from tests.migrated import migrated


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A bot that listens, and what a test sees it by."""

    app: App
    store: Store
    chat: DiscordChat
    server: DiscordServer

    async def ask(self, user: User, channel: Channel, text: str) -> tuple[Message, Message]:
        """A question with its answer, once that is noted as the bot's own."""
        before = len(self.server.answers(channel))
        question = self.server.mention(user, channel, text)
        answer = await self.server.answer(channel, before + 1)
        await self.noted(answer)
        return question, answer

    async def noted(self, answer: Message) -> str:
        """The id of the reply that this message is a piece of."""
        from adapters.discord import events as events

        ref = events.ref(answer.channel.id, answer.id)
        while (reply := await self.app.reply_at(ref)) is None:
            await asyncio.sleep(0.01)
        return reply.id

    async def emoji(self, reply: str, user: User) -> frozenset[str]:
        """What the bot holds that this person has on the reply."""
        return await self.store.reactions.of(reply, f"discord:{user.id}")


START_S = 120.0


@asynccontextmanager
async def service_on(
    server: DiscordServer, data: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Service]:
    """`nightloom run` as a process of its own, connected to this Discord."""
    pointed = {
        "NIGHTLOOM_DISCORD__TOKEN": server.token,
        "NIGHTLOOM_DISCORD__API_URL": server.api_url,
        "NIGHTLOOM_DISCORD__GATEWAY_URL": server.gateway_url,
        **(settings or {}),
    }
    sessions = server.gateway.identified

    async def connected() -> None:
        await server.until(lambda: server.gateway.identified > sessions, timeout_s=START_S)

    async with running(data, pointed, connected=connected) as service:
        yield service


StartDiscord: TypeAlias = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordServer]:
    # The adapter points discord.py elsewhere for the whole process: afterwards it is put back.
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(discord.asset.Asset, "BASE", discord.asset.Asset.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
    monkeypatch.setattr(discord.Client, "before_identify_hook", _at_once)
    async with discord_server() as server:
        yield server


async def _at_once(client: discord.Client, shard_id: int | None, *, initial: bool = False) -> None:
    """discord.py waits five seconds before it begins another session."""


@pytest.fixture
def ann(server: DiscordServer) -> User:
    return server.world.add_user("ann")


@pytest.fixture
def bob(server: DiscordServer) -> User:
    return server.world.add_user("bob")


@pytest.fixture
def room(server: DiscordServer, ann: User, bob: User) -> Channel:
    return server.world.add_channel(server.world.add_guild("home", ann, bob), "room")


@pytest.fixture
def start(server: DiscordServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StartDiscord:
    """Starts a bot on the database of this test; started again, it finds what the first one left."""

    @asynccontextmanager
    async def starting(
        *, delay_s: float = 0.0, waits: bool = True, settings: dict[str, Any] | None = None, **of_discord: Any
    ) -> AsyncIterator[Running]:
        wanted: dict[str, Any] = {  # values of settings
            "token": server.token,
            "api_url": server.api_url,
            "gateway_url": server.gateway_url,
            **of_discord,
        }
        read = Settings(data=tmp_path, discord=DiscordSettings(**wanted), **(settings or {}))
        store = await Store.open(
            migrated(read.database_url),
            clock=now,
            new_id=new_id,
            rate=lambda emoji: ratings.rating(emoji, read.reactions),
        )
        context = Context(settings=read, store=store, backend=ScriptedBackend(delay_s=delay_s))
        await context.backend.start(lambda text: None)
        await store.serve_alone()
        chats = Chats(context, Listeners())
        app = assembled(context, chats, runs_nights=False)
        chat = DiscordChat(read.discord, app)
        chats.add(chat)
        running = [asyncio.create_task(app.run()), asyncio.create_task(chat.run())]
        try:
            if waits:
                await server.until(lambda: running[1].done() or server.gateway.is_connected)
                await server.until(lambda: running[1].done() or server.interactions.commands)
            if running[1].done():
                await running[1]
            yield Running(app=app, store=store, chat=chat, server=server)
        finally:
            await app.stop()
            await chat.stop()
            await asyncio.gather(*running)
            await store.close()

    return starting


@pytest.fixture
async def bot(start: StartDiscord) -> AsyncIterator[Running]:
    async with start() as running:
        yield running
