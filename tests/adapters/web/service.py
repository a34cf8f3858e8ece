"""A whole service without a model: app, store and web chat are real, the backend is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from adapters.web.server import WebChat
from adapters.wiring import assembled
from bot import ratings
from bot.context import Context, new_id, now
from bot.door.app import App
from bot.door.chats import Chats
from bot.door.listeners import Listeners
from bot.settings import Settings
from bot.store import Store
from engine.backends.scripted import ScriptedBackend
from engine.ports import Backend
from tests.migrated import migrated

TOKEN = "sesame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service, and a client that holds its token."""

    app: App
    chat: WebChat
    backend: Backend
    client: aiohttp.ClientSession
    address: URL

    # Any: what JSON holds.
    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """The status and the JSON of one call."""
        async with self.client.request(method, path, json=body, **more) as response:
            return response.status, await response.json()

    async def ask(self, person: str, text: str, *, conversation: str = "c", **more: Any) -> Any:
        """The reply to a question."""
        body = {"person": person, "conversation": conversation, "text": text, **more}
        status, said = await self.call("POST", "/api/messages?wait=10", body)
        assert status == 200, said
        return said["reply"]


@asynccontextmanager
async def serving(
    folder: Path, *, backend: Backend | None = None, is_started: bool = True, **settings: Any
) -> AsyncIterator[Service]:
    """A service in this process, on a database in the folder."""
    wishes = {"web": {"port": 0, "token": TOKEN}, "backend": {"kind": "scripted"}, **settings}
    made = Settings(data=folder, model="scripted", **wishes)
    used = backend or ScriptedBackend()
    folder.mkdir(exist_ok=True)
    store = await Store.open(
        migrated(made.database_url),
        clock=now,
        new_id=new_id,
        rate=lambda emoji: ratings.rating(emoji, made.reactions),
    )
    context = Context(settings=made, store=store, backend=used)
    chats = Chats(context, Listeners())
    app = assembled(context, chats)
    chat = WebChat(made.web, app, loading=lambda: "Reading the weights: 2 of 5 files.")
    chats.add(chat)
    if is_started:
        await used.start(lambda words: None)
    await chat.start()
    address = URL(chat.address).with_query(None)
    running = [asyncio.create_task(app.run()), asyncio.create_task(chat.run())]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        async with aiohttp.ClientSession(address, headers=headers) as client:
            yield Service(app=app, chat=chat, backend=used, client=client, address=address)
    finally:
        await chat.stop()
        await app.stop()
        await asyncio.gather(*running)
        await used.stop()
        await store.close()
