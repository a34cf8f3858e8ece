"""A whole bot on a Slack of this machine: SDK, adapter, bot, SQLite, the scripted backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias  # settings and Slack's bodies are JSON

import pytest
from aiohttp import web

from adapters.slack.chat import SlackChat
from adapters.slack.events import ref
from adapters.slack.teams import Teams
from adapters.wiring import assembled
from bot import ratings
from bot.context import Context, new_id, now
from bot.door.app import App
from bot.door.chats import Chats
from bot.door.listeners import Listeners
from bot.settings import BackendSettings, Settings
from bot.store import Store
from engine.backends.scripted import ScriptedBackend
from engine.judging.rubric import load_rubric
from engine.models.catalogue import PRACTICE_RUBRIC
from engine.ports import Backend
from tests.adapters.process import Service, running
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import Post
from tests.migrated import migrated

LATEST_S = 15.0
START_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A bot that listens, and what a test sees it by."""

    app: App
    store: Store
    chat: SlackChat
    server: SlackServer

    async def ask(self, user: str, channel: str, text: str, *, thread: str | None = None) -> tuple[str, Post]:
        """A question with its answer, once that is noted as the bot's own."""
        before = len(self.server.workspace.replies_of_bot(channel))
        said = text if channel.startswith("D") else f"<@{self.server.workspace.bot}> {text}"
        question = self.server.say(user, channel, said, thread=thread)
        answer = await self.answer(channel, before + 1)
        await self.noted(answer)
        return question, answer

    async def answer(self, channel: str, number: int) -> Post:
        """The answer of that number in a channel, once it is there."""
        async with asyncio.timeout(LATEST_S):
            while len(answers := self.server.workspace.replies_of_bot(channel)) < number:
                await asyncio.sleep(0.01)
        return answers[number - 1]

    async def noted(self, answer: Post) -> str:
        """The id of the reply that this message is a piece of."""
        async with asyncio.timeout(LATEST_S):
            at = ref(self.server.workspace.team, answer.channel, answer.ts)
            while (reply := await self.app.reply_at(at)) is None:
                await asyncio.sleep(0.01)
        return reply.id


@asynccontextmanager
async def served(chat: SlackChat) -> AsyncIterator[str]:
    """The address under which a chat's own routes are served, as the web server does it."""
    app = web.Application()
    app.add_routes(chat.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def service_on(
    server: SlackServer, data: Path, settings: Mapping[str, str] | None = None, *, over_http: bool = False
) -> AsyncIterator[Service]:
    """`nightloom run` as a process of its own, on this Slack: by a socket, or by signed HTTP events."""
    way_in = {"SIGNING_SECRET": server.signing_secret} if over_http else {"APP_TOKEN": server.app_token}
    slack = {"API_URL": server.api_url, "BOT_TOKEN": server.workspace.token, **way_in}
    pointed = {f"NIGHTLOOM_SLACK__{name}": value for name, value in slack.items()} | dict(settings or {})

    async def connected() -> None:
        if not over_http:  # there Slack calls the service, which is up
            await server.connected(START_S)

    async with running(data, pointed, connected=connected) as service:
        server.events_url = f"{service.url}/slack/events" if over_http else None
        yield service


StartSlack: TypeAlias = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    server = SlackServer()
    await server.start()
    for user, name in (("UANN", "ann"), ("UBOB", "bob")):
        server.workspace.add_user(user, name)
        server.workspace.add_channel(f"C{user[1:]}", "UANN", "UBOB")
        server.workspace.direct_channel(user)
    yield server
    await server.stop()
    assert not server.invalid, "whatever the bot shows keeps to Block Context's limits"


@pytest.fixture
def start(server: SlackServer, tmp_path: Path) -> StartSlack:
    """`async with start(settings={...}) as bot`: it may be started again on the same data."""

    @asynccontextmanager
    async def started(
        settings: dict[str, Any] | None = None,
        *,
        over_http: bool = False,
        delay_s: float = 0.0,
        backend: Backend | None = None,
    ) -> AsyncIterator[Running]:
        tokens: dict[str, Any] = {"bot_token": "xoxb-1", "api_url": server.api_url}
        tokens |= {"signing_secret": server.signing_secret} if over_http else {"app_token": "xapp-1"}
        wished = settings or {}
        chosen = Settings(
            data=tmp_path,
            backend=BackendSettings(kind="scripted"),
            **{**wished, "slack": {**tokens, **wished.get("slack", {})}},
        )

        def rate(emoji: frozenset[str]) -> int | None:
            return ratings.rating(emoji, chosen.reactions)

        store = await Store.open(migrated(chosen.database_url), clock=now, new_id=new_id, rate=rate)
        context = Context(
            settings=chosen,
            store=store,
            backend=backend or ScriptedBackend(delay_s=delay_s),
            rubric=load_rubric(PRACTICE_RUBRIC),
        )
        await context.backend.start(lambda text: None)
        chats = Chats(context, Listeners())
        app = assembled(context, chats)
        chat = SlackChat(chosen.slack, app, Teams(chosen.slack, store.installations))
        chats.add(chat)
        running = [asyncio.create_task(app.run()), asyncio.create_task(chat.run())]
        if not over_http:
            await server.connected()
        try:
            yield Running(app=app, store=store, chat=chat, server=server)
        finally:
            await app.stop()
            await chat.stop()
            await asyncio.gather(*running)
            await store.close()

    return started
