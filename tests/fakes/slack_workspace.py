"""What a Slack workspace holds, and what people do in it: channels, messages, reactions, views.

Knows no HTTP and no sockets. What Slack would announce of a change is put into `workspace.announcements`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any  # the Web API speaks JSON

Json = dict[str, Any]

ALL_SCOPES = frozenset(
    {
        *("app_mentions:read", "assistant:write", "chat:write", "commands"),
        *("channels:history", "channels:read", "groups:history", "groups:read", "mpim:history", "mpim:read"),
        *("im:history", "im:read", "im:write", "reactions:read", "reactions:write", "users:read"),
        *("files:read", "files:write"),
    }
)


class Refusal(Exception):
    """Slack's `ok: false`, with the error's name and what comes with it."""

    def __init__(self, error: str, **extra: object) -> None:
        super().__init__(error)
        self.body: Json = {"ok": False, "error": error, **extra}


@dataclass(slots=True, kw_only=True)
class Channel:
    id: str
    kind: str  # channel | group | im | mpim: what `channel_type` says in events
    members: set[str]
    is_archived: bool = False


@dataclass(slots=True, kw_only=True)
class Post:
    """One message. `reactions` is emoji name → users, in the order they reacted."""

    ts: str
    channel: str
    user: str
    text: str
    thread_ts: str | None = None
    blocks: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    files: list[Json] = field(default_factory=list)
    is_edited: bool = False
    is_tombstone: bool = False
    only_for: str | None = None  # an ephemeral message's reader

    def as_json(self, bot: str) -> Json:
        shown: Json = {"type": "message", "ts": self.ts, "user": self.user, "text": self.text}
        if self.user == bot:
            shown |= {"bot_id": "B" + bot[1:], "app_id": "A1"}
        if self.thread_ts:
            shown["thread_ts"] = self.thread_ts
        if self.blocks:
            shown["blocks"] = self.blocks
        if self.metadata:
            shown["metadata"] = self.metadata
        if self.files:
            shown |= {"files": self.files, "subtype": "file_share"}
        if self.is_edited:
            shown["edited"] = {"user": self.user, "ts": self.ts}
        if self.is_tombstone:
            shown["subtype"] = "tombstone"
        if self.reactions:
            shown["reactions"] = [
                {"name": name, "users": users, "count": len(users)} for name, users in self.reactions.items()
            ]
        return shown


class Workspace:
    """One team with the app installed as the user `bot`."""

    def __init__(self, team: str = "T1", *, bot: str = "UBOT", token: str = "xoxb-1") -> None:
        self.team = team
        self.bot = bot
        self.token = token
        self.is_revoked = False
        self.scopes = set(ALL_SCOPES)
        self.users: dict[str, str] = {bot: "nightloom"}
        self.companies: dict[str, str] = {}  # who belongs to another company, and its workspace
        self.channels: dict[str, Channel] = {}
        self.posts: dict[tuple[str, str], Post] = {}
        self.views: dict[str, Json] = {}
        self.homes: dict[str, Json] = {}
        self.is_agent = True  # an app of before 2026-06-30 may be an assistant still
        self.statuses: list[Json] = []
        self.sessions: dict[tuple[str, str], Json] = {}  # channel and thread → status and title
        self.suggested: dict[tuple[str, str | None], list[Json]] = {}
        self.uploads: dict[str, Json] = {}
        self.triggers: dict[str, float] = {}
        self.announcements: list[Json] = []
        self.now: Callable[[], float] = lambda: 0.0
        self._count = itertools.count(1)

    # What people and the test do.

    def add_user(self, user: str, name: str) -> None:
        self.users[user] = name

    def add_channel(self, channel: str, *members: str, kind: str = "channel") -> None:
        self.channels[channel] = Channel(id=channel, kind=kind, members={self.bot, *members})

    def direct_channel(self, user: str) -> str:
        """The direct-message channel between the app and a person."""
        channel = f"D{user[1:]}"
        if channel not in self.channels:
            self.add_channel(channel, user, kind="im")
        return channel

    def next_ts(self) -> str:
        return f"{int(self.now())}.{next(self._count):06d}"

    def new_trigger(self) -> str:
        trigger = f"trigger-{next(self._count)}"
        self.triggers[trigger] = self.now()
        return trigger

    def replies_of_bot(self, channel: str) -> list[Post]:
        """What the app posted for all to read, in order."""
        return [
            post
            for post in self.posts.values()
            if post.channel == channel and post.user == self.bot and post.only_for is None
        ]

    def whispers_to(self, user: str) -> list[Post]:
        """What the app posted for one person's eyes alone."""
        return [post for post in self.posts.values() if post.only_for == user]

    def say(self, user: str, channel: str, text: str, *, thread: str | None = None) -> str:
        """A person posts. In a channel a mention of the app is announced twice, as Slack does."""
        place = self.channels[channel]
        post = Post(ts=self.next_ts(), channel=channel, user=user, text=text, thread_ts=thread)
        self.posts[channel, post.ts] = post
        event = post.as_json(self.bot) | {"channel": channel, "team": self.team, "event_ts": post.ts}
        self.announce(event | {"channel_type": place.kind})
        if f"<@{self.bot}>" in text and place.kind != "im":
            self.announce(event | {"type": "app_mention"})
        return post.ts

    def send_file(self, user: str, name: str, content: bytes, base_url: str) -> None:
        """A person sends a file in their direct messages with the app."""
        channel, file_id = self.direct_channel(user), f"F{len(self.uploads) + 1}"
        self.uploads[file_id] = {"name": name, "content": content}
        file = {"id": file_id, "name": name, "url_private_download": f"{base_url}files/{file_id}"}
        post = Post(ts=self.next_ts(), channel=channel, user=user, text="", files=[file])
        self.posts[channel, post.ts] = post
        event = post.as_json(self.bot) | {"channel": channel, "channel_type": "im", "event_ts": post.ts}
        self.announce(event)

    def edit(self, user: str, channel: str, ts: str, text: str) -> None:
        """A person changes their message. A mention is announced anew, as Slack does."""
        post = self.posts[channel, ts]
        before = post.as_json(self.bot)
        post.text, post.is_edited = text, True
        self._announce_change("message_changed", post, before, message=post.as_json(self.bot))
        if f"<@{self.bot}>" in text and self.channels[channel].kind != "im":
            again = post.as_json(self.bot) | {"type": "app_mention", "channel": channel}
            self.announce(again | {"team": self.team, "event_ts": self.next_ts()})

    def uninstall(self) -> None:
        """Somebody takes the app out of the workspace: its token is worth nothing any more."""
        self.is_revoked = True
        self.announce({"type": "app_uninstalled", "event_ts": self.next_ts()})

    def withdraw(self, user: str, channel: str, ts: str) -> None:
        """A person deletes their message. Under a thread a tombstone stays, as Slack does."""
        post = self.posts[channel, ts]
        before = post.as_json(self.bot)
        if any(other.thread_ts == ts for other in self.posts.values()):
            post.is_tombstone, post.text, post.user = True, "This message was deleted.", "USLACKBOT"
            self._announce_change("message_changed", post, before, message=post.as_json(self.bot))
        else:
            del self.posts[channel, ts]
            self._announce_change("message_deleted", post, before, deleted_ts=ts)

    def _announce_change(self, subtype: str, post: Post, before: Json, **what: object) -> None:
        event: Json = {"type": "message", "subtype": subtype, "channel": post.channel, "hidden": True}
        event |= {"channel_type": self.channels[post.channel].kind, "previous_message": before}
        self.announce(event | {"ts": self.next_ts(), "event_ts": self.next_ts()} | what)

    def react(self, user: str, channel: str, ts: str, name: str) -> None:
        users = self.post_at(channel, ts).reactions.setdefault(name, [])
        if user in users:
            raise Refusal("already_reacted")
        users.append(user)
        self._announce_reaction("reaction_added", user, channel, ts, name)

    def unreact(self, user: str, channel: str, ts: str, name: str) -> None:
        reactions = self.post_at(channel, ts).reactions
        if user not in reactions.get(name, []):
            raise Refusal("no_reaction")
        reactions[name].remove(user)
        if not reactions[name]:
            del reactions[name]
        self._announce_reaction("reaction_removed", user, channel, ts, name)

    def _announce_reaction(self, kind: str, user: str, channel: str, ts: str, name: str) -> None:
        item = {"type": "message", "channel": channel, "ts": ts}
        author = self.posts[channel, ts].user
        event = {"type": kind, "user": user, "reaction": name, "item": item, "item_user": author}
        self.announce(event | {"event_ts": self.next_ts()})

    # What the Web API asks.

    def channel(self, channel: str, *, to_write: bool = False) -> Channel:
        found = self.channels.get(channel)
        if found is None and channel in self.users:
            found = self.channels[self.direct_channel(channel)]
        if found is None:
            raise Refusal("channel_not_found")
        if self.bot not in found.members:
            raise Refusal("not_in_channel")
        if to_write and found.is_archived:
            raise Refusal("is_archived")
        return found

    def post_at(self, channel: str, ts: str) -> Post:
        post = self.posts.get((channel, ts))
        if post is None or post.only_for:
            raise Refusal("message_not_found")
        return post

    def announce(self, event: Json) -> None:
        self.announcements.append(event)
