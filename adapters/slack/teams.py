"""The workspaces of the Slack app: one by its token, or many by installation (OAuth).

Knows no events and no messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.connection import call, granted_scopes, new_client, patiently
from bot.ports import Undeliverable
from bot.settings import SlackSettings
from bot.store.installations import InstallationStore

# The scopes that the code uses. A test compares them with deploy/slack-manifest.yaml.
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


class NotInstalled(Undeliverable):
    """The app is not installed in this workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A workspace, with the bot's own user in it."""

    id: str
    bot: str
    bot_id: str
    token: str
    client: AsyncWebClient


class Teams:
    """Finds the workspace of an event or an answer."""

    def __init__(self, settings: SlackSettings, installations: InstallationStore) -> None:
        self._settings = settings
        self._installations = installations
        self._known: dict[str, Team] = {}
        self._removed: set[str] = set()
        self._refused: set[str] = set()  # workspaces whose token Slack did not take
        self._lock = asyncio.Lock()

    def new_client(self, token: str) -> AsyncWebClient:
        return new_client(token, self._settings.api_url)

    async def of(self, team: str) -> Team:
        """The workspace. Raises NotInstalled; ChatError where the token's workspace is not known yet."""
        async with self._lock:
            if team not in self._known and not (self._settings.bot_token and self._known):
                await self._learn(team)
            if team not in self._known or team in self._removed:
                raise NotInstalled(f"The app is not installed in the workspace {team}.")
            return self._known[team]

    async def all(self) -> list[Team]:
        """Every workspace. Raises ChatError."""
        if self._settings.bot_token:
            async with self._lock:
                if not self._known:
                    await self._learn(None)
                return list(self._known.values())
        return [await self.of(team) for team in await self._installations.teams()]

    async def missing_scopes(self, team: Team) -> list[str]:
        """The scopes that the workspace has not granted. Raises ChatError."""
        granted = await patiently(lambda: granted_scopes(team.client))
        return [scope for scope in SCOPES if scope not in granted] if granted else []

    def refused(self, team: str) -> None:
        """Slack did not take the workspace's token. It is read anew, where it is stored."""
        self._refused.add(team)
        self._forget(team)

    def has_returned(self, team: str) -> bool:
        """Called when the workspace works: whether its token was refused before. True once."""
        was_refused = team in self._refused
        self._refused.discard(team)
        return was_refused

    async def add(self, *, team: str, bot: str, bot_id: str, token: str) -> None:
        """The app was installed in a workspace, perhaps again with another token. Raises StoreError."""
        data = {"team": team, "bot": bot, "bot_id": bot_id, "token": token}
        await self._installations.save(team, data)
        self._removed.discard(team)
        self._forget(team)

    async def remove(self, team: str) -> None:
        """The app was uninstalled in the workspace."""
        self._removed.add(team)
        self._forget(team)
        await self._installations.remove(team)

    def authorizer(self) -> Callable[..., Awaitable[AuthorizeResult | None]]:
        """The function that Bolt calls for the workspace of an event.

        Bolt passes its arguments by name and fails with a method's `self`, so this returns a function.
        """

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
            try:
                team = await self.of(team_id or "")
            except NotInstalled:
                return None
            return AuthorizeResult(
                enterprise_id=enterprise_id,
                team_id=team.id,
                bot_user_id=team.bot,
                bot_id=team.bot_id,
                bot_token=team.token,
            )

        return authorize

    def _forget(self, team: str) -> None:
        """Read the workspace's token anew at the next call. A token from the settings stays the same."""
        if not self._settings.bot_token:
            self._known.pop(team, None)

    async def _learn(self, team: str | None) -> None:
        if self._settings.bot_token:
            token = self._settings.bot_token.get_secret_value()
            client = self.new_client(token)
            said = await patiently(lambda: call(client, "auth.test"))
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
