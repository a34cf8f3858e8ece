"""The things of the Discord that runs on this machine: people, servers, channels, messages; as JSON too."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntFlag
from typing import Any, TypeAlias

Payload: TypeAlias = dict[str, Any]  # JSON of a wire format that has hundreds of optional fields


class Permission(IntFlag):
    """The bits of a permission set that matter to a bot that talks."""

    MANAGE_MESSAGES = 1 << 13
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    ADD_REACTIONS = 1 << 6
    USE_APPLICATION_COMMANDS = 1 << 31
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MANAGE_THREADS = 1 << 34


EVERYTHING = Permission(0)
for _permission in Permission:
    EVERYTHING |= _permission
EVERYTHING &= ~(Permission.MANAGE_MESSAGES | Permission.MANAGE_THREADS)


class ChannelKind:
    TEXT = 0
    DIRECT = 1
    THREAD = 11


class Refusal(Exception):
    """Discord says no: an HTTP status and Discord's error code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(slots=True, kw_only=True, eq=False)
class User:
    id: int
    name: str
    is_bot: bool = False
    accepts_direct_messages: bool = True
    roles: set[int] = field(default_factory=set)

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    def payload(self) -> Payload:
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": None,
            "discriminator": "0",
            "avatar": None,
            "bot": self.is_bot,
        }

    def member(self) -> Payload:
        return {
            "user": self.payload(),
            "nick": None,
            "roles": [str(role) for role in sorted(self.roles)],
            "joined_at": "2024-01-01T00:00:00+00:00",
            "deaf": False,
            "mute": False,
            "flags": 0,
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    id: int
    channel: Channel
    author: User
    content: str
    at: datetime
    reference: int | None = None
    mentions: list[User] = field(default_factory=list)
    pinged: set[str] = field(default_factory=set)
    components: list[Payload] = field(default_factory=list)
    attachments: list[Payload] = field(default_factory=list)
    nonce: str | None = None
    edited_at: datetime | None = None
    edits: list[str] = field(default_factory=list)
    flags: int = 0
    reactions: dict[str, list[User]] = field(default_factory=dict)

    @property
    def buttons(self) -> dict[str, str]:
        """Label to custom id."""
        rows = [row["components"] for row in self.components]
        return {str(button.get("label")): str(button["custom_id"]) for row in rows for button in row}


@dataclass(slots=True, kw_only=True, eq=False)
class Channel:
    id: int
    kind: int
    name: str
    guild: Guild | None = None
    parent: Channel | None = None
    recipient: User | None = None
    denied: dict[int, Permission] = field(default_factory=dict)  # role (the server's id: everyone) or user
    messages: dict[int, Message] = field(default_factory=dict)
    typing: list[float] = field(default_factory=list)
    is_archived: bool = False  # a thread
    is_locked: bool = False

    @property
    def root(self) -> Channel:
        return self.parent or self

    def said_by(self, user: User) -> list[Message]:
        return [message for message in self.messages.values() if message.author is user]

    def payload(self) -> Payload:
        last = max(self.messages, default=None)
        common = {"id": str(self.id), "type": self.kind, "last_message_id": str(last) if last else None}
        if self.kind == ChannelKind.DIRECT:
            assert self.recipient
            return {**common, "recipients": [self.recipient.payload()]}
        assert self.guild
        named = {**common, "guild_id": str(self.guild.id), "name": self.name, "nsfw": False}
        if self.kind == ChannelKind.THREAD:
            return {**named, **self._thread_payload()}
        overwrites = [
            {"id": str(key), "type": 0 if key == self.guild.id else 1, "allow": "0", "deny": str(int(denied))}
            for key, denied in self.denied.items()
        ]
        return {**named, "position": 0, "topic": None, "parent_id": None, "permission_overwrites": overwrites}

    def _thread_payload(self) -> Payload:
        return {
            "parent_id": str(self.root.id),
            "owner_id": str(next(iter(self.messages.values())).author.id if self.messages else self.id),
            "message_count": len(self.messages),
            "member_count": 1,
            "rate_limit_per_user": 0,
            "thread_metadata": {
                "archived": self.is_archived,
                "auto_archive_duration": 1440,
                "archive_timestamp": "2024-01-01T00:00:00+00:00",
                "locked": self.is_locked,
            },
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Guild:
    id: int
    name: str
    owner: User
    channels: list[Channel] = field(default_factory=list)
    threads: list[Channel] = field(default_factory=list)
    members: list[User] = field(default_factory=list)
    has_bot: bool = True
    everyone: Permission = EVERYTHING
    roles: dict[int, str] = field(default_factory=dict)

    def payload(self, bot: User) -> Payload:
        roles = [self._role(self.id, "@everyone", self.everyone)]
        roles += [self._role(role, name, Permission(0)) for role, name in self.roles.items()]
        return {
            "id": str(self.id),
            "name": self.name,
            "icon": None,
            "splash": None,
            "owner_id": str(self.owner.id),
            "afk_timeout": 300,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "roles": roles,
            "emojis": [],
            "stickers": [],
            "features": [],
            "mfa_level": 0,
            "premium_tier": 0,
            "nsfw_level": 0,
            "preferred_locale": "en-US",
            "system_channel_flags": 0,
            "member_count": len(self.members),
            "large": False,
            "unavailable": False,
            "joined_at": "2024-01-01T00:00:00+00:00",
            "members": [bot.member()],
            "channels": [channel.payload() for channel in self.channels],
            "threads": [thread.payload() for thread in self.threads],
            "presences": [],
            "voice_states": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    @staticmethod
    def _role(role: int, name: str, permissions: Permission) -> Payload:
        return {
            "id": str(role),
            "name": name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "position": 0,
            "permissions": str(int(permissions)),
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }
