"""Remarks that are not turned into note and revision yet are listed under their answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.adapters.web.service import Service, serving
from tests.fakes.held_backend import HeldBackend


async def remark(service: Service, text: str, *, under: str) -> str:
    """Say something under a reply, without waiting for what becomes of it; the id of the remark."""
    status, taken = await service.call(
        "POST", f"/api/replies/{under}/thread", {"person": "ana", "text": text}
    )
    assert status == 202
    return str(taken["message"])


async def remarks(service: Service) -> list[dict[str, Any]]:  # Any: what JSON holds
    _, read = await service.call("GET", "/api/conversations/c?person=ana")
    return [taught for message in read["messages"] for taught in message["teachings"]]


async def test_a_remark_is_listed_while_it_is_taken_in_and_as_what_it_was_understood(tmp_path: Path) -> None:
    backend = HeldBackend()
    async with serving(tmp_path, backend=backend) as service:
        reply = await service.ask("ana", "hello")
        backend.is_free.clear()
        message = await remark(service, "Keep it short.", under=reply["id"])
        (waiting,) = await remarks(service)
        expected = {"message": message, "reply": reply["id"], "text": "Keep it short.", "state": "waiting"}
        assert expected.items() <= waiting.items()
        assert (waiting["kind"], waiting["revision"]) == (None, None)
        backend.is_free.set()
        await service.app.outcome(message, wait_s=10)
        (taken,) = await remarks(service)
        assert (taken["message"], taken["state"], taken["kind"]) == (message, "answered", "critique")
        assert taken["revision"]


async def test_a_remark_that_could_not_be_taken_in_says_why(tmp_path: Path) -> None:
    backend = HeldBackend()
    async with serving(tmp_path, backend=backend, limits={"tries": 1}) as service:
        reply = await service.ask("ana", "hello")
        backend.is_broken = True
        message = await remark(service, "Keep it short.", under=reply["id"])
        await service.app.outcome(message, wait_s=10)
        (failed,) = await remarks(service)
        assert (failed["message"], failed["state"]) == (message, "failed")
        assert failed["problem"]


async def test_a_remark_that_was_withdrawn_is_listed_no_more(tmp_path: Path) -> None:
    backend = HeldBackend()
    async with serving(tmp_path, backend=backend) as service:
        reply = await service.ask("ana", "hello")
        backend.is_free.clear()
        message = await remark(service, "Keep it short.", under=reply["id"])
        assert len(await remarks(service)) == 1
        assert (await service.call("DELETE", f"/api/messages/{message}?person=ana"))[0] == 200
        assert await remarks(service) == []


async def test_remarks_of_another_conversation_are_not_listed(service: Service) -> None:
    reply = await service.ask("ana", "hello", conversation="other")
    await remark(service, "better: Hello there!", under=reply["id"])
    await service.ask("ana", "hello")
    assert await remarks(service) == []


async def test_a_remark_is_not_changed_like_a_question(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    message = await remark(service, "Keep it short.", under=reply["id"])
    body = {"person": "ana", "text": "Keep it long."}
    status, said = await service.call("PATCH", f"/api/messages/{message}?wait=10", body)
    assert (status, said["error"]["code"]) == (409, "no_question")
