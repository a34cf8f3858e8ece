"""The connection to Discord: address, intents, and connecting again after a failure. Knows no events."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.ports import Undeliverable
from bot.settings import DiscordSettings

BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 60.0
REFUSED_AGAIN_S = 300.0
CONTENT_AGAIN_S = 3600.0  # how often the portal is asked whether it grants the content by now
CONTENT_GRANTED = 1 << 18 | 1 << 19  # for a verified bot, and for a bot in few servers
LONGEST_RATE_LIMIT_S = 60.0

LOGIN_TIMEOUT_S = 60.0
# RecursionError: discord.py tries again to start a shard by calling itself.
_PASSING = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError, RecursionError)

BAD_TOKEN = (
    "NIGHTLOOM_DISCORD__TOKEN was refused by Discord. Copy it anew: Developer Portal, your application, "
    "Bot, Reset Token."
)
NO_CONTENT = (
    "Discord does not grant the Message Content intent, so replies that do not mention the bot arrive "
    "without their text, and threads do not teach. Mentions, direct messages, replies with the mention on, "
    "/ask, buttons, reactions and `Correct this` work. To mend it: Developer Portal, your application, Bot, "
    "Message Content Intent."
)

# Close codes after which only the operator can help: docs.discord.com, Gateway Close Event Codes.
BAD_TOKEN_CODE, INTENT_CODES = 4004, (4013, 4014)
_OPERATORS = {
    BAD_TOKEN_CODE: BAD_TOKEN,
    4010: "Discord refused the shard: NIGHTLOOM_DISCORD__SHARD_IDS must be below NIGHTLOOM_DISCORD__SHARDS.",
    4011: "This bot is in too many servers for one connection: unset NIGHTLOOM_DISCORD__SHARDS, or raise it.",
    4012: "Discord no longer speaks this version of its interface: upgrade discord.py.",
    4013: "Discord refused the intents as unknown: upgrade discord.py.",
    4014: (
        "Discord refused the intents even without Message Content: Developer Portal, your application, Bot, "
        "Privileged Gateway Intents."
    ),
}

log = structlog.get_logger(__name__)


class Connection:
    """Keeps a client connected until stopped. Calls `prepare` with every new client before its login."""

    def __init__(self, settings: DiscordSettings, prepare: Callable[[discord.Client], None]) -> None:
        self._settings = settings
        self._prepare = prepare
        self._stopping = asyncio.Event()
        self._logged_in = asyncio.Event()
        self._client: discord.Client | None = None
        self._was_ready = False
        self._renewing = asyncio.Event()
        self._complaint = ""
        self.has_content = True  # until Discord refuses the Message Content intent

    @property
    def client(self) -> discord.Client:
        """The current client. Raises RuntimeError before the first connection."""
        if self._client is None:
            raise RuntimeError("Discord is not connected yet")
        return self._client

    @property
    def is_open(self) -> bool:
        """Whether calls can be made now."""
        return self._logged_in.is_set()

    async def logged_in(self) -> discord.Client:
        """The client, as soon as it may send."""
        await self._logged_in.wait()
        return self.client

    async def run(self) -> None:
        """Connect, and connect again after failures, for ever. Raises Undeliverable if the token is wrong."""
        redirect(self._settings.api_url, self._settings.gateway_url)
        failures = 0
        while not self._stopping.is_set():
            try:
                await self._connect_until_stopped()
                failures = 0
            except _PASSING as error:
                code = _close_code(error)
                if code in INTENT_CODES and self.has_content:
                    self.has_content = False
                    log.warning(NO_CONTENT)
                    continue
                if code == BAD_TOKEN_CODE and not self._was_ready:
                    raise Undeliverable(BAD_TOKEN) from error
                if code in _OPERATORS:
                    await self._pause_for_operator(_OPERATORS[code])
                    continue
                failures += 1
                pause_s = min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2 ** min(failures, 10)) * random.uniform(
                    0.5, 1
                )
                log.warning("Discord cannot be reached", error=repr(error), again_in_s=round(pause_s, 1))
                await self._pause(pause_s)
            finally:
                self._logged_in.clear()

    async def stop(self) -> None:
        """End `run`, also where Discord does not answer."""
        self._stopping.set()

    async def _connect_until_stopped(self) -> None:
        self._renewing.clear()
        connecting = asyncio.create_task(self._connect())
        stopping = asyncio.create_task(self._stopping.wait())
        renewing = asyncio.create_task(self._renewing.wait())
        try:
            await asyncio.wait((connecting, stopping, renewing), return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                if self.is_open:
                    _forget_ready(self.client)
                connecting.cancel()
                await asyncio.wait((connecting,))
        finally:
            for task in (stopping, renewing, connecting):
                task.cancel()
        if not connecting.cancelled():
            connecting.result()

    async def _connect(self) -> None:
        token = self._settings.token
        assert token is not None  # the adapter is built only with one
        client = self._client = new_client(self._settings, has_content=self.has_content)
        self._prepare(client)
        async with client:
            async with asyncio.timeout(LOGIN_TIMEOUT_S):
                await client.login(token.get_secret_value())
                if self._settings.api_url and not self._settings.gateway_url:
                    await _take_gateway_of(client)
            self._logged_in.set()
            asking = asyncio.create_task(self._ask_for_content(client))
            try:
                await client.connect(reconnect=True)
            finally:
                asking.cancel()

    async def _ask_for_content(self, client: discord.Client) -> None:
        """Note that Discord took the token. Connect anew once the portal grants the missing intent."""
        await client.wait_for("connect")
        self._was_ready, self._complaint = True, ""
        while not self.has_content:
            await asyncio.sleep(CONTENT_AGAIN_S)
            try:
                application = await client.http.application_info()
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                log.debug("the portal could not be asked", error=repr(error))
                continue
            if int(application.get("flags", 0)) & CONTENT_GRANTED:
                log.info("Discord grants the Message Content intent now")
                self.has_content = True
                self._renewing.set()

    async def _pause_for_operator(self, complaint: str) -> None:
        """Only the operator can help: say so, once, and try again from time to time."""
        if complaint != self._complaint:
            self._complaint = complaint
            log.error(complaint, again_in_s=REFUSED_AGAIN_S)
        await self._pause(REFUSED_AGAIN_S)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), timeout=seconds)
        except TimeoutError:
            return


def _close_code(error: Exception) -> int:
    if isinstance(error, discord.LoginFailure):
        return BAD_TOKEN_CODE
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return 4014
    return error.code if isinstance(error, discord.ConnectionClosed) else 0


def redirect(api_url: str | None, gateway_url: str | None) -> None:
    """Point discord.py, and so this whole process, at another server that speaks Discord's interface."""
    if api_url:
        url = yarl.URL(api_url)
        if url.path.rstrip("/") in ("", "/api"):
            url = url.with_path("/api/v10")
        Route.BASE = str(url).rstrip("/")
        discord.asset.Asset.BASE = str(url.with_path("/cdn"))
    if gateway_url:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


def new_client(settings: DiscordSettings, *, has_content: bool) -> discord.Client:
    """A client that asks for the fewest intents and keeps no messages and members in memory."""
    # The bot never uses voice, so discord.py need not warn that voice is not installed.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    options: dict[str, Any] = {  # Any: discord.py's options are of many types
        "intents": discord.Intents(guilds=True, messages=True, reactions=True, message_content=has_content),
        "member_cache_flags": discord.MemberCacheFlags.none(),
        "chunk_guilds_at_startup": False,
        "max_messages": None,
        "max_ratelimit_timeout": LONGEST_RATE_LIMIT_S,
    }
    if settings.gateway_url and settings.shards is None:
        return discord.Client(**options)
    if settings.shard_ids:
        options["shard_ids"] = list(settings.shard_ids)
    return discord.AutoShardedClient(shard_count=settings.shards, **options)


def _forget_ready(client: discord.Client) -> None:
    """End discord.py's tasks that wait for the list of servers: they fail when the client is closed."""
    state: Any = client._connection  # Any: private, and there is no other way to those tasks
    for task in (state._ready_task, *getattr(state, "_ready_tasks", {}).values()):
        if task is not None:
            task.cancel()


async def _take_gateway_of(client: discord.Client) -> None:
    """Use the gateway of the server at `api_url`: after an invalid session discord.py would use Discord's."""
    _, url, _ = await client.http.get_bot_gateway()
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
