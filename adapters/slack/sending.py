"""Posts answers and notices to Slack, each once. Knows no events.

Each message carries its key in its metadata. Where Slack may have taken a post, the channel is searched for
the key before the message is posted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any  # blocks and arguments are JSON

import aiohttp
import structlog

from adapters.shared import side_by_side
from adapters.shared.bounded import BoundedDict
from adapters.shared.splitting import split
from adapters.slack.blocks import (
    MAX_SECTION_CHARS,
    Block,
    answer,
    notice,
)
from adapters.slack.connection import (
    TokenRefused,
    call,
    is_gone,
    pages,
    patiently,
    upload,
)
from adapters.slack.events import ref
from adapters.slack.teams import Team, Teams
from adapters.slack.text import to_mrkdwn
from bot.events import Notice, Outgoing, Person, Place, Ref
from bot.ports import Undeliverable, Unreachable

# Leaves room, as `<`, `>` and `&` grow into entities. A piece that still grows too long is cut smaller.
PIECE_CHARS = 2_600
SMALL_PIECE_CHARS = MAX_SECTION_CHARS // 5  # if every character became an entity
CLOCK_SKEW = timedelta(minutes=1)  # between this machine and Slack
MAX_REMEMBERED = 10_000
EVENT_TYPE = "nightloom_reply"
RESPONSE_TIMEOUT = aiohttp.ClientTimeout(total=15)

log = structlog.get_logger(__name__)


class Sender:
    """Sends everything that the bot says on Slack."""

    def __init__(self, teams: Teams, *, clock: Callable[[], datetime]) -> None:
        self._teams = teams
        self._started = clock()
        self._uncertain: BoundedDict[str, None] = BoundedDict(MAX_REMEMBERED)  # keys of posts that broke off

    async def post(self, outgoing: Outgoing) -> Sequence[Ref]:
        """See bot.ports.Chat.post. After an edit old messages are rewritten, surplus messages deleted."""
        team, channel = await self._find(outgoing.place)
        pieces = pieces_of(side_by_side.text_of(outgoing, outgoing.reply.text))
        there = await self._already_there(team, channel, outgoing)
        refs: list[Ref] = []
        for index, piece in enumerate(pieces):
            is_last = index == len(pieces) - 1
            blocks = answer(
                piece,
                heading=outgoing.reply.heading if index == 0 else None,
                reply=outgoing.reply.id if is_last else None,
                actions=side_by_side.actions_of(outgoing) if is_last else (),
            )
            shown = {"channel": channel, "text": to_mrkdwn(piece), "blocks": blocks}
            if index in there:
                refs.append(there[index])
            elif index < len(outgoing.replaces) and await _rewrite(team, outgoing.replaces[index], shown):
                refs.append(outgoing.replaces[index])
            else:
                refs.append(await self._post_piece(team, outgoing, index, shown))
        for surplus in outgoing.replaces[len(pieces) :]:
            await _remove(team, channel, surplus)
        self._uncertain.pop(outgoing.key, None)
        return refs

    async def tell(self, person: Person, place: Place | None, said: Notice) -> None:
        """See bot.ports.Chat.tell. A file or a picture always goes to the direct messages."""
        _, team_id, user = person.key.split(":", 2)
        team = await self._teams.of(team_id)
        shown = shown_notice(said)
        has_file = bool(said.file or said.image_png)
        if place is not None and not place.is_private and not has_file:
            channel = place.channel.partition("/")[2]
            thread = {"thread_ts": place.thread} if place.thread else {}
            where = {"channel": channel, "user": user, **thread}
            await patiently(lambda: call(team.client, "chat.postEphemeral", **where, **shown))
            return
        opened = await patiently(lambda: call(team.client, "conversations.open", users=user))
        channel = opened["channel"]["id"]
        thread_ts = place.thread if place is not None and place.is_private else None
        thread = {"thread_ts": thread_ts} if thread_ts else {}
        await patiently(lambda: call(team.client, "chat.postMessage", channel=channel, **thread, **shown))
        if said.image_png:
            await upload(team.client, channel, said.image_png, "curve.png")
        if said.file:
            await upload(team.client, channel, said.file, said.file_name or "nightloom.zip")

    async def respond(self, response_url: str, said: Notice, *, replaces: bool) -> None:
        """Show the result of an interaction to the person who acted. Raises Unreachable."""
        body = {**shown_notice(said), "response_type": "ephemeral", "replace_original": replaces}
        try:
            async with (
                aiohttp.ClientSession(timeout=RESPONSE_TIMEOUT) as session,
                session.post(response_url, json=body) as answered,
            ):
                if answered.status != 200:
                    raise Unreachable(f"Slack did not take a response: {answered.status}.")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"Slack did not take a response: {error!r}.") from error

    # Steps of the above.

    async def _find(self, place: Place) -> tuple[Team, str]:
        team, _, channel = place.channel.partition("/")
        return await self._teams.of(team), channel

    async def _post_piece(self, team: Team, outgoing: Outgoing, index: int, shown: Mapping[str, Any]) -> Ref:
        """Post a piece with its key, by which it is found where Slack's answer to this call is lost."""
        payload = {"key": outgoing.key, "piece": index}
        marked = {"metadata": {"event_type": EVENT_TYPE, "event_payload": payload}}
        thread = {"thread_ts": outgoing.place.thread} if outgoing.place.thread else {}
        self._uncertain[outgoing.key] = None
        try:
            posted = await call(
                team.client, "chat.postMessage", **shown, **marked, **thread, unfurl_links=False
            )
        except (TokenRefused, Undeliverable) as error:
            self._uncertain.pop(outgoing.key, None)
            if isinstance(error, TokenRefused):
                self._teams.refused(team.id)
            raise
        return ref(team.id, str(posted["channel"]), str(posted["ts"]))

    async def _already_there(self, team: Team, channel: str, outgoing: Outgoing) -> dict[int, Ref]:
        """The pieces that an earlier try has posted. Searched for only where there can be any."""
        made = outgoing.reply.at or self._started
        if outgoing.key not in self._uncertain and made >= self._started:
            return {}
        where: dict[str, Any] = {"channel": channel, "include_all_metadata": True}
        where["oldest"] = f"{(made - CLOCK_SKEW).timestamp():.6f}"
        thread = outgoing.place.thread
        method = "conversations.replies" if thread else "conversations.history"
        if thread:
            where["ts"] = thread
        there: dict[int, Ref] = {}
        async for message in pages(team.client, method, "messages", **where):
            payload = (message.get("metadata") or {}).get("event_payload") or {}
            if payload.get("key") == outgoing.key:
                there[int(payload["piece"])] = ref(team.id, channel, message["ts"])
        return there


async def _rewrite(team: Team, old: Ref, shown: Mapping[str, Any]) -> bool:
    """Rewrite a message of the bot. False: somebody deleted the message."""
    try:
        await call(team.client, "chat.update", ts=old.id, **shown)
    except Undeliverable as error:
        if is_gone(error):
            return False
        raise
    return True


async def _remove(team: Team, channel: str, surplus: Ref) -> None:
    """Delete a message of the bot. An earlier try may have deleted it already."""
    try:
        await call(team.client, "chat.delete", channel=channel, ts=surplus.id)
    except Undeliverable as error:
        if not is_gone(error):
            raise


def pieces_of(text: str) -> list[str]:
    """The text in pieces. Each fits a section after Slack's control characters are escaped."""
    found: list[str] = []
    for piece in split(text, PIECE_CHARS):
        is_fitting = len(to_mrkdwn(piece)) <= MAX_SECTION_CHARS
        found += [piece] if is_fitting else split(piece, SMALL_PIECE_CHARS)
    return found or [" "]


def shown_notice(said: Notice) -> dict[str, Any]:
    """A notice as the arguments of the call that shows it."""
    blocks: list[Block] = notice(said, pieces_of(said.text))
    return {"text": to_mrkdwn(said.text)[:MAX_SECTION_CHARS], "blocks": blocks}
