"""`nightloom check` for Discord says what is wrong and what to do."""

from __future__ import annotations

from typing import Any

from adapters.discord.check import check
from adapters.shared.findings import Finding
from bot.settings import DiscordSettings
from tests.adapters.discord.conftest import StartDiscord
from tests.fakes.discord_server import Channel, DiscordServer, Permission, User


async def findings(server: DiscordServer, **settings: Any) -> list[Finding]:
    values = {"token": server.token, "api_url": server.api_url, "gateway_url": server.gateway_url, **settings}
    return await check(DiscordSettings(**values))


def bad(found: list[Finding]) -> str:
    return "\n".join(finding.text for finding in found if not finding.is_good)


async def test_everything_is_well_after_the_first_run(
    start: StartDiscord, server: DiscordServer, room: Channel
) -> None:
    async with start():
        pass
    found = await findings(server)
    assert bad(found) == ""
    assert f"client_id={server.world.bot.id}" in found[-1].text


async def test_a_wrong_token_is_told_with_the_way_to_a_right_one(server: DiscordServer) -> None:
    assert "Reset Token" in bad(await findings(server, token="wrong"))


async def test_a_missing_intent_is_told_with_what_then_does_not_work(
    server: DiscordServer, room: Channel
) -> None:
    server.gateway.portal_intents = 0
    assert "replies that do not mention the bot" in bad(await findings(server))


async def test_commands_that_are_not_registered_are_named(server: DiscordServer, room: Channel) -> None:
    assert "ask, nightloom, Correct this" in bad(await findings(server))


async def test_a_missing_permission_is_named(server: DiscordServer, room: Channel) -> None:
    assert room.guild
    room.guild.everyone &= ~Permission.READ_MESSAGE_HISTORY
    assert "read message history" in bad(await findings(server))


async def test_a_bot_in_no_server_is_given_its_invite_link(server: DiscordServer) -> None:
    assert "https://discord.com/oauth2/authorize" in bad(await findings(server))


async def test_an_allowed_server_that_it_is_not_in_is_named(server: DiscordServer, room: Channel) -> None:
    assert "42" in bad(await findings(server, allowed_servers=[42]))


async def test_every_server_is_looked_at_however_many_there_are(
    server: DiscordServer, room: Channel, ann: User
) -> None:
    for number in range(250):
        server.world.add_guild(f"guild {number}", ann)
    assert "guild 249" in "\n".join(finding.text for finding in await findings(server))


async def test_a_discord_that_is_away_is_told(server: DiscordServer) -> None:
    await server.stop()
    assert "could not be reached" in bad(await findings(server))


async def test_without_a_token_discord_is_off() -> None:
    assert bad(await check(DiscordSettings())) == ""
