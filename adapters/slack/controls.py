"""Slack's buttons, thumbs, shortcut, window, slash command and Home tab: to the bot, and its results back.

Each handler is named for what a person does. Slack waits three seconds for the acknowledgement, so that comes
before any work; only a correction is stored first. Only the person who acted sees the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias  # Slack's bodies are JSON

import structlog
from slack_bolt.async_app import AsyncApp

from adapters.slack import blocks, events
from adapters.slack.connection import call, download
from adapters.slack.home import Home
from adapters.slack.sending import Sender
from adapters.slack.teams import Team, Teams
from bot import metrics
from bot.door.app import App
from bot.errors import BotError, Unknown
from bot.events import Action, ActionKind, Command, Notice, Person, Place, Reaction, Ref, ThreadReply
from bot.people.archive import MAX_ARCHIVE_BYTES
from bot.ports import ChatError
from bot.ratings import BAD_BUTTON, GOOD_BUTTON
from bot.settings import SlackSettings

Body: TypeAlias = Mapping[str, Any]
Ack: TypeAlias = Callable[..., Awaitable[None]]
Meet: TypeAlias = Callable[[Team, str], Person]

_BUTTONS = re.compile("^(" + "|".join(kind.value for kind in ActionKind) + r"):\d+$")
_IN_PLACE = {ActionKind.SHOW_MORE, ActionKind.TAKE}
UNKNOWN_ANSWER: Final = "I do not know this answer any more, so your thumb counts for nothing."
NOT_MINE: Final = "That is no answer of mine to you: *Correct this* works under your own answers."
TOO_LONG: Final = (
    f"This answer is longer than the {blocks.MAX_INPUT_CHARS} characters that a window holds. Reply "
    "to it in its thread instead, with the text you wanted after `better:`."
)
FAILED: Final = "That failed, and I have noted why. Please try it again."

log = structlog.get_logger(__name__)


class Controls:
    """Handles what people press, open, or type after a slash."""

    def __init__(
        self,
        bolt: AsyncApp,
        app: App,
        teams: Teams,
        sender: Sender,
        home: Home,
        meet: Meet,
        settings: SlackSettings,
    ) -> None:
        self._app = app
        self._teams = teams
        self._sender = sender
        self._home = home
        self._meet = meet
        self._operators = frozenset(settings.operators)
        bolt.action(_BUTTONS)(self.press)
        bolt.action(blocks.FEEDBACK)(self.rate)
        bolt.action(blocks.CLEAR_FEEDBACK)(self.take_rating_back)
        bolt.action(re.compile(f"^{blocks.HOME}:"))(self.use_home)
        bolt.shortcut(blocks.CORRECT)(self.open_correction)
        bolt.view(blocks.CORRECT)(self.correct)
        bolt.command("/nightloom")(self.command)
        bolt.event("app_home_opened")(self.open_home)

    async def press(self, ack: Ack, body: Body) -> None:
        """A button of the bot. A further page of other answers replaces the page before."""
        await ack()
        pressed = body["actions"][0]
        kind = ActionKind(pressed["action_id"].partition(":")[0])
        action = Action(kind=kind, label=pressed["text"]["text"], target=pressed["value"])
        is_private = bool((body.get("container") or {}).get("is_ephemeral"))

        async def work(team: Team, person: Person, place: Place) -> Notice | None:
            return await self._app.press(person, action)

        await self._answer(body, work, replaces=is_private and kind in _IN_PLACE)

    async def rate(self, ack: Ack, body: Body) -> None:
        """A thumb under an answer. A thumb cannot be deselected: the last click counts."""
        await ack()
        value = body["actions"][0]["value"]
        button, reply = GOOD_BUTTON if value[0] == "+" else BAD_BUTTON, value[1:]

        async def work(team: Team, person: Person, place: Place) -> Notice | None:
            rating = await self._rate(team, person, body, reply, button)
            counted = f"Counted: {rating} of 5." if rating else "Counted; with your reactions it is neutral."
            await self._whisper(team, body, place, counted, blocks.feedback_counted(reply, counted))
            return None

        await self._answer(body, work)

    async def take_rating_back(self, ack: Ack, body: Body) -> None:
        await ack()

        async def work(team: Team, person: Person, place: Place) -> Notice:
            await self._rate(team, person, body, body["actions"][0]["value"], None)
            return Notice(text="Taken back.")

        await self._answer(body, work, replaces=True)

    async def open_correction(self, ack: Ack, body: Body) -> None:
        """*Correct this* in a message's menu opens a window with the answer's text, to be corrected."""
        await ack()

        async def work(team: Team, person: Person, place: Place) -> Notice | None:
            channel, ts = body["channel"]["id"], body["message_ts"]
            reply = await self._app.reply_at(events.ref(team.id, channel, ts))
            if reply is None or reply.person != person.key:
                return Notice(text=NOT_MINE)
            if len(reply.text) > blocks.MAX_INPUT_CHARS:
                return Notice(text=TOO_LONG)
            thread = body["message"].get("thread_ts")
            view = blocks.correction_modal(reply.text, channel, ts, thread)
            await call(team.client, "views.open", trigger_id=body["trigger_id"], view=view)
            return None

        await self._answer(body, work)

    async def correct(self, ack: Ack, body: Body) -> None:
        """The window was sent. Its text is the answer that the person wanted."""
        where = json.loads(body["view"]["private_metadata"])
        field = body["view"]["state"]["values"][blocks.CORRECTION_BLOCK][blocks.CORRECTION_INPUT]
        wanted = field.get("value") or ""
        if not wanted.strip():
            errors = {blocks.CORRECTION_BLOCK: "Write the answer you wanted, or cancel."}
            await ack(response_action="errors", errors=errors)
            return
        team = await self._teams.of(body["team"]["id"])
        person = self._meet(team, body["user"]["id"])
        answer = events.ref(team.id, where["channel"], where["ts"])
        view_id = body["view"]["id"]
        correction = ThreadReply(
            event=f"correction:{team.id}:{view_id}",
            ref=Ref(platform=answer.platform, channel=answer.channel, id=f"view:{view_id}"),
            place=events.place(team.id, where["channel"], where["thread"]),
            to=answer,
            person=person,
            text=wanted,
            at=self._app.context.clock(),
            is_correction=True,
        )
        try:
            await self._app.thread_reply(correction)
        except BotError as refused:
            await ack(response_action="errors", errors={blocks.CORRECTION_BLOCK: refused.message})
            return
        await ack()

    async def command(self, ack: Ack, body: Body) -> None:
        """A slash command, as `/nightloom notes delete 3`."""
        await ack()
        name, *arguments = str(body.get("text") or "help").split()

        async def work(team: Team, person: Person, place: Place) -> Notice:
            command = Command(
                person=person,
                place=place,
                name=name,
                arguments=tuple(arguments),
                attachment=await self._attachment(team, person) if name.lower() == "import" else None,
                is_operator=body["user_id"] in self._operators,
            )
            return await self._app.command(command)

        await self._answer(body, work)

    async def open_home(self, event: Body, body: Body) -> None:
        """Draw the Home tab, whenever it is opened."""
        if event.get("tab", "home") == "home":
            team = await self._teams.of(body["team_id"])
            await self._show_home(team, self._meet(team, event["user"]))

    async def use_home(self, ack: Ack, body: Body) -> None:
        """A control of the Home tab. The result goes to the direct messages, and the tab is drawn anew."""
        await ack()
        used = body["actions"][0]
        _, name, *_ = used["action_id"].split(":")
        value = (used.get("selected_option") or {}).get("value") or used.get("value") or ""

        async def work(team: Team, person: Person, place: Place) -> Notice | None:
            if name == ActionKind.UNDO_LORA:
                action = Action(kind=ActionKind.UNDO_LORA, label="", target=person.key)
                return await self._app.press(person, action)
            arguments = tuple(value.split())
            said = await self._app.command(
                Command(person=person, place=place, name=name, arguments=arguments)
            )
            return said if name in ("export", "forget") else None

        await self._answer(body, work)
        team = await self._teams.of(body["team"]["id"])
        await self._show_home(team, self._meet(team, body["user"]["id"]))

    # The steps of the above

    async def _answer(
        self,
        body: Body,
        work: Callable[[Team, Person, Place], Awaitable[Notice | None]],
        *,
        replaces: bool = False,
    ) -> None:
        """Do the work and show its result. An error of the bot's is shown in its own words."""
        team = await self._teams.of(_team_of(body))
        person = self._meet(team, _user_of(body))
        place = _place_of(team, body)
        try:
            said = await work(team, person, place)
        except BotError as refused:
            said = Notice(text=refused.message)
        except ChatError as error:  # its text says what to do
            metrics.ERRORS.labels("slack", type(error).__name__).inc()
            log.warning("slack.control_failed", why=str(error))
            said = Notice(text=str(error))
        except Exception as error:  # else the person would see nothing happen
            metrics.ERRORS.labels("slack", type(error).__name__).inc()
            log.exception("slack.control_failed")
            said = Notice(text=FAILED)
        if said is not None:
            await self._show(body, person, place, said, replaces=replaces)

    async def _show(self, body: Body, person: Person, place: Place, said: Notice, *, replaces: bool) -> None:
        """Show a notice where the person acted, if Slack says where. A file goes to the direct messages."""
        try:
            if said.file or said.image_png or "response_url" not in body:
                await self._sender.tell(person, None, said)
                if "response_url" in body:
                    told = Notice(text="I sent it to you as a direct message.")
                    await self._sender.respond(body["response_url"], told, replaces=False)
            else:
                await self._sender.respond(body["response_url"], said, replaces=replaces)
        except ChatError as error:
            metrics.ERRORS.labels("slack", "untold").inc()
            log.warning("slack.untold", why=str(error))

    async def _rate(
        self, team: Team, person: Person, body: Body, reply_id: str, button: str | None
    ) -> int | None:
        """The rating that the person's reactions and thumbs amount to now. Raises Unknown."""
        pieces = await self._app.store.deliveries.pieces(reply_id)
        if not pieces:  # perhaps the answer is just being sent: `reply_at` waits until its place is stored
            pressed = body["container"]
            await self._app.reply_at(events.ref(team.id, pressed["channel_id"], pressed["message_ts"]))
            pieces = await self._app.store.deliveries.pieces(reply_id)
        if not pieces:
            raise Unknown("unknown_reply", UNKNOWN_ANSWER)
        at, rating = self._app.context.clock(), None
        for each in (GOOD_BUTTON, BAD_BUTTON):
            event = f"thumb:{reply_id}:{person.key}:{each}:{at.timestamp()}"
            rating = await self._app.reaction(
                Reaction(event=event, ref=pieces[0], person=person, emoji=each, on=each == button, at=at)
            )
        return rating

    async def _whisper(
        self, team: Team, body: Body, place: Place, text: str, shown: list[blocks.Block]
    ) -> None:
        """A private message with a button of its own."""
        channel = place.channel.partition("/")[2]
        thread = {"thread_ts": place.thread} if place.thread else {}
        where = {"channel": channel, "user": _user_of(body), **thread}
        try:
            await call(team.client, "chat.postEphemeral", **where, text=text, blocks=shown)
        except ChatError as error:
            log.warning("slack.untold", why=str(error))

    async def _attachment(self, team: Team, person: Person) -> bytes | None:
        """The archive to import: the newest file that the person sent in their direct messages."""
        file = await self._home.newest_file(team, person)
        return None if file is None else await download(team.token, file, MAX_ARCHIVE_BYTES)

    async def _show_home(self, team: Team, person: Person) -> None:
        user = person.key.rsplit(":", 1)[1]
        try:
            view = await self._home.view(person)
            await call(team.client, "views.publish", user_id=user, view=view)
        except ChatError as error:
            metrics.ERRORS.labels("slack", "home").inc()
            log.warning("slack.home_not_drawn", why=str(error))


def _team_of(body: Body) -> str:
    return str(body["team_id"] if "team_id" in body else body["team"]["id"])


def _user_of(body: Body) -> str:
    return str(body["user_id"] if "user_id" in body else body["user"]["id"])


def _place_of(team: Team, body: Body) -> Place:
    """Where the person acted. The Home tab belongs to the direct messages."""
    if "channel_id" in body:
        return events.place(team.id, body["channel_id"], None)
    message = body.get("message") or {}
    thread = message.get("thread_ts") or (body.get("container") or {}).get("thread_ts")
    channel = (body.get("channel") or {}).get("id") or f"D{_user_of(body)[1:]}"
    return events.place(team.id, channel, thread)
