"""A Slack on this machine: Web API, Socket Mode and signed HTTP events over one or more workspaces.

The real slack-bolt talks to it. It keeps state (`slack_workspace`), refuses what Slack refuses, and
can be told to misbehave: send twice, lose acknowledgements, rate-limit, drop a connection.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter, defaultdict
from typing import Any  # payloads are JSON
from urllib.parse import urlencode

from aiohttp import ClientSession, WSMsgType, encode_basic_auth, web
from slack_sdk.signature import SignatureVerifier

from tests.fakes.slack_blocks import complaints_about_blocks
from tests.fakes.slack_methods import call
from tests.fakes.slack_workspace import Json, Refusal, Workspace

ACK_TIMEOUT_S = 3.0
BLOCK_KIT_ERRORS = {"invalid_blocks", "invalid_arguments"}


class SlackServer:
    """Serves `workspaces`; `api_url` is what NIGHTLOOM_SLACK__API_URL is set to."""

    def __init__(
        self, *workspaces: Workspace, app_token: str = "xapp-1", signing_secret: str = "secret"
    ) -> None:
        self.workspaces = {workspace.team: workspace for workspace in workspaces or (Workspace(),)}
        self.app_token = app_token
        self.signing_secret = signing_secret
        self.events_url: str | None = None  # set: events are posted there instead of to sockets
        self.calls: Counter[str] = Counter()
        self.acknowledged: dict[str, Json] = {}
        self.responses: list[Json] = []  # what was posted to response URLs
        self.oauth_codes: dict[str, str] = {}  # code → team
        self.oauth_client = ("client-1", "client-secret")
        self.invalid: list[Json] = []  # what was refused since it keeps not to Block Context's limits

        self.is_repeating = False  # every envelope is sent twice
        self.is_losing_acks = False  # acknowledgements are ignored once each, so everything is sent again
        self.ack_timeout_s = ACK_TIMEOUT_S
        self.acked_after_s: list[float] = []  # for each event, how long the acknowledgement took
        self.api_delay_s = 0.0  # every call is answered so late
        self.rate_limits: dict[str, int] = defaultdict(int)  # method → how many calls are still refused
        self.retry_after_s = 1
        self.refusals: dict[str, list[str]] = defaultdict(list)  # method → errors for the next calls
        self.drops: dict[str, int] = defaultdict(int)  # method → calls carried out, the answer never sent
        self.holds: dict[str, asyncio.Event] = {}  # method → calls carried out, answered once this is set

        self._sockets: list[web.WebSocketResponse] = []
        self._connected = asyncio.Event()
        self._count = itertools.count(1)
        self._acks: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0
        self._runner: web.AppRunner | None = None
        self.port = 0
        for workspace in self.workspaces.values():
            workspace.now = time.time

    @property
    def workspace(self) -> Workspace:
        """The first workspace: most tests have one."""
        return next(iter(self.workspaces.values()))

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/api/{method}", self._api)
        app.router.add_get("/socket", self._socket)
        app.router.add_post("/upload/{file}", self._upload)
        app.router.add_get("/files/{file}", self._file)
        app.router.add_post("/response", self._response)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in list(self._sockets):
            await socket.close()
        if self._runner:
            await self._runner.cleanup()

    @property
    def is_connected(self) -> bool:
        return bool(self._sockets)

    async def connected(self, wait_s: float = 20.0) -> None:
        """Wait until a socket of the app's is open."""
        await asyncio.wait_for(self._connected.wait(), wait_s)

    # What people do; each returns when the event is on its way.

    def say(
        self, user: str, channel: str, text: str, *, thread: str | None = None, team: str | None = None
    ) -> str:
        workspace = self._of(team)
        ts = workspace.say(user, channel, text, thread=thread)
        self.announce(workspace)
        return ts

    def send_file(self, user: str, name: str, content: bytes) -> None:
        self.workspace.send_file(user, name, content, f"http://127.0.0.1:{self.port}/")
        self.announce(self.workspace)

    def edit(self, user: str, channel: str, ts: str, text: str) -> None:
        self.workspace.edit(user, channel, ts, text)
        self.announce(self.workspace)

    def withdraw(self, user: str, channel: str, ts: str) -> None:
        self.workspace.withdraw(user, channel, ts)
        self.announce(self.workspace)

    def react(self, user: str, channel: str, ts: str, name: str) -> None:
        self.workspace.react(user, channel, ts, name)
        self.announce(self.workspace)

    def unreact(self, user: str, channel: str, ts: str, name: str) -> None:
        self.workspace.unreact(user, channel, ts, name)
        self.announce(self.workspace)

    def open_home(self, user: str) -> None:
        event = {"type": "app_home_opened", "user": user, "tab": "home", "event_ts": self.workspace.next_ts()}
        self.workspace.announce(event | {"channel": self.workspace.direct_channel(user)})
        self.announce(self.workspace)

    def open_messages(self, user: str) -> str:
        """A person opens the conversation with an agent: its channel."""
        channel = self.workspace.direct_channel(user)
        event = {"type": "app_home_opened", "user": user, "channel": channel, "tab": "messages"}
        self.workspace.announce(event | {"event_ts": self.workspace.next_ts()})
        self.announce(self.workspace)
        return channel

    def look_at(self, user: str, channel: str) -> None:
        """A person opens a channel beside the conversation with an agent."""
        entity = {"type": "slack#/types/channel_id", "value": channel, "team_id": self.workspace.team}
        event: Json = {"type": "app_context_changed", "user": user, "context": {"entities": [entity]}}
        event |= {"channel": self.workspace.direct_channel(user), "event_ts": self.workspace.next_ts()}
        self.workspace.announce(event)
        self.announce(self.workspace)

    def stop_session(self, user: str, channel: str, thread: str) -> None:
        """A person presses Slack's stop button, which stands there while the session is processing."""
        assert self.workspace.sessions[channel, thread]["status"] == "processing"
        event: Json = {"type": "agent_session_stopped", "user": user, "channel": channel, "thread_ts": thread}
        event |= {"streaming_message_ts": [], "event_ts": self.workspace.next_ts()}
        self.workspace.announce(event)
        self.announce(self.workspace)

    def open_assistant(self, user: str) -> tuple[str, str]:
        """A person opens the pane of an assistant: channel and thread of the new conversation."""
        channel = self.workspace.direct_channel(user)
        ts = self.workspace.say(self.workspace.bot, channel, "New chat")
        self.workspace.announcements.clear()
        thread = {"user_id": user, "context": {}, "channel_id": channel, "thread_ts": ts}
        event = {"type": "assistant_thread_started", "assistant_thread": thread, "event_ts": ts}
        self.workspace.announce(event)
        self.announce(self.workspace)
        return channel, ts

    async def press(self, user: str, channel: str, ts: str, action_id: str, **action: Any) -> Json:
        """Click a control of a message: the app's acknowledgement."""
        post = self.workspace.posts[channel, ts]
        element = _element_with(post.blocks, action_id) | {"action_ts": self.workspace.next_ts()} | action
        container = {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": False}
        container["is_ephemeral"] = post.only_for is not None
        return await self._interact(
            user,
            type="block_actions",
            actions=[element],
            container=container,
            channel={"id": channel, "name": "x"},
            message=post.as_json(self.workspace.bot),
        )

    async def press_home(self, user: str, action_id: str, **action: Any) -> Json:
        """Use a control of the Home tab."""
        view = self.workspace.homes[user] | {"id": "VHOME", "state": {"values": {}}}
        element = _element_with(view["blocks"], action_id) | action
        container = {"type": "view", "view_id": "VHOME"}
        return await self._interact(
            user, type="block_actions", actions=[element], view=view, container=container
        )

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Json:
        """Use a message shortcut."""
        message = self.workspace.posts[channel, ts].as_json(self.workspace.bot)
        where = {"channel": {"id": channel, "name": "x"}, "message_ts": ts, "message": message}
        return await self._interact(user, type="message_action", callback_id=callback_id, **where)

    async def submit(self, user: str, view_id: str, values: Json) -> Json:
        """Send a modal: `values` is block id → action id → element state."""
        view = self.workspace.views[view_id] | {"state": {"values": values}}
        return await self._interact(user, type="view_submission", view=view)

    async def slash(self, user: str, channel: str, text: str, command: str = "/nightloom") -> Json:
        """Type a slash command: the app's acknowledgement, which may hold the answer."""
        payload = {"command": command, "text": text, "user_id": user, "user_name": self.workspace.users[user]}
        payload |= {"channel_id": channel, "team_id": self.workspace.team, "api_app_id": "A1"}
        payload |= {"trigger_id": self.workspace.new_trigger(), "response_url": self._response_url}
        return await self._deliver("slash_commands", payload)

    async def _interact(self, user: str, **payload: Any) -> Json:
        who = {"id": user, "team_id": self.workspace.team, "username": self.workspace.users[user]}
        payload |= {"user": who, "team": {"id": self.workspace.team}, "api_app_id": "A1"}
        payload |= {"trigger_id": self.workspace.new_trigger(), "response_url": self._response_url}
        return await self._deliver("interactive", payload)

    # Misbehaviour.

    async def disconnect(self) -> None:
        """Ask every socket to go, as Slack does before it refreshes a connection, and close it."""
        self._connected.clear()
        for socket in list(self._sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})
            await socket.close()

    # Delivery.

    def announce(self, workspace: Workspace) -> None:
        """Send out what has happened in a workspace since last time."""
        while workspace.announcements:
            event = workspace.announcements.pop(0)
            body: Json = {"type": "event_callback", "token": "x", "api_app_id": "A1"}
            body |= {"event": event, "event_id": f"Ev{next(self._count):06d}", "event_time": int(time.time())}
            # docs.slack.dev, "Slack Connect": in a channel shared with another company
            # `team_id` may be that company's. `authorizations` names the workspace that has the app.
            body["team_id"] = workspace.companies.get(event.get("user", ""), workspace.team)
            body["authorizations"] = [{"team_id": workspace.team, "user_id": workspace.bot, "is_bot": True}]
            self._spawn(self._deliver_until_acknowledged(body))

    async def settled(self, wait_s: float = 20.0) -> None:
        """Wait until everything that was sent has been acknowledged."""
        if self._tasks:
            await asyncio.wait_for(asyncio.gather(*self._tasks, return_exceptions=True), wait_s)

    async def _deliver_until_acknowledged(self, body: Json) -> None:
        for attempt in range(4):
            began = time.monotonic()
            try:
                await self._deliver("events_api", body, attempt=attempt)
                self.acked_after_s.append(time.monotonic() - began)
            except (TimeoutError, ConnectionError):
                continue
            if not (self.is_losing_acks and attempt == 0):
                return

    async def _deliver(self, kind: str, payload: Json, *, attempt: int = 0) -> Json:
        if self.events_url:
            return await self._deliver_over_http(kind, payload, attempt)
        return await self._deliver_over_socket(kind, payload, attempt)

    async def _deliver_over_socket(self, kind: str, payload: Json, attempt: int) -> Json:
        envelope_id = f"envelope-{next(self._count)}"
        envelope: Json = {"type": kind, "envelope_id": envelope_id, "payload": payload}
        envelope["accepts_response_payload"] = kind != "events_api"
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        acknowledged = self._acks[envelope_id] = asyncio.Event()
        await asyncio.wait_for(self._connected.wait(), self.ack_timeout_s * 10)
        self._turn += 1
        socket = self._sockets[self._turn % len(self._sockets)]
        for _ in range(2 if self.is_repeating else 1):
            await socket.send_json(envelope)
        await asyncio.wait_for(acknowledged.wait(), self.ack_timeout_s)
        return self.acknowledged[envelope_id]

    async def _deliver_over_http(self, kind: str, payload: Json, attempt: int) -> Json:
        body, content_type = _http_body(kind, payload)
        headers = self.signed_headers(body) | {"Content-Type": content_type}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
        async with ClientSession() as client:
            for _ in range(2 if self.is_repeating else 1):
                async with asyncio.timeout(self.ack_timeout_s):
                    response = await client.post(self.events_url or "", data=body, headers=headers)
                    text = await response.text()
        if response.status != 200:
            raise ConnectionError(f"{response.status}: {text}")
        return json.loads(text) if text.startswith("{") else {}

    def signed_headers(self, body: str, *, age_s: float = 0.0) -> dict[str, str]:
        """The headers that prove that Slack sent this body."""
        timestamp = str(int(time.time() - age_s))
        verifier = SignatureVerifier(self.signing_secret)
        signature = verifier.generate_signature(timestamp=timestamp, body=body) or ""
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The HTTP side.

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        self.calls[method] += 1
        await asyncio.sleep(self.api_delay_s)
        if self.rate_limits[method] > 0:
            self.rate_limits[method] -= 1
            headers = {"Retry-After": str(self.retry_after_s)}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        arguments = await _arguments(request)
        try:
            body = self._answer(method, request.headers.get("Authorization", ""), arguments)
        except Refusal as refusal:
            if refusal.body["error"] in BLOCK_KIT_ERRORS:
                self.invalid.append(refusal.body)
            return web.json_response(refusal.body)
        if method in self.holds:
            await self.holds[method].wait()
        if self.drops[method] > 0:
            self.drops[method] -= 1
            assert request.transport
            request.transport.abort()
        return web.json_response(body, headers=self._scopes_of(method, request))

    def _scopes_of(self, method: str, request: web.Request) -> dict[str, str]:
        # docs.slack.dev, "Authentication": `x-oauth-scopes` names what the token was granted.
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        workspace = next((w for w in self.workspaces.values() if w.token == token), None)
        return {"x-oauth-scopes": ",".join(sorted(workspace.scopes))} if workspace else {}

    def _answer(self, method: str, authorization: str, arguments: Json) -> Json:
        if self.refusals[method]:
            raise Refusal(self.refusals[method].pop(0))
        token = authorization.removeprefix("Bearer ") or arguments.get("token", "")
        if method == "apps.connections.open":
            if token != self.app_token:
                raise Refusal("invalid_auth")
            return {"ok": True, "url": f"ws://127.0.0.1:{self.port}/socket"}
        if method == "oauth.v2.access":
            if authorization != encode_basic_auth(*self.oauth_client):
                raise Refusal("bad_client_secret")
            return self._install(arguments)
        workspace = next((w for w in self.workspaces.values() if w.token == token), None)
        if workspace is None:
            raise Refusal("invalid_auth")
        arguments["base_url"] = f"http://127.0.0.1:{self.port}/"
        body = call(workspace, method, arguments)
        self.announce(workspace)
        return body

    def _install(self, arguments: Json) -> Json:
        team = self.oauth_codes.pop(arguments.get("code", ""), None)
        if team is None:
            raise Refusal("invalid_code")
        workspace = self.workspaces[team]
        installed: Json = {"ok": True, "app_id": "A1", "token_type": "bot", "access_token": workspace.token}
        installed |= {"bot_user_id": workspace.bot, "scope": ",".join(sorted(workspace.scopes))}
        return installed | {
            "team": {"id": team, "name": team},
            "authed_user": {"id": "U1"},
            "enterprise": None,
        }

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": len(self._sockets) + 1})
        self._sockets.append(socket)
        self._connected.set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledge(json.loads(message.data))
        finally:
            self._sockets.remove(socket)
            if not self._sockets:
                self._connected.clear()
        return socket

    def _acknowledge(self, ack: Json) -> None:
        envelope_id = ack["envelope_id"]
        self.acknowledged[envelope_id] = ack.get("payload") or {}
        self._acks[envelope_id].set()

    async def _upload(self, request: web.Request) -> web.Response:
        file = request.match_info["file"]
        content = await request.read()
        for workspace in self.workspaces.values():
            if file in workspace.uploads:
                workspace.uploads[file]["content"] = content
        return web.Response(text="OK")

    async def _file(self, request: web.Request) -> web.Response:
        file, token = request.match_info["file"], request.headers.get("Authorization", "")
        for workspace in self.workspaces.values():
            if file in workspace.uploads and token == f"Bearer {workspace.token}":
                return web.Response(body=workspace.uploads[file]["content"])
        return web.Response(status=403)

    async def _response(self, request: web.Request) -> web.Response:
        response = await request.json()
        if complaints := complaints_about_blocks(response.get("blocks", [])):
            self.invalid.append({"error": "invalid_blocks", "messages": complaints})
            return web.json_response(self.invalid[-1], status=400)
        self.responses.append(response)
        return web.Response(text="ok")

    @property
    def _response_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/response"

    def _of(self, team: str | None) -> Workspace:
        return self.workspaces[team] if team else self.workspace


async def _arguments(request: web.Request) -> Json:
    """JSON or form, as the SDK sends either; nested values come as JSON text in a form."""
    if request.content_type == "application/json":
        return dict(await request.json())
    arguments: Json = dict(request.query) | dict(await request.post())
    for key in ("blocks", "metadata", "view", "files", "prompts"):
        if isinstance(arguments.get(key), str):
            arguments[key] = json.loads(arguments[key])
    return arguments


def _http_body(kind: str, payload: Json) -> tuple[str, str]:
    if kind == "events_api":
        return json.dumps(payload), "application/json"
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return urlencode(form), "application/x-www-form-urlencoded"


def _element_with(blocks: list[Json], action_id: str) -> Json:
    """The control of that action id, as Slack sends it back when it is used."""
    for block in blocks:
        for element in [*block.get("elements", []), block.get("accessory", {})]:
            if element.get("action_id") == action_id:
                return dict(element) | {"block_id": block.get("block_id", "b")}
    raise LookupError(f"no control {action_id!r} in these blocks")
