"""The web interface as a script sees it: what it promises, and what it refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy.exc import OperationalError
from yarl import URL

from engine.backends.scripted import ScriptedBackend
from tests.adapters.web.service import Service, serving

ASKED = {"person": "ana", "conversation": "c", "text": "hello"}
PROMISED = "id conversation person text mode score lora seed revises rating alternatives"


async def test_a_message_is_taken_at_once_and_answered_later(service: Service) -> None:
    status, taken = await service.call("POST", "/api/messages", ASKED)
    assert status == 202
    for _ in range(200):
        status, message = await service.call("GET", f"/api/messages/{taken['message']}")
        if message["state"] == "answered":
            break
        await asyncio.sleep(0.02)
    assert [reply["text"] for reply in message["replies"]] == ["echo: hello"]


async def test_waiting_gives_the_reply_with_every_field_that_is_promised(service: Service) -> None:
    status, said = await service.call("POST", "/api/messages?wait=10", {**ASKED, "mode": "best"})
    assert status == 200
    reply = said["reply"]
    promised = set(PROMISED.split())
    assert promised <= set(reply)
    assert (reply["person"], reply["conversation"], reply["mode"]) == ("ana", "c", "best")
    assert {"id", "text", "score"} == set(reply["alternatives"][0])
    assert said["message"] == reply["message"]


async def test_a_wait_that_is_too_short_gives_the_message_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, backend=ScriptedBackend(delay_s=2)) as slow:
        status, said = await slow.call("POST", "/api/messages?wait=0.05", ASKED)
    assert (status, set(said)) == (202, {"message"})


async def test_a_question_too_long_for_the_model_is_refused_to_who_waits(tmp_path: Path) -> None:
    long = {**ASKED, "text": "long " * 3000}
    async with serving(tmp_path, backend=ScriptedBackend(max_context=2048)) as small:
        status, said = await small.call("POST", "/api/messages?wait=10", long)
        assert (status, said["error"]["code"]) == (409, "too_long")
        assert "shorten it" in said["error"]["message"]
        path = f"/api/messages/{said['message']}"
        assert (await small.call("GET", path))[1]["problem"] == said["error"]["message"]
        status, _ = await small.call("PATCH", f"{path}?wait=10", {"person": "ana", "text": "short"})
        assert status == 200


async def test_a_question_that_is_given_up_is_no_fault_of_who_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = ScriptedBackend()
    monkeypatch.setattr(backend, "encode", lambda prompt: 1 / 0)
    async with serving(tmp_path, backend=backend, limits={"tries": 1}) as broken:
        status, said = await broken.call("POST", "/api/messages?wait=10", ASKED)
    assert (status, said["error"]["code"]) == (503, "failed")


async def test_sending_again_under_the_same_key_asks_once(service: Service) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await service.call("POST", "/api/messages", ASKED, headers=headers)
    again = await service.call("POST", "/api/messages", ASKED, headers=headers)
    other = await service.call("POST", "/api/messages", {**ASKED, "person": "ben"}, headers=headers)
    assert first == again
    assert other[1] != first[1]


async def test_one_key_serves_for_different_calls(service: Service) -> None:
    headers = {"Idempotency-Key": "k1"}
    _, taken = await service.call("POST", "/api/messages?wait=10", ASKED, headers=headers)
    path, text = f"/api/messages/{taken['message']}?wait=10", {"person": "ana", "text": "hello again"}
    _, changed = await service.call("PATCH", path, text, headers=headers)
    assert changed["reply"]["text"] == "echo: hello again"


async def test_a_stopping_server_does_not_wait_for_waiting_calls(tmp_path: Path) -> None:
    async with serving(tmp_path, backend=ScriptedBackend(delay_s=60)) as slow:
        waiting = asyncio.create_task(slow.call("POST", "/api/messages?wait=60", ASKED))
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await slow.chat.stop()
        with pytest.raises(aiohttp.ClientError):
            await waiting
        assert time.monotonic() - began < 5


async def test_conversations_are_listed_and_read_by_their_person_alone(service: Service) -> None:
    await service.ask("ana", "first question")
    await service.ask("ana", "second question")
    await service.ask("ben", "something else")
    _, lines = await service.call("GET", "/api/conversations?person=ana")
    _, read = await service.call("GET", "/api/conversations/c?person=ana")
    assert [(line["conversation"], line["title"]) for line in lines] == [("c", "first question")]
    assert [message["text"] for message in read["messages"]] == ["first question", "second question"]
    assert read["messages"][1]["replies"][0]["text"] == "echo: second question"
    status, _ = await service.call("GET", "/api/conversations/c?person=eve")
    assert status == 404


async def test_a_conversation_may_have_any_name(service: Service) -> None:
    name = "a/b c?d#e%ü"
    await service.ask("ana", "hello", conversation=name)
    _, lines = await service.call("GET", "/api/conversations?person=ana")
    assert lines[0]["conversation"] == name
    path = "/api/conversations/a%2Fb%20c%3Fd%23e%25%C3%BC?person=ana"
    async with service.client.get(URL(path, encoded=True)) as response:
        assert len((await response.json())["messages"]) == 1


async def test_an_edited_question_is_answered_anew(service: Service) -> None:
    reply = await service.ask("ana", "helo")
    status, said = await service.call(
        "PATCH", f"/api/messages/{reply['message']}?wait=10", {"person": "ana", "text": "hello"}
    )
    assert (status, said["reply"]["text"]) == (200, "echo: hello")
    _, message = await service.call("GET", f"/api/messages/{reply['message']}")
    assert [each["text"] for each in message["replies"]] == ["echo: hello"]


async def test_a_withdrawn_question_is_cancelled(tmp_path: Path) -> None:
    async with serving(tmp_path, backend=ScriptedBackend(delay_s=5)) as slow:
        _, taken = await slow.call("POST", "/api/messages", ASKED)
        status, said = await slow.call("DELETE", f"/api/messages/{taken['message']}?person=ana")
        assert (status, said["state"], said["replies"]) == (200, "cancelled", [])


async def test_a_waiting_client_hears_that_its_question_was_withdrawn(tmp_path: Path) -> None:
    async with serving(tmp_path, backend=ScriptedBackend(delay_s=5)) as slow:
        headers = {"Idempotency-Key": "k"}
        _, taken = await slow.call("POST", "/api/messages", ASKED, headers=headers)
        waiting = asyncio.create_task(slow.call("POST", "/api/messages?wait=10", ASKED, headers=headers))
        await asyncio.sleep(0.1)
        await slow.call("DELETE", f"/api/messages/{taken['message']}?person=ana")
        status, said = await waiting
    assert (status, said["error"]["code"], said["message"]) == (409, "cancelled", taken["message"])


async def test_reactions_make_a_rating_and_taking_them_off_takes_it_back(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    path = f"/api/replies/{reply['id']}/reactions"

    async def react(emoji: str, *, on: bool = True) -> int | None:
        status, said = await service.call("POST", path, {"person": "ana", "emoji": emoji, "on": on})
        assert status == 200, said
        rating: int | None = said["rating"]
        return rating

    assert await react("👍🏽") == 4
    assert await react("👍🏽", on=False) is None
    assert await react(":heart:") == 5
    assert await react("🦙") == 5
    _, shown = await service.call("GET", f"/api/replies/{reply['id']}")
    assert shown["rating"] == 5
    assert len(shown["reactions"]) == 2
    assert await react("👎") is None


REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/api/messages", {**ASKED, "colour": 1}, 422, "unknown_field"),
    ("POST", "/api/messages", {"person": "ana", "text": "x"}, 422, "missing_field"),
    ("POST", "/api/messages", {**ASKED, "text": 5}, 422, "wrong_type"),
    ("POST", "/api/messages", {**ASKED, "text": "x" * 16_001}, 422, "text_too_long"),
    ("POST", "/api/messages", {**ASKED, "text": " \n\t "}, 422, "bad_value"),
    ("POST", "/api/messages", {**ASKED, "text": "a\x00b"}, 422, "bad_value"),
    ("POST", "/api/messages", {**ASKED, "mode": "psychic"}, 422, "bad_value"),
    ("POST", "/api/messages", {**ASKED, "person": ""}, 422, "bad_value"),
    ("POST", "/api/messages", {**ASKED, "person": "a:b"}, 422, "bad_value"),
    ("POST", "/api/messages", {**ASKED, "person": "ana "}, 422, "bad_value"),
    ("POST", "/api/messages", {**ASKED, "conversation": "x" * 300}, 422, "too_long"),
    ("POST", "/api/messages", [ASKED], 422, "wrong_type"),
    ("POST", "/api/messages", None, 400, "empty_body"),
    ("POST", "/api/messages?wait=-1", ASKED, 422, "bad_value"),
    ("POST", "/api/messages?wait=nan", ASKED, 422, "bad_value"),
    ("POST", "/api/messages?wait=soon", ASKED, 422, "wrong_type"),
    ("POST", "/api/messages?hurry=1", ASKED, 422, "unknown_parameter"),
    ("POST", "/api/messages?wait=1&wait=2", ASKED, 422, "repeated_parameter"),
    ("GET", "/api/messages/nope", None, 404, "unknown_message"),
    ("GET", "/api/messages/" + "x" * 200, None, 404, "unknown"),
    ("PATCH", "/api/messages/nope", {"person": "ana", "text": "x"}, 404, "unknown_message"),
    ("DELETE", "/api/messages/nope?person=ana", None, 404, "unknown_message"),
    ("DELETE", "/api/messages/nope", None, 422, "missing_field"),
    ("GET", "/api/conversations", None, 422, "missing_field"),
    ("GET", "/api/conversations/nope?person=ana", None, 404, "unknown_conversation"),
    ("GET", "/api/replies/nope", None, 404, "unknown_reply"),
    (
        "POST",
        "/api/replies/nope/reactions",
        {"person": "ana", "emoji": "👍", "on": True},
        404,
        "unknown_reply",
    ),
    ("GET", "/api/nothing", None, 404, "not_found"),
    ("PUT", "/api/messages", ASKED, 405, "method_not_allowed"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
async def test_bad_input_is_refused_in_words(
    service: Service, method: str, path: str, body: Any, status: int, code: str
) -> None:
    found, said = await service.call(method, path, body)
    assert (found, said["error"]["code"]) == (status, code)
    assert len(said["error"]["message"]) > 10
    _, lines = await service.call("GET", "/api/conversations?person=ana")
    assert lines == []  # nothing half-stored


@pytest.mark.parametrize("raw", [b"{", b'{"text": "\\ud800"}', b"\xff\xfe", b"[" * 5000, b"null", b'"x"'])
async def test_what_is_no_json_object_is_refused(service: Service, raw: bytes) -> None:
    async with service.client.post("/api/messages", data=raw) as response:
        assert response.status in (400, 422)
        assert (await response.json())["error"]["message"]


async def test_a_body_that_is_not_encoded_as_it_says_is_refused(service: Service) -> None:
    async def after_the_head() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.05)
        yield b"no gzip at all"

    headers = {"Content-Encoding": "gzip"}
    async with service.client.post("/api/messages", data=after_the_head(), headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "bad_encoding"


async def test_without_its_database_a_call_is_refused_and_may_be_sent_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*given: Any, **more: Any) -> None:
        raise OperationalError("INSERT", {}, OSError("the disk is gone"))

    with monkeypatch.context() as away:
        away.setattr(service.app.store.inbox, "take", gone)
        status, said = await service.call("POST", "/api/messages", ASKED)
        assert (status, said["error"]["code"]) == (503, "database")
        assert "Send it again" in said["error"]["message"]
    assert (await service.call("POST", "/api/messages?wait=10", ASKED))[0] == 200


async def test_a_body_over_the_limit_is_refused(service: Service) -> None:
    async with service.client.post("/api/messages", data=b"x" * 300_000) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == "body_too_large"


async def test_nobody_touches_what_is_anothers(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    emoji = {"person": "eve", "emoji": "👎", "on": True}
    text = {"person": "eve", "text": "changed"}
    calls = [
        ("POST", f"/api/replies/{reply['id']}/reactions", emoji),
        ("PATCH", f"/api/messages/{reply['message']}", text),
        ("DELETE", f"/api/messages/{reply['message']}?person=eve", None),
    ]
    for method, path, body in calls:
        status, said = await service.call(method, path, body)
        assert (status, said["error"]["code"]) == (403, "not_yours"), path
    _, message = await service.call("GET", f"/api/messages/{reply['message']}")
    assert (message["text"], message["replies"][0]["rating"]) == ("hello", None)


async def test_a_reply_that_was_erased_elsewhere_takes_no_reaction(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    path, emoji = f"/api/replies/{reply['id']}/reactions", {"person": "ana", "emoji": "👍", "on": True}
    assert await service.call("POST", path, emoji) == (200, {"rating": 4})
    await service.app.erase("ana")
    status, said = await service.call("POST", path, emoji)
    assert (status, said["error"]["code"]) == (404, "unknown_reply")


async def test_what_is_no_emoji_is_no_reaction(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    body = {"person": "ana", "emoji": "nonsense", "on": True}
    status, said = await service.call("POST", f"/api/replies/{reply['id']}/reactions", body)
    assert (status, said["error"]["code"]) == (422, "not_an_emoji")


async def test_people_of_the_platforms_may_use_the_web_too(service: Service) -> None:
    for person in ("discord:42", "slack:T1:U2", "Zoë van Dam"):
        assert (await service.ask(person, "hello"))["person"] == person
