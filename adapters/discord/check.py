"""`nightloom check` for Discord: what is wrong with the bot's application, and what to do about it.

Changes nothing: sends no message, registers no command, opens no gateway connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any  # Discord's answers are JSON

import aiohttp
import discord

from adapters.discord.connection import BAD_TOKEN, CONTENT_GRANTED, NO_CONTENT, redirect
from adapters.shared.findings import Finding, bad, good
from bot.settings import DiscordSettings

TIMEOUT_S = 15.0
GUILDS_A_PAGE = 200
MAX_GUILDS = 2_000
NEEDED = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    attach_files=True,
    embed_links=True,
    add_reactions=True,
)
COMMANDS = ("ask", "nightloom", "Correct this")


async def check(settings: DiscordSettings) -> list[Finding]:
    """Checks token, intents, permissions and commands, and tells the invite link."""
    if settings.token is None:
        return [good("Discord: off (no NIGHTLOOM_DISCORD__TOKEN)")]
    redirect(settings.api_url, settings.gateway_url)
    client = discord.Client(intents=discord.Intents.none())
    try:
        async with client, asyncio.timeout(TIMEOUT_S):
            await client.login(settings.token.get_secret_value())
            return [finding async for finding in _findings(client, settings)]
    except discord.LoginFailure:
        return [bad(f"Discord: {BAD_TOKEN}")]
    except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
        return [bad(f"Discord: could not be reached ({error!r}). Is the network there, and no firewall?")]


async def _findings(client: discord.Client, settings: DiscordSettings) -> AsyncIterator[Finding]:
    application: Any = await client.http.application_info()
    name = client.user.name if client.user else "?"
    yield good(f"Discord: the token is {name}'s")
    yield _intent(int(application.get("flags", 0)))
    yield await _commands(client, int(application["id"]))
    guilds = await _guilds(client)
    invite = invite_url(int(application["id"]))
    if not guilds:
        yield bad(f"Discord: the bot is in no server. Invite it: {invite}")
    for guild in guilds:
        yield _permissions(guild, invite)
    unknown = set(settings.allowed_servers) - {int(guild["id"]) for guild in guilds}
    if unknown:
        listed = ", ".join(map(str, sorted(unknown)))
        yield bad(f"Discord: allowed_servers names servers that the bot is not in: {listed}")
    yield good(f"Discord: invite link {invite}")


async def _guilds(client: discord.Client) -> list[Any]:  # Any: JSON
    """Every server that the bot is in, page after page."""
    found: list[Any] = []
    while len(found) < MAX_GUILDS:
        last = found[-1]["id"] if found else None
        page: Sequence[Any] = await client.http.get_guilds(limit=GUILDS_A_PAGE, after=last)
        found += page
        if len(page) < GUILDS_A_PAGE:
            break
    return found


def _intent(application_flags: int) -> Finding:
    if application_flags & CONTENT_GRANTED:
        return good("Discord: the Message Content intent is granted")
    return bad(f"Discord: {NO_CONTENT}")


async def _commands(client: discord.Client, application: int) -> Finding:
    known: Sequence[Any] = await client.http.get_global_commands(application)
    missing = [name for name in COMMANDS if name not in {command["name"] for command in known}]
    if missing:
        return bad(f"Discord: not registered yet: {', '.join(missing)}. The first `nightloom run` does it.")
    return good("Discord: the commands are registered")


def _permissions(guild: Any, invite: str) -> Finding:  # Any: JSON
    """The permissions in the whole server. A channel may still take some of them away."""
    held = discord.Permissions(int(guild.get("permissions", 0)))
    missing = [name for name, needed in NEEDED if needed and not getattr(held, name)]
    if held.administrator or not missing:
        return good(f"Discord: {guild['name']}: all permissions")
    listed = ", ".join(name.replace("_", " ") for name in missing)
    return bad(
        f"Discord: {guild['name']}: missing {listed}. Give them to the bot's role, or invite anew: {invite}"
    )


def invite_url(application: int) -> str:
    """The link that an administrator of a server opens to invite the bot."""
    return discord.utils.oauth_url(application, permissions=NEEDED, scopes=("bot", "applications.commands"))
