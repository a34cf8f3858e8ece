"""Catching up on Slack: reactions that changed, and messages left unanswered, while the bot was away.

Reads them after every new connection. Does not know what a reaction or a message means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias  # Slack's messages are JSON

import structlog

from adapters.shared.catch_up import ReactionCounts
from adapters.slack.connection import TokenRefused, pages, patiently, read
from adapters.slack.events import person
from adapters.slack.teams import Team, Teams
from bot import metrics
from bot.door.app import App
from bot.events import Place, Platform, ReactionState, Ref
from bot.ports import ChatError
from bot.ratings import BAD_BUTTON, GOOD_BUTTON

MAX_ANSWERS: Final = 1000
MAX_AGE: Final = timedelta(days=14)
AT_ONCE: Final = 4
TRIES: Final = 4
KINDS: Final = "public_channel,private_channel,im,mpim"

Take: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)


class CatchUp:
    """Compares Slack's state with the bot's, and tells the bot what is different."""

    def __init__(self, app: App, teams: Teams, take: Take, *, missed_max_age_s: float) -> None:
        self._app = app
        self._teams = teams
        self._take = take
        self._missed_max_age = timedelta(seconds=missed_max_age_s)
        self._reaction_counts: ReactionCounts[Ref] = ReactionCounts()

    def reacted(self, ref: Ref) -> None:
        """A reaction to this message has just arrived: what is being read of it may be old."""
        self._reaction_counts.add(ref)

    async def run(self) -> None:
        """Read everything that may have been missed. A workspace that does not answer is passed over."""
        now = self._app.context.clock()
        posted = await self._app.posted(Platform.SLACK, since=now - MAX_AGE, limit=MAX_ANSWERS)
        slots = asyncio.Semaphore(AT_ONCE)

        async def read_reply(reply: str, ref: Ref) -> int:
            async with slots:
                return await self._reactions(reply, ref)

        with self._reaction_counts.reading():
            async with asyncio.TaskGroup() as tasks:
                pieces = await self._piece_of_each(posted)
                reading = [tasks.create_task(read_reply(reply, ref)) for reply, ref in pieces.items()]
        if self._missed_max_age:
            threads = {(place.channel, place.thread) for _, place in posted if place.thread}
            await self._missed(now - self._missed_max_age, threads)
        log.info("slack.caught_up", answers=len(posted), changed=sum(task.result() for task in reading))

    # Reactions

    async def _piece_of_each(self, posted: Iterable[tuple[Ref, Place]]) -> dict[str, Ref]:
        """A piece of each reply, which leads to the reply's other pieces."""
        of_reply: dict[str, Ref] = {}
        for ref, _ in posted:
            reply = await self._app.reply_at(ref)
            if reply is not None:
                of_reply[reply.id] = ref
        return of_reply

    async def _reactions(self, reply: str, ref: Ref) -> int:
        """Store the reactions that this reply carries on Slack now. Returns how many sets changed."""
        pieces = await self._app.store.deliveries.pieces(reply)
        for _ in range(TRIES):
            before = self._reaction_counts.snapshot()
            emoji: dict[str, set[str]] = {}
            try:
                for piece in pieces:
                    await self._read(piece, emoji)
            except ChatError as error:
                log.info("slack.reactions_not_read", why=str(error))
                return 0
            now = self._reaction_counts.snapshot()
            if all(before[piece] == now[piece] for piece in pieces):
                return await self._app.reactions(await self._states(reply, ref, emoji))
        return 0  # it changes faster than it can be read; then each change arrives as an event

    async def _read(self, piece: Ref, emoji: dict[str, set[str]]) -> None:
        team_id, _, channel = piece.channel.partition("/")
        team = await self._teams.of(team_id)
        where = {"channel": channel, "timestamp": piece.id, "full": True}
        found = await patiently(lambda: read(team.client, "reactions.get", **where))
        for reaction in found["message"].get("reactions", ()):
            for user in reaction["users"]:
                if user != team.bot:
                    emoji.setdefault(person(team_id, user).key, set()).add(reaction["name"])

    async def _states(self, reply: str, ref: Ref, emoji: Mapping[str, set[str]]) -> list[ReactionState]:
        """Every person's set, also the sets of people who took all emoji off.

        A thumb pressed as a button is no reaction on Slack, so it is kept as it is stored.
        """
        stored = {key for key in await self._app.store.reactions.people_on(reply) if key.startswith("slack:")}
        states = []
        for key in stored | emoji.keys():
            before = await self._app.store.reactions.of(reply, key)
            thumbs = before & {GOOD_BUTTON, BAD_BUTTON}
            _, team, user = key.split(":", 2)
            now = frozenset(emoji.get(key, ())) | thumbs
            states.append(ReactionState(ref=ref, person=person(team, user), emoji=now))
        return states

    # Messages

    async def _missed(self, oldest: datetime, threads: Iterable[tuple[str, str | None]]) -> None:
        """Hear the messages that were missed and are not too old. A message heard twice counts once."""
        for team in await self._teams.all():
            try:
                channels = await self._channels(team)
            except ChatError as error:
                if isinstance(error, TokenRefused):
                    self._teams.refused(team.id)
                metrics.ERRORS.labels("slack", "catch_up").inc()
                log.warning("slack.workspace_not_read", team=team.id, why=str(error))
                continue
            for channel in channels:
                await self._retake(team, channel, oldest, None)
        for place, thread in threads:
            team_id, _, channel = place.partition("/")
            try:
                team = await self._teams.of(team_id)
            except ChatError as error:  # the app is no longer installed there
                log.info("slack.workspace_not_read", team=team_id, why=str(error))
                continue
            await self._retake(team, channel, oldest, thread)

    async def _channels(self, team: Team) -> list[str]:
        """Every channel that the bot is in."""
        return [
            channel["id"]
            async for channel in pages(team.client, "users.conversations", "channels", types=KINDS)
        ]

    async def _retake(self, team: Team, channel: str, oldest: datetime, thread: str | None) -> None:
        method = "conversations.replies" if thread else "conversations.history"
        where = {"channel": channel, "oldest": f"{oldest.timestamp():.6f}"}
        try:
            thread_ts = {"ts": thread} if thread else {}
            found = [
                message async for message in pages(team.client, method, "messages", **where, **thread_ts)
            ]
        except ChatError as error:
            log.info("slack.channel_not_read", channel=channel, why=str(error))
            return
        for message in sorted(found, key=lambda message: float(message["ts"])):
            event = {**message, "type": "message", "channel": channel}
            event.pop("edited", None)  # the text of now is heard as the message, not as a change of it
            await self._take({"team_id": team.id, "event": event})
