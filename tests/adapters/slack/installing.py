"""A browser that installs the Slack app, and a bot that anybody may install."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import aiohttp

from tests.adapters.slack.conftest import LATEST_S, Running, StartSlack, served
from tests.fakes.slack_server import SlackServer

OAUTH = {"bot_token": None, "client_id": "client-1", "client_secret": "client-secret"}
COOKIE = "slack-app-oauth-state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    status: int
    text: str


class Browser:
    """Somebody who installs the app. What Slack's own pages do is done by the test."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self.state = ""

    async def follow_link(self) -> dict[str, list[str]]:
        """Open the install link; what Slack's consent page is asked for."""
        async with self._session.get(f"{self._url}/slack/install", allow_redirects=False) as answer:
            assert answer.status == 302
            self.state = answer.cookies[COOKIE].value
            target = urlsplit(answer.headers["Location"])
        assert target.netloc == "slack.com"
        return parse_qs(target.query)

    async def come_back(self, *, cookie: str | None = None, **query: str) -> Page:
        """Slack sends the browser back with this. The cookie is sent as by a browser over TLS."""
        headers = {"Cookie": f"{COOKIE}={self.state if cookie is None else cookie}"}
        url = f"{self._url}/slack/oauth_redirect"
        async with self._session.get(url, params=query, headers=headers) as answer:
            assert answer.content_type == "text/html"
            return Page(status=answer.status, text=await answer.text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """A bot that anybody may install, with a browser before it."""

    bot: Running
    server: SlackServer
    browser: Browser

    async def install(self, team: str) -> Page:
        self.server.oauth_codes[f"code-{team}"] = team
        await self.browser.follow_link()
        return await self.browser.come_back(code=f"code-{team}", state=self.browser.state)

    async def token_of(self, team: str) -> str | None:
        found = await self.bot.store.installations.of(team)
        return None if found is None else str(found["token"])

    async def installed(self) -> tuple[str, ...]:
        return await self.bot.store.installations.teams()

    async def answers(self, team: str, count: int) -> list[str]:
        """What was answered in the workspace's channel, once there is so much."""
        async with asyncio.timeout(LATEST_S):
            while len(posts := self.server.workspaces[team].replies_of_bot("CANN")) < count:
                await asyncio.sleep(0.02)
        return [post.text for post in posts]


@asynccontextmanager
async def public(start: StartSlack, server: SlackServer) -> AsyncIterator[Public]:
    async with (
        start(settings={"slack": OAUTH}, over_http=True) as bot,
        served(bot.chat) as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        server.events_url = f"{url}/slack/events"
        yield Public(bot=bot, server=server, browser=Browser(session, url))
        await server.settled()
