"""Two services on one Postgres: each message is answered once, and one finishes what the other left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.wiring import assembled
from bot import ratings
from bot.context import Context, new_id, now
from bot.door import life
from bot.door.app import App
from bot.door.chats import Chats
from bot.door.listeners import Listeners
from bot.events import MessageState
from bot.settings import DatabaseSettings, LimitSettings, Settings
from bot.store import Store
from engine.backends.scripted import ScriptedBackend
from engine.types import Mode
from tests.bot.conftest import message
from tests.bot.store.conftest import PostgresServer
from tests.fakes.chat import FakeChat

pytestmark = pytest.mark.real


@asynccontextmanager
async def service(url: str, folder: Path, chat: FakeChat, *, delay_s: float = 0.0) -> AsyncIterator[App]:
    settings = Settings(
        data=folder, database=DatabaseSettings(url=SecretStr(url)), limits=LimitSettings(mode=Mode.FAST)
    )
    store = await Store.open(url, clock=now, new_id=new_id, rate=ratings.rating)
    backend = ScriptedBackend(delay_s=delay_s)
    await backend.start(lambda text: None)
    context = Context(settings=settings, store=store, backend=backend)
    chats = Chats(context, Listeners())
    chats.add(chat)
    app = assembled(context, chats, runs_nights=False)
    running = asyncio.create_task(app.run())
    try:
        yield app
    finally:
        await app.stop()
        await running
        await store.close()


async def test_a_message_that_reaches_two_services_is_answered_once(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, chat = await postgres.new_database(), FakeChat()
    async with service(url, tmp_path, chat) as one, service(url, tmp_path, chat) as two:
        events = [message(f"question {n}", person=f"p{n % 5}", event=f"e{n}") for n in range(20)]
        took = await asyncio.gather(*(app.message(event) for event in events for app in (one, two)))
        outcomes = [await two.outcome(taken, wait_s=20) for taken in set(took)]
    assert len(set(took)) == 20
    assert all(outcome.state is MessageState.ANSWERED for outcome in outcomes)
    assert sorted(post.reply.text for post in chat.posts) == sorted(f"echo: question {n}" for n in range(20))


async def test_what_one_service_leaves_when_it_stops_another_answers(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, chat = await postgres.new_database(), FakeChat()
    async with service(url, tmp_path, chat) as lasting:
        async with service(url, tmp_path, FakeChat(), delay_s=60.0) as leaving:
            took = [await leaving.message(message(f"question {n}", person=f"p{n}")) for n in range(5)]
        outcomes = [await lasting.outcome(taken, wait_s=20) for taken in took]
        async with asyncio.timeout(20):
            while len(chat.posts) < 5:
                await asyncio.sleep(0.01)
    assert all(outcome.state is MessageState.ANSWERED for outcome in outcomes)
    assert sorted(chat.shown.values()) == [f"echo: question {n}" for n in range(5)]


async def test_whom_one_service_forgets_another_forgets_too(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "LIFE_SIGN_S", 0.05)
    url, forgotten = await postgres.new_database(), asyncio.Event()

    async def forget_prefixes(self: ScriptedBackend) -> None:
        self.forgotten += 1
        told.append(self)
        if len(set(map(id, told))) == 2:
            forgotten.set()

    told: list[ScriptedBackend] = []
    monkeypatch.setattr(ScriptedBackend, "forget_prefixes", forget_prefixes)
    async with service(url, tmp_path, FakeChat()) as here, service(url, tmp_path, FakeChat()):
        await here.outcome(await here.message(message("hello", person="ann")), wait_s=20)
        await here.erase("ann")
        async with asyncio.timeout(10):
            await forgotten.wait()
