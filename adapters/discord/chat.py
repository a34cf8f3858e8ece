"""Nightloom on Discord: hands messages and reactions to the bot, and posts the bot's answers.

Mention me to talk. Reply to teach. React to rate. In a direct message a plain message talks. Knows Discord
and nothing of learning. Its parts: events, sending, interactions, catch_up, gate, connection.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import aiohttp
import discord
import structlog
from aiohttp.web import RouteDef
from discord.app_commands import CommandTree

from adapters.discord import events
from adapters.discord.catch_up import CatchUp
from adapters.discord.commands import command_tree
from adapters.discord.connection import Connection
from adapters.discord.events import Said
from adapters.discord.gate import Gate
from adapters.discord.interactions import Interactions
from adapters.discord.sending import Sender
from adapters.discord.views import button_class
from adapters.shared.bounded import BoundedDict
from adapters.shared.catch_up import CatchUpRuns
from bot import metrics
from bot.door.app import App
from bot.errors import BotError, NotYours, Refused, TooMany, Unknown
from bot.events import (
    Deletion,
    Edit,
    Notice,
    Outgoing,
    Person,
    Place,
    Platform,
    Progress,
    Reaction,
    Ref,
    Reply,
)
from bot.ports import ChatError
from bot.settings import DiscordSettings

REFUSAL_EVERY_S = 60.0
MAX_REMEMBERED = 10_000
REGISTER_AGAIN_S = 60.0
TICK = timedelta(microseconds=1)

EMPTY = "There is nothing here that I can read: write your question. To teach, reply to an answer of mine."
BLANK = (
    "I cannot read this reply: I am not allowed to see messages that do not mention me. "
    "Reply with the mention on, or use *Apps, Correct this* on my answer."
)

log = structlog.get_logger(__name__)


class DiscordChat:
    """The Chat for Discord. Start `run` beside the app that gets its events."""

    platform = Platform.DISCORD

    def __init__(self, settings: DiscordSettings, app: App) -> None:
        self._settings = settings
        self._app = app
        self._gate = Gate(settings)
        self._connection = Connection(settings, self._prepare)
        self._sender = Sender(self._connection, progress_after_s=settings.progress_after_s)
        self._interactions = Interactions(settings, app, self._gate, self._sender)
        self._catch_up = CatchUp(app, self._gate, self._hear_late, missed_max_age_s=settings.missed_max_age_s)
        self._catch_up_runs = CatchUpRuns(self.platform, lambda: self._catch_up.run(self._connection.client))
        self._lanes: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()
        self._heard: BoundedDict[int, None] = BoundedDict(MAX_REMEMBERED)
        self._refused_at: BoundedDict[str, float] = BoundedDict(MAX_REMEMBERED)
        self._trees: weakref.WeakKeyDictionary[discord.Client, CommandTree[discord.Client]]
        self._trees = weakref.WeakKeyDictionary()
        self._last_at = datetime.now(UTC)

    async def run(self) -> None:
        """Listen until `stop`, through every reconnection."""
        async with asyncio.TaskGroup() as tasks:
            self._sender.tasks = tasks
            beside = [tasks.create_task(self._register()), tasks.create_task(self._catch_up_runs.run())]
            try:
                await self._connection.run()
            finally:
                for task in beside:
                    task.cancel()
                self._sender.tasks = None
                await self._sender.stop()

    async def stop(self) -> None:
        await self._connection.stop()

    def routes(self) -> Sequence[RouteDef]:
        """Discord's events come through its gateway alone."""
        return ()

    # Chat

    async def post(self, outgoing: Outgoing) -> Sequence[Ref]:
        return await self._sender.post(outgoing)

    async def working(self, place: Place, question: Ref, progress: Progress | None) -> None:
        await self._sender.working(place, question, progress)

    async def idle(self, place: Place, question: Ref) -> None:
        await self._sender.idle(place, question)

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> None:
        await self._sender.tell(person, place, notice)

    # Discord's events. discord.py calls each handler in a task of its own, in the order of the events.

    async def on_ready(self) -> None:
        """A new session begins: the events since the last session were not sent."""
        self._catch_up_runs.missed()

    async def on_shard_ready(self, shard_id: int) -> None:
        """The same for one of several connections."""
        self._catch_up_runs.missed()

    async def on_resumed(self) -> None:
        """Discord replays the missed events, most of the time."""
        self._catch_up_runs.missed()

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        log.warning("the bot was removed from a server", server=guild.name, id=guild.id)

    async def on_message(self, message: discord.Message) -> None:
        async with self._lane(message.channel.id):
            await self._hear(message)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        async with self._lane(payload.channel_id):
            await self._changed(payload.message)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        async with self._lane(payload.channel_id):
            await self._deleted(payload.channel_id, payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        async with self._lane(payload.channel_id):
            for message_id in payload.message_ids:
                await self._deleted(payload.channel_id, message_id)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reacted(payload, on=True)

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reacted(payload, on=False)

    async def on_raw_reaction_clear(self, payload: discord.RawReactionClearEvent) -> None:
        await self._cleared(payload.channel_id, payload.message_id)

    async def on_raw_reaction_clear_emoji(self, payload: discord.RawReactionClearEmojiEvent) -> None:
        await self._cleared(payload.channel_id, payload.message_id)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        if interaction.type is discord.InteractionType.modal_submit:
            await self._interactions.submitted(interaction)

    # Messages

    async def _hear_late(self, message: discord.Message) -> None:
        """A message that catching up has found: heard now, unless it was heard before."""
        if message.id in self._heard:
            return
        async with self._lane(message.channel.id):
            await self._hear(message)
            if message.edited_at is not None:
                await self._changed(message)

    async def _hear(self, message: discord.Message) -> None:
        said = await self._said(message)
        if said is None:
            return
        try:
            await self._route(said, message)
        except (Unknown, NotYours):
            pass  # people talk among themselves
        except BotError as error:
            await self._refuse(said, error)
        except Exception:  # discord.py logs it; the message is still on Discord, to be read from there
            self._catch_up_runs.missed()
            raise
        self._heard[message.id] = None

    async def _route(self, said: Said, message: discord.Message) -> None:
        """Decide whether the message talks or teaches, by the rule in the module's docstring."""
        under = await self._app.reply_at(said.replies_to) if said.replies_to else None
        talks = said.is_mention or (said.place.is_private and under is None)
        teaches = under is not None and under.person == said.person.key
        if talks or teaches:
            said = await events.with_files(said, message)
        if talks:
            await self._talk(said, under)
        elif teaches:
            await self._teach(said, said.replies_to)
        elif said.replies_to is None and said.place.thread and said.text and not said.names_others:
            await self._teach_in_thread(said)

    async def _talk(self, said: Said, under: Reply | None) -> None:
        if not said.text:
            if said.is_readable:
                raise Refused("empty", EMPTY)
            return
        mode = self._settings.channel_modes.get(int(said.place.channel))
        await self._app.message(said.message(mode=mode, reply_to=under.id if under else None))

    async def _teach(self, said: Said, to: Ref | None) -> None:
        if not said.is_readable and not self._connection.has_content:
            raise Refused("unreadable", BLANK)
        await self._app.thread_reply(said.thread_reply(to))

    async def _teach_in_thread(self, said: Said) -> None:
        """It teaches about the latest answer to this person in the thread, else about the first message."""
        try:
            await self._teach(said, None)
        except Unknown:
            if said.thread_start is not None:
                await self._teach(said, said.thread_start)

    async def _changed(self, message: discord.Message) -> None:
        # Discord also "edits" a message when it has looked at its links.
        if message.edited_at is None:
            return
        said = await self._said(message)
        if said is None or await self._app.store.inbox.at(said.ref) is None:
            return
        said = await events.with_files(said, message)
        if not said.text:
            return
        edit = Edit(
            event=f"edit:{said.ref.id}:{message.edited_at.timestamp()}",
            ref=said.ref,
            person=said.person,
            text=said.text,
            at=message.edited_at,
        )
        try:
            await self._app.edit(edit)
        except (Unknown, NotYours):
            return
        except BotError as error:
            await self._refuse(said, error)

    async def _deleted(self, channel_id: int, message_id: int) -> None:
        ref = events.ref(channel_id, message_id)
        try:
            await self._app.delete(Deletion(event=f"delete:{message_id}", ref=ref, at=self._now()))
        except Unknown:
            return

    async def _said(self, message: discord.Message) -> Said | None:
        """The message in neutral terms; None where its author is not answered here."""
        client = self._connection.client
        if client.user is None or (said := events.said(message, client.user)) is None:
            return None
        guild_id = message.guild.id if message.guild else getattr(message.channel, "guild_id", None)
        admitted = await self._gate.admits(client, message.author, message.channel, guild_id)
        return said if admitted else None

    async def _refuse(self, said: Said, error: BotError) -> None:
        """Tell the person why, under the message, at most once a minute."""
        log.info("refused", person=said.person.key, code=error.code)
        now, key = time.monotonic(), said.person.key
        is_blocked = isinstance(error, Refused) and error.code == "blocked"
        if is_blocked or now - self._refused_at.get(key, -REFUSAL_EVERY_S) < REFUSAL_EVERY_S:
            return
        self._refused_at[key] = now
        try:
            await self._sender.answer(said.place, said.ref, error.message)
        except ChatError as failure:
            log.info("the refusal could not be told", error=str(failure))
        if isinstance(error, TooMany):
            metrics.ERRORS.labels("discord", error.code).inc()

    # Reactions

    async def _reacted(self, payload: discord.RawReactionActionEvent, *, on: bool) -> None:
        at = self._now()  # taken first: of two events about one emoji the later event counts
        client = self._connection.client
        if client.user is None or payload.user_id == client.user.id:
            return
        is_others = on and payload.message_author_id not in (None, client.user.id)
        if is_others or (payload.member is not None and payload.member.bot):
            return
        self._catch_up.reacted(payload.message_id)
        user = payload.member or client.get_user(payload.user_id)
        if on and not await self._admits_reaction(client, payload):
            return
        ref = events.ref(payload.channel_id, payload.message_id)
        key = f"discord:{payload.user_id}"
        person = events.person(user) if user else Person(key=key, platform=Platform.DISCORD)
        emoji = events.emoji_name(payload.emoji)
        event = f"reaction:{payload.message_id}:{payload.user_id}:{emoji}:{on}:{at.timestamp()}"
        reaction = Reaction(event=event, ref=ref, person=person, emoji=emoji, on=on, at=at)
        await self._app.reaction(reaction)

    async def _admits_reaction(self, client: discord.Client, payload: discord.RawReactionActionEvent) -> bool:
        """Only people who are answered here can put a reaction on. Everybody can take a reaction off."""
        if not self._gate.admits_person(payload.user_id):
            return False
        guild = client.get_guild(payload.guild_id) if payload.guild_id else None
        channel = guild.get_channel_or_thread(payload.channel_id) if guild else None
        roles = [role.id for role in payload.member.roles] if payload.member else None
        return self._gate.admits_channel(
            channel or discord.Object(payload.channel_id), payload.guild_id
        ) and await self._gate.admits_roles(client, payload.user_id, payload.guild_id, roles)

    async def _cleared(self, channel_id: int, message_id: int) -> None:
        """A moderator took reactions off. Discord does not say whose, so the reactions left are read."""
        self._catch_up.reacted(message_id)
        ref = events.ref(channel_id, message_id)
        if await self._app.reply_at(ref) is not None:
            await self._catch_up.reactions(self._connection.client, [ref])

    # The session

    def _prepare(self, client: discord.Client) -> None:
        """Register handlers, buttons and commands with a new client."""
        for handler in (
            # Where one of several shards connects anew, only `on_shard_ready` is called.
            self.on_shard_ready if isinstance(client, discord.AutoShardedClient) else self.on_ready,
            self.on_resumed,
            self.on_guild_remove,
            self.on_message,
            self.on_raw_message_edit,
            self.on_raw_message_delete,
            self.on_raw_bulk_message_delete,
            self.on_raw_reaction_add,
            self.on_raw_reaction_remove,
            self.on_raw_reaction_clear,
            self.on_raw_reaction_clear_emoji,
            self.on_interaction,
        ):
            client.event(handler)
        client.add_dynamic_items(button_class(self._interactions.pressed))
        self._trees[client] = command_tree(client, self._interactions)

    async def _register(self) -> None:
        """Tell Discord the commands, once for each start."""
        while True:
            client = await self._connection.logged_in()
            try:
                await self._trees[client].sync()
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                log.warning("the slash commands could not be registered", error=repr(error))
                await asyncio.sleep(REGISTER_AGAIN_S)
            else:
                return

    def _lane(self, channel_id: int) -> asyncio.Lock:
        """The lock that keeps a channel's events in their order."""
        return self._lanes.setdefault(channel_id, asyncio.Lock())

    def _now(self) -> datetime:
        """The time now, always later than the time given before."""
        self._last_at = max(datetime.now(UTC), self._last_at + TICK)
        return self._last_at
