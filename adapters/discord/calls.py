"""Calls of Discord: sending messages and files, and Discord's errors in the bot's terms. Keeps nothing."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import aiohttp
import discord

from bot.events import Notice
from bot.ports import ChatError, RateLimited, Undeliverable, Unreachable

T = TypeVar("T")

CALL_TIMEOUT_S = 100.0  # discord.py waits out rate limits inside a call

CANNOT_DIRECT = 50007
UNKNOWN_MESSAGE = 10008
MISSING_ACCESS = 50001
THREAD_ARCHIVED = 50083
THREAD_LOCKED = 160005
CANNOT_REPLY = {50013, 160002}  # a reply needs the permission to read the history
_ADVICE = {
    10003: "the channel is gone",
    40005: "the file is larger than Discord takes",
    MISSING_ACCESS: "the bot cannot see the channel: give it View Channel",
    50013: "a permission is missing: Send Messages, Read Message History, Attach Files",
    50007: "direct messages from the bot are closed",
    THREAD_ARCHIVED: "the thread is archived, and the bot may not reopen it: reopen it",
    THREAD_LOCKED: "the thread is locked: a moderator can unlock it",
}


async def call(calling: Awaitable[T]) -> T:
    """One call of Discord. Raises ChatError."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await calling
    except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError, RuntimeError) as error:
        # RuntimeError: the session was closed under the call while the adapter stops.
        raise chat_error(error) from error


async def call_in_open_thread(client: discord.Client, channel_id: int, make: Callable[[], Awaitable[T]]) -> T:
    """A call that Discord refuses in an archived thread. The thread is reopened first. Raises ChatError."""
    try:
        return await call(make())
    except Undeliverable as error:
        if code_of(error) != THREAD_ARCHIVED:
            raise
        await _reopen(client, channel_id, error)
    return await call(make())


async def _reopen(client: discord.Client, channel_id: int, archived: Undeliverable) -> None:
    try:
        await call(client.http.edit_channel(channel_id, archived=False))
    except Undeliverable:  # it is locked, or the bot may not send messages in it
        raise archived from archived.__cause__


def post(
    place: discord.PartialMessageable,
    text: str,
    view: discord.ui.View | None,
    reference: discord.MessageReference | None,
    nonce: str,
) -> Awaitable[discord.Message]:
    # Any: discord.py tells "none" by leaving a parameter out.
    options: dict[str, Any] = {"nonce": nonce, "allowed_mentions": discord.AllowedMentions.none()}
    if view is not None:
        options["view"] = view
    if reference is not None:
        options["reference"] = reference
    return place.send(text, suppress_embeds=True, **options)


def say(
    place: discord.PartialMessageable,
    text: str,
    view: discord.ui.View | None,
    attached: Sequence[discord.File],
) -> Awaitable[discord.Message]:
    options: dict[str, Any] = {"allowed_mentions": discord.AllowedMentions.none()}  # Any: as above
    if view is not None:
        options["view"] = view
    if attached:
        options["files"] = list(attached)
    return place.send(text, **options)


def files(notice: Notice) -> list[discord.File]:
    """A notice's picture and file, as attachments."""
    found = []
    if notice.image_png:
        found.append(discord.File(io.BytesIO(notice.image_png), filename="nightloom.png"))
    if notice.file:
        found.append(discord.File(io.BytesIO(notice.file), filename=notice.file_name or "nightloom.zip"))
    return found


def make_nonce(key: str, index: int) -> str:
    """At most 25 characters, the same at every try."""
    return hashlib.blake2b(f"{key} {index}".encode(), digest_size=12).hexdigest()


def chat_error(error: Exception) -> ChatError:
    """An error of discord.py in the bot's own terms, with what to do."""
    if isinstance(error, discord.RateLimited):
        return RateLimited("Discord allows no more for now.", retry_after_s=error.retry_after)
    if isinstance(error, discord.HTTPException) and error.status == 429:
        return RateLimited("Discord allows no more for now.", retry_after_s=5.0)
    # An error without a code of Discord's comes from a renewed token or from the network. Both pass.
    if isinstance(error, discord.HTTPException) and error.status < 500 and error.code:
        return Undeliverable(f"Discord refused it: {_ADVICE.get(error.code, error.text or str(error))}.")
    return Unreachable(f"Discord could not be reached: {error!r}")


def code_of(error: ChatError) -> int:
    """Discord's code of the error; 0 where there is none."""
    cause = error.__cause__
    return cause.code if isinstance(cause, discord.HTTPException) else 0
