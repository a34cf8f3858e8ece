"""Translates Slack's event bodies into neutral events. Pure. Knows no connection and nothing of learning.

Slack announces a mention in a channel twice, as `message` and as `app_mention`, and may repeat each
announcement under another event id. So an event is named by the message's channel and `ts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias  # event bodies are JSON

from adapters.slack.text import unescape, without_mention
from bot.events import Deletion, Edit, Message, Person, Place, Platform, Reaction, Ref, ThreadReply
from engine.types import Mode

Json: TypeAlias = Mapping[str, Any]

SLACKBOT = "USLACKBOT"  # Slack's own bot: its messages carry no bot_id

# Messages of other subtypes (joins, topics, other bots) are not addressed to the bot.
_SAID = {None, "file_share", "thread_broadcast"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A person's message, before it is known whether it talks or teaches."""

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
        """As a question. In a channel the answer goes into the message's thread, or opens a thread."""
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
        """As a change. Slack announces a changed mention a second time; both are the same edit."""
        event = f"edit:{self.team}/{self.channel}:{self.ts}:{self.edited_at}"
        at = time_of(self.edited_at or self.ts)
        return Edit(event=event, ref=self.ref, person=person, text=self.text, at=at)

    def thread_reply(self, person: Person, to: Ref | None) -> ThreadReply:
        """As teaching about the answer above it."""
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


def team_of(body: Json) -> str:
    """The workspace that the event was sent to.

    In a channel shared with another company `team_id` may be that company's workspace, where the app is not
    installed. So Slack also names the installation.
    """
    authorizations: Sequence[Json] = body.get("authorizations") or ({},)
    return str(authorizations[0].get("team_id") or body.get("team_id") or "")


def opened(event: Json) -> dict[str, str] | None:
    """The conversation with the bot that a person opened; None for every other event.

    Slack names no thread to an agent, and refuses to show prompts where one is named. An app that was
    installed as an assistant before 2026-06-30 is still told of a thread.
    """
    if event["type"] == "app_home_opened" and event.get("tab") == "messages" and "channel" in event:
        return {"channel_id": event["channel"]}
    if event["type"] == "assistant_thread_started":
        thread = event["assistant_thread"]
        return {"channel_id": thread["channel_id"], "thread_ts": thread["thread_ts"]}
    return None


def said(body: Json, bot: str) -> Said | None:
    """A person's message, new or changed; None for every other event."""
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
    if message.get("bot_id") or message.get("user") in (None, bot, SLACKBOT):
        return None
    raw = message.get("text") or ""
    thread = message.get("thread_ts")
    return Said(
        team=team_of(body),
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
    """A withdrawn message. If it has a thread, Slack leaves a tombstone and announces a change."""
    event = body["event"]
    subtype = event.get("subtype")
    if subtype == "message_deleted":
        ts = event["deleted_ts"]
    elif subtype == "message_changed" and event["message"].get("subtype") == "tombstone":
        ts = event["message"]["ts"]
    else:
        return None
    at = time_of(event.get("event_ts") or event["ts"])
    where = ref(team_of(body), event["channel"], ts)
    return Deletion(event=f"delete:{where.channel}:{ts}", ref=where, at=at)


def reaction(body: Json, bot: str) -> Reaction | None:
    """An emoji that a person, not the bot, put on a message or took off."""
    event = body["event"]
    if event["type"] not in ("reaction_added", "reaction_removed") or event["user"] in (bot, SLACKBOT):
        return None
    if event["item"].get("type") != "message":
        return None
    item, on = event["item"], event["type"] == "reaction_added"
    team = team_of(body)
    key = f"{team}/{item['channel']}:{item['ts']}:{event['user']}:{event['reaction']}"
    return Reaction(
        event=f"reaction:{key}:{event['event_ts']}",
        ref=ref(team, item["channel"], item["ts"]),
        person=person(team, event["user"]),
        emoji=event["reaction"],
        on=on,
        at=time_of(event["event_ts"]),
    )


def person(team: str, user: str, name: str | None = None) -> Person:
    return Person(key=f"slack:{team}:{user}", platform=Platform.SLACK, name=name)


def ref(team: str, channel: str, ts: str) -> Ref:
    return Ref(platform=Platform.SLACK, channel=f"{team}/{channel}", id=ts)


def time_of(ts: str) -> datetime:
    """The time of a message. Its `ts` is in seconds, with the message's number behind the point."""
    return datetime.fromtimestamp(float(ts), tz=UTC)


def place(team: str, channel: str, thread: str | None) -> Place:
    where = f"{team}/{channel}"
    return Place(platform=Platform.SLACK, channel=where, thread=thread, is_private=channel.startswith("D"))
