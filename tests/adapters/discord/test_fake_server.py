"""The Discord on this machine, driven by the real discord.py: what it keeps and what it refuses.

Everything else in this folder rests on it, so it is shown to behave as the SDK expects of Discord.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord
import pytest
import yarl
from discord.http import Route

from tests.fakes.discord_server import (
    Channel,
    DiscordServer,
    Fault,
    Message,
    Permission,
    User,
    discord_server,
)


class Listener(discord.Client):
    """Records what arrives."""

    def __init__(self, *, content: bool = True) -> None:
        intents = discord.Intents(guilds=True, messages=True, reactions=True, message_content=content)
        super().__init__(intents=intents, max_messages=None, guild_ready_timeout=0.1)
        self.heard: list[str] = []
        self.resumes = 0
        self.pressed: list[discord.Interaction] = []

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """discord.py waits five seconds before it begins another session."""

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message.content)

    async def on_resumed(self) -> None:
        self.resumes += 1

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.pressed.append(interaction)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordServer]:
    async with discord_server() as server:
        monkeypatch.setattr(Route, "BASE", server.api_url)
        gateway = yarl.URL(server.gateway_url)
        monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
        yield server


@pytest.fixture
def ann(server: DiscordServer) -> User:
    return server.world.add_user("ann")


@pytest.fixture
def room(server: DiscordServer, ann: User) -> Channel:
    return server.world.add_channel(server.world.add_guild("home", ann), "room")


@asynccontextmanager
async def connected(server: DiscordServer, client: Listener) -> AsyncIterator[Listener]:
    task = asyncio.create_task(client.start(server.token))
    try:
        await server.until(lambda: task.done() or client.is_ready())
        if task.done():
            await task
        yield client
    finally:
        await client.close()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_message_reaches_the_bot_and_its_answer_is_kept(
    server: DiscordServer, room: Channel, ann: User
) -> None:
    async with connected(server, Listener()) as client:
        server.say(ann, room, "hello")
        await server.until(lambda: client.heard == ["hello"])
        await client.get_partial_messageable(room.id).send("hi")
        assert [message.content for message in server.answers(room)] == ["hi"]


async def test_a_nonce_is_posted_once(server: DiscordServer, room: Channel) -> None:
    async with connected(server, Listener()) as client:
        place = client.get_partial_messageable(room.id)
        first = await place.send("hi", nonce="k")
        second = await place.send("hi", nonce="k")
        assert first.id == second.id
        assert len(server.answers(room)) == 1


async def test_what_discord_refuses_is_refused(server: DiscordServer, room: Channel, ann: User) -> None:
    async with connected(server, Listener()) as client:
        place = client.get_partial_messageable(room.id)
        await refused(place.send("x" * 2001), 400, 50035)
        await refused(place.send("   "), 400, 50006)
        await refused(place.send("x", nonce="n" * 26), 400, 50035)
        await refused(place.get_partial_message(1).edit(content="x"), 404, 10008)
        await refused(
            place.get_partial_message(server.say(ann, room, "mine").id).edit(content="x"), 403, 50005
        )
        await refused(client.get_partial_messageable(1).send("x"), 404, 10003)
        server.world.deny(room, Permission.SEND_MESSAGES)
        await refused(place.send("x"), 403, 50013)
        server.world.deny(room, Permission.VIEW_CHANNEL)
        await refused(place.send("x"), 403, 50001)
        ann.accepts_direct_messages = False
        direct = await client.fetch_user(ann.id)
        await refused(direct.send("x"), 403, 50007)


async def refused(call: object, status: int, code: int) -> None:
    with pytest.raises(discord.HTTPException) as caught:
        await call  # type: ignore[misc] # whatever the SDK's method gave
    assert (caught.value.status, caught.value.code) == (status, code)


async def test_a_rate_limit_is_waited_out_by_the_sdk(server: DiscordServer, room: Channel) -> None:
    server.limits_every_call = True
    async with connected(server, Listener()) as client:
        await client.get_partial_messageable(room.id).send("hi")
        assert len(server.answers(room)) == 1


async def test_a_connection_can_break_after_the_message_was_taken(
    server: DiscordServer, room: Channel
) -> None:
    server.faults.append(Fault(method="POST", path="/messages$", breaks_after=True))
    async with connected(server, Listener()) as client:
        with pytest.raises((OSError, discord.DiscordException, aiohttp.ClientError)):
            await client.get_partial_messageable(room.id).send("hi")
        assert len(server.answers(room)) == 1


async def test_what_was_said_while_the_connection_was_cut_is_replayed(
    server: DiscordServer, room: Channel, ann: User
) -> None:
    async with connected(server, Listener()) as client:
        await server.gateway.cut()
        server.say(ann, room, "meanwhile")
        await server.until(lambda: client.heard == ["meanwhile"])
        assert (server.gateway.identified, server.gateway.resumed) == (1, 1)


async def test_a_forgotten_session_replays_nothing(server: DiscordServer, room: Channel, ann: User) -> None:
    async with connected(server, Listener()) as client:
        await server.gateway.cut(forget=True)
        server.say(ann, room, "lost")
        await server.until(lambda: server.gateway.identified == 2)
        server.say(ann, room, "after")
        await server.until(lambda: client.heard == ["after"])


async def test_reconnect_is_asked_for_and_followed(server: DiscordServer) -> None:
    async with connected(server, Listener()) as client:
        await server.gateway.ask_reconnect()
        await server.until(lambda: client.resumes == 1)


async def test_without_the_content_intent_only_what_concerns_the_bot_has_words(
    server: DiscordServer, room: Channel, ann: User
) -> None:
    async with connected(server, Listener(content=False)) as client:
        server.say(ann, room, "secret")
        server.mention(ann, room, "open")
        server.say(ann, server.world.direct(ann), "private")
        await server.until(lambda: len(client.heard) == 3)
        assert client.heard == ["", f"{server.world.bot.mention} open", "private"]


async def test_a_privileged_intent_that_was_not_granted_closes_the_connection(server: DiscordServer) -> None:
    server.gateway.portal_intents = 0
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with connected(server, Listener()):
            pass


async def test_a_wrong_token_is_refused(server: DiscordServer) -> None:
    server.token = "another"
    client = Listener()
    with pytest.raises(discord.LoginFailure):
        await client.login("wrong")
    await client.close()


async def test_an_interaction_is_answered_once_and_in_time(
    server: DiscordServer, room: Channel, ann: User
) -> None:
    async with connected(server, Listener()) as client:
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Why?", custom_id="why"))
        await client.get_partial_messageable(room.id).send("hi", view=view)
        pressed = await press(server, client, ann, room)
        await pressed.response.send_message("because", ephemeral=True)
        assert server.interactions.all[-1].texts == ["because"]
        assert server.interactions.all[-1].is_ephemeral
        assert len(server.answers(room)) == 1
        server.interactions.response_s = 0.0
        late = await press(server, client, ann, room)
        await refused(late.response.defer(), 404, 10062)


async def press(server: DiscordServer, client: Listener, ann: User, room: Channel) -> discord.Interaction:
    before = len(client.pressed)
    await server.interactions.press(ann, server.answers(room)[0], "Why?")
    await server.until(lambda: len(client.pressed) > before)
    return client.pressed[-1]


async def test_reactions_are_told_and_read_back(server: DiscordServer, room: Channel, ann: User) -> None:
    async with connected(server, Listener()) as client:
        place = client.get_partial_messageable(room.id)
        sent = await place.send("hi")
        kept: Message = server.answers(room)[0]
        server.world.react(ann, kept, "👍")
        read = await place.fetch_message(sent.id)
        users = [user.id async for user in read.reactions[0].users()]
        assert (str(read.reactions[0].emoji), users) == ("👍", [ann.id])
        server.world.clear(kept)
        assert (await place.fetch_message(sent.id)).reactions == []
