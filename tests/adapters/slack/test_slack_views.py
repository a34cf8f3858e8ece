"""Everything that the bot shows on Slack keeps to Block Context's limits, at its fullest too.

The fake refuses what Slack would refuse, and its fixture fails the test in which that happens.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from PIL import Image

from adapters.slack.blocks import MAX_INPUT_CHARS
from bot.events import Action, ActionKind, Notice, Outgoing, Person, Place, Platform
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from bot.store.nights import NightOutcome, NightPerson
from tests.adapters.slack.conftest import LATEST_S, Running, StartSlack
from tests.bot.store.test_nights import FIGURES

ANN = Person(key="slack:T1:UANN", platform=Platform.SLACK, name="ann")
FULL = "<&>" * 3_000  # each character becomes an entity
HERE = Place(platform=Platform.SLACK, channel="T1/CANN", is_private=False)
NIGHTS = 7


@pytest.fixture
async def bot(start: StartSlack) -> AsyncIterator[Running]:
    settings = {"limits": {"mode": "best", "samples": 3}, "comparison": {"one_in": 0}}
    async with start(settings=settings) as running:
        yield running


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(4 * LATEST_S):  # the first curve waits for matplotlib
        while not look():
            await asyncio.sleep(0.02)


async def test_the_home_tab_of_somebody_who_taught_a_lot(bot: Running) -> None:
    await bot.ask("UANN", "CANN", "tea?")
    for number in range(60):
        note = NewNote(
            id=f"n{number}",
            person=ANN.key,
            kind=NoteKind.NOTE,
            text=f"{number} {FULL}",
            source="",
            origin=Origin.CRITIQUE,
        )
        await bot.store.notes.keep(note)
    for number in range(NIGHTS):
        await a_night(bot, f"night{number}", is_promoted=number % 2 == 0)
    bot.server.open_home("UANN")
    await until(lambda: "UANN" in bot.server.workspace.homes)
    shown = json.dumps(bot.server.workspace.homes["UANN"])
    assert "slack_file" in shown  # the curve
    assert f"Version {NIGHTS}" in shown
    assert "and 20 more" in shown
    assert "undo_lora" in shown


async def a_night(bot: Running, night: str, *, is_promoted: bool) -> None:
    """A night that made a version, and what came of it."""
    await bot.store.nights.start(night, [ANN.key], was_asked=False)
    version = await bot.store.loras.reserve(ANN.key, folder="ann", model="m", rank=8, night=night)
    settled = NightPerson(
        person=ANN.key,
        outcome=NightOutcome.PROMOTED if is_promoted else NightOutcome.KEPT,
        reason=FULL,
        version=version.version,
        used={"ratings": 9},
        figures=FIGURES,
    )
    await bot.store.nights.settle(night, settled, lora=version.id)
    await bot.store.nights.end(night)


async def test_the_window_of_the_longest_answer_that_it_takes(bot: Running) -> None:
    text = "&" * (MAX_INPUT_CHARS - len("echo: "))
    _, answer = await bot.ask("UANN", "CANN", text.replace("&", "&amp;"))
    await bot.server.shortcut("UANN", "CANN", answer.ts, "correct_this")
    await until(lambda: bot.server.workspace.views)
    view = next(iter(bot.server.workspace.views.values()))
    assert view["blocks"][0]["element"]["initial_value"] == f"echo: {text}"


async def test_an_answer_that_is_longer_than_a_window_is_corrected_in_its_thread(bot: Running) -> None:
    _, answer = await bot.ask("UANN", "CANN", "a" * MAX_INPUT_CHARS)
    await bot.server.shortcut("UANN", "CANN", answer.ts, "correct_this")
    await until(lambda: bot.server.responses)
    assert "better:" in bot.server.responses[0]["text"]
    assert not bot.server.workspace.views


@pytest.mark.parametrize("place", [HERE, None], ids=["ephemeral", "direct message"])
async def test_a_notice_of_any_length(bot: Running, place: Place | None) -> None:
    kinds = (ActionKind.LEARN_ON, ActionKind.LEARN_OFF, ActionKind.UNDO_NOTE)
    actions = tuple(Action(kind=kind, label=FULL, target="x" * 200) for kind in kinds)
    await bot.chat.tell(ANN, place, Notice(text=FULL, actions=actions))
    told = bot.server.workspace.whispers_to("UANN") or bot.server.workspace.replies_of_bot("DANN")
    assert len(told) == 1
    assert sum(block["type"] == "section" for block in told[0].blocks) > 10


async def test_the_morning_note_with_its_picture(bot: Running) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (2, 2)).save(picture, "PNG")
    undo = Action(kind=ActionKind.UNDO_LORA, label="Undo", target="night")
    await bot.chat.tell(ANN, None, Notice(text="Learned.", actions=(undo,), image_png=picture.getvalue()))
    uploads = bot.server.workspace.uploads.values()
    assert [(upload["name"], upload["channel"]) for upload in uploads] == [("curve.png", "DANN")]


async def test_a_duel_shows_both_answers_and_asks_which_is_better(bot: Running) -> None:
    _, answer = await bot.ask("UANN", "CANN", "tea?")
    recorded = await bot.store.replies.get(await bot.noted(answer))
    rival = recorded.alternatives[0]
    shown = replace(recorded, id="other", duel=rival.id, heading=FULL)
    place = replace(HERE, thread=answer.thread_ts)
    await bot.chat.post(Outgoing(key="duel", place=place, question=None, reply=shown))
    post = bot.server.workspace.replies_of_bot("CANN")[-1]
    assert post.text == f"*A*\necho: tea?\n\n*B*\n{rival.text}"
    labels = [
        e["text"]["text"] for block in post.blocks if block["type"] == "actions" for e in block["elements"]
    ]
    assert labels == ["A is better", "B is better"]


@pytest.mark.parametrize(("button", "chosen"), [("take:0", "echo: milk?"), ("take:1", "echo: milk? #")])
async def test_of_two_answers_side_by_side_the_chosen_one_stays(
    start: StartSlack, button: str, chosen: str
) -> None:
    """The engine asks this where it would learn most; here every answer of two is up for choice."""
    settings = {
        "limits": {"mode": "best", "samples": 2},
        "comparison": {"one_in": 1},
        "learning": {"slack": {"acknowledged": True}},
    }
    async with start(settings=settings) as bot:
        await bot.store.people.meet(ANN)
        await bot.store.people.change(ANN.key, learning=True)
        _, answer = await bot.ask("UANN", "CANN", "milk?")
        assert "*B*" in answer.text
        await bot.server.press("UANN", "CANN", answer.ts, button)
        await until(lambda: "*B*" not in answer.text)
        assert answer.text.rstrip("0123456789") == chosen
