"""The workspaces that the Slack app speaks in: one by its token, or many by installation (OAuth).

Knows no events and no messages.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from logging import Logger, getLogger

from slack_bolt.authorization import AuthorizeResult
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack_client import call, new_client
from bot.ports import Undeliverable
from bot.settings import SlackSettings
from bot.store.installations import Installations

# What the code uses, and so what deploy/slack-manifest.yaml asks for; a test compares them.
SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:read",
    "users:read",
)
STATE_LIFE_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A workspace, with the bot's own user in it."""

    id: str
    bot: str
    bot_id: str
    token: str
    client: AsyncWebClient


class Teams:
    """Finds the workspace that an event or an answer belongs to."""

    def __init__(self, settings: SlackSettings, installations: Installations) -> None:
        self._settings = settings
        self._installations = installations
        self._known: dict[str, Team] = {}
        self._lock = asyncio.Lock()

    def new_client(self, token: str) -> AsyncWebClient:
        return new_client(token, self._settings.api_url)

    async def of(self, team: str) -> Team:
        """The workspace. Raises Undeliverable where the app is not installed."""
        async with self._lock:
            if team not in self._known:
                await self._learn(team)
            if team not in self._known:
                raise Undeliverable(f"The app is not installed in the workspace {team}.")
            return self._known[team]

    async def all(self) -> list[Team]:
        """Every workspace. Raises ChatError."""
        if self._settings.bot_token:
            async with self._lock:
                if not self._known:
                    await self._learn(None)
                return list(self._known.values())
        return [await self.of(team) for team in await self._installations.teams()]

    def forget(self, team: str) -> None:
        """Its token was revoked: whoever asks next reads it anew."""
        self._known.pop(team, None)

    async def remove(self, team: str) -> None:
        """The app was uninstalled there."""
        self.forget(team)
        await self._installations.remove(team)

    def authorizer(self) -> Callable[..., Awaitable[AuthorizeResult]]:
        """What Bolt calls to learn of the workspace that an event comes from.

        A function, since Bolt hands the arguments over by name and trips over a method's `self`.
        """

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            team = await self.of(team_id or "")
            return AuthorizeResult(
                enterprise_id=enterprise_id,
                team_id=team.id,
                bot_user_id=team.bot,
                bot_id=team.bot_id,
                bot_token=team.token,
            )

        return authorize

    def installing(self) -> AsyncOAuthSettings | None:
        """How further workspaces install the app; None where one token is all."""
        settings = self._settings
        if not settings.client_id or not settings.client_secret:
            return None
        secret = settings.client_secret.get_secret_value()
        return AsyncOAuthSettings(
            client_id=settings.client_id,
            client_secret=secret,
            scopes=list(SCOPES),
            installation_store=_StoredInstallations(self, self._installations),
            state_store=_SignedStates(secret),
        )

    async def _learn(self, team: str | None) -> None:
        if self._settings.bot_token:
            token = self._settings.bot_token.get_secret_value()
            client = self.new_client(token)
            said = await call(client, "auth.test")
            found = Team(
                id=said["team_id"], bot=said["user_id"], bot_id=said["bot_id"], token=token, client=client
            )
            self._known[found.id] = found
            return
        data = await self._installations.of(team or "")
        if data is not None:
            client = self.new_client(data["token"])
            self._known[data["team"]] = Team(
                id=data["team"], bot=data["bot"], bot_id=data["bot_id"], token=data["token"], client=client
            )


class _StoredInstallations(AsyncInstallationStore):
    """Bolt's idea of a store, over the bot's."""

    def __init__(self, teams: Teams, installations: Installations) -> None:
        self._teams = teams
        self._installations = installations

    @property
    def logger(self) -> Logger:
        return getLogger(__name__)

    async def async_save(self, installation: Installation) -> None:
        team = installation.team_id or installation.enterprise_id or ""
        data = {
            "team": team,
            "bot": installation.bot_user_id or "",
            "bot_id": installation.bot_id or "",
            "token": installation.bot_token or "",
        }
        await self._installations.save(team, data)
        self._teams.forget(team)

    async def async_save_bot(self, bot: Bot) -> None:
        """Nothing: the installation holds it."""


class _SignedStates(AsyncOAuthStateStore):
    """The state of an installation under way, signed instead of stored: any process can take it back."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    @property
    def logger(self) -> Logger:
        return getLogger(__name__)

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        issued = f"{int(time.time())}.{secrets.token_urlsafe(12)}"
        return f"{issued}.{self._sign(issued)}"

    async def async_consume(self, state: str) -> bool:
        issued, _, signature = state.rpartition(".")
        if not hmac.compare_digest(signature, self._sign(issued)):
            return False
        return time.time() - int(issued.partition(".")[0]) <= STATE_LIFE_S

    def _sign(self, issued: str) -> str:
        return hmac.new(self._secret, issued.encode(), hashlib.sha256).hexdigest()[:32]
