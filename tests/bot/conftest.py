"""A whole bot without a network or a model: SQLite in a folder, the scripted backend, a fake chat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from adapters.wiring import assembled
from bot import ratings
from bot.context import Context, new_id, now
from bot.door.app import App
from bot.door.chats import Chats
from bot.door.listeners import Listeners
from bot.events import Message, MessageState, Outcome, Person, Place, Platform, Ref
from bot.settings import load
from bot.store import Store
from engine.backends.scripted import ScriptedBackend
from engine.judging.rubric import Rubric
from engine.ports import Backend
from tests.fakes.chat import FakeChat
from tests.migrated import migrated

_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """A running app, and what a test sees it by."""

    app: App
    context: Context
    chat: FakeChat
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", self.context.store)

    async def ask(self, text: str, *, person: str = "ann", conversation: str = "c", **more: Any) -> Outcome:
        """Ask, and wait for the answer."""
        taken = await self.app.message(message(text, person=person, conversation=conversation, **more))
        return await self.app.outcome(taken, wait_s=10)

    async def sent(self, number: int) -> None:
        """Wait until so many posts were made."""
        async with asyncio.timeout(10):
            while len(self.chat.posts) < number:
                await asyncio.sleep(0.005)


def message(
    text: str, *, person: str = "ann", conversation: str = "c", event: str | None = None, **more: Any
) -> Message:
    """A question as the web chat would hand it over. `more`: other fields of a Message."""
    key = event or f"e{next(_numbers)}"
    values: dict[str, Any] = {
        "ref": Ref(platform=Platform.WEB, channel=conversation, id=key),
        "place": Place(platform=Platform.WEB, channel=conversation),
        "at": datetime.now(UTC),
    }
    who = Person(key=person, platform=Platform.WEB, name=person.title())
    return Message(event=key, person=who, text=text, **{**values, **more})


def is_answered(outcome: Outcome) -> bool:
    return outcome.state is MessageState.ANSWERED


StartBot: TypeAlias = Callable[..., AbstractAsyncContextManager[Bot]]


@pytest.fixture
def start_bot(tmp_path: Path) -> StartBot:
    """Starts an app on the database of this test; started again, it finds what the first one left."""

    @asynccontextmanager
    async def start(
        *,
        backend: Backend | None = None,
        chat: FakeChat | None = None,
        rubric: Rubric | None = None,
        **settings: Any,
    ) -> AsyncIterator[Bot]:
        read = load(data=tmp_path, **settings)
        store = await Store.open(
            migrated(read.database_url),
            clock=now,
            new_id=new_id,
            rate=lambda emoji: ratings.rating(emoji, read.reactions),
        )
        context = Context(
            settings=read, store=store, backend=backend or ScriptedBackend(), rubric=rubric or Rubric()
        )
        await context.backend.start(lambda text: None)
        await store.serve_alone()
        chats = Chats(context, Listeners())
        app = assembled(context, chats, runs_nights=False)
        attached = chat or FakeChat()
        chats.add(attached)
        running = asyncio.create_task(app.run())
        try:
            yield Bot(app=app, context=context, chat=attached)
        finally:
            await app.stop()
            await running
            await store.close()

    return start


@pytest.fixture
async def bot(start_bot: StartBot) -> AsyncIterator[Bot]:
    """A running app on an empty database."""
    async with start_bot() as started:
        yield started
