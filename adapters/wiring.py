"""Settings become a running service. The only place that picks implementations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
from aiohttp.web import RouteDef

from adapters import latency
from adapters.web.server import WebChat
from bot import permission, ratings
from bot.context import Context, new_id, now
from bot.door.app import App
from bot.door.buttons import Buttons
from bot.door.chats import Chats
from bot.door.choices import Choices
from bot.door.life import Life
from bot.door.listeners import Listeners
from bot.door.work import Work
from bot.door.worker import Workers
from bot.errors import StoreError
from bot.events import Notice, Person, Platform
from bot.nights.morning_notes import Tell
from bot.nights.nights import Nights
from bot.nights.progress import Listen
from bot.people import consent
from bot.people.commands import Commands
from bot.people.forget import Forgetting
from bot.ports import Chat, ChatError
from bot.settings import Settings
from bot.store import Store
from bot.teaching.rating_queue import RatingQueue
from engine.judging.rubric import SHIPPED_RUBRIC, Rubric, load_rubric
from engine.learning.everyday_requests import EverydayRequests
from engine.models.catalogue import everyday_requests, located, rubric_of
from engine.ports import Backend
from engine.training import scripted
from engine.training.runner import Trainer

log = structlog.get_logger(__name__)


class ChatService(Chat, Protocol):
    """A chat platform together with what keeps it connected."""

    async def run(self) -> None: ...

    async def stop(self) -> None: ...


class PushedChat(ChatService, Protocol):
    """A platform out in the world, which may want calls taken on the web server's port."""

    def routes(self) -> Sequence[RouteDef]: ...


class Service:
    """A bot with its chats. `run` works until `stop`."""

    def __init__(
        self, app: App, backend: Backend, *, web: WebChat | None, chats: Sequence[ChatService]
    ) -> None:
        self.app = app
        self.web = web
        self.chats = chats
        self._backend = backend
        self._stopping = asyncio.Event()

    async def run(self, report: Callable[[str], None]) -> None:
        """Open the doors, load the model, answer. `report` hears in words how far the loading is.

        Messages that come while the model loads wait in the inbox. Raises ModelError, ChatError.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.app.run())
            serving = [tasks.create_task(chat.run()) for chat in self.chats]
            loading = tasks.create_task(self._load(report))
            await self._stopping.wait()
            # An init system kills after 10 s: 4 are the app's, 2 web calls', 2 vLLM's, 1 is for what is left.
            loading.cancel()
            # The doors stay open while the app ends: what comes in now is stored, and answered next time.
            await self.app.stop()
            for chat in self.chats:
                await chat.stop()
            await asyncio.gather(*serving)
        await self._backend.stop()

    async def _load(self, report: Callable[[str], None]) -> None:
        await self._backend.start(report)
        latency.shorten()

    def stop(self) -> None:
        """End `run`: what is being sent is sent, the rest stays in the inbox."""
        self._stopping.set()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """The store alone, for commands that need no model. Raises StoreError."""

    def rate(emoji: frozenset[str]) -> int | None:
        return ratings.rating(emoji, settings.reactions)

    make_data_folder(settings)
    store = await Store.open(settings.database_url, clock=now, new_id=new_id, rate=rate)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def service(settings: Settings, loading: Callable[[], str]) -> AsyncIterator[Service]:
    """A service that is ready to run. `loading` says in words how far the model is.

    Raises StoreError, RubricError, ModelError, ChatError.
    """
    rubric = load_rubric(settings.rubric or rubric_of(settings.model) or SHIPPED_RUBRIC)
    async with opened(settings) as store:
        await store.serve_alone()
        rubrics = channel_rubrics(settings)
        context = Context(
            settings=settings,
            store=store,
            backend=backend(settings),
            rubric=rubric,
            rubrics=rubrics,
            everyday=EverydayRequests(everyday_requests(settings.model)),
        )
        chats = Chats(context, Listeners())
        app = assembled(context, chats)
        others = _platforms(settings, app)
        beside = [route for chat in others for route in chat.routes()]
        if beside and not settings.web.enabled:
            raise ChatError(f"Nobody can call {beside[0].path}: set NIGHTLOOM_WEB__ENABLED to true.")
        web = WebChat(settings.web, app, loading=loading, beside=beside) if settings.web.enabled else None
        services: list[ChatService] = [*([web] if web is not None else []), *others]
        for chat in services:
            chats.add(chat)
        yield Service(app, context.backend, web=web, chats=services)


def assembled(context: Context, chats: Chats, *, runs_nights: bool = True) -> App:
    """The app of its parts. `runs_nights`: whether nights begin by the clock and are carried through here."""
    by_night = nights(context, listen=chats.listeners.tell, tell=partial(_tell_in_private, chats))
    workers = Workers(context, chats)
    forgetting = Forgetting(context, by_night, drop_work=workers.drop)
    work = Work(
        chats=chats,
        workers=workers,
        rating_queue=RatingQueue(context, chats.tell, consent_question=partial(consent.ask_once, context)),
        life=Life(context, workers, forgetting),
        beside=(partial(by_night.run, starts_due=True),) if runs_nights else (),
    )
    choices = Choices(context, work)
    return App(
        context,
        work=work,
        nights=by_night,
        choices=choices,
        buttons=Buttons(context, workers=workers, choices=choices, nights=by_night),
        commands=Commands(context, nights=by_night, forgetting=forgetting),
        forgetting=forgetting,
    )


def nights(context: Context, *, listen: Listen, tell: Tell) -> Nights:
    """What is learned by night. `listen` is told how far a night is; `tell` brings the morning notes."""
    return Nights(
        context,
        model_path=located(context.settings.model),
        listen=listen,
        tell=tell,
        may_learn=partial(permission.may_learn, context.settings),
        trainer=Trainer(module=scripted.MODULE) if context.settings.backend.kind == "scripted" else Trainer(),
    )


async def _tell_in_private(chats: Chats, person: Person, notice: Notice) -> bool:
    return await chats.tell(person, None, notice)


def backend(settings: Settings) -> Backend:
    """What runs the model; not started yet."""
    chosen = settings.backend
    if chosen.kind == "scripted":
        from engine.backends.scripted import ScriptedBackend

        return ScriptedBackend(delay_s=chosen.delay_s)
    if chosen.kind == "servers":
        from engine.backends.vllm_servers import ServersSettings, VllmServersBackend

        return VllmServersBackend(
            ServersSettings(
                urls=chosen.urls,
                model=settings.model,
                max_context=chosen.max_context,
                max_lora_rank=chosen.max_lora_rank,
                start_timeout_s=chosen.start_timeout_s,
            )
        )
    from engine.backends.vllm_local import VllmLocalBackend, VllmSettings

    return VllmLocalBackend(
        VllmSettings(
            model=settings.model,
            max_context=chosen.max_context,
            cpu_cache_gib=chosen.cpu_cache_gib,
            gpu_memory_share=chosen.gpu_memory_share,
            max_loras=chosen.max_loras,
            max_lora_rank=chosen.max_lora_rank,
            can_sleep=settings.learning.gpu == "sleep",
        )
    )


def channel_rubrics(settings: Settings) -> dict[tuple[Platform, str], Rubric]:
    """Of the channels that have their own. Raises RubricError."""
    return {channel: load_rubric(file) for channel, file in channel_rubric_files(settings).items()}


def channel_rubric_files(settings: Settings) -> dict[tuple[Platform, str], Path]:
    files = {(Platform.DISCORD, str(id)): file for id, file in settings.discord.channel_rubrics.items()}
    return files | {(Platform.SLACK, id): file for id, file in settings.slack.channel_rubrics.items()}


def make_data_folder(settings: Settings) -> None:
    """Raises StoreError where there can be none."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        advice = "set NIGHTLOOM_DATA to a folder that can be written"
        raise StoreError("data_folder", f"There can be no data folder {settings.data}: {advice}.") from error


def _platforms(settings: Settings, app: App) -> list[PushedChat]:
    """The platforms that the settings name. Their SDKs are imported only where they are used."""
    chats: list[PushedChat] = []
    if settings.discord.token is not None:
        from adapters.discord.chat import DiscordChat

        chats.append(DiscordChat(settings.discord, app))
    if settings.slack.bot_token is not None or settings.slack.client_id is not None:
        from adapters.slack.chat import SlackChat
        from adapters.slack.teams import Teams

        teams = Teams(settings.slack, app.store.installations)
        chats.append(SlackChat(settings.slack, app, teams))
    return chats
