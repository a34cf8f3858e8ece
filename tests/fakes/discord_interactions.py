"""Slash commands, buttons and modals of the Discord that runs on this machine.

A person acts, the bot hears of it over the gateway and must respond within three seconds; what it
responds is kept here. Tokens expire, a second first response is refused, and so is a command that
was never registered.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord_gateway import Gateway
from tests.fakes.discord_things import Channel, Message, Payload, Permission, Refusal, User
from tests.fakes.discord_world import World, check_message

PING, COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 1, 2, 3, 4, 5
EPHEMERAL = 1 << 6
STRING, INTEGER, BOOLEAN, USER, ATTACHMENT = 3, 4, 5, 6, 11


@dataclass(slots=True, kw_only=True, eq=False)
class Interaction:
    """One thing that a person did, and what the bot said to it."""

    id: int
    token: str
    kind: int
    user: User
    channel: Channel
    on: Message | None = None
    at: float = field(default_factory=time.monotonic)
    response: Payload | None = None  # the first response, as sent
    is_deferred: bool = False
    original: Message | None = None
    messages: list[Message] = field(default_factory=list)  # everything said to it, ephemeral or not

    @property
    def modal(self) -> Payload | None:
        return self.response["data"] if self.response and self.response["type"] == 9 else None

    @property
    def texts(self) -> list[str]:
        return [message.content for message in self.messages]

    @property
    def is_ephemeral(self) -> bool:
        return all(message.flags & EPHEMERAL for message in self.messages)


class Interactions:
    """What people do to the bot beside talking, and the endpoints by which it answers that."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self.world = world
        self.gateway = gateway
        self.response_s = 3.0
        self.token_s = 900.0
        self.commands: list[Payload] = []
        self.open: dict[str, Interaction] = {}
        self.all: list[Interaction] = []

    # The hand

    async def slash(self, user: User, channel: Channel, name: str, **options: Any) -> Interaction:
        """`slash(ann, room, "nightloom notes delete", number=3)`. A file: `upload`'s payload."""
        command, *path = name.split(" ")
        registered = self._registered(command, kind=1)
        resolved: Payload = {}
        chosen: list[Payload] = self._options(self._descend(registered, path), options, resolved)
        for depth, step in reversed(list(enumerate(path))):
            is_group = depth < len(path) - 1
            chosen = [{"name": step, "type": 2 if is_group else 1, "options": chosen}]
        data: Payload = {"id": registered["id"], "name": command, "type": 1, "options": chosen}
        if resolved:
            data["resolved"] = resolved
        return self._do(COMMAND, user, channel, data)

    async def menu(self, user: User, message: Message, name: str) -> Interaction:
        """A message's context menu."""
        registered = self._registered(name, kind=3)
        data = {
            "id": registered["id"],
            "name": name,
            "type": 3,
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): self.world.payload(message)}},
        }
        return self._do(COMMAND, user, message.channel, data)

    async def press(self, user: User, message: Message, label: str) -> Interaction:
        """The button with this label, which must be there."""
        custom_id = message.buttons[label]
        return self._do(
            COMPONENT, user, message.channel, {"component_type": 2, "custom_id": custom_id}, message
        )

    async def submit(self, opened: Interaction, text: str) -> Interaction:
        """Send a modal with this text in its one field."""
        assert opened.modal
        components = [_filled(component, text) for component in opened.modal["components"]]
        data = {"custom_id": opened.modal["custom_id"], "components": components}
        return self._do(MODAL, opened.user, opened.channel, data, opened.on)

    async def until(self, condition: Callable[[], Any], *, timeout_s: float = 10.0) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout_s} s")
            await asyncio.sleep(0.01)

    async def responded(self, interaction: Interaction, *, messages: int = 1, timeout_s: float = 10.0) -> str:
        """Wait until that many messages were said to it; the text of the last."""
        await self.until(lambda: len(interaction.messages) >= messages, timeout_s=timeout_s)
        return interaction.messages[-1].content

    def _do(
        self, kind: int, user: User, channel: Channel, data: Payload, on: Message | None = None
    ) -> Interaction:
        interaction = Interaction(
            id=self.world.new_id(),
            token=f"interaction-token-{self.world.new_id()}",
            kind=kind,
            user=user,
            channel=channel,
            on=on,
        )
        self.open[interaction.token] = interaction
        self.all.append(interaction)
        payload: Payload = {
            "id": str(interaction.id),
            "application_id": str(self.world.bot.id),
            "type": kind,
            "token": interaction.token,
            "version": 1,
            "data": data,
            "channel": channel.payload(),
            "channel_id": str(channel.id),
            "app_permissions": "0",
            "attachment_size_limit": 10 * 1024 * 1024,
            "entitlements": [],
            "locale": "en-US",
        }
        if channel.guild:
            payload["guild_id"] = str(channel.guild.id)
            payload["guild"] = {"id": str(channel.guild.id), "features": [], "locale": "en-US"}
            payload["member"] = {**user.member(), "permissions": "0"}
        else:
            payload["user"] = user.payload()
        if on is not None:
            payload["message"] = self.world.payload(on)
        self.gateway.interaction(payload, channel.guild)
        return interaction

    def _registered(self, name: str, *, kind: int) -> Payload:
        for command in self.commands:
            if command["name"] == name and command["type"] == kind:
                return command
        raise LookupError(f"the bot has not registered {name!r}: {[c['name'] for c in self.commands]}")

    @staticmethod
    def _descend(command: Payload, path: list[str]) -> Payload:
        for step in path:
            command = next(option for option in command["options"] if option["name"] == step)
        return command

    def _options(self, command: Payload, given: Payload, resolved: Payload) -> list[Payload]:
        """Check what the person typed as Discord's client would."""
        known = {option["name"]: option for option in command.get("options", [])}
        missing = [name for name, option in known.items() if option.get("required") and name not in given]
        if missing or set(given) - set(known):
            raise LookupError(f"options of {command['name']}: {sorted(known)}, given {sorted(given)}")
        chosen: list[Payload] = []
        for name, value in given.items():
            kind = known[name]["type"]
            choices = [choice["value"] for choice in known[name].get("choices", [])]
            if choices and value not in choices:
                raise LookupError(f"{name} is one of {choices}, not {value!r}")
            if kind == ATTACHMENT:
                resolved.setdefault("attachments", {})[value["id"]] = value
                value = value["id"]
            elif kind == USER:
                resolved.setdefault("users", {})[str(value.id)] = value.payload()
                value = str(value.id)
            chosen.append({"name": name, "type": kind, "value": value})
        return chosen

    # Endpoints

    async def list_commands(self, request: web.Request) -> web.Response:
        return reply(self.commands)

    async def put_commands(self, request: web.Request) -> web.Response:
        commands = await request.json()
        for command in commands:
            _check_command(command)
        self.commands = [
            {
                **command,
                "type": command.get("type", 1),
                "id": str(self.world.new_id()),
                "application_id": str(self.world.bot.id),
                "version": "1",
                "description": command.get("description", ""),
                "default_member_permissions": command.get("default_member_permissions"),
            }
            for command in commands
        ]
        return reply(self.commands)

    async def callback(self, request: web.Request) -> web.Response:
        interaction = self.open.get(request.match_info["token"])
        late = interaction is not None and time.monotonic() - interaction.at > self.response_s
        if interaction is None or late:
            raise Refusal(404, 10062, "Unknown interaction")
        if interaction.response is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        body, attachments = await read_body(request, self.world)
        kind, data = int(body["type"]), body.get("data") or {}
        if kind == 9:
            _check_modal(data)
        interaction.response = body
        interaction.is_deferred = kind in (5, 6)
        message: Message | None = None
        if kind == 4:
            message = self._say(interaction, data, attachments)
            interaction.original = message
        elif kind == 5:
            interaction.original = self._placeholder(interaction, int(data.get("flags") or 0))
        elif kind in (6, 7):
            message = interaction.original = interaction.on
            if kind == 7 and message is not None:
                self._change(message, data)
                interaction.messages.append(message)
        described: Payload = {"id": str(interaction.id), "type": interaction.kind}
        resource: Payload = {"type": kind}
        if kind == 5 and interaction.original is not None:
            described["response_message_id"] = str(interaction.original.id)
            described["response_message_loading"] = True
        if message is not None:
            described["response_message_id"] = str(message.id)
            resource["message"] = self.world.payload(message)
        return reply({"interaction": described, "resource": resource})

    async def follow_up(self, request: web.Request) -> web.Response:
        interaction = self._opened(request)
        if interaction.response is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        body, attachments = await read_body(request, self.world)
        message = self._say(interaction, body, attachments)
        return reply(self.world.payload(message))

    async def read(self, request: web.Request) -> web.Response:
        return reply(self.world.payload(self._message(request)))

    async def patch(self, request: web.Request) -> web.Response:
        interaction, message = self._opened(request), self._message(request)
        body, attachments = await read_body(request, self.world)
        if attachments:
            message.attachments = attachments
        if message.flags & (1 << 7):  # it was "thinking": this is its first text
            message.flags &= ~(1 << 7)
            interaction.messages.append(message)
        elif message is interaction.on:
            interaction.messages.append(message)
        self._change(message, body)
        return reply(self.world.payload(message))

    async def delete(self, request: web.Request) -> web.Response:
        message = self._message(request)
        if message.id in message.channel.messages:
            self.world.delete(message)
        return web.Response(status=204)

    def _opened(self, request: web.Request) -> Interaction:
        interaction = self.open.get(request.match_info["token"])
        if interaction is None or time.monotonic() - interaction.at > self.token_s:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        return interaction

    def _message(self, request: web.Request) -> Message:
        interaction = self._opened(request)
        wanted = request.match_info["message"]
        if wanted == "@original" and interaction.original is not None:
            return interaction.original
        for message in interaction.messages:
            if str(message.id) == wanted:
                return message
        raise Refusal(404, 10008, "Unknown Message")

    def _say(self, interaction: Interaction, body: Payload, attachments: list[Payload]) -> Message:
        is_hidden = bool(int(body.get("flags") or 0) & EPHEMERAL)
        if not is_hidden:
            self.world.require(interaction.channel, Permission.VIEW_CHANNEL)
        message = self.world.post(
            self.world.bot, interaction.channel, body, attachments=attachments, announce=not is_hidden
        )
        interaction.messages.append(message)
        return message

    def _placeholder(self, interaction: Interaction, flags: int) -> Message:
        message = Message(
            id=self.world.new_id(),
            channel=interaction.channel,
            author=self.world.bot,
            content="",
            at=datetime.now(UTC),
            flags=flags | 1 << 7,
        )
        if not flags & EPHEMERAL:
            interaction.channel.messages[message.id] = message
        return message

    def _change(self, message: Message, body: Payload) -> None:
        content = message.content if body.get("content") is None else str(body["content"]).strip()
        components = message.components if body.get("components") is None else list(body["components"])
        check_message(content, components, message.attachments)
        message.content, message.components = content, components


def _check_command(command: Payload) -> None:
    kind = command.get("type", 1)
    if kind == 1 and not re.fullmatch(r"[-_a-z0-9]{1,32}", command["name"]):
        raise Refusal(400, 50035, f"Invalid Form Body: name {command['name']!r}")
    if not 1 <= len(command["name"]) <= 32:
        raise Refusal(400, 50035, "Invalid Form Body: name")
    if kind == 1 and not 1 <= len(command.get("description", "")) <= 100:
        raise Refusal(400, 50035, f"Invalid Form Body: description of {command['name']}")
    options = command.get("options") or []
    if len(options) > 25:
        raise Refusal(400, 50035, "Invalid Form Body: options")
    for option in options:
        _check_command({**option, "type": 1})


def _check_modal(data: Payload) -> None:
    if not 1 <= len(data["title"]) <= 45 or not 1 <= len(data["custom_id"]) <= 100:
        raise Refusal(400, 50035, "Invalid Form Body: modal title 1 to 45, custom_id 1 to 100")
    for item in _inputs(data["components"]):
        if len(item.get("value") or "") > 4000 or int(item.get("max_length") or 1) > 4000:
            raise Refusal(400, 50035, "Invalid Form Body: a field holds 4000 characters")


def _filled(component: Payload, text: str) -> Payload:
    """What the client sends back of a modal's component, row or label, with the field filled in."""
    if component["type"] == 4:
        return {"type": 4, "id": 2, "custom_id": component["custom_id"], "value": text}
    if component["type"] == 18:
        return {"type": 18, "id": 1, "component": _filled(component["component"], text)}
    return {"type": 1, "id": 1, "components": [_filled(part, text) for part in component["components"]]}


def _inputs(components: list[Payload]) -> list[Payload]:
    """The text fields of a modal, bare or in a label."""
    found: list[Payload] = []
    for component in components:
        if component["type"] == 4:
            found.append(component)
        elif component["type"] == 18:
            found += _inputs([component["component"]])
        else:
            found += _inputs(component.get("components", []))
    return found


async def read_body(request: web.Request, world: World) -> tuple[Payload, list[Payload]]:
    """JSON, or JSON with files beside it."""
    if not request.content_type.startswith("multipart/"):
        return (await request.json() if request.can_read_body else {}), []
    body: Payload = {}
    attachments: list[Payload] = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        content = bytes(await part.read())
        if part.name == "payload_json":
            body = json.loads(content)
        else:
            attachments.append(world.keep_file(part.filename or "file", content))
    return body, attachments


def reply(data: Any, *, status: int = 200) -> web.Response:
    """JSON exactly as Discord labels it: discord.py reads it only without a charset."""
    headers = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(data).encode(), status=status, headers=headers)
