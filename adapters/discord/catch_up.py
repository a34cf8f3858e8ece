"""What happened on Discord while the bot was away: reactions put on and taken off, messages unanswered.

Reads it back through REST, after every new session. Knows nothing of what a reaction or message means.
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
from adapters.shared.reacted_meanwhile import Touched
from bot.door.app import App
from bot.events import Person, Place, Platform, ReactionState, Ref

ANSWERS_READ_BACK = 1000
READ_BACK = timedelta(days=14)
PLACES_READ_BACK = timedelta(days=30)
PAGE = 100
MISSED_PER_CHANNEL = 500
TRIES = 4
AT_ONCE = 4

Hear: TypeAlias = Callable[[discord.Message], Awaitable[None]]
_PASSING = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Found:
    """What stands on the pieces of one reply now."""

    ref: Ref
    emoji: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    names: dict[int, Person] = field(default_factory=dict)


class CatchUp:
    """Compares Discord's state with the bot's, and tells the bot what is different."""

    def __init__(self, app: App, gate: Gate, hear: Hear, *, missed_max_age_s: float) -> None:
        self._app = app
        self._gate = gate
        self._hear = hear
        self._missed_max_age = timedelta(seconds=missed_max_age_s)
        self._touched: Touched[int] = Touched()

    def touched(self, message_id: int) -> None:
        """A reaction was heard of just now: what is being read back may be older than that."""
        self._touched.heard(message_id)

    async def run(self, client: discord.Client) -> None:
        """Read back everything that may have been missed. Carries on past channels that are closed to it."""
        posted = await self._app.posted(
            Platform.DISCORD, since=datetime.now(UTC) - PLACES_READ_BACK, limit=ANSWERS_READ_BACK
        )
        await self._missed(client, [place for _, place in posted])
        recent = discord.utils.time_snowflake(datetime.now(UTC) - READ_BACK)
        changed = await self.reactions(client, [ref for ref, _ in posted if int(ref.id) > recent])
        log.info("Discord read back", answers=len(posted), reactions_changed=changed)

    # Reactions

    async def reactions(self, client: discord.Client, refs: Iterable[Ref]) -> int:
        """Make the stored reactions those that stand on these messages; how many sets changed."""
        by_channel: dict[int, list[int]] = defaultdict(list)
        for ref in refs:
            by_channel[int(ref.channel)].append(int(ref.id))
        slots = asyncio.Semaphore(AT_ONCE)
        changed = [0]

        async def one(channel: int, messages: list[int]) -> None:
            async with slots:
                try:
                    changed[0] += await self._channel_reactions(client, channel, messages)
                except _PASSING as error:
                    log.warning("reactions were not read back", channel=channel, error=repr(error))

        with self._touched.watched():
            async with asyncio.TaskGroup() as tasks:
                for channel, messages in by_channel.items():
                    tasks.create_task(one(channel, messages))
        return changed[0]

    async def _channel_reactions(self, client: discord.Client, channel: int, messages: list[int]) -> int:
        left = set(messages)
        changed = 0
        place = client.get_partial_messageable(channel)
        while left:
            newest = max(left)
            marks = self._touched.counts()
            page = [message async for message in place.history(limit=PAGE, before=discord.Object(newest + 1))]
            there = {message.id: message for message in page}
            oldest = page[-1].id if len(page) == PAGE else 0
            covered = {message for message in left if message >= oldest}
            changed += await self._compare(client, channel, [there[m] for m in covered if m in there], marks)
            left -= covered
        return changed

    async def _compare(
        self,
        client: discord.Client,
        channel: int,
        messages: Sequence[discord.Message],
        marks: Counter[int],
    ) -> int:
        changed = 0
        done: set[str] = set()
        for message in sorted(messages, key=lambda message: message.id):
            reply = await self._app.reply_at(events.ref(channel, message.id))
            if reply is None or reply.id in done:
                continue
            done.add(reply.id)
            changed += await self._compare_reply(client, reply.id, {message.id: message}, marks)
        return changed

    async def _compare_reply(
        self,
        client: discord.Client,
        reply: str,
        known: Mapping[int, discord.Message],
        marks: Counter[int],
    ) -> int:
        """A reply may stand in several messages; a person's set is what they have on any of them."""
        pieces = await self._app.store.replies.pieces(reply)
        for attempt in range(TRIES):
            before = marks if attempt == 0 else self._touched.counts()
            found = Found(pieces[0])
            for piece in pieces:
                message = known.get(int(piece.id)) if attempt == 0 else None
                await self._read(client, piece, message, found)
            now = self._touched.counts()
            if all(before[int(piece.id)] == now[int(piece.id)] for piece in pieces):
                return await self._app.reactions(await self._states(reply, found))
        return 0  # it changes faster than it is read: then every change is heard of

    async def _read(
        self, client: discord.Client, piece: Ref, message: discord.Message | None, found: Found
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
                    found.names[user.id] = events.person(user)

    async def _states(self, reply: str, found: Found) -> list[ReactionState]:
        """Also for people who have nothing left on it."""
        people = {person.key: person for person in found.names.values()}
        sets = {found.names[user].key: frozenset(emoji) for user, emoji in found.emoji.items()}
        for key in await self._app.store.reactions.people_on(reply):
            if key.startswith("discord:") and self._gate.admits_person(events.user_id(key)):
                people.setdefault(key, Person(key=key, platform=Platform.DISCORD))
        return [
            ReactionState(ref=found.ref, person=person, emoji=sets.get(key, frozenset()))
            for key, person in people.items()
        ]

    # Messages

    async def _missed(self, client: discord.Client, places: Iterable[Place]) -> None:
        """Hear what was said while nobody listened, if it is not too old. Heard twice it counts once."""
        if not self._missed_max_age:
            return
        since = datetime.now(UTC) - self._missed_max_age
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(channel: int) -> None:
            async with slots:
                try:
                    await self._hear_channel(client, channel, since)
                except _PASSING as error:
                    log.info("a channel was not read back", channel=channel, error=repr(error))

        async with asyncio.TaskGroup() as tasks:
            for channel in self._channels(client, places, since):
                tasks.create_task(one(channel))

    async def _hear_channel(self, client: discord.Client, channel_id: int, since: datetime) -> None:
        channel = client.get_channel(channel_id) or await client.fetch_channel(channel_id)
        assert isinstance(channel, discord.abc.Messageable)
        async for message in channel.history(limit=MISSED_PER_CHANNEL, after=since, oldest_first=True):
            await self._hear(message)

    def _channels(self, client: discord.Client, places: Iterable[Place], since: datetime) -> set[int]:
        """Where somebody may have spoken since: direct messages tell it only when they are asked."""
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
    except discord.ClientException:  # a thread whose channel is not known
        return True
    return may.view_channel and may.read_message_history


def _partial(emoji: discord.PartialEmoji | discord.Emoji | str) -> discord.PartialEmoji:
    if isinstance(emoji, discord.PartialEmoji):
        return emoji
    if isinstance(emoji, discord.Emoji):
        return discord.PartialEmoji(name=emoji.name, id=emoji.id)
    return discord.PartialEmoji(name=emoji)
