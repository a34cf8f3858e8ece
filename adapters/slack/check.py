"""`nightloom check` for Slack: what is wrong with the app's tokens and scopes, and what to do about it.

Changes nothing: sends no message, opens no socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from slack_sdk.errors import SlackApiError

from adapters.shared.findings import Finding, bad, good
from adapters.slack.connection import call, granted_scopes, new_client
from adapters.slack.teams import SCOPES
from bot.ports import ChatError
from bot.settings import SlackSettings

ADVICE: Final = "See docs/slack.md."


async def check(settings: SlackSettings, *, is_web_on: bool) -> list[Finding]:
    """Checks tokens, scopes, and the way in for events: a socket, or the web chat's server."""
    return [finding async for finding in _findings(settings, is_web_on=is_web_on)]


async def _findings(settings: SlackSettings, *, is_web_on: bool) -> AsyncIterator[Finding]:
    if settings.bot_token is None and settings.client_id is None:
        yield good("Slack: off (no NIGHTLOOM_SLACK__BOT_TOKEN)")
        return
    yield _way_in(settings, is_web_on=is_web_on)
    if settings.client_id is not None and settings.client_secret is None:
        yield bad("Slack: NIGHTLOOM_SLACK__CLIENT_SECRET is missing beside the client id.")
    if settings.bot_token is not None:
        async for finding in _bot(settings, settings.bot_token.get_secret_value()):
            yield finding
    if settings.app_token is not None:
        yield await _socket(settings, settings.app_token.get_secret_value())


def _way_in(settings: SlackSettings, *, is_web_on: bool) -> Finding:
    if settings.app_token is not None:
        return good("Slack: events come over a socket")
    if settings.signing_secret is not None and not is_web_on:
        return bad(
            "Slack: events over HTTP come to the web chat's server, which is off. Set "
            f"NIGHTLOOM_WEB__ENABLED=true, or NIGHTLOOM_SLACK__APP_TOKEN for a socket. {ADVICE}"
        )
    if settings.signing_secret is not None:
        return good("Slack: events come to /slack/events on the web chat's port, signed")
    return bad(
        "Slack: set NIGHTLOOM_SLACK__APP_TOKEN for a socket, or NIGHTLOOM_SLACK__SIGNING_SECRET for "
        f"events over HTTP. {ADVICE}"
    )


async def _bot(settings: SlackSettings, token: str) -> AsyncIterator[Finding]:
    client = new_client(token, settings.api_url)
    try:
        response = await client.auth_test()
    except (SlackApiError, TimeoutError, OSError) as error:
        yield bad(f"Slack: the bot token is not taken ({error}). Copy it again from *Install App*. {ADVICE}")
        return
    yield good(f"Slack: the bot token is {response['user']}'s in the workspace {response['team']}")
    granted = await granted_scopes(client)
    missing = [scope for scope in SCOPES if scope not in granted]
    if granted and missing:
        yield bad(
            f"Slack: missing scopes: {', '.join(missing)}. "
            "Add them under *OAuth & Permissions* and install the app again."
        )
    elif granted:
        yield good("Slack: every scope is granted")


async def _socket(settings: SlackSettings, token: str) -> Finding:
    try:
        await call(new_client(token, settings.api_url), "apps.connections.open")
    except ChatError as error:
        return bad(f"Slack: the app token opens no socket ({error}). It needs `connections:write`. {ADVICE}")
    return good("Slack: the app token opens a socket")
