"""What happened on Slack while the bot was away: reactions changed, messages unanswered.

Reads it back after every connection. Knows nothing of what a reaction or a message means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias  # Slack's messages are JSON

import structlog

from adapters.shared.reacted_meanwhile import Touched
from adapters.slack.connection import patiently, read
from adapters.slack.events import person
from adapters.slack.teams import Team, Teams
from bot import metrics
from bot.door.app import App
from bot.events import Place, Platform, ReactionState, Ref
from bot.ports import ChatError
from bot.ratings import BAD_BUTTON, GOOD_BUTTON

ANSWERS_READ_BACK: Final = 1000
READ_BACK: Final = timedelta(days=14)
AT_ONCE: Final = 4
PAGE: Final = 200
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
        self._touched: Touched[Ref] = Touched()

    def touched(self, ref: Ref) -> None:
        """A reaction was heard of just now: what is being read back may be older than that."""
        self._touched.heard(ref)

    async def run(self) -> None:
        """Read back everything that may have been missed. Carries on past workspaces that do not answer."""
        now = self._app.context.clock()
        posted = await self._app.posted(Platform.SLACK, since=now - READ_BACK, limit=ANSWERS_READ_BACK)
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(reply: str, ref: Ref) -> int:
            async with slots:
                return await self._reactions(reply, ref)

        with self._touched.watched():
            async with asyncio.TaskGroup() as tasks:
                pieces = await self._piece_of_each(posted)
                reading = [tasks.create_task(one(reply, ref)) for reply, ref in pieces.items()]
        if self._missed_max_age:
            threads = {(place.channel, place.thread) for _, place in posted if place.thread}
            await self._missed(now - self._missed_max_age, threads)
        log.info("slack.read_back", answers=len(posted), changed=sum(task.result() for task in reading))

    # Reactions

    async def _piece_of_each(self, posted: Iterable[tuple[Ref, Place]]) -> dict[str, Ref]:
        """One piece of each reply: its reactions are read on all of them."""
        of_reply: dict[str, Ref] = {}
        for ref, _ in posted:
            reply = await self._app.reply_at(ref)
            if reply is not None:
                of_reply[reply.id] = ref
        return of_reply

    async def _reactions(self, reply: str, ref: Ref) -> int:
        """Make the stored reactions to one reply those that stand on Slack; how many sets changed."""
        pieces = await self._app.store.replies.pieces(reply)
        for _ in range(TRIES):
            before = self._touched.counts()
            emoji: dict[str, set[str]] = {}
            try:
                for piece in pieces:
                    await self._read(piece, emoji)
            except ChatError as error:
                log.info("slack.reactions_not_read", why=str(error))
                return 0
            now = self._touched.counts()
            if all(before[piece] == now[piece] for piece in pieces):
                return await self._app.reactions(await self._states(reply, ref, emoji))
        return 0  # it changes faster than it is read: then every change is heard of

    async def _read(self, piece: Ref, emoji: dict[str, set[str]]) -> None:
        team_id, _, channel = piece.channel.partition("/")
        team = await self._teams.of(team_id)
        found = await _read(team, "reactions.get", channel=channel, timestamp=piece.id, full=True)
        for reaction in found["message"].get("reactions", ()):
            for user in reaction["users"]:
                if user != team.bot:
                    emoji.setdefault(person(team_id, user).key, set()).add(reaction["name"])

    async def _states(self, reply: str, ref: Ref, emoji: Mapping[str, set[str]]) -> list[ReactionState]:
        """Also for people who have nothing left on it. Clicked thumbs are no reactions, and stay."""
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
        """What was said while nobody listened, if it is not too old. Heard twice it counts once."""
        for team in await self._teams.all():
            try:
                channels = await self._channels(team)
            except ChatError as error:
                metrics.ERRORS.labels("slack", "catch_up").inc()
                log.warning("slack.workspace_not_read", team=team.id, why=str(error))
                continue
            for channel in channels:
                await self._retake(team, channel, oldest, None)
        for place, thread in threads:
            team_id, _, channel = place.partition("/")
            try:
                team = await self._teams.of(team_id)
            except ChatError as error:  # nobody has it installed any more
                log.info("slack.workspace_not_read", team=team_id, why=str(error))
                continue
            await self._retake(team, channel, oldest, thread)

    async def _channels(self, team: Team) -> list[str]:
        """Every channel that the bot is in."""
        return [one["id"] for one in await _pages(team, "users.conversations", "channels", types=KINDS)]

    async def _retake(self, team: Team, channel: str, oldest: datetime, thread: str | None) -> None:
        method = "conversations.replies" if thread else "conversations.history"
        where = {"channel": channel, "oldest": f"{oldest.timestamp():.6f}"}
        try:
            found = await _pages(team, method, "messages", **where, **({"ts": thread} if thread else {}))
        except ChatError as error:
            log.info("slack.channel_not_read", channel=channel, why=str(error))
            return
        for message in sorted(found, key=lambda message: float(message["ts"])):
            event = {**message, "type": "message", "channel": channel}
            event.pop("edited", None)  # as it is now it is what was said
            await self._take({"team_id": team.id, "event": event})


async def _pages(team: Team, method: str, key: str, **arguments: Any) -> list[Mapping[str, Any]]:
    """What stands under the key on every page. Raises ChatError."""
    found: list[Mapping[str, Any]] = []
    cursor = ""
    while True:
        page = await _read(team, method, limit=PAGE, cursor=cursor, **arguments)
        found += page[key]
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return found


async def _read(team: Team, method: str, **arguments: Any) -> Mapping[str, Any]:
    return await patiently(lambda: read(team.client, method, **arguments))
