"""What Discord remembers and what it refuses: people, servers, channels, messages, reactions.

Knows no socket: the REST and gateway server beside it serves this state and announces its changes.
Refusals carry Discord's own status and error code, so that an SDK meets what it would meet there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeAlias

from tests.fakes.discord_things import (
    Channel,
    ChannelKind,
    Guild,
    Message,
    Payload,
    Permission,
    Refusal,
    User,
)

EPOCH_MS = 1_420_070_400_000
CONTENT_LIMIT = 2000
UPLOAD_LIMIT_BYTES = 10 * 1024 * 1024


Announce: TypeAlias = Callable[[str, Payload, Guild | None], None]


class World:
    """Discord's state. Every change is announced as the gateway event that Discord would send."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce
        self._last_id = 0
        self.nonce_window_s = 180.0
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.files: dict[str, bytes] = {}
        self.files_url = ""
        self._nonces: dict[tuple[int, str], tuple[float, Message]] = {}
        self.bot = self.add_user("Nightloom", is_bot=True)

    # People and places

    def new_id(self, at: float | None = None) -> int:
        """A snowflake; ids made in the past sort as their time says."""
        base = (int((time.time() if at is None else at) * 1000) - EPOCH_MS) << 22
        self._last_id = max(base, self._last_id + 1) if at is None else self._last_id
        return self._last_id if at is None else base + len(self.channels) + sum(1 for _ in self._messages())

    def _messages(self) -> Iterable[Message]:
        return (message for channel in self.channels.values() for message in channel.messages.values())

    def add_user(self, name: str, *, is_bot: bool = False) -> User:
        user = User(id=self.new_id(), name=name, is_bot=is_bot)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, *members: User) -> Guild:
        guild = Guild(id=self.new_id(), name=name, owner=self.add_user("owner"), members=[self.bot, *members])
        self.guilds[guild.id] = guild
        self._announce("GUILD_CREATE", guild.payload(self.bot), guild)
        return guild

    def add_role(self, guild: Guild, name: str) -> int:
        role = self.new_id()
        guild.roles[role] = name
        return role

    def add_channel(self, guild: Guild, name: str) -> Channel:
        channel = Channel(id=self.new_id(), kind=ChannelKind.TEXT, name=name, guild=guild)
        guild.channels.append(channel)
        self.channels[channel.id] = channel
        self._announce("CHANNEL_CREATE", channel.payload(), guild)
        return channel

    def direct(self, user: User) -> Channel:
        """The direct message channel between the bot and a person."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(id=self.new_id(), kind=ChannelKind.DIRECT, name="", recipient=user)
        self.channels[channel.id] = channel
        return channel

    def open_thread(self, message: Message, name: str) -> Channel:
        """A thread that starts at a message has that message's id."""
        guild, root = message.channel.guild, message.channel
        thread = Channel(id=message.id, kind=ChannelKind.THREAD, name=name, guild=guild, parent=root)
        assert guild
        guild.threads.append(thread)
        self.channels[thread.id] = thread
        self._announce("THREAD_CREATE", {**thread.payload(), "newly_created": True}, guild)
        return thread

    def archive(self, thread: Channel, *, locked: bool = False) -> None:
        """Nobody wrote there for a while, or a moderator locked it."""
        thread.is_archived, thread.is_locked = True, locked
        self._announce("THREAD_UPDATE", thread.payload(), thread.guild)

    def deny(self, channel: Channel, *permissions: Permission) -> None:
        """Take permissions in a channel from the bot."""
        for permission in permissions:
            channel.denied[self.bot.id] = channel.denied.get(self.bot.id, Permission(0)) | permission
        self._announce("CHANNEL_UPDATE", channel.payload(), channel.guild)

    def remove_channel(self, channel: Channel) -> None:
        assert channel.guild
        channel.guild.channels.remove(channel)
        del self.channels[channel.id]
        self._announce("CHANNEL_DELETE", channel.payload(), channel.guild)

    def channel(self, channel_id: int) -> Channel:
        try:
            return self.channels[channel_id]
        except KeyError:
            raise Refusal(404, 10003, "Unknown Channel") from None

    def message(self, channel: Channel, message_id: int) -> Message:
        try:
            return channel.messages[message_id]
        except KeyError:
            raise Refusal(404, 10008, "Unknown Message") from None

    def require(self, channel: Channel, *permissions: Permission) -> None:
        """Refuse what the bot may not do here."""
        if channel.guild is None:
            return
        root = channel.root
        denied = root.denied.get(self.bot.id, Permission(0)) | root.denied.get(
            channel.guild.id, Permission(0)
        )
        held = channel.guild.everyone & ~denied
        if Permission.VIEW_CHANNEL not in held or not channel.guild.has_bot:
            raise Refusal(403, 50001, "Missing Access")
        for permission in permissions:
            if permission not in held:
                raise Refusal(403, 50013, "Missing Permissions")

    def may(self, channel: Channel, permission: Permission) -> bool:
        try:
            self.require(channel, permission)
        except Refusal:
            return False
        return True

    def remove_bot(self, guild: Guild) -> None:
        """Somebody takes the bot out of the server."""
        guild.has_bot = False
        self._announce("GUILD_DELETE", {"id": str(guild.id)}, guild)

    def keep_file(self, name: str, content: bytes) -> Payload:
        """A file, as a message or a command carries it."""
        key = f"{len(self.files)}-{name}"
        self.files[key] = content
        url = f"{self.files_url}/{key}"
        return {
            "id": str(self.new_id()),
            "filename": name,
            "size": len(content),
            "url": url,
            "proxy_url": url,
        }

    # Messages

    def post(
        self,
        author: User,
        channel: Channel,
        body: Payload,
        *,
        attachments: list[Payload] | None = None,
        at: float | None = None,
        announce: bool = True,
    ) -> Message:
        """A message as it is sent over REST; everything that Discord refuses is refused."""
        content = str(body.get("content") or "").strip()
        components = list(body.get("components") or [])
        check_message(content, components, attachments or [], flags=int(body.get("flags") or 0))
        if author is self.bot and channel.recipient and not channel.recipient.accepts_direct_messages:
            raise Refusal(403, 50007, "Cannot send messages to this user")
        reference = self._reference(channel, body.get("message_reference"))
        nonce = str(body["nonce"]) if body.get("nonce") is not None else None
        if nonce is not None and len(nonce) > 25:
            raise Refusal(400, 50035, "Invalid Form Body: nonce must be 25 or fewer in length.")
        known = self._known_nonce(author, nonce) if body.get("enforce_nonce") else None
        if known is not None:
            return known
        message = Message(
            id=self.new_id(at),
            channel=channel,
            author=author,
            content=content,
            at=datetime.fromtimestamp(time.time() if at is None else at, UTC),
            reference=reference,
            components=components,
            attachments=attachments or [],
            nonce=nonce,
            flags=int(body.get("flags") or 0),
        )
        self._address(message, body.get("allowed_mentions"))
        if nonce is not None:
            self._nonces[(author.id, nonce)] = (time.monotonic(), message)
        if announce:
            channel.messages[message.id] = message
            if at is not None:
                channel.messages = dict(sorted(channel.messages.items()))
            self._announce("MESSAGE_CREATE", self.event_payload(message), channel.guild)
        return message

    def edit(self, message: Message, body: Payload, *, by: User) -> Message:
        if message.author is not by:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        content = message.content if body.get("content") is None else str(body["content"]).strip()
        components = message.components if body.get("components") is None else list(body["components"])
        check_message(content, components, message.attachments, flags=message.flags)
        message.edits.append(message.content)
        message.content, message.components = content, components
        message.edited_at = datetime.now(UTC)
        self._address(message, body.get("allowed_mentions"), is_edit=True)
        if message.id in message.channel.messages:
            self._announce("MESSAGE_UPDATE", self.event_payload(message), message.channel.guild)
        return message

    def delete(self, message: Message) -> None:
        self.message(message.channel, message.id)
        del message.channel.messages[message.id]
        payload = {"id": str(message.id), **_place(message.channel)}
        self._announce("MESSAGE_DELETE", payload, message.channel.guild)

    def delete_bulk(self, messages: list[Message]) -> None:
        for message in messages:
            del message.channel.messages[message.id]
        payload = {"ids": [str(message.id) for message in messages], **_place(messages[0].channel)}
        self._announce("MESSAGE_DELETE_BULK", payload, messages[0].channel.guild)

    def history(
        self, channel: Channel, *, limit: int, before: int | None, after: int | None, around: int | None
    ) -> list[Message]:
        """Newest first, as Discord gives it; with `after` the oldest of those after it."""
        found = sorted(channel.messages.values(), key=lambda message: message.id)
        if around is not None:
            found = [message for message in found if message.id == around]
        if before is not None:
            found = [message for message in found if message.id < before]
        if after is not None:
            found = [message for message in found if message.id > after][:limit]
        return found[-limit:][::-1]

    # Reactions

    def react(self, user: User, message: Message, emoji: str) -> None:
        users = message.reactions.setdefault(emoji, [])
        if user not in users:
            users.append(user)
            payload = {**self._reaction(user, message, emoji), "message_author_id": str(message.author.id)}
            if message.channel.guild:
                payload["member"] = user.member()
            self._announce("MESSAGE_REACTION_ADD", payload, message.channel.guild)

    def unreact(self, user: User, message: Message, emoji: str) -> None:
        if user in message.reactions.get(emoji, []):
            message.reactions[emoji].remove(user)
            if not message.reactions[emoji]:
                del message.reactions[emoji]
            payload = self._reaction(user, message, emoji)
            self._announce("MESSAGE_REACTION_REMOVE", payload, message.channel.guild)

    def clear(self, message: Message, emoji: str | None = None) -> None:
        """A moderator takes all reactions off, or all of one emoji."""
        payload: Payload = {"message_id": str(message.id), **_place(message.channel)}
        if emoji is None:
            message.reactions.clear()
            self._announce("MESSAGE_REACTION_REMOVE_ALL", payload, message.channel.guild)
        elif message.reactions.pop(emoji, None):
            payload["emoji"] = emoji_payload(emoji)
            self._announce("MESSAGE_REACTION_REMOVE_EMOJI", payload, message.channel.guild)

    def _reaction(self, user: User, message: Message, emoji: str) -> Payload:
        return {
            "user_id": str(user.id),
            "message_id": str(message.id),
            **_place(message.channel),
            "emoji": emoji_payload(emoji),
            "burst": False,
            "type": 0,
        }

    # Payloads

    def payload(self, message: Message, *, shows_content: bool = True) -> Payload:
        """A message as REST gives it. Without the privilege its content is blank, as Discord does it."""
        is_open = shows_content or self.is_readable(message)
        payload: Payload = {
            "id": str(message.id),
            "channel_id": str(message.channel.id),
            "author": message.author.payload(),
            "content": message.content if is_open else "",
            "timestamp": message.at.isoformat(),
            "edited_timestamp": message.edited_at.isoformat() if message.edited_at else None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [user.payload() for user in message.mentions],
            "mention_roles": [],
            "attachments": message.attachments if is_open else [],
            "embeds": [],
            "components": message.components if is_open else [],
            "pinned": False,
            "type": 19 if message.reference else 0,
            "flags": message.flags,
        }
        if message.reactions:
            payload["reactions"] = [
                {
                    "emoji": emoji_payload(emoji),
                    "count": len(users),
                    "me": self.bot in users,
                    "me_burst": False,
                    "burst_colors": [],
                    "count_details": {"normal": len(users), "burst": 0},
                }
                for emoji, users in message.reactions.items()
            ]
        if message.reference:
            payload["message_reference"] = {"message_id": str(message.reference), **_place(message.channel)}
            replied = message.channel.messages.get(message.reference)
            payload["referenced_message"] = (
                self.payload(replied, shows_content=shows_content)
                if replied and not replied.reference
                else None
            )
        return payload

    def event_payload(self, message: Message) -> Payload:
        """A message as the gateway gives it; blanked later for sessions without the intent."""
        payload = {**self.payload(message), **_place(message.channel), "nonce": message.nonce}
        if message.channel.guild:
            member = message.author.member()
            member.pop("user")
            payload["member"] = member
        return payload

    def is_readable(self, message: Message) -> bool:
        """Content that a bot sees even without the Message Content intent."""
        is_own = message.author is self.bot
        return is_own or message.channel.kind == ChannelKind.DIRECT or self.bot in message.mentions

    # Helpers

    def _known_nonce(self, author: User, nonce: str | None) -> Message | None:
        taken = self._nonces.get((author.id, nonce)) if nonce else None
        if taken is None or time.monotonic() - taken[0] > self.nonce_window_s:
            return None
        return taken[1]

    def _reference(self, channel: Channel, reference: Payload | None) -> int | None:
        if not reference or "message_id" not in reference:
            return None
        message_id = int(reference["message_id"])
        if message_id in channel.messages:
            return message_id
        if reference.get("fail_if_not_exists", True):
            raise Refusal(400, 50035, "Invalid Form Body: message_reference: Unknown message")
        return None

    def _address(self, message: Message, allowed: Payload | None, *, is_edit: bool = False) -> None:
        """Whom a message names, and whom it would make a phone ring for."""
        named = [self.users[int(found)] for found in re.findall(r"<@!?(\d+)>", message.content)]
        allowed_parse = {"everyone", "users", "roles"} if allowed is None else set(allowed.get("parse", []))
        pinged = {user.name for user in named} if "users" in allowed_parse else set()
        if "everyone" in allowed_parse and re.search("@everyone|@here", message.content):
            pinged.add("everyone")
        replied = message.channel.messages.get(message.reference or 0)
        pings_replied = allowed is None or bool(allowed.get("replied_user"))
        if replied is not None and pings_replied:
            named.append(replied.author)
            pinged.add(replied.author.name)
        message.mentions = list(dict.fromkeys(named))
        if not is_edit:
            message.pinged = pinged


def check_message(
    content: str, components: list[Payload], attachments: list[Payload], *, flags: int = 0
) -> None:
    """What Discord says no to in any message. Characters are code points (discord-api-docs issue 1315)."""
    if len(content) > CONTENT_LIMIT:
        raise Refusal(400, 50035, "Invalid Form Body: content: Must be 2000 or fewer in length.")
    if not content.strip() and not attachments and not flags & (1 << 7):
        raise Refusal(400, 50006, "Cannot send an empty message")
    if sum(int(attachment["size"]) for attachment in attachments) > UPLOAD_LIMIT_BYTES:
        raise Refusal(413, 40005, "Request entity too large")
    if len(components) > 5 or any(not 1 <= len(row["components"]) <= 5 for row in components):
        raise Refusal(400, 50035, "Invalid Form Body: components: at most 5 rows of 1 to 5")
    buttons = [button for row in components for button in row["components"]]
    ids = [str(button.get("custom_id", "")) for button in buttons]
    if any(not 1 <= len(custom_id) <= 100 for custom_id in ids) or len(set(ids)) != len(ids):
        raise Refusal(400, 50035, "Invalid Form Body: components: custom_id must be 1 to 100 long and unique")
    if any(len(str(button.get("label") or "")) > 80 for button in buttons):
        raise Refusal(400, 50035, "Invalid Form Body: components: label must be 80 or fewer in length")


def emoji_payload(emoji: str) -> Payload:
    """`name:id` is an emoji of a server's own, anything else a character."""
    name, _, custom = emoji.partition(":")
    return {"id": custom or None, "name": name, "animated": False}


def _place(channel: Channel) -> Payload:
    place = {"channel_id": str(channel.id)}
    if channel.guild:
        place["guild_id"] = str(channel.guild.id)
    return place
