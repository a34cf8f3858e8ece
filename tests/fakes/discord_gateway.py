"""The gateway of the Discord that runs on this machine: sessions, sequence numbers, resume with replay.

Knows nothing of what the events mean; it hides what a session's intents do not let it see.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count

from aiohttp import WSMsgType, web

from tests.fakes.discord_things import Guild, Payload
from tests.fakes.discord_world import World

GUILDS = 1 << 0
GUILD_MEMBERS = 1 << 1
PRESENCES = 1 << 8
GUILD_MESSAGES = 1 << 9
GUILD_REACTIONS = 1 << 10
DIRECT_MESSAGES = 1 << 12
DIRECT_REACTIONS = 1 << 13
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = GUILD_MEMBERS | PRESENCES | MESSAGE_CONTENT


@dataclass(slots=True, eq=False)
class Session:
    """One identified bot connection. It outlives its socket, so that it can be resumed."""

    id: str
    intents: int
    shard: tuple[int, int]
    socket: web.WebSocketResponse | None
    sent: list[Payload] = field(default_factory=list)
    outbox: asyncio.Queue[Payload] = field(default_factory=asyncio.Queue)

    def push(self, event: str, data: Payload) -> None:
        payload = {"op": 0, "t": event, "s": len(self.sent) + 1, "d": data}
        self.sent.append(payload)
        if self.socket is not None:
            self.outbox.put_nowait(payload)


class Gateway:
    """Speaks version 10 of the gateway in plain text frames."""

    def __init__(self) -> None:
        self.world: World  # set by the server, which owns both
        self.token = ""
        self.url = ""
        self.portal_intents = MESSAGE_CONTENT  # privileged intents that the developer portal grants
        self.sends_twice = False
        self.is_refusing = False
        self.close_code: int | None = None  # every identification is refused with it
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.refused = 0
        self.resumed = 0
        self._ids = count(1)

    @property
    def is_connected(self) -> bool:
        return any(session.socket is not None for session in self.sessions.values())

    def announce(self, event: str, data: Payload, guild: Guild | None) -> None:
        """Send an event to every session that may see it, the disconnected ones included."""
        for session in self.sessions.values():
            needed = _needed_intent(event, guild)
            if not session.intents & needed or not self._is_on_shard(session, guild):
                continue
            for _ in range(2 if self.sends_twice and event.startswith("MESSAGE") else 1):
                session.push(event, self._visible(event, data, session))

    def interaction(self, data: Payload, guild: Guild | None) -> None:
        """Interactions need no intent."""
        for session in self.sessions.values():
            if session.socket is not None and self._is_on_shard(session, guild):
                session.push("INTERACTION_CREATE", data)

    async def ask_reconnect(self) -> None:
        """Op 7: the client shall reconnect and resume."""
        for session in self.sessions.values():
            if session.socket is not None:
                await session.socket.send_str(json.dumps({"op": 7, "d": None, "s": None, "t": None}))

    async def invalidate(self) -> None:
        """Op 9: the session is gone; a new one replays nothing."""
        sockets = [session.socket for session in self.sessions.values() if session.socket is not None]
        self.sessions.clear()
        for socket in sockets:
            await socket.send_str(json.dumps({"op": 9, "d": False, "s": None, "t": None}))

    async def cut(self, *, forget: bool = False) -> None:
        """Break every connection off; with `forget` the sessions cannot be resumed."""
        sockets = [session.socket for session in self.sessions.values() if session.socket is not None]
        for session in self.sessions.values():
            session.socket = None
        if forget:
            self.sessions.clear()
        for socket in sockets:
            await socket.close(code=4000)

    async def take_content_away(self) -> None:
        """Somebody switches the intent off in the portal: sessions that have it are ended."""
        self.portal_intents = 0
        sockets = [session.socket for session in self.sessions.values() if session.socket is not None]
        self.sessions.clear()
        for socket in sockets:
            await socket.close(code=4014)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.is_refusing:
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        await socket.send_str(
            json.dumps({"op": 10, "d": {"heartbeat_interval": 41_250}, "s": None, "t": None})
        )
        session: Session | None = None
        sender: asyncio.Task[None] | None = None
        try:
            async for frame in socket:
                if frame.type is not WSMsgType.TEXT:
                    break
                payload = json.loads(frame.data)
                if payload["op"] == 1:
                    await socket.send_str(json.dumps({"op": 11, "d": None, "s": None, "t": None}))
                elif payload["op"] in (2, 6):
                    opening = self._identify if payload["op"] == 2 else self._resume
                    session = await opening(socket, payload["d"])
                    if session is not None:
                        sender = asyncio.create_task(self._send(session, socket))
        finally:
            if sender is not None:
                sender.cancel()
            if session is not None and session.socket is socket:
                session.socket = None
        return socket

    async def _identify(self, socket: web.WebSocketResponse, data: Payload) -> Session | None:
        if self.close_code is not None:
            self.refused += 1
            await socket.close(code=self.close_code)
            return None
        if data["token"] != self.token:
            await socket.close(code=4004)
            return None
        intents = int(data["intents"])
        if intents & PRIVILEGED & ~self.portal_intents:
            self.refused += 1
            await socket.close(code=4014)
            return None
        shard = tuple(data.get("shard") or (0, 1))
        if not 0 <= shard[0] < shard[1]:
            await socket.close(code=4010)
            return None
        self.identified += 1
        session = Session(f"session-{next(self._ids)}", intents, (shard[0], shard[1]), socket)
        self.sessions[session.id] = session
        session.push("READY", self._ready(session))
        for guild in self.world.guilds.values():
            if self._is_on_shard(session, guild):
                session.push("GUILD_CREATE", guild.payload(self.world.bot))
        return session

    async def _resume(self, socket: web.WebSocketResponse, data: Payload) -> Session | None:
        session = self.sessions.get(str(data["session_id"]))
        if session is None or data["token"] != self.token:
            await socket.send_str(json.dumps({"op": 9, "d": False, "s": None, "t": None}))
            return None
        self.resumed += 1
        session.socket = socket
        session.outbox = asyncio.Queue()
        for payload in session.sent[int(data["seq"] or 0) :]:
            session.outbox.put_nowait(payload)
        session.push("RESUMED", {})
        return session

    def _ready(self, session: Session) -> Payload:
        own = [guild for guild in self.world.guilds.values() if self._is_on_shard(session, guild)]
        return {
            "v": 10,
            "user": self.world.bot.payload(),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in own],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "shard": list(session.shard),
            "application": {"id": str(self.world.bot.id), "flags": 0},
            "private_channels": [],
        }

    def _is_on_shard(self, session: Session, guild: Guild | None) -> bool:
        number, shards = session.shard
        return number == ((guild.id >> 22) % shards if guild else 0)

    def _visible(self, event: str, data: Payload, session: Session) -> Payload:
        """Without the Message Content intent a message arrives blank, unless it concerns the bot."""
        if event not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or session.intents & MESSAGE_CONTENT:
            return data
        message = self.world.channels[int(data["channel_id"])].messages.get(int(data["id"]))
        if message is None or self.world.is_readable(message):
            return data
        return {**data, "content": "", "attachments": [], "components": [], "embeds": []}

    @staticmethod
    async def _send(session: Session, socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            payload = await session.outbox.get()
            try:
                await socket.send_str(json.dumps(payload))
            except ConnectionError:
                return


def _needed_intent(event: str, guild: Guild | None) -> int:
    if event.startswith("MESSAGE_REACTION"):
        return GUILD_REACTIONS if guild else DIRECT_REACTIONS
    if event.startswith("MESSAGE"):
        return GUILD_MESSAGES if guild else DIRECT_MESSAGES
    return GUILDS
