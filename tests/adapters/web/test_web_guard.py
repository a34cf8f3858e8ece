"""Who is let in, and what every answer carries."""

from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from adapters.web.operations import OPERATIONS
from tests.adapters.web.service import TOKEN, Service


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer ü"])
async def test_a_call_without_the_right_token_is_refused(service: Service, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with aiohttp.ClientSession(service.address, headers=headers) as stranger:
        paths = ["/api/conversations?person=ana", "/api/openapi.json", "/metrics", "/api/events?person=ana"]
        for path in [*paths, "/api/nothing", "/nothing"]:
            async with stranger.get(path) as response:
                assert response.status == 401, path
                assert (await response.json())["error"]["code"] == "unauthorized"
                assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_every_operation_needs_the_token(service: Service) -> None:
    async with aiohttp.ClientSession(service.address) as stranger:
        for operation in OPERATIONS:
            async with stranger.request(
                operation.method, operation.path.replace("{", "").replace("}", "")
            ) as it:
                assert it.status == 401, operation.path


async def test_health_and_page_need_no_token(service: Service) -> None:
    async with aiohttp.ClientSession(service.address) as stranger:
        for path in ("/healthz", "/readyz", "/", f"/?token={TOKEN}", "/web/app.js", "/web/theme.css"):
            async with stranger.get(path) as response:
                assert response.status == 200, path


async def test_an_address_with_a_wrong_token_shows_the_page_and_says_401(service: Service) -> None:
    async with aiohttp.ClientSession(service.address) as stranger, stranger.get("/?token=wrong") as response:
        assert response.status == 401
        assert "Nightloom" in await response.text()


async def test_every_answer_forbids_what_the_page_does_not_need(service: Service) -> None:
    for path in ("/", "/web/app.js", "/api/about", "/api/nothing", "/healthz"):
        async with service.client.get(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "*" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_the_page_is_asked_for_again_only_when_it_changed(service: Service) -> None:
    async with service.client.get("/web/app.js") as response:
        tag = response.headers["ETag"]
    async with service.client.get("/web/app.js", headers={"If-None-Match": tag}) as response:
        assert response.status == 304


async def test_files_beside_the_page_are_not_served(service: Service) -> None:
    for path in ("/web/../web_chat.py", "/web/..%2fweb_chat.py", "/web/", "/web/nope.js"):
        async with service.client.get(URL(path, encoded=True)) as response:
            assert response.status == 404, path
