"""Translates discord.py's objects into neutral events. Fetches attached texts; keeps and sends nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

import aiohttp
import discord
import structlog

from bot.events import Message, Person, Place, Platform, Ref, ThreadReply
from engine.types import Mode

Author: TypeAlias = discord.User | discord.Member
MAX_TEXT_BYTES = 64 * 1024

log = structlog.get_logger(__name__)

_SAID = (discord.MessageType.default, discord.MessageType.reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A person's message, before it is known whether it talks or teaches."""

    ref: Ref
    place: Place
    person: Person
    text: str  # without the bot's mention
    at: datetime
    is_mention: bool
    names_others: bool
    is_readable: bool  # False: Discord withheld the text, the Message Content intent is missing
    replies_to: Ref | None
    thread_start: Ref | None  # the message at which its thread was opened

    @property
    def event(self) -> str:
        return f"message:{self.ref.id}"

    def message(self, *, mode: Mode | None, reply_to: str | None) -> Message:
        """As a question."""
        return Message(
            event=self.event,
            ref=self.ref,
            place=self.place,
            person=self.person,
            text=self.text,
            at=self.at,
            mode=mode,
            reply_to=reply_to,
        )

    def thread_reply(self, to: Ref | None) -> ThreadReply:
        """As teaching about the answer it replies to."""
        return ThreadReply(
            event=self.event,
            ref=self.ref,
            place=self.place,
            to=to,
            person=self.person,
            text=self.text,
            at=self.at,
        )


def said(message: discord.Message, bot: discord.ClientUser) -> Said | None:
    """A person's message; None for messages of bots, webhooks and Discord itself."""
    if message.author.bot or message.webhook_id is not None or message.type not in _SAID:
        return None
    own_role = message.guild.self_role if message.guild else None
    own = [str(bot.id)] + ([f"&{own_role.id}"] if own_role else [])
    # A reply pings its author without a mention in the text; discord.py lists both as mentions.
    is_mention = any(re.search(f"<@!?{mark}>", message.content) for mark in own)
    names = {user.id for user in message.mentions if f"{user.id}>" in message.content}
    return Said(
        ref=ref(message.channel.id, message.id),
        place=place(message.channel),
        person=person(message.author),
        text=readable(message, own),
        at=message.edited_at or message.created_at,
        is_mention=is_mention,
        names_others=bool(names - {bot.id}),
        is_readable=bool(message.content or message.attachments or message.stickers),
        replies_to=_replies_to(message),
        thread_start=_thread_start(message.channel),
    )


async def with_files(said: Said, message: discord.Message) -> Said:
    """The message with its text files: Discord turns a pasted text that is too long into a file."""
    texts = [said.text]
    for attachment in message.attachments:
        is_text = (attachment.content_type or "").startswith("text/") or attachment.filename == "message.txt"
        if is_text and attachment.size <= MAX_TEXT_BYTES:
            try:
                texts.append((await attachment.read()).decode("utf-8", errors="replace"))
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                log.warning("an attached text could not be read", message=message.id, error=repr(error))
    return replace(said, text="\n\n".join(text for text in texts if text))


def readable(message: discord.Message, own: list[str]) -> str:
    """The text as the model reads it: without the bot's mention, with other people's names."""
    text = message.content
    for mark in own:
        text = re.sub(f"<@!?{mark}>", "", text)
    for user in message.mentions:
        text = re.sub(f"<@!?{user.id}>", f"@{user.display_name}", text)
    return text.strip()


def person(user: Author) -> Person:
    return Person(key=f"discord:{user.id}", platform=Platform.DISCORD, name=user.display_name)


def user_id(key: str) -> int:
    """The number in a person's key."""
    return int(key.removeprefix("discord:"))


def ref(channel_id: int, message_id: int) -> Ref:
    return Ref(platform=Platform.DISCORD, channel=str(channel_id), id=str(message_id))


def place(channel: object) -> Place:
    """The place of a message. A thread is a place of its own in its channel."""
    if isinstance(channel, discord.Thread):
        return _place(channel.parent_id, thread=channel.id)
    if isinstance(channel, discord.DMChannel):
        return _place(channel.id, is_private=True)
    is_direct = isinstance(channel, discord.PartialMessageable) and channel.guild_id is None
    return _place(channel.id, is_private=is_direct)  # type: ignore[attr-defined]  # every channel has an id


def channel_id(place: Place) -> int:
    """The channel that messages of this place are sent to. To Discord a thread is a channel."""
    return int(place.thread or place.channel)


def emoji_name(emoji: discord.PartialEmoji) -> str:
    """A character, or `:name:` for an emoji of a server's own."""
    return f":{emoji.name}:" if emoji.id else str(emoji.name)


def _place(channel: int, *, thread: int | None = None, is_private: bool = False) -> Place:
    return Place(
        platform=Platform.DISCORD,
        channel=str(channel),
        thread=str(thread) if thread else None,
        is_private=is_private,
    )


def _replies_to(message: discord.Message) -> Ref | None:
    reference = message.reference
    if reference is None or reference.message_id is None or reference.channel_id != message.channel.id:
        return None
    return ref(reference.channel_id, reference.message_id)


def _thread_start(channel: object) -> Ref | None:
    # A thread that was opened at a message has the message's id. The message stands in the parent channel.
    return ref(channel.parent_id, channel.id) if isinstance(channel, discord.Thread) else None
