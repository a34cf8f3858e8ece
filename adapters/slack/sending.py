"""Answers, notices and status → Slack's messages. Posts once, rewrites after an edit. Knows no events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any  # blocks and arguments are JSON

import aiohttp
import structlog

from adapters.shared import side_by_side
from adapters.shared.splitting import Pacer, split
from adapters.slack.blocks import (
    MAX_SECTION_CHARS,
    Block,
    answer,
    notice,
)
from adapters.slack.connection import (
    call,
    is_gone,
    patiently,
    read,
    upload,
)
from adapters.slack.events import ref
from adapters.slack.teams import Team, Teams
from adapters.slack.text import to_mrkdwn
from bot.events import Notice, Outgoing, Person, Place, Progress, Ref
from bot.ports import ChatError, Undeliverable, Unreachable

# Room for the entities that `<`, `>` and `&` become; what grows beyond it is cut smaller.
PIECE_CHARS = 2_600
SMALL_PIECE_CHARS = MAX_SECTION_CHARS // 5  # if every character became an entity
STATUS_INTERVAL_S = 2.0
LOOK_BACK = timedelta(minutes=1)
EVENT_TYPE = "nightloom_reply"
THINKING = "is thinking…"
RESPONSE_TIMEOUT = aiohttp.ClientTimeout(total=15)

log = structlog.get_logger(__name__)


class Sender:
    """The half of the Chat protocol that talks."""

    def __init__(self, teams: Teams, *, clock: Callable[[], datetime]) -> None:
        self._teams = teams
        self._started = clock()
        self._uncertain: set[str] = set()  # keys of posts that broke off in this process
        self._shown: dict[Ref, tuple[Pacer[Progress], asyncio.Task[None]]] = {}

    async def post(self, outgoing: Outgoing) -> Sequence[Ref]:
        """One section a message. After an edit the old messages are rewritten, and those left over go."""
        team, channel = await self._find(outgoing.place)
        if outgoing.question:
            await self._end_status(outgoing.question)
        pieces = pieces_of(side_by_side.side_by_side(outgoing, outgoing.reply.text))
        there = await self._already_there(team, channel, outgoing)
        refs: list[Ref] = []
        for index, piece in enumerate(pieces):
            is_last = index == len(pieces) - 1
            blocks = answer(
                piece,
                heading=outgoing.reply.heading if index == 0 else None,
                reply=outgoing.reply.id if is_last else None,
                actions=side_by_side.actions(outgoing) if is_last else (),
            )
            shown = {"channel": channel, "text": to_mrkdwn(piece), "blocks": blocks}
            if index in there:
                refs.append(there[index])
            elif index < len(outgoing.replaces) and await _rewrite(team, outgoing.replaces[index], shown):
                refs.append(outgoing.replaces[index])
            else:
                refs.append(await self._post_piece(team, outgoing, index, shown))
        for left_over in outgoing.replaces[len(pieces) :]:
            await _remove(team, channel, left_over)
        self._uncertain.discard(outgoing.key)
        return refs

    async def working(self, place: Place, question: Ref, progress: Progress | None) -> None:
        """The assistant pane's status line. Elsewhere Slack shows no typing of apps: then nothing is."""
        if not place.is_private or place.thread is None:
            return
        if question not in self._shown:
            pacer: Pacer[Progress] = Pacer(
                lambda at: self._set_status(place, f"is weaving: {at.done} of {at.total} branches"),
                interval_s=STATUS_INTERVAL_S,
            )
            self._shown[question] = pacer, asyncio.create_task(pacer.run())
            await self._set_status(place, THINKING)
        if progress:
            self._shown[question][0].offer(progress)

    async def idle(self, place: Place, question: Ref) -> None:
        if question in self._shown:
            await self._end_status(question)
            await self._set_status(place, "")

    async def stop(self) -> None:
        """Show nothing more."""
        for question in list(self._shown):
            await self._end_status(question)

    async def tell(self, person: Person, place: Place | None, said: Notice) -> None:
        """For that person's eyes: ephemerally in a channel, plainly in their direct messages."""
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
        """Answer an interaction where it happened, for that person alone. Raises Unreachable."""
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
        """What is posted carries its key, by which it is found again when the answer to this call is lost."""
        payload = {"key": outgoing.key, "piece": index}
        marked = {"metadata": {"event_type": EVENT_TYPE, "event_payload": payload}}
        thread = {"thread_ts": outgoing.place.thread} if outgoing.place.thread else {}
        self._uncertain.add(outgoing.key)
        try:
            posted = await call(
                team.client, "chat.postMessage", **shown, **marked, **thread, unfurl_links=False
            )
        except Undeliverable:
            self._uncertain.discard(outgoing.key)
            self._teams.forget(team.id)  # its token may have been renewed meanwhile
            raise
        return ref(team.id, str(posted["channel"]), str(posted["ts"]))

    async def _already_there(self, team: Team, channel: str, outgoing: Outgoing) -> dict[int, Ref]:
        """The pieces that an earlier try has posted. Looked for only where there may be such."""
        made = outgoing.reply.at or self._started
        if outgoing.key not in self._uncertain and made >= self._started:
            return {}
        where: dict[str, Any] = {"channel": channel, "limit": 200, "include_all_metadata": True}
        where["oldest"] = f"{(made - LOOK_BACK).timestamp():.6f}"
        thread = outgoing.place.thread
        method = "conversations.replies" if thread else "conversations.history"
        found = await read(team.client, method, **where, **({"ts": thread} if thread else {}))
        there: dict[int, Ref] = {}
        for message in found["messages"]:
            payload = (message.get("metadata") or {}).get("event_payload") or {}
            if payload.get("key") == outgoing.key:
                there[int(payload["piece"])] = ref(team.id, channel, message["ts"])
        return there

    async def _set_status(self, place: Place, status: str) -> None:
        try:
            team, channel = await self._find(place)
            where = {"channel_id": channel, "thread_ts": place.thread}
            await call(team.client, "assistant.threads.setStatus", **where, status=status)
        except ChatError as error:
            log.debug("slack.status_not_shown", why=str(error))  # an ordinary thread has no status line

    async def _end_status(self, question: Ref) -> None:
        if question in self._shown:
            pacer, task = self._shown.pop(question)
            await pacer.stop()
            await task


async def _rewrite(team: Team, old: Ref, shown: Mapping[str, Any]) -> bool:
    """Put something else into a message of ours. False: somebody deleted it."""
    try:
        await call(team.client, "chat.update", ts=old.id, **shown)
    except Undeliverable as error:
        if is_gone(error):
            return False
        raise
    return True


async def _remove(team: Team, channel: str, left_over: Ref) -> None:
    """An earlier try may have done it before it broke off."""
    try:
        await call(team.client, "chat.delete", channel=channel, ts=left_over.id)
    except Undeliverable as error:
        if not is_gone(error):
            raise


def pieces_of(text: str) -> list[str]:
    """The text in pieces, each of which fits a section once Slack's characters are escaped."""
    found: list[str] = []
    for piece in split(text, PIECE_CHARS):
        is_fitting = len(to_mrkdwn(piece)) <= MAX_SECTION_CHARS
        found += [piece] if is_fitting else split(piece, SMALL_PIECE_CHARS)
    return found or [" "]


def shown_notice(said: Notice) -> dict[str, Any]:
    """A notice as the arguments of whatever shows it."""
    blocks: list[Block] = notice(said, pieces_of(said.text))
    return {"text": to_mrkdwn(said.text)[:MAX_SECTION_CHARS], "blocks": blocks}
