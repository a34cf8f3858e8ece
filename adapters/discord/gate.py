"""Decides whom the bot answers, and where, by the settings. Knows no message's content.

Every list that is not empty must be met. Direct messages stand in no server. There a person must be a member
of an allowed server, with an allowed role where the settings name roles.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import aiohttp
import discord

from adapters.shared.bounded import BoundedDict
from bot.settings import DiscordSettings

MEMBERSHIP_S = 600.0
MAX_REMEMBERED = 10_000


class Gate:
    """Decides by ids where that is enough. Else it asks Discord for a person's membership."""

    def __init__(self, settings: DiscordSettings) -> None:
        self._servers = frozenset(settings.allowed_servers)
        self._channels = frozenset(settings.allowed_channels)
        self._roles = frozenset(settings.allowed_roles)
        self._people = frozenset(settings.allowed_people)
        self._blocked = frozenset(settings.blocked_people)
        self._memberships: BoundedDict[tuple[int, int], tuple[float, frozenset[int] | None]]
        self._memberships = BoundedDict(MAX_REMEMBERED)

    async def admits(
        self,
        client: discord.Client,
        user: discord.User | discord.Member,
        channel: object,
        guild_id: int | None,
    ) -> bool:
        """Whether this person is answered in this channel."""
        if not self.admits_person(user.id) or not self.admits_channel(channel, guild_id):
            return False
        roles = {role.id for role in user.roles} if isinstance(user, discord.Member) else None
        return await self.admits_roles(client, user.id, guild_id, roles)

    def admits_person(self, user_id: int) -> bool:
        return user_id not in self._blocked and (not self._people or user_id in self._people)

    def admits_channel(self, channel: object, guild_id: int | None) -> bool:
        """A thread is allowed where its channel is."""
        if guild_id is None:
            return True
        ids = {getattr(channel, "id", None), getattr(channel, "parent_id", None)}
        return (not self._servers or guild_id in self._servers) and (
            not self._channels or bool(self._channels & ids)
        )

    async def admits_roles(
        self, client: discord.Client, user_id: int, guild_id: int | None, roles: Iterable[int] | None
    ) -> bool:
        """Whether the person has an allowed role. `roles` None: the event did not tell the person's roles."""
        if guild_id is not None:
            if not self._roles:
                return True
            held = frozenset(roles) if roles is not None else await self._held(client, guild_id, user_id)
            return bool(held and self._roles & held)
        if not self._servers and not self._roles:
            return True
        for server in self._servers or {guild.id for guild in client.guilds}:
            held = await self._held(client, server, user_id)
            if held is not None and (not self._roles or self._roles & held):
                return True
        return False

    async def _held(self, client: discord.Client, guild_id: int, user_id: int) -> frozenset[int] | None:
        """The roles a person has in a server, remembered for a while; None: no member."""
        key, now = (guild_id, user_id), time.monotonic()
        known = self._memberships.get(key)
        if known is not None and now - known[0] < MEMBERSHIP_S:
            return known[1]
        try:
            member = await client.http.get_member(guild_id, user_id)
        except discord.NotFound:
            held = None
        except (discord.HTTPException, aiohttp.ClientError, OSError):
            return None  # not remembered: Discord may answer again in a moment
        else:
            held = frozenset(int(role) for role in member["roles"])
        self._memberships[key] = (now, held)
        return held
