"""Workspaces install the app (OAuth): from the link to the answer given there, and what is refused."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.slack import installing
from adapters.slack.teams import SCOPES
from tests.adapters.slack.conftest import StartSlack
from tests.adapters.slack.installing import OAUTH, Public, public
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import Workspace

# slack_sdk names its client to Slack by what aiohttp has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")


@pytest.fixture
def server_of_two(server: SlackServer) -> SlackServer:
    """Two workspaces in which everything has the same ids, down to the messages' timestamps."""
    server.workspaces["T2"] = Workspace("T2", token="xoxb-2")
    began = time.time()
    for workspace in server.workspaces.values():
        workspace.now = lambda: began
        workspace.add_user("UANN", "ann")
        workspace.add_channel("CANN", "UANN")
    return server


@pytest.fixture
async def service(start: StartSlack, server_of_two: SlackServer) -> AsyncIterator[Public]:
    async with public(start, server_of_two) as running:
        yield running


async def test_a_workspace_that_installs_it_is_answered_with_its_own_token(
    start: StartSlack, server_of_two: SlackServer
) -> None:
    async with public(start, server_of_two) as service:
        asked = await service.browser.follow_link()
        assert asked["client_id"] == ["client-1"]
        assert asked["scope"] == [",".join(SCOPES)]
        assert asked["state"] == [service.browser.state]
        server_of_two.oauth_codes["code"] = "T2"
        page = await service.browser.come_back(code="code", state=service.browser.state)
        assert page.status == 200
        assert "installed" in page.text
        assert await service.token_of("T2") == "xoxb-2"
        server_of_two.say("UANN", "CANN", "<@UBOT> tea?", team="T2")
        assert await service.answers("T2", 1) == ["echo: tea?"]
    async with public(start, server_of_two) as service:  # nothing of it was kept in the process alone
        server_of_two.say("UANN", "CANN", "<@UBOT> milk?", team="T2")
        assert await service.answers("T2", 2) == ["echo: tea?", "echo: milk?"]
        assert await service.answers("T1", 0) == []


async def test_two_workspaces_with_the_same_ids_do_not_meet(service: Public) -> None:
    for team in ("T1", "T2"):
        assert (await service.install(team)).status == 200
    questions = {
        team: service.server.say("UANN", "CANN", f"<@UBOT> tea in {team}?", team=team)
        for team in ("T1", "T2")
    }
    assert questions["T1"] == questions["T2"]
    for team, question in questions.items():
        assert await service.answers(team, 1) == [f"echo: tea in {team}?"]
        service.server.say("UANN", "CANN", f"Answer in short prose, {team}.", thread=question, team=team)
    for team in questions:
        assert team in (await service.answers(team, 2))[1]
        notes = [note.text for note in await service.bot.store.notes.active(f"slack:{team}:UANN")]
        assert notes == [f"Answer in short prose, {team}."]


async def test_where_it_is_uninstalled_the_token_goes_and_others_keep_theirs(service: Public) -> None:
    for team in ("T1", "T2"):
        await service.install(team)
    workspace = service.server.workspaces["T2"]
    workspace.uninstall()
    service.server.announce(workspace)
    await service.server.settled()
    assert await service.installed() == ("T1",)
    service.server.say("UANN", "CANN", "<@UBOT> tea?", team="T1")
    assert await service.answers("T1", 1) == ["echo: tea?"]


async def test_a_workspace_whose_token_was_revoked_keeps_no_other_from_being_read_back(
    start: StartSlack, server_of_two: SlackServer
) -> None:
    async with public(start, server_of_two) as service:
        for team in ("T1", "T2"):
            await service.install(team)
    server_of_two.workspaces["T1"].token = "xoxb-revoked"
    away = server_of_two.workspaces["T2"]
    away.say("UANN", "CANN", "<@UBOT> tea?")
    away.announcements.clear()
    async with public(start, server_of_two) as service:
        assert await service.answers("T2", 1) == ["echo: tea?"]


async def test_installed_again_the_new_token_is_used(service: Public) -> None:
    await service.install("T2")
    service.server.say("UANN", "CANN", "<@UBOT> tea?", team="T2")
    await service.answers("T2", 1)
    service.server.workspaces["T2"].token = "xoxb-2-new"
    await service.install("T2")
    service.server.say("UANN", "CANN", "<@UBOT> milk?", team="T2")
    assert await service.answers("T2", 2) == ["echo: tea?", "echo: milk?"]


async def test_a_cancelled_installation_is_told_as_that(service: Public) -> None:
    await service.browser.follow_link()
    page = await service.browser.come_back(error="access_denied", state=service.browser.state)
    assert "You cancelled it" in page.text
    assert "/slack/install" in page.text
    assert await service.installed() == ()


async def test_an_error_that_somebody_made_up_is_shown_as_text(service: Public) -> None:
    page = await service.browser.come_back(error="<script>alert(1)</script>")
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


@pytest.mark.parametrize(
    ("cookie", "state", "status"),
    [
        ("", "{own}", 400),  # begun in another browser
        ("{own}", "made-up", 400),
        ("made-up.1", "made-up.1", 401),
        ("{own}x", "{own}x", 401),
        ("{own}é", "{own}é", 401),
    ],
)
async def test_a_state_that_is_not_ours_installs_nothing(
    service: Public, cookie: str, state: str, status: int
) -> None:
    service.server.oauth_codes["code"] = "T2"
    await service.browser.follow_link()
    own = service.browser.state
    page = await service.browser.come_back(
        cookie=cookie.format(own=own), state=state.format(own=own), code="code"
    )
    assert page.status == status
    assert "Nothing was stored" in page.text
    assert await service.installed() == ()


async def test_a_state_is_good_once(service: Public) -> None:
    await service.install("T1")
    service.server.oauth_codes["code"] = "T2"
    page = await service.browser.come_back(code="code", state=service.browser.state)
    assert page.status == 401
    assert "finished before" in page.text
    assert await service.installed() == ("T1",)


async def test_a_state_is_good_for_a_while(service: Public, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "STATE_LIFE_S", -1)
    assert (await service.install("T1")).status == 401
    assert await service.installed() == ()


async def test_a_code_that_slack_does_not_know_installs_nothing(service: Public) -> None:
    await service.browser.follow_link()
    page = await service.browser.come_back(code="made-up", state=service.browser.state)
    assert page.status == 401
    assert "did not confirm" in page.text
    assert await service.installed() == ()


async def test_where_slack_breaks_off_the_browser_is_told(service: Public) -> None:
    service.server.drops["oauth.v2.access"] = 1
    page = await service.install("T1")
    assert page.status == 502
    assert "could not be reached" in page.text
    assert await service.installed() == ()
    assert (await service.install("T1")).status == 200


@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        ({"app_token": "xapp-1", "bot_token": "xoxb-1"}, set()),
        ({"app_token": "xapp-1", **OAUTH}, {"/slack/install", "/slack/oauth_redirect"}),
        ({"signing_secret": "s", "bot_token": "xoxb-1"}, {"/slack/events"}),
        (
            {"signing_secret": "s", **OAUTH},
            {"/slack/events", "/slack/install", "/slack/oauth_redirect"},
        ),
    ],
)
async def test_events_are_taken_over_http_only_where_they_are_signed(
    start: StartSlack, settings: dict[str, Any], paths: set[str]
) -> None:
    """Over a socket nothing is signed, so then a forged event must find no door."""
    async with start(settings={"slack": settings}, over_http="app_token" not in settings) as bot:
        assert {route.path for route in bot.chat.routes()} == paths
