"""Slack's event bodies → neutral events. Pure; knows no connection and nothing of learning.

A message in a channel is announced twice, as `message` and as `app_mention`, and every announcement may
come again under another event id: what is dropped as repeated is told by the message's place and `ts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias  # event bodies are JSON

from adapters.slack.text import unescape, without_mention
from bot.events import Deletion, Edit, Message, Person, Place, Platform, Reaction, Ref, ThreadReply
from engine.types import Mode

Json: TypeAlias = Mapping[str, Any]

# Other subtypes (joins, topics, other bots) are nothing that a person says to the bot.
_SAID = {None, "file_share", "thread_broadcast"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A person's message before it is known whether it talks or teaches: that may need a look-up."""

    team: str
    channel: str
    ts: str
    thread: str | None
    user: str
    text: str
    is_direct: bool
    is_mention: bool
    edited_at: str | None

    def message(self, person: Person, *, mode: Mode | None = None) -> Message:
        """It talks. In a channel the answer comes in the thread that it stands in or opens."""
        thread = self.thread if self.is_direct else self.thread or self.ts
        return Message(
            event=f"message:{self.team}/{self.channel}:{self.ts}",
            ref=self.ref,
            place=place(self.team, self.channel, thread),
            person=person,
            text=self.text,
            at=time_of(self.ts),
            mode=mode,
        )

    def edit(self, person: Person) -> Edit:
        """It was changed. The mention of a changed message is announced anew; both are this one edit."""
        event = f"edit:{self.team}/{self.channel}:{self.ts}:{self.edited_at}"
        at = time_of(self.edited_at or self.ts)
        return Edit(event=event, ref=self.ref, person=person, text=self.text, at=at)

    def thread_reply(self, person: Person, to: Ref | None) -> ThreadReply:
        """It teaches about the answer above it."""
        return ThreadReply(
            event=f"message:{self.team}/{self.channel}:{self.ts}",
            ref=self.ref,
            place=place(self.team, self.channel, self.thread),
            to=to,
            person=person,
            text=self.text,
            at=time_of(self.ts),
        )

    @property
    def ref(self) -> Ref:
        return ref(self.team, self.channel, self.ts)

    @property
    def root(self) -> Ref | None:
        return ref(self.team, self.channel, self.thread) if self.thread else None


def said(body: Json, bot: str) -> Said | None:
    """What a person said or changed, if the event is that."""
    event = body["event"]
    message = event
    if event.get("subtype") == "message_changed":
        message = event["message"]
        if message.get("subtype") == "tombstone" or message.get("text") == event["previous_message"].get(
            "text"
        ):
            return None
    if event["type"] not in ("message", "app_mention") or message.get("subtype") not in _SAID:
        return None
    if message.get("bot_id") or message.get("user") in (None, bot):
        return None
    raw = message.get("text") or ""
    thread = message.get("thread_ts")
    return Said(
        team=body["team_id"],
        channel=event["channel"],
        ts=message["ts"],
        thread=None if thread == message["ts"] else thread,
        user=message["user"],
        text=unescape(without_mention(raw, bot)),
        is_direct=event.get("channel_type") == "im" or event["channel"].startswith("D"),
        is_mention=event["type"] == "app_mention" or f"<@{bot}" in raw,
        edited_at=(message.get("edited") or {}).get("ts"),
    )


def deletion(body: Json) -> Deletion | None:
    """A message that was withdrawn; under a thread Slack leaves a tombstone and calls it a change."""
    event = body["event"]
    subtype = event.get("subtype")
    if subtype == "message_deleted":
        ts = event["deleted_ts"]
    elif subtype == "message_changed" and event["message"].get("subtype") == "tombstone":
        ts = event["message"]["ts"]
    else:
        return None
    at = time_of(event.get("event_ts") or event["ts"])
    where = ref(body["team_id"], event["channel"], ts)
    return Deletion(event=f"delete:{where.channel}:{ts}", ref=where, at=at)


def reaction(body: Json, bot: str) -> Reaction | None:
    """An emoji put on or taken off a message, by anyone but the bot."""
    event = body["event"]
    if event["type"] not in ("reaction_added", "reaction_removed") or event["user"] == bot:
        return None
    if event["item"].get("type") != "message":
        return None
    item, on = event["item"], event["type"] == "reaction_added"
    key = f"{body['team_id']}/{item['channel']}:{item['ts']}:{event['user']}:{event['reaction']}"
    return Reaction(
        event=f"reaction:{key}:{event['event_ts']}",
        ref=ref(body["team_id"], item["channel"], item["ts"]),
        person=person(body["team_id"], event["user"]),
        emoji=event["reaction"],
        on=on,
        at=time_of(event["event_ts"]),
    )


def person(team: str, user: str, name: str | None = None) -> Person:
    return Person(key=f"slack:{team}:{user}", platform=Platform.SLACK, name=name)


def ref(team: str, channel: str, ts: str) -> Ref:
    return Ref(platform=Platform.SLACK, channel=f"{team}/{channel}", id=ts)


def time_of(ts: str) -> datetime:
    """Slack's timestamps are seconds with the message's number behind the point."""
    return datetime.fromtimestamp(float(ts), tz=UTC)


def place(team: str, channel: str, thread: str | None) -> Place:
    where = f"{team}/{channel}"
    return Place(platform=Platform.SLACK, channel=where, thread=thread, is_private=channel.startswith("D"))
