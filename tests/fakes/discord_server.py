"""A Discord on this machine: REST and gateway over one state, and a hand to act as its people.

Serves what a bot uses of version 10, keeps it, and refuses what Discord refuses, with Discord's codes.
Faults can be laid over any call: rate limits, errors, a connection that breaks after the work is done.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.discord_gateway import MESSAGE_CONTENT, Gateway
from tests.fakes.discord_interactions import Interaction, Interactions, read_body, reply
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
from tests.fakes.discord_world import World

TOKEN = "token-of-the-test-bot"
VIA = {"Via": "1.1 test"}  # without it discord.py takes a 429 for a ban


@dataclass(slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with the next `times` calls whose method and path fit."""

    method: str
    path: str
    times: int = 1
    retry_after_s: float | None = None  # answer 429
    status: int | None = None  # answer this
    code: int = 0
    breaks_after: bool = False  # do the work, then break the connection without an answer
    breaks_before: bool = False
    holds: asyncio.Event | None = None  # do the work, then answer once this is set
    delay_s: float = 0.0

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and method == self.method and re.search(self.path, path) is not None


@dataclass(slots=True, kw_only=True)
class Call:
    method: str
    path: str
    body: Payload
    at: float = field(default_factory=time.monotonic)


class DiscordServer:
    """Start it, point a bot at `api_url` and `gateway_url`, then speak as the people of its `world`."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.gateway = Gateway()
        self.world = World(self.gateway.announce)
        self.gateway.world, self.gateway.token = self.world, token
        self.interactions = Interactions(self.world, self.gateway)
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.limits_every_call = False  # each call is answered with a 429 first
        self.bucket: tuple[int, float] | None = None  # messages per seconds and channel
        self._taken: dict[int, list[float]] = {}
        self._limited: Counter[tuple[str, str]] = Counter()
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"{self.url.replace('http', 'ws')}/gateway/"

    async def start(self) -> None:
        application = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[self._guard])
        application.router.add_get("/gateway/", self.gateway.handle)
        application.router.add_get("/files/{name}", self._file)
        for method, path, handler in self._routes():
            application.router.add_route(method, f"/api/v10{path}", handler)
        self._runner = web.AppRunner(application, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self.gateway.url = self.gateway_url
        self.world.files_url = f"{self.url}/files"

    async def stop(self) -> None:
        await self.gateway.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    # The hand: what people do

    def say(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        reply_to: Message | None = None,
        pings: bool = True,
        ago_s: float = 0.0,
        files: list[Payload] | None = None,
    ) -> Message:
        body: Payload = {"content": text, "allowed_mentions": {"parse": ["users"], "replied_user": pings}}
        if reply_to is not None:
            body["message_reference"] = {"message_id": str(reply_to.id)}
        at = time.time() - ago_s if ago_s else None
        return self.world.post(user, channel, body, attachments=files, at=at)

    def mention(self, user: User, channel: Channel, text: str, *, ago_s: float = 0.0) -> Message:
        """Say something to the bot."""
        return self.say(user, channel, f"{self.world.bot.mention} {text}", ago_s=ago_s)

    def edit(self, message: Message, text: str) -> None:
        self.world.edit(message, {"content": text}, by=message.author)

    def answers(self, channel: Channel) -> list[Message]:
        """What the bot has posted in a channel, oldest first."""
        return channel.said_by(self.world.bot)

    async def until(self, condition: Callable[[], Any], *, timeout_s: float = 10.0) -> Any:
        """Wait for something to become true of the state, and give what it became."""
        end = time.monotonic() + timeout_s
        while not (found := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout_s} s")
            await asyncio.sleep(0.01)
        return found

    async def answer(self, channel: Channel, number: int = 1, *, timeout_s: float = 10.0) -> Message:
        """The bot's n-th message in a channel, once it is there."""
        await self.until(lambda: len(self.answers(channel)) >= number, timeout_s=timeout_s)
        return self.answers(channel)[number - 1]

    async def connected(self, *, timeout_s: float = 10.0) -> None:
        await self.until(lambda: self.gateway.is_connected, timeout_s=timeout_s)

    def was_limited(self, method: str, path: str) -> bool:
        """Whether such a call was made while every call was limited."""
        return any(method == limited and re.search(path, other) for limited, other in self._limited)

    def called(self, method: str, path: str) -> list[Call]:
        return [call for call in self.calls if call.method == method and re.search(path, call.path)]

    # The guard in front of every call

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not request.path.startswith("/api/"):
            return await handler(request)
        path = request.path.removeprefix("/api/v10")
        fault = next((fault for fault in self.faults if fault.fits(request.method, path)), None)
        refused = self._refuse_early(request, path, fault)
        if refused is not None:
            return refused
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.breaks_before:
            return _broken(request)
        try:
            response = await handler(request)
        except Refusal as refusal:
            response = reply({"code": refusal.code, "message": str(refusal)}, status=refusal.status)
        if fault is not None and fault.holds is not None:
            await fault.holds.wait()
        if fault is not None and fault.breaks_after:
            return _broken(request)
        return response

    def _refuse_early(self, request: web.Request, path: str, fault: Fault | None) -> web.Response | None:
        is_open = path.startswith(("/interactions/", "/webhooks/"))
        if not is_open and request.headers.get("Authorization") != f"Bot {self.token}":
            return reply({"code": 0, "message": "401: Unauthorized"}, status=401)
        if fault is not None:
            fault.times -= 1
            if fault.retry_after_s is not None:
                return limited(fault.retry_after_s)
            if fault.status is not None:
                return reply({"code": fault.code, "message": "fault"}, status=fault.status)
        if self.limits_every_call:
            self._limited[(request.method, path)] += 1
            if self._limited[(request.method, path)] % 2:
                return limited(0.01)
        return None

    def _routes(self) -> list[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]]:
        message = "/channels/{channel}/messages/{message}"
        webhook = "/webhooks/{application}/{token}"
        return [
            ("GET", "/users/@me", self._me),
            ("GET", "/oauth2/applications/@me", self._application),
            ("GET", "/applications/@me", self._application),
            ("GET", "/gateway/bot", self._gateway_bot),
            ("GET", "/gateway", self._gateway_bot),
            ("GET", "/users/@me/guilds", self._guilds),
            ("GET", "/users/{user}", self._user),
            ("POST", "/users/@me/channels", self._open_direct),
            ("GET", "/guilds/{guild}/members/{user}", self._member),
            ("GET", "/channels/{channel}", self._channel),
            ("PATCH", "/channels/{channel}", self._edit_channel),
            ("POST", "/channels/{channel}/typing", self._typing),
            ("GET", "/channels/{channel}/messages", self._history),
            ("POST", "/channels/{channel}/messages", self._post),
            ("GET", message, self._message),
            ("PATCH", message, self._patch),
            ("DELETE", message, self._delete),
            ("GET", message + "/reactions/{emoji}", self._reactors),
            ("GET", "/applications/{application}/commands", self.interactions.list_commands),
            ("PUT", "/applications/{application}/commands", self.interactions.put_commands),
            ("GET", "/applications/{application}/guilds/{guild}/commands", self.interactions.list_commands),
            ("PUT", "/applications/{application}/guilds/{guild}/commands", self.interactions.put_commands),
            ("POST", "/interactions/{interaction}/{token}/callback", self.interactions.callback),
            ("POST", webhook, self.interactions.follow_up),
            ("GET", webhook + "/messages/{message}", self.interactions.read),
            ("PATCH", webhook + "/messages/{message}", self.interactions.patch),
            ("DELETE", webhook + "/messages/{message}", self.interactions.delete),
        ]

    # Handlers

    async def _me(self, request: web.Request) -> web.Response:
        self._record(request, {})
        return reply(self.world.bot.payload())

    async def _application(self, request: web.Request) -> web.Response:
        grants = self.gateway.portal_intents & MESSAGE_CONTENT
        return reply(
            {
                "id": str(self.world.bot.id),
                "name": "Nightloom",
                "icon": None,
                "description": "",
                "bot_public": True,
                "bot_require_code_grant": False,
                "verify_key": "0" * 64,
                "flags": 1 << 18 if grants else 0,
                "owner": self.world.bot.payload(),
            }
        )

    async def _gateway_bot(self, request: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return reply({"url": self.gateway_url, "shards": 1, "session_start_limit": limit})

    async def _guilds(self, request: web.Request) -> web.Response:
        # docs.discord.com, Get Current User Guilds: at most 200 a page, in the order of their ids.
        after, limit = int(request.query.get("after", 0)), min(200, int(request.query.get("limit", 200)))
        page = sorted((guild for guild in self.world.guilds.values() if guild.id > after), key=lambda g: g.id)
        guilds = [
            {"id": str(guild.id), "name": guild.name, "permissions": str(int(guild.everyone)), "features": []}
            for guild in page[:limit]
        ]
        return reply(guilds)

    async def _user(self, request: web.Request) -> web.Response:
        user = self.world.users.get(int(request.match_info["user"]))
        if user is None:
            raise Refusal(404, 10013, "Unknown User")
        return reply(user.payload())

    async def _member(self, request: web.Request) -> web.Response:
        guild = self.world.guilds.get(int(request.match_info["guild"]))
        if guild is None:
            raise Refusal(404, 10004, "Unknown Guild")
        for member in guild.members:
            if member.id == int(request.match_info["user"]):
                return reply(member.member())
        raise Refusal(404, 10007, "Unknown Member")

    async def _open_direct(self, request: web.Request) -> web.Response:
        body = await request.json()
        user = self.world.users.get(int(body["recipient_id"]))
        if user is None:
            raise Refusal(400, 50033, "Invalid Recipient(s)")
        return reply(self.world.direct(user).payload())

    async def _channel(self, request: web.Request) -> web.Response:
        channel = self._place(request)
        self.world.require(channel)
        return reply(channel.payload())

    async def _edit_channel(self, request: web.Request) -> web.Response:
        """docs.discord.com, Threads: who may talk in a thread may reopen it, unless it is locked."""
        thread, body = self._place(request), await request.json()
        self._record(request, body)
        if thread.kind != ChannelKind.THREAD or set(body) != {"archived"}:
            raise Refusal(403, 50013, "Missing Permissions")
        manages = [Permission.MANAGE_THREADS] if thread.is_locked else []
        self.world.require(thread, Permission.SEND_MESSAGES_IN_THREADS, *manages)
        thread.is_archived = bool(body["archived"])
        return reply(thread.payload())

    async def _typing(self, request: web.Request) -> web.Response:
        channel = self._place(request)
        self.world.require(channel, Permission.SEND_MESSAGES)
        channel.typing.append(time.monotonic())
        return web.Response(status=204)

    async def _history(self, request: web.Request) -> web.Response:
        channel = self._place(request)
        self._record(request, {})
        self.world.require(channel, Permission.READ_MESSAGE_HISTORY)
        limit = int(request.query.get("limit", 50))
        if not 1 <= limit <= 100:
            raise Refusal(400, 50035, "Invalid Form Body: limit")
        marks = {
            name: int(request.query[name]) for name in ("before", "after", "around") if name in request.query
        }
        found = self.world.history(
            channel,
            limit=limit,
            before=marks.get("before"),
            after=marks.get("after"),
            around=marks.get("around"),
        )
        return reply([self._payload(message) for message in found])

    async def _post(self, request: web.Request) -> web.Response:
        channel = self._place(request)
        body, attachments = await read_body(request, self.world)
        self._record(request, body)
        in_thread = channel.kind == ChannelKind.THREAD
        send = Permission.SEND_MESSAGES_IN_THREADS if in_thread else Permission.SEND_MESSAGES
        self.world.require(channel, send, *([Permission.ATTACH_FILES] if attachments else []))
        if body.get("message_reference"):
            self.world.require(channel, Permission.READ_MESSAGE_HISTORY)
        if channel.is_locked and not self.world.may(channel, Permission.MANAGE_THREADS):
            raise Refusal(400, 160005, "Thread is locked")
        channel.is_archived = False  # docs.discord.com, Threads: a message reopens a thread
        waits_s = self._bucket_wait_s(channel)
        if waits_s:
            return limited(waits_s)
        message = self.world.post(self.world.bot, channel, body, attachments=attachments)
        return reply({**self._payload(message), "nonce": message.nonce})

    async def _message(self, request: web.Request) -> web.Response:
        channel, message = self._find(request)
        self._record(request, {})
        self.world.require(channel, Permission.READ_MESSAGE_HISTORY)
        return reply(self._payload(message))

    async def _patch(self, request: web.Request) -> web.Response:
        channel, message = self._find(request)
        if channel.is_archived:
            raise Refusal(400, 50083, "Thread is archived")
        body, _ = await read_body(request, self.world)
        self._record(request, body)
        return reply(self._payload(self.world.edit(message, body, by=self.world.bot)))

    async def _delete(self, request: web.Request) -> web.Response:
        channel, message = self._find(request)
        self._record(request, {})
        if message.author is not self.world.bot:
            self.world.require(channel, Permission.MANAGE_MESSAGES)
        self.world.delete(message)
        return web.Response(status=204)

    async def _reactors(self, request: web.Request) -> web.Response:
        channel, message = self._find(request)
        self._record(request, {})
        self.world.require(channel, Permission.READ_MESSAGE_HISTORY)
        users = sorted(
            message.reactions.get(unquote(request.match_info["emoji"]), []), key=lambda user: user.id
        )
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 25))
        return reply([user.payload() for user in users if user.id > after][:limit])

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=self.world.files[request.match_info["name"]])

    # Helpers

    def _place(self, request: web.Request) -> Channel:
        return self.world.channel(int(request.match_info["channel"]))

    def _find(self, request: web.Request) -> tuple[Channel, Message]:
        channel = self._place(request)
        self.world.require(channel)
        return channel, self.world.message(channel, int(request.match_info["message"]))

    def _payload(self, message: Message) -> Payload:
        shows = bool(self.gateway.portal_intents & MESSAGE_CONTENT)
        return self.world.payload(message, shows_content=shows)

    def _record(self, request: web.Request, body: Payload) -> None:
        path = request.path.removeprefix("/api/v10")
        self.calls.append(Call(method=request.method, path=path, body=body))

    def _bucket_wait_s(self, channel: Channel) -> float:
        if self.bucket is None:
            return 0.0
        size, window_s = self.bucket
        now = time.monotonic()
        taken = [at for at in self._taken.get(channel.id, []) if now - at < window_s]
        self._taken[channel.id] = [*taken, now] if len(taken) < size else taken
        return 0.0 if len(taken) < size else window_s - (now - taken[0])


def limited(retry_after_s: float) -> web.Response:
    body = json.dumps(
        {"message": "You are being rate limited.", "retry_after": retry_after_s, "global": False}
    )
    headers = {
        **VIA,
        "Content-Type": "application/json",
        "X-RateLimit-Bucket": "bucket",
        "X-RateLimit-Scope": "user",
    }
    return web.Response(body=body.encode(), status=429, headers=headers)


def _broken(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)


@asynccontextmanager
async def discord_server() -> AsyncIterator[DiscordServer]:
    server = DiscordServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


__all__ = [
    "TOKEN",
    "Channel",
    "DiscordServer",
    "Fault",
    "Guild",
    "Interaction",
    "Message",
    "Permission",
    "User",
    "discord_server",
]
