"""The rated answers and corrections that may serve as examples, and how long it takes to find them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from bot.events import TeachingKind
from bot.store import Store, tables
from bot.store.database import DatabaseConnection
from bot.store.feedback.examples import RatedExchange
from bot.store.feedback.teachings import NewTeaching
from engine import wording
from engine.types import Prompt, Role, Turn
from tests.bot.store.conftest import Clock
from tests.bot.store.making import NOON, OWNER, answered, draft, person, posted, reaction, taken

BRANCH_CHARS = 20_000  # about what a tree search of a hundred branches leaves


async def _rated(store: Store, number: int, emoji: str, *, request: str = "hello", who: str = "ann") -> str:
    made = draft(await taken(store, f"e{number}", text=request, who=who), text=f"answer {number}")
    assert await store.replies.record(made, owner=OWNER)
    await posted(store, made.id, f"m{number}")
    await store.reactions.put(
        reaction(emoji, f"m{number}", event=f"r{number}", who=who, at=NOON + timedelta(seconds=number)), emoji
    )
    return made.id


async def _correct(store: Store, reply_id: str, wanted: str, *, event: str, revision: str) -> None:
    item = await taken(store, event, text=wanted)
    kept = NewTeaching(
        id=event,
        person="ann",
        reply=reply_id,
        message=item.id,
        kind=TeachingKind.CORRECTION,
        text=wanted,
        wanted=wanted,
        revision=revision,
        at=NOON,
    )
    await store.teachings.keep(kept, [], note_text=None)


async def test_rated_answers_are_examples_with_what_was_asked_the_newest_first(store: Store) -> None:
    await _rated(store, 1, "👍", request="hello")
    await _rated(store, 2, "👎", request="bye")
    await answered(store, "e3")
    found = await store.examples.of_person("ann", limit=10)
    assert found == [
        RatedExchange(request="bye", reply="answer 2", rating=1, is_correction=False),
        RatedExchange(request="hello", reply="answer 1", rating=4, is_correction=False),
    ]
    assert await store.examples.of_person("ann", limit=1) == found[:1]
    assert await store.examples.of_person("bob", limit=10) == []


async def test_two_emoji_of_a_person_are_one_rating(store: Store) -> None:
    await _rated(store, 1, "👍")
    await store.reactions.put(reaction("🎉", "m1", event="r9"), "🎉")
    await store.reactions.put(reaction("👎", "m1", event="r10", who="bob"), "👎")
    (exchange,) = await store.examples.of_person("ann", limit=10)
    assert exchange.rating == 5


async def test_an_answer_to_another_person_is_no_example_and_takes_no_room(store: Store) -> None:
    await _rated(store, 1, "👍")
    await _rated(store, 2, "👍", who="bob")
    assert [exchange.reply for exchange in await store.examples.of_person("ann", limit=1)] == ["answer 1"]


async def test_what_must_not_be_learned_from_is_no_example(store: Store) -> None:
    reply_id = await _rated(store, 1, "👍")
    await _correct(store, reply_id, "Better.", event="c1", revision="none")
    assert len(await store.examples.of_person("ann", limit=10)) == 2
    await store.replies.never_learn(reply_id, True)
    assert await store.examples.of_person("ann", limit=10) == []


async def test_a_correction_is_an_example_once_under_the_first_request(store: Store) -> None:
    reply_id = await answered(store, "e1", text="wrong", who="ann")
    item = await taken(store, "c0")
    shown = draft(item, text="Right.")
    await store.replies.record(shown, owner=OWNER)
    await posted(store, shown.id, "m1")
    await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    await _correct(store, reply_id, "Right.", event="c1", revision=shown.id)
    found = await store.examples.of_person("ann", limit=10)
    assert [(exchange.reply, exchange.is_correction) for exchange in found] == [("Right.", True)]


async def test_a_revision_answers_what_was_asked_before_the_critique(store: Store) -> None:
    item = await taken(store)
    first = Prompt(turns=(Turn(role=Role.USER, text="Tell me about the otter."),))
    made = draft(item, prompt=wording.revision(first, "It swims, and so on.", "Too long.", wording.CLASSIC))
    await store.replies.record(made, owner=OWNER)
    await posted(store, made.id, "m1")
    await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    (exchange,) = await store.examples.of_person("ann", limit=10)
    assert exchange.request == "Tell me about the otter."


@pytest.mark.parametrize(("rated", "limit_ms"), [(300, 5), (5_000, 20)])
async def test_examples_are_found_quickly_among_many_rated_answers(
    store: Store, clock: Clock, rated: int, limit_ms: float
) -> None:
    """The factor is for a busy machine: to read all that is kept of 300 answers took over 100 ms."""
    await store.people.meet(person())
    await _fill(store, rated)
    assert len(await store.examples.of_person("ann", limit=300)) == 600
    began = time.process_time()
    for _ in range(5):
        await store.examples.of_person("ann", limit=300)
    assert (time.process_time() - began) / 5 * 1000 < 4 * limit_ms


async def _fill(store: Store, count: int) -> None:
    """A person's answers with long searches, each of them rated and corrected."""
    names = [f"r{number}" for number in range(count)]
    replies = [_reply(name, number) for number, name in enumerate(names)]
    searches = [
        {"reply": name, "alternatives": [], "prompt": {"turns": []}, "tree": ["x" * BRANCH_CHARS]}
        for name in names
    ]
    reactions = [
        {"reply": name, "person": "ann", "emoji": "👍", "is_on": True, "at": NOON + timedelta(seconds=number)}
        for number, name in enumerate(names)
    ]
    teachings = [
        {
            "id": name,
            "person": "ann",
            "reply": name,
            "kind": TeachingKind.CORRECTION,
            "text": "Better.",
            "wanted": "Better. " * 40,
            "attempts": [],
            "at": NOON,
        }
        for name in names
    ]

    async def work(connection: DatabaseConnection) -> None:
        for table, rows in (
            (tables.replies, replies),
            (tables.searches, searches),
            (tables.reactions, reactions),
            (tables.teachings, teachings),
        ):
            for start in range(0, count, 500):
                await connection.execute(table.insert(), rows[start : start + 500])

    await store.database.write(work)


def _reply(name: str, number: int) -> dict[str, Any]:
    return {
        "id": name,
        "person": "ann",
        "conversation": "c",
        "text": f"answer {number} " * 60,
        "request": f"question {number} " * 6,
        "model": "m",
        "seed": 1,
        "mode": "weave",
        "answers": {},
        "actions": [],
        "delivery": "sent",
        "at": NOON,
    }
