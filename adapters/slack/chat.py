"""Nightloom on Slack: hands messages and reactions to the bot, and posts the bot's answers.

Mention me to talk. Reply in the thread to teach. React to rate. In a direct message a plain message talks.
Knows Slack and nothing of learning. Bolt runs the middleware that handles events before it acknowledges, so
an acknowledged event is durable. Whatever asks Slack for something comes after that: Slack waits three
seconds. Its parts: events, sending, controls, catch_up, errands, home, teams.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final  # Slack's bodies are JSON

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.shared.bounded import BoundedDict
from adapters.shared.catch_up import CatchUpRuns
from adapters.slack import events
from adapters.slack.catch_up import CatchUp
from adapters.slack.connection import call, read
from adapters.slack.controls import Controls
from adapters.slack.errands import Errands
from adapters.slack.events import Said
from adapters.slack.home import Home
from adapters.slack.installing import Installer
from adapters.slack.sending import Sender
from adapters.slack.sessions import Sessions
from adapters.slack.teams import NotInstalled, Team, Teams
from bot import metrics
from bot.door.app import App
from bot.errors import BotError, NotYours, Unknown
from bot.events import Message, Notice, Outgoing, Person, Place, Platform, Progress, Ref
from bot.ports import Chat, ChatError
from bot.settings import SlackSettings
from engine.types import Mode

PING_INTERVAL_S: Final = 5.0
MAX_WAIT_S: Final = 60.0
MAX_NAMES: Final = 10_000
MAX_BODY_BYTES: Final = 2**20
SUGGESTED: Final = ("What can you do?", "Tell me about something you like.")
UNREADABLE: Final = "I could not take that in. Please try again in a moment."

log = structlog.get_logger(__name__)


class SlackChat(Chat):
    """The Chat for Slack: an app in one workspace or many. Start `run` beside the app that gets its events.

    Raises ChatError where the settings name no way in for events.
    """

    platform = Platform.SLACK

    def __init__(self, settings: SlackSettings, app: App, teams: Teams) -> None:
        self._settings = settings
        self._app = app
        self._teams = teams
        self._sender = Sender(teams, clock=app.context.clock)
        self._catch_up = CatchUp(app, teams, self._take, missed_max_age_s=settings.missed_max_age_s)
        self._errands = Errands()
        self._sessions = Sessions(teams, self._errands)
        self._names: BoundedDict[str, str] = BoundedDict(MAX_NAMES)
        self._unknown_teams: BoundedDict[str, None] = BoundedDict(MAX_NAMES)
        self._stopping = asyncio.Event()
        self._catch_up_runs = CatchUpRuns(self.platform, self._catch_up.run)
        self._installer = _installer(settings, teams)
        self._bolt = AsyncApp(
            name="nightloom",  # without a name Bolt searches all callers' frames for one
            authorize=teams.authorizer(),  # type: ignore[arg-type]  # Bolt takes None as well
            signing_secret=_signing_secret(settings),
            request_verification_enabled=settings.app_token is None,
            before_authorize=self._receive,
        )
        Controls(self._bolt, app, teams, self._sender, Home(app, teams), self.person, settings)
        self._bolt.event(re.compile(".*"))(_nothing_more)  # last: the first listener that fits is called

    async def run(self) -> None:
        """Listen until `stop`. Over HTTP the events come through the web server's port."""
        handler: AsyncSocketModeHandler | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(self._catch_up_runs.run()),
                    tasks.create_task(self._errands.run()),
                ]
                await self._until_connected(self._teams.all)
                self._errands.add(self._name_missing_scopes)
                handler = await self._connect() if self._settings.app_token else None
                if handler is None:
                    self._catch_up_runs.missed()
                await self._stopping.wait()
                for task in beside:
                    task.cancel()
        finally:
            await self._sessions.stop()
            if handler is not None:
                await handler.close_async()  # type: ignore[no-untyped-call]  # Bolt leaves it untyped

    async def stop(self) -> None:
        self._stopping.set()

    # Chat

    async def post(self, outgoing: Outgoing) -> Sequence[Ref]:
        if outgoing.question is not None:
            await self._sessions.end(outgoing.question)
        refs = await self._sender.post(outgoing)
        if self._teams.has_returned(outgoing.place.channel.partition("/")[0]):
            self._catch_up_runs.missed()
        return refs

    async def working(self, place: Place, question: Ref, progress: Progress | None) -> None:
        await self._sessions.show(place, question, progress)

    async def idle(self, place: Place, question: Ref) -> None:
        await self._sessions.give_up(question)

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> None:
        await self._sender.tell(person, place, notice)

    # Slack's events

    async def _receive(
        self, body: Mapping[str, Any], next: Callable[[], Awaitable[None]]
    ) -> BoltResponse | None:
        """Handle an event. Where that fails the event is not acknowledged, and Slack sends it again."""
        if "event" in body:
            try:
                await self._take(body)
            except NotInstalled as error:
                self._count_unknown(events.team_of(body), error)
                return BoltResponse(status=200)
        await next()
        return None

    async def _take(self, body: Mapping[str, Any]) -> None:
        """Hand one event to the app. Raises NotInstalled. Asks Slack for nothing."""
        event = body["event"]
        team_id = events.team_of(body)
        if event["type"] == "app_uninstalled":
            await self._uninstalled(team_id)
            return
        team = await self._teams.of(team_id)
        if self._teams.has_returned(team.id):
            self._catch_up_runs.missed()
        user, channel = _who_and_where(event)
        if not self._admits(team.id, user, channel):
            return
        if (opened := events.opened(event)) is not None:
            self._errands.add(partial(self._welcome, team, opened))
            return
        try:
            await self._route(team, body)
        except (Unknown, NotYours):
            return  # people talk among themselves
        except BotError as refused:
            self._errands.add(partial(self._refuse, team, event, refused))

    async def _route(self, team: Team, body: Mapping[str, Any]) -> None:
        event = body["event"]
        if deletion := events.deletion(body):
            await self._app.delete(deletion)
        elif reaction := events.reaction(body, team.bot):
            self._catch_up.reacted(reaction.ref)
            await self._app.reaction(reaction)
        elif event["type"] == "agent_session_stopped":
            await self._stop_searches(team, event)
        elif said := events.said(body, team.bot):
            person = self.person(team, said.user)
            await self._hear(said, person)
            if person.name is None:
                self._errands.add(partial(self._learn_name, team, said.user))

    async def _hear(self, said: Said, person: Person) -> None:
        """Decide whether the message talks or teaches, by the rule in the module's docstring.

        A file without text does neither.
        """
        if not said.text and not said.is_mention:
            return
        if said.edited_at:
            await self._changed(said, person)
        elif said.is_mention or (said.is_direct and await self._talks(said)):
            await self._ask(said.message(person, mode=self._mode_in(said)))
        elif said.thread:
            await self._app.thread_reply(said.thread_reply(person, said.root if said.is_direct else None))

    async def _ask(self, message: Message) -> None:
        if not self._sessions.is_known(message.place):
            self._sessions.name(message.place, message.text)
        await self._app.message(message)

    async def _stop_searches(self, team: Team, event: Mapping[str, Any]) -> None:
        """The stop button of a thread's session: what was found for the person's questions is the answer."""
        place = events.place(team.id, event["channel"], event["thread_ts"])
        questions = self._sessions.questions_in(place.channel, event["thread_ts"])
        if not questions:  # of an earlier process
            self._sessions.idle(place)
        for question in questions:
            try:
                await self._app.stop_search(question, self.person(team, event["user"]))
            except (Unknown, NotYours):
                continue

    def _mode_in(self, said: Said) -> Mode | None:
        return self._settings.channel_modes.get(said.channel)

    async def _talks(self, said: Said) -> bool:
        """In direct messages a plain message talks, and so does a reply in a thread under no answer."""
        return said.root is None or await self._app.reply_at(said.root) is None

    async def _changed(self, said: Said, person: Person) -> None:
        question = said.message(person, mode=self._mode_in(said))
        try:
            await self._app.edit(said.edit(person))
        except Unknown:
            # The message became a question by the mention that was added.
            if said.is_mention:
                await self._ask(question)
        else:
            if question.place.thread == said.ts:
                self._sessions.name(question.place, question.text)

    async def _welcome(self, team: Team, opened: Mapping[str, str]) -> None:
        """A person opened the conversation with the bot: suggest what to ask."""
        prompts = [{"title": text, "message": text} for text in SUGGESTED]
        try:
            await call(team.client, "assistant.threads.setSuggestedPrompts", **opened, prompts=prompts)
        except ChatError as error:
            log.info("slack.no_welcome", why=str(error))

    async def _refuse(self, team: Team, event: Mapping[str, Any], refused: BotError) -> None:
        """Tell that person alone why. Where that fails the reason goes to the log."""
        user, channel = _who_and_where(event)
        metrics.ERRORS.labels("slack", refused.code).inc()
        if user is None or channel is None or refused.code == "blocked":
            return
        place = events.place(team.id, channel, event.get("thread_ts"))
        person = events.person(team.id, user)
        try:
            await self.tell(person, place, Notice(text=refused.message))
        except ChatError as error:
            log.info("slack.refusal_untold", code=refused.code, why=str(error))

    def _admits(self, team: str, user: str | None, channel: str | None) -> bool:
        """Whether the operator lets this person be answered there."""
        lists = self._settings
        is_direct = channel is None or channel.startswith("D")
        return (
            (not lists.allowed_teams or team in lists.allowed_teams)
            and (not lists.allowed_people or user in lists.allowed_people)
            and (not lists.allowed_channels or is_direct or channel in lists.allowed_channels)
        )

    async def _uninstalled(self, team: str) -> None:
        await self._teams.remove(team)
        log.warning(
            "slack.uninstalled",
            team=team,
            kept="what its people taught stays until `nightloom forget` or a new installation",
        )

    def _count_unknown(self, team: str, error: NotInstalled) -> None:
        """An event from a workspace without the app is acknowledged, or Slack would send it four times."""
        metrics.ERRORS.labels("slack", "unknown_workspace").inc()
        if team not in self._unknown_teams:
            self._unknown_teams[team] = None
            log.warning("slack.unknown_workspace", team=team, why=str(error))

    async def _name_missing_scopes(self) -> None:
        for team in await self._teams.all():
            try:
                missing = await self._teams.missing_scopes(team)
            except ChatError as error:
                log.info("slack.scopes_unknown", team=team.id, why=str(error))
                continue
            if missing:
                advice = "add them under OAuth & Permissions and install the app again"
                log.warning("slack.missing_scopes", team=team.id, scopes=", ".join(missing), advice=advice)

    def person(self, team: Team, user: str) -> Person:
        """The person behind a user id, with the name as far as it is known."""
        key = events.person(team.id, user).key
        return events.person(team.id, user, self._names.get(key))

    async def _learn_name(self, team: Team, user: str) -> None:
        """Ask Slack for the name of a person whose first event is stored."""
        key = events.person(team.id, user).key
        if key in self._names or (name := await _name_of(team.client, user)) is None:
            return
        if await self._app.store.people.change(key, name=name):
            self._names[key] = name

    # The connection

    async def _connect(self) -> AsyncSocketModeHandler:
        assert self._settings.app_token is not None
        token = self._settings.app_token.get_secret_value()
        handler = AsyncSocketModeHandler(
            self._bolt, token, web_client=self._teams.new_client(token), ping_interval=PING_INTERVAL_S
        )
        handler.client.message_listeners.append(self._on_socket_message)
        await self._until_connected(handler.connect_async)
        return handler

    async def _until_connected(self, connect: Callable[[], Awaitable[object]]) -> None:
        """Try until it works, or until `stop`."""
        wait_s = 1.0
        while not self._stopping.is_set():
            try:
                await connect()
                return
            except Exception as error:  # noqa: BLE001 - the transport may raise anything; connecting goes on
                log.warning("slack.unreachable", why=repr(error), again_in_s=wait_s)
                metrics.ERRORS.labels("slack", "connect").inc()
                await _pause(self._stopping, wait_s)
                wait_s = min(MAX_WAIT_S, wait_s * 2)

    async def _on_socket_message(self, client: object, message: Mapping[str, Any], raw: str | None) -> None:
        del client, raw
        if message.get("type") == "hello":
            self._catch_up_runs.missed()

    # Events over HTTP, and installation

    def routes(self) -> list[web.RouteDef]:
        """The addresses that the web server serves for Slack. Each checks who calls."""
        routes = self._installer.routes() if self._installer is not None else []
        if self._settings.app_token is None:  # with a socket no event comes here, and no signature is checked
            routes.append(web.post("/slack/events", self._http_event))
        return routes

    async def _http_event(self, request: web.Request) -> web.Response:
        if (request.content_length or MAX_BODY_BYTES + 1) > MAX_BODY_BYTES:
            return web.json_response({"error": {"code": "too_large", "message": UNREADABLE}}, status=413)
        return await to_aiohttp_response(await self._bolt.async_dispatch(await to_bolt_request(request)))


def _signing_secret(settings: SlackSettings) -> str:
    """The secret that signs events over HTTP. Events over a socket are not signed."""
    if settings.signing_secret is not None and settings.signing_secret.get_secret_value():
        return settings.signing_secret.get_secret_value()
    if settings.app_token is None:
        raise ChatError(
            "NIGHTLOOM_SLACK__APP_TOKEN is missing, or NIGHTLOOM_SLACK__SIGNING_SECRET for events over HTTP: "
            "see docs/slack.md, steps 4 and 6."
        )
    return ""


def _installer(settings: SlackSettings, teams: Teams) -> Installer | None:
    """None where the app has a single token and is not installed by OAuth."""
    if settings.client_id is None or settings.client_secret is None:
        return None
    return Installer(teams, settings.client_id, settings.client_secret.get_secret_value())


async def _nothing_more() -> None:
    """Does nothing: the event was handled before. Bolt acknowledges only events that have a listener."""


async def _name_of(client: AsyncWebClient, user: str) -> str | None:
    try:
        found = await read(client, "users.info", user=user)
    except ChatError as error:
        log.debug("slack.name_unknown", why=str(error))
        return None
    profile = found["user"].get("profile") or {}
    return profile.get("display_name") or profile.get("real_name") or None


def _who_and_where(event: Mapping[str, Any]) -> tuple[str | None, str | None]:
    thread = event.get("assistant_thread") or {}
    user = event.get("user") or (event.get("message") or {}).get("user") or thread.get("user_id")
    return user, event.get("channel") or (event.get("item") or {}).get("channel")


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
