"""A person over the web interface: settings, notes, archives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.adapters.web.service import Service


async def test_a_person_shows_every_field_that_is_promised(service: Service) -> None:
    await service.ask("ana", "hello")
    status, shown = await service.call("GET", "/api/people/ana")
    assert status == 200
    promised = {
        "person",
        "learning",
        "memory",
        "lora",
        "mode",
        "timezone",
        "notes",
        "ratings",
        "live",
        "versions",
    }
    assert promised <= set(shown)
    assert (shown["learning"], shown["memory"], shown["lora"], shown["live"]) == (None, True, True, None)


async def test_ratings_are_counted_and_averaged(service: Service) -> None:
    for emoji in ("👍", "💩"):
        reply = await service.ask("ana", emoji)
        body = {"person": "ana", "emoji": emoji, "on": True}
        await service.call("POST", f"/api/replies/{reply['id']}/reactions", body)
    _, shown = await service.call("GET", "/api/people/ana")
    assert shown["ratings"] == {"count": 2, "mean": 2.5}


async def test_a_new_person_is_unknown_until_they_set_something(service: Service) -> None:
    assert (await service.call("GET", "/api/people/ana"))[0] == 404
    wanted = {"learning": True, "memory": False, "lora": False, "mode": "best", "timezone": "Europe/Lisbon"}
    status, changed = await service.call("PATCH", "/api/people/ana", wanted)
    assert status == 200
    assert {name: changed[name] for name in wanted} == wanted
    _, shown = await service.call("GET", "/api/people/ana")
    assert shown == changed


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"timezone": "Mars/Olympus"}, "bad_value"),
        ({"timezone": "../etc/passwd"}, "bad_value"),
        ({"learning": "yes"}, "wrong_type"),
        ({"mode": "psychic"}, "bad_value"),
        ({"colour": "red"}, "unknown_field"),
    ],
)
async def test_a_bad_setting_changes_nothing(service: Service, body: dict[str, Any], code: str) -> None:
    status, said = await service.call("PATCH", "/api/people/ana", {"memory": False, **body})
    assert (status, said["error"]["code"]) == (422, code)
    assert (await service.call("GET", "/api/people/ana"))[0] == 404


async def test_learning_on_a_platform_needs_the_operators_word(service: Service) -> None:
    status, said = await service.call("PATCH", "/api/people/discord:42", {"learning": True})
    assert (status, said["error"]["code"]) == (409, "learning_not_allowed")
    assert (await service.call("PATCH", "/api/people/discord:42", {"learning": False}))[0] == 200


async def test_a_critique_becomes_a_note_that_can_be_deleted(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    body = {"person": "ana", "text": "Keep it short."}
    status, taught = await service.call("POST", f"/api/replies/{reply['id']}/thread?wait=10", body)
    assert (status, taught["kind"], taught["note"]) == (200, "critique", "Keep it short.")
    assert taught["reply"]["revises"] == reply["id"]
    _, shown = await service.call("GET", "/api/people/ana")
    assert [(note["text"], note["from"]) for note in shown["notes"]] == [("Keep it short.", "Keep it short.")]
    path = f"/api/people/ana/notes/{shown['notes'][0]['id']}"
    assert (await service.call("DELETE", path.replace("ana", "eve")))[0] in (403, 404)
    assert (await service.call("DELETE", path))[0] == 200
    assert (await service.call("GET", "/api/people/ana"))[1]["notes"] == []
    assert (await service.call("DELETE", "/api/people/ana/notes/nope"))[0] == 404


async def test_a_thread_reply_without_waiting_is_taken_and_found_again(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    body = {"person": "ana", "text": "better: Hello there!"}
    status, taken = await service.call("POST", f"/api/replies/{reply['id']}/thread", body)
    assert status == 202
    assert taken["message"]
    _, read = await service.call("GET", f"/api/messages/{taken['message']}")
    assert read["text"] == body["text"]


async def test_a_correction_is_kept_word_for_word(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    body = {"person": "ana", "text": "Hello there, Ana!", "kind": "correction"}
    _, taught = await service.call("POST", f"/api/replies/{reply['id']}/thread?wait=10", body)
    assert taught["kind"] == "correction"
    assert taught["reply"]["text"] == "Hello there, Ana!"
    _, read = await service.call("GET", "/api/conversations/c?person=ana")
    teachings = read["messages"][0]["teachings"]
    assert [(one["kind"], one["revision"]) for one in teachings] == [("correction", taught["reply"]["id"])]


async def test_only_the_asker_teaches_and_chooses(service: Service) -> None:
    reply = await service.ask("ana", "hello", mode="best")
    text = {"person": "eve", "text": "Be rude."}
    choice = {"person": "eve", "alternative": reply["alternatives"][0]["id"]}
    assert (await service.call("POST", f"/api/replies/{reply['id']}/thread", text))[0] == 403
    assert (await service.call("POST", f"/api/replies/{reply['id']}/choose", choice))[0] == 403


async def test_another_answer_is_taken_and_the_first_becomes_an_alternative(service: Service) -> None:
    reply = await service.ask("ana", "hello", mode="best")
    other = reply["alternatives"][0]
    path = f"/api/replies/{reply['id']}/choose"
    status, taken = await service.call("POST", path, {"person": "ana", "alternative": other["id"]})
    assert (status, taken["id"], taken["text"]) == (200, reply["id"], other["text"])
    assert "echo: hello" in [each["text"] for each in taken["alternatives"]]
    status, _ = await service.call("POST", path, {"person": "ana", "alternative": "nope"})
    assert status == 404


async def test_why_tells_what_the_answer_was_made_of(service: Service) -> None:
    reply = await service.ask("ana", "hello", mode="weave")
    status, why = await service.call("GET", f"/api/replies/{reply['id']}/why")
    assert status == 200
    assert ("user", "hello") in [(part["kind"], part["text"]) for part in why["prompt"]]
    assert any(node["is_chosen"] for node in why["tree"])
    assert why["seed"] == reply["seed"]
    assert why["learned_from"] is False
    assert (await service.call("GET", "/api/replies/nope/why"))[0] == 404


async def test_what_was_exported_is_taken_in_again_once(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    body = {"person": "ana", "emoji": "👍", "on": True}
    await service.call("POST", f"/api/replies/{reply['id']}/reactions", body)
    async with service.client.get("/api/people/ana/export") as response:
        archive = await response.read()
        assert (response.status, response.content_type) == (200, "application/zip")
    for expected in (1, 0):
        async with service.client.post("/api/people/ben/import", data=archive) as response:
            assert response.status == 200
            assert (await response.json())["taken"].get("replies", 0) == expected
    _, shown = await service.call("GET", "/api/people/ben")
    assert shown["ratings"]["count"] == 1


async def test_an_imported_answer_stays_as_it_is_where_no_other_can_be_taken(service: Service) -> None:
    await service.ask("ana", "hello", mode="best")
    async with service.client.get("/api/people/ana/export") as response:
        archive = await response.read()
    await service.client.post("/api/people/ben/import", data=archive)
    replies = service.app.store.replies
    (before,) = await replies.of_person("ben")
    body = {"person": "ben", "alternative": before.reply.alternatives[0].id}
    status, _ = await service.call("POST", f"/api/replies/{before.reply.id}/choose", body)
    assert status == 404
    assert await replies.of_person("ben") == [before]
    assert await service.app.store.choices.of_person("ben") == []


@pytest.mark.parametrize("archive", [b"", b"PK\x03\x04 broken", b"\x00\xff\x00"])
async def test_a_bad_archive_is_refused_and_leaves_nobody_behind(service: Service, archive: bytes) -> None:
    async with service.client.post("/api/people/ben/import", data=archive) as response:
        assert response.status == 409
        assert (await response.json())["error"]["message"]
    assert (await service.call("GET", "/api/people/ben"))[0] == 404


async def test_an_export_of_nobody_is_404(service: Service) -> None:
    assert (await service.call("GET", "/api/people/nobody/export"))[0] == 404


async def test_forgetting_erases_everything_and_says_how_much(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    emoji = {"person": "ana", "emoji": "👍", "on": True}
    await service.call("POST", f"/api/replies/{reply['id']}/reactions", emoji)
    status, said = await service.call("DELETE", "/api/people/ana")
    assert status == 200
    assert (said["counts"]["replies"], said["counts"]["reactions"]) == (1, 1)
    for path in ("/api/people/ana", f"/api/replies/{reply['id']}", f"/api/messages/{reply['message']}"):
        assert (await service.call("GET", path))[0] == 404
    assert (await service.call("POST", f"/api/replies/{reply['id']}/reactions", emoji))[0] == 404
    assert (await service.call("DELETE", "/api/people/ana"))[0] == 404


async def test_a_note_is_undone_by_its_button(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    body = {"person": "ana", "text": "Keep it short."}
    _, taught = await service.call("POST", f"/api/replies/{reply['id']}/thread?wait=10", body)
    button = {"person": "ana", "conversation": "c", "kind": "undo_note", "target": taught["reply"]["id"]}
    assert (await service.call("POST", "/api/actions", {**button, "person": "eve"}))[0] == 403
    status, said = await service.call("POST", "/api/actions", button)
    assert status == 200
    assert said["notice"]["text"]
    assert (await service.call("GET", "/api/people/ana"))[1]["notes"] == []


async def test_what_was_a_question_is_answered(service: Service) -> None:
    reply = await service.ask("ana", "hello")
    body = {"person": "ana", "text": "I wonder about its colour."}
    _, taught = await service.call("POST", f"/api/replies/{reply['id']}/thread?wait=10", body)
    button = {"person": "ana", "conversation": "c", "kind": "was_question", "target": taught["reply"]["id"]}
    assert (await service.call("POST", "/api/actions", button))[0] == 200
    for _ in range(100):
        _, message = await service.call("GET", f"/api/messages/{taught['message']}")
        if message["replies"] and message["state"] == "answered":
            break
        await asyncio.sleep(0.05)
    assert message["replies"][-1]["text"] == "echo: I wonder about its colour."


async def test_nobody_consents_for_another(service: Service) -> None:
    await service.ask("ana", "hello")
    button = {"person": "eve", "conversation": "c", "kind": "learn_on", "target": "ana"}
    assert (await service.call("POST", "/api/actions", button))[0] == 403
    assert (await service.call("GET", "/api/people/ana"))[1]["learning"] is None


async def test_a_night_is_started_followed_and_found_again(service: Service) -> None:
    await service.call("PATCH", "/api/people/ana", {"learning": True})
    status, night = await service.call("POST", "/api/nights?wait=30", {"people": ["ana"]})
    assert status == 200
    assert (night["state"], night["people"][0]["person"]) == ("done", "ana")
    assert night["people"][0]["outcome"] == "skipped"
    assert night["people"][0]["reason"]
    assert {"version", "used", "metrics"} <= set(night["people"][0])
    assert await service.call("GET", f"/api/nights/{night['id']}") == (200, night)


async def test_nights_of_nobody_are_refused(service: Service) -> None:
    assert (await service.call("POST", "/api/nights", {"people": ["nobody"]}))[0] == 404
    assert (await service.call("POST", "/api/nights", {"people": []}))[0] == 422
    assert (await service.call("GET", "/api/nights/nope"))[0] == 404
    status, night = await service.call("POST", "/api/nights?wait=10", {"people": None})
    assert (status, night["people"]) == (200, [])


async def test_without_a_lora_there_is_nothing_to_undo(service: Service) -> None:
    await service.ask("ana", "hello")
    assert (await service.call("POST", "/api/people/ana/undo"))[0] == 404


async def test_the_base_is_compared_with_ones_own(service: Service) -> None:
    await service.ask("ana", "hello")
    status, both = await service.call("POST", "/api/people/ana/compare", {"text": "A llama?"})
    assert (status, both["base"], both["own"], both["lora"]) == (
        200,
        "echo: A llama?",
        "echo: A llama?",
        None,
    )
    assert (await service.call("POST", "/api/people/eve/compare", {"text": "A llama?"}))[0] == 404
    _, lines = await service.call("GET", "/api/conversations?person=ana")
    assert len(lines) == 1  # nothing of it is kept
