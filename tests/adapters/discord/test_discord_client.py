"""Where Discord is, and which connection is made to it."""

from __future__ import annotations

import asyncio

import discord
import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord import sending
from adapters.discord.connection import Connection, new_client, redirect
from adapters.discord.sending import Sender
from bot.events import Notice, Person, Platform
from bot.ports import Unreachable
from bot.settings import DiscordSettings
from tests.adapters.discord.conftest import StartDiscord
from tests.fakes.discord_server import Channel, DiscordServer, User


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(discord.asset.Asset, "BASE", discord.asset.Asset.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9",
        "http://127.0.0.1:9/api",
        "http://127.0.0.1:9/api/",
        "http://127.0.0.1:9/api/v10/",
    ],
)
def test_another_server_may_be_named_with_or_without_the_version(url: str) -> None:
    redirect(url, None)
    assert Route("GET", "/users/@me").url == "http://127.0.0.1:9/api/v10/users/@me"
    assert discord.asset.Asset.BASE == "http://127.0.0.1:9/cdn"


def test_without_another_server_it_is_discord() -> None:
    redirect(None, None)
    assert Route("GET", "/users/@me").url.startswith("https://discord.com/api/")


async def test_who_is_to_be_told_something_is_not_waited_for_while_discord_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "LOGIN_MAY_TAKE_S", 0.01)
    sender = Sender(Connection(DiscordSettings(), prepare=lambda client: None), progress_after_s=1.0)
    person = Person(key="discord:1", platform=Platform.DISCORD)
    async with asyncio.timeout(5.0):
        with pytest.raises(Unreachable):
            await sender.tell(person, None, Notice(text="Good morning."))


async def test_it_asks_for_no_intent_that_it_does_not_need() -> None:
    asked = {name for name, is_on in new_client(DiscordSettings(), has_content=True).intents if is_on}
    messages = {"guild_messages", "dm_messages", "message_content"}
    assert asked == {"guilds", "guild_reactions", "dm_reactions", *messages}


async def test_a_process_may_run_some_of_the_shards() -> None:
    client = new_client(DiscordSettings(shards=4, shard_ids=(2, 3)), has_content=True)
    assert isinstance(client, discord.AutoShardedClient)
    assert (client.shard_count, client.shard_ids) == (4, [2, 3])


async def test_the_other_servers_gateway_is_asked_for_where_it_is_not_named(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(gateway_url=None) as bot:
        await bot.ask(ann, room, "before")
        await server.gateway.invalidate()
        await server.until(lambda: server.gateway.identified == 2)
        _, answer = await bot.ask(ann, room, "after")
        assert answer.content == "echo: after"
