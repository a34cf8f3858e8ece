"""Installs the Slack app in further workspaces, by OAuth. Knows no events and no messages.

Serves the two addresses that a browser opens: the link to install, and the one to which Slack sends it back.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import secrets
import time
from logging import Logger, getLogger
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import (
    AsyncCallbackOptions,
    AsyncFailureArgs,
    AsyncSuccessArgs,
)
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackClientError
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from adapters.slack.teams import SCOPES, Teams
from bot.errors import StoreError

INSTALL_PATH: Final = "/slack/install"
REDIRECT_PATH: Final = "/slack/oauth_redirect"
STATE_LIFE_S: Final = 600

_REASONS: Final = {
    "access_denied": "You cancelled it in Slack.",
    "invalid_browser": "This page was reloaded, or the installation was begun in another browser.",
    "invalid_state": "This installation was finished before, or begun more than ten minutes ago.",
    "missing_code": "Slack did not say what to install.",
    "invalid_code": "Slack did not confirm it.",
    "storage_error": "It could not be kept. It must be for one workspace; else see the service's log.",
    "unreachable": "Slack could not be reached.",
}

log = structlog.get_logger(__name__)


class Installer:
    """Sends a browser to Slack's consent page, and stores the installation when it comes back."""

    def __init__(self, teams: Teams, client_id: str, client_secret: str) -> None:
        chosen = AsyncOAuthSettings(
            client_id=client_id,
            client_secret=client_secret,
            scopes=list(SCOPES),
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            install_page_rendering_enabled=False,
            callback_options=AsyncCallbackOptions(success=_installed, failure=_not_installed),
            installation_store=_Installations(teams),
            state_store=_States(client_secret),
        )
        self._flow = AsyncOAuthFlow(settings=chosen, client=teams.new_client(""))

    def routes(self) -> list[web.RouteDef]:
        return [web.get(INSTALL_PATH, self._begin), web.get(REDIRECT_PATH, self._finish)]

    async def _begin(self, request: web.Request) -> web.Response:
        return await to_aiohttp_response(await self._flow.handle_installation(await to_bolt_request(request)))

    async def _finish(self, request: web.Request) -> web.Response:
        asked = await to_bolt_request(request)
        try:
            answer = await self._flow.handle_callback(asked)
        except (TimeoutError, aiohttp.ClientError, SlackClientError, OSError) as error:
            log.warning("slack.not_installed", why=repr(error))
            answer = _page(502, "Nightloom was not installed", _advice("unreachable"), {})
        return await to_aiohttp_response(answer)


async def _installed(done: AsyncSuccessArgs) -> BoltResponse:
    team = done.installation.team_name or done.installation.team_id or "your workspace"
    text = f"It now answers in {html.escape(team)}: write to it under Apps, or <code>/invite</code> it."
    return _page(200, "Nightloom is installed", text, _without_state(done.settings))


async def _not_installed(failed: AsyncFailureArgs) -> BoltResponse:
    log.info("slack.not_installed", why=failed.reason)
    status, advice = failed.suggested_status_code, _advice(failed.reason)
    return _page(status, "Nightloom was not installed", advice, _without_state(failed.settings))


def _advice(reason: str) -> str:
    said = _REASONS.get(reason, f"Slack says: {html.escape(reason[:100])}.")
    return f'{said} Nothing was stored. <a href="{INSTALL_PATH}">Begin again</a>'


def _without_state(settings: AsyncOAuthSettings) -> dict[str, str]:
    return {"Set-Cookie": settings.state_utils.build_set_cookie_for_deletion()}


def _page(status: int, title: str, text: str, headers: dict[str, str]) -> BoltResponse:
    body = f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1><p>{text}</p></html>'
    return BoltResponse(
        status=status, body=body, headers={"Content-Type": "text/html; charset=utf-8", **headers}
    )


class _Installations(AsyncInstallationStore):
    """The bot's store of installations, with the methods that Bolt calls."""

    def __init__(self, teams: Teams) -> None:
        self._teams = teams

    @property
    def logger(self) -> Logger:
        return getLogger(__name__)

    async def async_save(self, installation: Installation) -> None:
        if not installation.team_id or not installation.bot_token:
            raise BoltError("no workspace of its own, or no bot in it")
        try:
            await self._teams.add(
                team=installation.team_id,
                bot=installation.bot_user_id or "",
                bot_id=installation.bot_id or "",
                token=installation.bot_token,
            )
        except StoreError as error:
            raise BoltError(str(error)) from error

    async def async_save_bot(self, bot: Bot) -> None:
        """Nothing to save: the installation holds the bot."""


class _States(AsyncOAuthStateStore):
    """The state of an installation that has begun. It is valid once, for ten minutes.

    A state is signed instead of stored, so any process can check it. A process remembers the states that were
    used with it. Bolt keeps the state in a cookie of the browser too, and deletes the cookie after use.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._used: dict[str, float] = {}

    @property
    def logger(self) -> Logger:
        return getLogger(__name__)

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        issued = f"{int(time.time())}.{secrets.token_urlsafe(12)}"
        return f"{issued}.{self._sign(issued)}"

    async def async_consume(self, state: str) -> bool:
        issued, _, signature = state.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(issued).encode()):
            return False
        now, since = time.time(), int(issued.partition(".")[0])
        self._used = {used: at for used, at in self._used.items() if now - at <= STATE_LIFE_S}
        if state in self._used or now - since > STATE_LIFE_S:
            return False
        self._used[state] = now
        return True

    def _sign(self, issued: str) -> str:
        return hmac.new(self._secret, issued.encode(), hashlib.sha256).hexdigest()[:32]
