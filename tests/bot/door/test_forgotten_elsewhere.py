"""Whom one process forgets, every living process forgets: work, caches, LoRAs, the engine's prefixes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.cli.store_only import UnloadedBackend
from adapters.wiring import assembled, opened
from bot.context import Context
from bot.door import life
from bot.door.app import App
from bot.door.chats import Chats
from bot.door.listeners import Listeners
from bot.settings import Settings
from engine.backends.scripted import ScriptedBackend
from engine.errors import EngineDownError
from engine.loras.library import person_folder
from engine.ports import Watch
from engine.types import Completion, LoraRef, Sampling, TokenIds, TreeNode
from tests.bot.conftest import Bot, StartBot, message

NODE = TreeNode(id=0, parent=None, text="", score=0.0, is_finished=False, is_chosen=False)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "LIFE_SIGN_S", 0.05)


@asynccontextmanager
async def terminal(settings: Settings) -> AsyncIterator[App]:
    """What `nightloom forget` has: the store, beside the service, and no model."""
    async with opened(settings) as store:
        context = Context(settings=settings, store=store, backend=UnloadedBackend(settings))
        yield assembled(context, Chats(context, Listeners()), runs_nights=False)


async def load_lora(bot: Bot, person: str) -> None:
    """A LoRA of the person's is live and loaded, with the judge's own beside it."""
    version = await bot.store.loras.reserve(
        person, folder=person_folder(person), model="scripted", rank=8, night="n"
    )
    await bot.store.loras.go_live(version.id)
    path = bot.context.settings.data / "loras" / version.path
    await bot.context.backend.load(LoraRef(name=version.name, id=version.id, path=path))
    judge = LoraRef(name=f"{version.name}-judge", id=2**30 + version.id, path=path / "judge")
    await bot.context.backend.load(judge)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_a_running_service_forgets_whom_the_terminal_forgets(start_bot: StartBot) -> None:
    backend = ScriptedBackend()
    async with start_bot(backend=backend) as bot:
        for person in ("ann", "bob"):
            await bot.ask("hello", person=person)
            await load_lora(bot, person)
            bot.context.caches.reliability.saw(person, [NODE])
            bot.context.caches.comparison_worths.saw(person, 1.0)
            bot.context.caches.reply_owners.saw(f"reply of {person}", person=person, conversation="c")
        async with terminal(bot.context.settings) as app:
            await app.erase("ann")
        await until(lambda: backend.forgotten)
        caches = bot.context.caches
        assert caches.comparison_worths.of("ann") == ()
        assert caches.reply_owners.of("reply of ann") is None
        assert len(caches.comparison_worths) == 1
        assert caches.reply_owners.of("reply of bob") == ("bob", "c")
        assert {name.startswith(person_folder("bob")) for name in backend.loaded} == {True}
        await asyncio.sleep(0.2)
        assert backend.forgotten == 1  # it is told once


class Unfinished(ScriptedBackend):
    """Never comes to an end, and says when it is broken off."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.is_broken_off = asyncio.Event(), asyncio.Event()

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.is_broken_off.set()
        return ()


async def test_what_a_service_is_answering_stops_when_the_terminal_forgets_its_person(
    start_bot: StartBot,
) -> None:
    backend = Unfinished()
    async with start_bot(backend=backend) as bot:
        await bot.app.message(message("hello"))
        await bot.app.message(message("and another thing"))
        await backend.has_begun.wait()
        async with terminal(bot.context.settings) as app:
            await app.erase("ann")
        async with asyncio.timeout(10):
            await backend.is_broken_off.wait()


async def test_an_engine_that_is_down_is_told_when_it_is_back(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = ScriptedBackend()
    async with start_bot(backend=backend) as bot:
        await bot.ask("hello")
        told: list[str] = []

        async def down() -> None:
            told.append("down")
            raise EngineDownError("It is down.")

        with monkeypatch.context() as broken:
            broken.setattr(backend, "forget_prefixes", down)
            async with terminal(bot.context.settings) as app:
                await app.erase("ann")
            await until(lambda: told)
        await until(lambda: backend.forgotten)


async def test_a_process_that_starts_hears_of_those_who_were_just_forgotten(
    start_bot: StartBot, tmp_path: Path
) -> None:
    async with start_bot() as bot:
        await bot.ask("hello")
        settings = bot.context.settings
    async with terminal(settings) as app:
        await app.erase("ann")
    backend = ScriptedBackend()  # as servers elsewhere would be, that went on
    async with start_bot(backend=backend):
        await until(lambda: backend.forgotten)
