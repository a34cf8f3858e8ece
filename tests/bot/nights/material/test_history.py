"""What a night gathers of what a person said: what counts, and what lies on one side of the split."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from bot.events import Edit
from bot.nights.material.history import feedback_of
from bot.store import tables
from bot.store.database import DatabaseConnection
from engine.learning.dataset import Feedback, Source
from tests.bot.conftest import Bot, message
from tests.bot.taught import react, say_under

FRIDAY = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)


async def gathered(bot: Bot) -> list[Feedback]:
    ann = await bot.store.people.get("ann")
    assert ann is not None
    return await feedback_of(bot.context, ann)


async def asked_at(bot: Bot, text: str, at: datetime, *, conversation: str = "c") -> str:
    """The reply's id."""
    reply = (await bot.ask(text, conversation=conversation)).replies[0].id

    async def work(connection: DatabaseConnection) -> None:
        await connection.execute(update(tables.replies).where(tables.replies.c.id == reply).values(at=at))

    await bot.store.database.write(work)
    return reply


async def test_all_that_is_said_of_one_thread_lies_on_one_side_whenever_it_is_said(bot: Bot) -> None:
    for number, hours in enumerate((0, 2, 5)):
        reply = await asked_at(bot, f"Question {number}", FRIDAY + timedelta(hours=hours))
        await react(bot, "👍", reply)
    await say_under(bot, "Better: A short answer.", reply)  # weeks later
    told = await gathered(bot)
    assert {piece.source for piece in told} == {Source.RATING, Source.CORRECTION}
    assert len({piece.thread for piece in told}) == 1


async def test_a_conversation_that_never_ends_is_split_by_days(bot: Bot) -> None:
    for day in range(4):
        reply = await asked_at(bot, f"Question {day}", FRIDAY + timedelta(days=day))
        await react(bot, "👍", reply)
    assert sorted(piece.thread for piece in await gathered(bot)) == [0, 1, 2, 3]


async def test_a_thread_keeps_its_number_whatever_comes_later(bot: Bot) -> None:
    # Named so that their names' order is not that of their beginnings.
    for number, name in enumerate("cab"):
        reply = await asked_at(bot, f"About {name}", FRIDAY + timedelta(hours=number), conversation=name)
        await react(bot, "👍", reply)
    before = {piece.id: piece.thread for piece in await gathered(bot)}
    assert sorted(before.values()) == [0, 1, 2]
    reply = await asked_at(bot, "Later", FRIDAY + timedelta(hours=9), conversation="aa")
    await react(bot, "👍", reply)
    after = {piece.id: piece.thread for piece in await gathered(bot)}
    assert after == {**before, reply: 3}


async def test_an_answer_to_a_question_that_was_changed_is_not_learned_from(bot: Bot) -> None:
    asked = message("Hello")
    outcome = await bot.app.outcome(await bot.app.message(asked), wait_s=10)
    await react(bot, "👍", outcome.replies[0].id)
    assert len(await gathered(bot)) == 1
    changed = Edit(event="e", ref=asked.ref, person=asked.person, text="Good evening", at=FRIDAY)
    await bot.app.edit(changed)
    assert await gathered(bot) == []
