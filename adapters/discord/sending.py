"""Posts answers and notices to Discord, each once, and shows the progress of an answer. Knows no events.

Where Discord may have taken a message, it is sent again under the same nonce. Discord remembers a nonce for
some minutes. After that the channel is searched for the message first.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import discord
import structlog

from adapters.discord import events
from adapters.discord.calls import (
    CALL_TIMEOUT_S,
    CANNOT_DIRECT,
    CANNOT_REPLY,
    MISSING_ACCESS,
    THREAD_ARCHIVED,
    UNKNOWN_MESSAGE,
    call,
    call_in_open_thread,
    code_of,
    files,
    make_nonce,
    post,
    say,
)
from adapters.discord.connection import Connection
from adapters.discord.progress import PROGRESS_MARK, ProgressDisplay
from adapters.discord.views import buttons
from adapters.shared import side_by_side
from adapters.shared.bounded import BoundedDict
from adapters.shared.splitting import split
from bot import metrics
from bot.events import Notice, Outgoing, Person, Place, Progress, Ref
from bot.ports import ChatError, Undeliverable, Unreachable

LIMIT_CHARS = 2000
LOGIN_MAY_TAKE_S = 5.0  # a notice to one person keeps the others waiting
LOOK_BACK_MESSAGES = 1000
CLOCK_SKEW = timedelta(seconds=5)  # between this machine and Discord
MAX_REMEMBERED = 2000
TELL_CLOSED_AGAIN_S = 3600.0

log = structlog.get_logger(__name__)


class Sender:
    """Sends everything. `tasks` is the task group of its owner, which lives as long as the adapter runs."""

    def __init__(self, connection: Connection, *, progress_after_s: float) -> None:
        self._connection = connection
        self._progress_after_s = progress_after_s
        self._started_at = datetime.now(UTC)
        self._tried: BoundedDict[str, None] = BoundedDict(MAX_REMEMBERED)
        self._displays: dict[str, ProgressDisplay] = {}  # a display ends by itself after a while
        self._progress_messages: BoundedDict[str, int] = BoundedDict(MAX_REMEMBERED)  # by question
        self._asked: BoundedDict[str, int] = BoundedDict(
            MAX_REMEMBERED
        )  # a slash command's question → message
        self._told_closed: BoundedDict[str, float] = BoundedDict(MAX_REMEMBERED)  # by person, when
        self.tasks: asyncio.TaskGroup | None = None

    # Answers

    async def post(self, outgoing: Outgoing) -> Sequence[Ref]:
        """See bot.ports.Chat.post."""
        await self._connection.logged_in()
        texts = split(_text(outgoing), LIMIT_CHARS) or ["…"]
        slots = [int(ref.id) for ref in outgoing.replaces]
        slots += await self._end_progress(outgoing.question)
        is_unsure = outgoing.key in self._tried or _is_old(outgoing, self._started_at)
        self._tried[outgoing.key] = None
        try:
            if is_unsure:
                slots += [found for found in await self._look_back(outgoing, texts) if found not in slots]
            refs = await self._fill(outgoing, self._channel(outgoing.place), texts, slots)
        except Undeliverable as error:
            _count(error)
            if code_of(error) == MISSING_ACCESS and not self._is_member(outgoing.place):
                raise Undeliverable("The bot was removed from this server: invite it again.") from error
            raise
        except ChatError as error:
            _count(error)
            raise
        if outgoing.question:
            self._progress_messages.pop(outgoing.question.id, None)
        return refs

    async def _fill(
        self,
        outgoing: Outgoing,
        place: discord.PartialMessageable,
        texts: Sequence[str],
        slots: Sequence[int],
    ) -> Sequence[Ref]:
        """Write the pieces over the messages in `slots`, post further pieces, delete surplus messages."""
        refs: list[Ref] = []
        for index, text in enumerate(texts):
            view = buttons(side_by_side.actions_of(outgoing)) if index == len(texts) - 1 else None
            posted = None
            if index < len(slots):
                posted = await self._rewrite(place, slots[index], text, view)
            if posted is None:
                question = outgoing.question if index == 0 else None
                posted = await self._send(place, text, view, question, make_nonce(outgoing.key, index))
            refs.append(events.ref(place.id, posted))
        for surplus in slots[len(texts) :]:
            await self._remove(place, surplus)
        return refs

    async def _send(
        self,
        place: discord.PartialMessageable,
        text: str,
        view: discord.ui.View | None,
        question: Ref | None,
        nonce: str,
    ) -> int:
        reference = self._reference(question)
        try:
            sent = await call(post(place, text, view, reference, nonce))
        except Undeliverable as error:
            if reference is None or code_of(error) not in CANNOT_REPLY:
                raise
            sent = await call(post(place, text, view, None, nonce))
        return sent.id

    async def _rewrite(
        self, place: discord.PartialMessageable, message_id: int, text: str, view: discord.ui.View | None
    ) -> int | None:
        """Edit a message of the bot. None: somebody deleted the message, or its thread stays archived."""
        message, none = place.get_partial_message(message_id), discord.AllowedMentions.none()
        client = self._connection.client
        try:
            await call_in_open_thread(
                client, place.id, lambda: message.edit(content=text, view=view, allowed_mentions=none)
            )
        except Undeliverable as error:
            if code_of(error) in (UNKNOWN_MESSAGE, THREAD_ARCHIVED):
                return None
            raise
        return message_id

    async def _remove(self, place: discord.PartialMessageable, message_id: int) -> None:
        message, client = place.get_partial_message(message_id), self._connection.client
        try:
            await call_in_open_thread(client, place.id, message.delete)
        except Undeliverable as error:
            if code_of(error) != UNKNOWN_MESSAGE:
                raise

    async def _look_back(self, outgoing: Outgoing, texts: Sequence[str]) -> list[int]:
        """The pieces of this answer that an earlier try has posted, in order, or its progress message.

        Reads on, page after page, until every piece is found or the limit of messages is reached.
        """
        place = self._channel(outgoing.place)
        since = (outgoing.reply.at or self._started_at) - CLOCK_SKEW
        question = self._reference(outgoing.question)
        asked = question.message_id if question else None
        after = discord.Object(asked or discord.utils.time_snowflake(since))
        found: list[int] = []
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                async for message in place.history(limit=LOOK_BACK_MESSAGES, after=after, oldest_first=True):
                    if self._is_piece(message, texts, len(found), asked):
                        found.append(message.id)
                    if len(found) == len(texts):
                        break
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            # Without the right to read the history only the nonce prevents a second post.
            log.warning("the channel could not be searched", channel=place.id, error=repr(error))
        return found

    def _is_piece(
        self, message: discord.Message, texts: Sequence[str], index: int, asked: int | None
    ) -> bool:
        bot = self._connection.client.user
        if bot is None or message.author.id != bot.id or index >= len(texts):
            return False
        replies_to = message.reference.message_id if message.reference else None
        if index == 0 and replies_to != asked:
            return False
        is_progress = index == 0 and message.content.startswith(PROGRESS_MARK) and asked is not None
        return is_progress or message.content.strip() == texts[index].strip()

    # Progress

    async def working(self, place: Place, question: Ref, progress: Progress | None) -> None:
        """See bot.ports.Chat.working."""
        if self.tasks is None or not self._connection.is_open:
            return
        display = self._displays.get(question.id)
        if display is None:
            channel = self._channel(place)
            reference = self._reference(question)
            display = ProgressDisplay(channel, reference, progress_after_s=self._progress_after_s)
            self._displays[question.id] = display
            self.tasks.create_task(
                self._display(question.id, display), name=f"discord-progress-{question.id}"
            )
        if progress is not None:
            display.offer(progress)

    async def idle(self, place: Place, question: Ref) -> None:
        """See bot.ports.Chat.idle."""
        for message_id in await self._end_progress(question):
            self._progress_messages.pop(question.id, None)
            try:
                await self._remove(self._channel(place), message_id)
            except ChatError as error:
                log.warning("a progress message stays", question=question.id, error=str(error))

    async def stop(self) -> None:
        """Show no progress any more. The questions stay in the inbox."""
        for display in list(self._displays.values()):
            await display.stop()

    async def _display(self, question: str, display: ProgressDisplay) -> None:
        """Show progress until the display ends. What it posted is kept for the answer to be written over."""
        await display.run()
        if display.message_id is not None:
            self._progress_messages[question] = display.message_id
        if self._displays.get(question) is display:
            del self._displays[question]

    async def _end_progress(self, question: Ref | None) -> list[int]:
        """The message that shows the progress of this question's answer, to write the answer over."""
        if question is None:
            return []
        display = self._displays.pop(question.id, None)
        if display is not None:
            await display.stop()
            if display.message_id is not None:
                self._progress_messages[question.id] = display.message_id
        message_id = self._progress_messages.get(question.id)
        return [] if message_id is None else [message_id]

    # Notices

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> None:
        """See bot.ports.Chat.tell. Where the person's direct messages are closed, the place says so."""
        try:
            async with asyncio.timeout(LOGIN_MAY_TAKE_S):
                await self._connection.logged_in()
        except TimeoutError as error:
            raise Unreachable("Discord cannot be reached now.") from error
        try:
            if place is not None and place.is_private:
                channel = self._channel(place)
            else:
                channel = await self._direct(person)
            await self.say(channel, notice)
        except Undeliverable as error:
            _count(error)
            if code_of(error) != CANNOT_DIRECT or place is None or place.is_private:
                raise
            await self._tell_closed(person, place)
            raise
        except ChatError as error:
            _count(error)
            raise

    async def say(self, channel: discord.PartialMessageable, notice: Notice) -> None:
        texts = split(notice.text, LIMIT_CHARS) or ["…"]
        for index, text in enumerate(texts):
            is_last = index == len(texts) - 1
            view = buttons(notice.actions) if is_last else None
            attached = files(notice) if is_last else []
            await call(say(channel, text, view, attached))

    async def answer(self, place: Place, question: Ref, text: str) -> None:
        """A text under somebody's message that is no answer. The same text is posted once."""
        nonce = make_nonce(f"{question.id} {text}", 0)
        await self._send(self._channel(place), text, None, question, nonce)

    async def _tell_closed(self, person: Person, place: Place) -> None:
        """Say in the place that the direct messages are closed, at most once an hour."""
        told_at = self._told_closed.get(person.key, -math.inf)
        if time.monotonic() - told_at < TELL_CLOSED_AGAIN_S:
            return
        self._told_closed[person.key] = time.monotonic()
        name = person.name or "you"
        text = (
            f"{name}, I have something to tell you alone, but your direct messages are closed to me. "
            "Open them for this server, or see `/nightloom me`."
        )
        channels = [self._channel(place)]
        if place.thread:  # a thread may be locked; its channel is open
            channels.append(self._channel(replace(place, thread=None)))
        for channel in channels:
            try:
                await call(say(channel, text, None, []))
            except ChatError as error:
                log.info("the person could not be told there", person=person.key, error=str(error))
            else:
                return

    async def _direct(self, person: Person) -> discord.PartialMessageable:
        user = discord.Object(events.user_id(person.key))
        client = self._connection.client
        direct = await call(client.create_dm(user))
        return client.get_partial_messageable(direct.id)

    # Questions and their messages

    def asked(self, ref: Ref, message_id: int) -> None:
        """This message shows the question of a slash command. The answer replies to the message."""
        self._asked[ref.id] = message_id

    def _is_member(self, place: Place) -> bool:
        """Whether the bot is in the server of this place. Discord tells all channels of its servers."""
        return place.is_private or self._connection.client.get_channel(int(place.channel)) is not None

    def _channel(self, place: Place) -> discord.PartialMessageable:
        return self._connection.client.get_partial_messageable(events.channel_id(place))

    def _reference(self, question: Ref | None) -> discord.MessageReference | None:
        if question is None:
            return None
        message_id = self._asked.get(question.id) or (int(question.id) if question.id.isdigit() else None)
        if message_id is None:
            return None
        return discord.MessageReference(
            message_id=message_id, channel_id=int(question.channel), fail_if_not_exists=False
        )


def _text(outgoing: Outgoing) -> str:
    reply = outgoing.reply
    heading = " ".join((reply.heading or "").split())  # Discord's small print is one line
    return side_by_side.text_of(outgoing, f"-# {heading}\n{reply.text}" if heading else reply.text)


def _count(error: ChatError) -> None:
    metrics.ERRORS.labels("discord", type(error).__name__).inc()
    log.warning("a message was not sent", error=str(error))


def _is_old(outgoing: Outgoing, started_at: datetime) -> bool:
    """Whether the question or answer is older than this process: another process may have sent the answer."""
    if outgoing.reply.at is None or outgoing.reply.at < started_at:
        return True
    question = outgoing.question.id if outgoing.question else ""
    return question.isdigit() and discord.utils.snowflake_time(int(question)) < started_at + CLOCK_SKEW
