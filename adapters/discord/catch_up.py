"""Catching up on Discord: reactions changed, and messages left unanswered, while the bot was away.

Reads them through REST after every new session. Does not know what a reaction or a message means.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import aiohttp
import discord
import structlog

from adapters.discord import events as events
from adapters.discord.gate import Gate
from adapters.shared.catch_up import ReactionCounts
from bot.door.app import App
from bot.events import Person, Place, Platform, ReactionState, Ref

MAX_ANSWERS = 1000
ANSWERS_MAX_AGE = timedelta(days=14)
PLACES_MAX_AGE = timedelta(days=30)
PAGE = 100
MISSED_PER_CHANNEL = 500
TRIES = 4
AT_ONCE = 4

Hear: TypeAlias = Callable[[discord.Message], Awaitable[None]]
_PASSING = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ReplyReactions:
    """The reactions that all pieces of one reply carry now, by the user's id."""

    ref: Ref
    emoji: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    people: dict[int, Person] = field(default_factory=dict)


class CatchUp:
    """Compares Discord's state with the bot's, and tells the bot what is different."""

    def __init__(self, app: App, gate: Gate, hear: Hear, *, missed_max_age_s: float) -> None:
        self._app = app
        self._gate = gate
        self._hear = hear
        self._missed_max_age = timedelta(seconds=missed_max_age_s)
        self._reaction_counts: ReactionCounts[int] = ReactionCounts()

    def reacted(self, message_id: int) -> None:
        """A reaction to this message has just arrived: what is being read of it may be old."""
        self._reaction_counts.add(message_id)

    async def run(self, client: discord.Client) -> None:
        """Read everything that may have been missed. A channel that cannot be read is passed over."""
        posted = await self._app.posted(
            Platform.DISCORD, since=datetime.now(UTC) - PLACES_MAX_AGE, limit=MAX_ANSWERS
        )
        await self._missed(client, [place for _, place in posted])
        recent = discord.utils.time_snowflake(datetime.now(UTC) - ANSWERS_MAX_AGE)
        changed = await self.reactions(client, [ref for ref, _ in posted if int(ref.id) > recent])
        log.info("caught up with Discord", answers=len(posted), reactions_changed=changed)

    # Reactions

    async def reactions(self, client: discord.Client, refs: Iterable[Ref]) -> int:
        """Store the reactions that these messages carry now. Returns how many sets changed."""
        by_channel: dict[int, list[int]] = defaultdict(list)
        for ref in refs:
            by_channel[int(ref.channel)].append(int(ref.id))
        slots = asyncio.Semaphore(AT_ONCE)

        async def read_channel(channel: int, messages: list[int]) -> int:
            async with slots:
                try:
                    return await self._channel_reactions(client, channel, messages)
                except _PASSING as error:
                    log.warning("reactions were not read", channel=channel, error=repr(error))
                    return 0

        with self._reaction_counts.reading():
            async with asyncio.TaskGroup() as tasks:
                reading = [tasks.create_task(read_channel(*channel)) for channel in by_channel.items()]
        return sum(task.result() for task in reading)

    async def _channel_reactions(self, client: discord.Client, channel: int, messages: list[int]) -> int:
        left = set(messages)
        changed = 0
        place = client.get_partial_messageable(channel)
        while left:
            newest = max(left)
            counts = self._reaction_counts.snapshot()
            page = [message async for message in place.history(limit=PAGE, before=discord.Object(newest + 1))]
            there = {message.id: message for message in page}
            oldest = page[-1].id if len(page) == PAGE else 0
            covered = {message for message in left if message >= oldest}
            changed += await self._compare(client, channel, [there[m] for m in covered if m in there], counts)
            left -= covered
        return changed

    async def _compare(
        self,
        client: discord.Client,
        channel: int,
        messages: Sequence[discord.Message],
        counts: Counter[int],
    ) -> int:
        changed = 0
        done: set[str] = set()
        for message in sorted(messages, key=lambda message: message.id):
            reply = await self._app.reply_at(events.ref(channel, message.id))
            if reply is None or reply.id in done:
                continue
            done.add(reply.id)
            changed += await self._compare_reply(client, reply.id, {message.id: message}, counts)
        return changed

    async def _compare_reply(
        self,
        client: discord.Client,
        reply: str,
        known: Mapping[int, discord.Message],
        counts: Counter[int],
    ) -> int:
        """A reply may have several pieces. A person's set is all their emoji on any of the pieces."""
        pieces = await self._app.store.deliveries.pieces(reply)
        for attempt in range(TRIES):
            before = counts if attempt == 0 else self._reaction_counts.snapshot()
            found = ReplyReactions(pieces[0])
            for piece in pieces:
                message = known.get(int(piece.id)) if attempt == 0 else None
                await self._read(client, piece, message, found)
            now = self._reaction_counts.snapshot()
            if all(before[int(piece.id)] == now[int(piece.id)] for piece in pieces):
                return await self._app.reactions(await self._states(reply, found))
        return 0  # it changes faster than it can be read; then each change arrives as an event

    async def _read(
        self, client: discord.Client, piece: Ref, message: discord.Message | None, found: ReplyReactions
    ) -> None:
        if message is None:
            place = client.get_partial_messageable(int(piece.channel))
            try:
                message = await place.fetch_message(int(piece.id))
            except discord.NotFound:
                return
        for reaction in message.reactions:
            name = events.emoji_name(_partial(reaction.emoji))
            async for user in reaction.users(limit=None):
                if not user.bot and self._gate.admits_person(user.id):
                    found.emoji[user.id].add(name)
                    found.people[user.id] = events.person(user)

    async def _states(self, reply: str, found: ReplyReactions) -> list[ReactionState]:
        """Every person's set, also the empty sets of people who took all their emoji off."""
        people = {person.key: person for person in found.people.values()}
        sets = {found.people[user].key: frozenset(emoji) for user, emoji in found.emoji.items()}
        for key in await self._app.store.reactions.people_on(reply):
            if key.startswith("discord:") and self._gate.admits_person(events.user_id(key)):
                people.setdefault(key, Person(key=key, platform=Platform.DISCORD))
        return [
            ReactionState(ref=found.ref, person=person, emoji=sets.get(key, frozenset()))
            for key, person in people.items()
        ]

    # Messages

    async def _missed(self, client: discord.Client, places: Iterable[Place]) -> None:
        """Hear the messages that were missed and are not too old. A message heard twice counts once."""
        if not self._missed_max_age:
            return
        since = datetime.now(UTC) - self._missed_max_age
        slots = asyncio.Semaphore(AT_ONCE)

        async def read_channel(channel: int) -> None:
            async with slots:
                try:
                    await self._hear_channel(client, channel, since)
                except _PASSING as error:
                    log.info("a channel was not read", channel=channel, error=repr(error))

        async with asyncio.TaskGroup() as tasks:
            for channel in self._channels(client, places, since):
                tasks.create_task(read_channel(channel))

    async def _hear_channel(self, client: discord.Client, channel_id: int, since: datetime) -> None:
        channel = client.get_channel(channel_id) or await client.fetch_channel(channel_id)
        assert isinstance(channel, discord.abc.Messageable)
        async for message in channel.history(limit=MISSED_PER_CHANNEL, after=since, oldest_first=True):
            await self._hear(message)

    def _channels(self, client: discord.Client, places: Iterable[Place], since: datetime) -> set[int]:
        """Where somebody may have spoken since then.

        A server's channel tells its latest message; a direct-message channel must be read to know.
        """
        found = {events.channel_id(place) for place in places if place.is_private}
        horizon = discord.utils.time_snowflake(since)
        for guild in client.guilds:
            channels: list[discord.TextChannel | discord.Thread] = [*guild.text_channels, *guild.threads]
            for channel in channels:
                is_newer = (channel.last_message_id or 0) > horizon
                if is_newer and self._gate.admits_channel(channel, guild.id) and _is_open(channel):
                    found.add(channel.id)
        return found


def _is_open(channel: discord.TextChannel | discord.Thread) -> bool:
    me = channel.guild.me
    try:
        may = channel.permissions_for(me)
    except discord.ClientException:  # a thread in an unknown channel
        return True
    return may.view_channel and may.read_message_history


def _partial(emoji: discord.PartialEmoji | discord.Emoji | str) -> discord.PartialEmoji:
    if isinstance(emoji, discord.PartialEmoji):
        return emoji
    if isinstance(emoji, discord.Emoji):
        return discord.PartialEmoji(name=emoji.name, id=emoji.id)
    return discord.PartialEmoji(name=emoji)
