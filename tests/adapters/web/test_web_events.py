"""The stream of what happens to a person."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.web import streams
from engine.backends.scripted import ScriptedBackend
from tests.adapters.web.service import Service, serving

ASKED = {"person": "ana", "conversation": "c", "text": "hello"}


async def _until(response: aiohttp.ClientResponse, kind: str) -> tuple[list[str], Any]:
    """The kinds that came before, and the first event of this kind. Any: JSON."""
    before: list[str] = []
    async with asyncio.timeout(10):
        while True:
            line = (await response.content.readline()).decode().rstrip("\n")
            if line.startswith("event: "):
                before.append(line.removeprefix("event: "))
            if line.startswith("data: ") and before[-1] == kind:
                return before[:-1], json.loads(line.removeprefix("data: "))


async def test_progress_and_then_the_reply_are_heard(service: Service) -> None:
    async with service.client.get("/api/events?person=ana") as stream:
        assert stream.content_type == "text/event-stream"
        _, taken = await service.call("POST", "/api/messages", {**ASKED, "mode": "weave"})
        before, reply = await _until(stream, "reply")
    assert "progress" in before
    assert (reply["text"], reply["message"]) == ("echo: hello", taken["message"])


async def test_a_reply_is_told_with_the_emoji_that_are_on_it(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"mode": "best"}) as service:
        reply = await service.ask("ana", "hello")
        path, heart = f"/api/replies/{reply['id']}", {"person": "ana", "emoji": "❤️", "on": True}
        await service.call("POST", f"{path}/reactions", heart)
        async with service.client.get("/api/events?person=ana") as stream:
            other = {"person": "ana", "alternative": reply["alternatives"][0]["id"]}
            await service.call("POST", f"{path}/choose", other)
            _, told = await _until(stream, "reply")
    assert (told["text"], told["rating"]) == (reply["alternatives"][0]["text"], 5)
    assert len(told["reactions"]) == 1


async def test_nothing_of_another_person_is_heard(service: Service) -> None:
    async with service.client.get("/api/events?person=ben") as stream:
        await service.ask("ana", "secret")
        await service.call("POST", "/api/messages", {**ASKED, "person": "ben"})
        before, reply = await _until(stream, "reply")
    assert reply["person"] == "ben"
    assert "reply" not in before


async def test_a_silent_stream_beats_and_a_gone_client_is_noticed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.chat._streams, "_heartbeat_s", 0.05)
    async with service.client.get("/api/events?person=ana") as stream:
        for _ in range(3):
            assert (await stream.content.readuntil(b"\n\n")) == streams.BEAT
        assert service.chat._streams.count == 1
    async with asyncio.timeout(5):
        while service.chat._streams.count:
            await asyncio.sleep(0.02)


async def test_one_person_cannot_open_streams_without_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS_OF_ONE", 1)
    async with service.client.get("/api/events?person=ana"):
        status, said = await service.call("GET", "/api/events?person=ana")
        assert (status, said["error"]["code"]) == (429, "too_many_streams")
        async with service.client.get("/api/events?person=ben") as other:
            assert other.status == 200


async def test_a_stopping_server_does_not_wait_for_its_streams(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        stream = await service.client.get("/api/events?person=ana")
        stopping = asyncio.get_running_loop().time()
        await service.chat.stop()
        async with asyncio.timeout(4):
            while await stream.content.readline():
                pass
        assert asyncio.get_running_loop().time() - stopping < 4


async def test_the_parameters_of_the_stream_are_checked(service: Service) -> None:
    for query in ("", "?person=", "?person=a:b", "?person=ana&x=1"):
        status, said = await service.call("GET", f"/api/events{query}")
        assert status == 422, said


async def test_a_question_that_is_stopped_ends_its_stream_of_progress(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, backend=ScriptedBackend(delay_s=0.5)) as slow,
        slow.client.get("/api/events?person=ana") as stream,
    ):
        _, taken = await slow.call("POST", "/api/messages", ASKED)
        await slow.call("DELETE", f"/api/messages/{taken['message']}?person=ana")
        await slow.call("POST", "/api/messages", {**ASKED, "person": "ana", "text": "again"})
        _, reply = await _until(stream, "reply")
    assert reply["text"] == "echo: again"
