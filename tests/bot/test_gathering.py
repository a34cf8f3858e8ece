"""What a night gathers of what a person said: what counts, and what lies on one side of the split."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from bot.events import Edit
from bot.gathering import gather
from bot.store import tables
from bot.store.database import Connection
from engine.dataset import Feedback, Source
from tests.bot.conftest import Bot, message
from tests.bot.teaching import react, say_under

FRIDAY = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)


async def gathered(bot: Bot) -> list[Feedback]:
    ann = await bot.store.people.get("ann")
    assert ann is not None
    return await gather(bot.kit, ann)


async def asked_at(bot: Bot, text: str, at: datetime, *, conversation: str = "c") -> str:
    """The reply's id."""
    reply = (await bot.ask(text, conversation=conversation)).replies[0].id

    async def work(connection: Connection) -> None:
        await connection.execute(update(tables.replies).where(tables.replies.c.id == reply).values(at=at))

    await bot.store.database.write(work)
    return reply


async def test_all_that_is_said_of_one_thread_lies_on_one_side_whenever_it_is_said(bot: Bot) -> None:
    for number, days in enumerate((0, 2, 5)):  # over a weekend
        reply = await asked_at(bot, f"Question {number}", FRIDAY + timedelta(days=days))
        await react(bot, "👍", reply)
    await say_under(bot, "Better: A short answer.", reply)  # weeks later
    told = await gathered(bot)
    assert {one.source for one in told} == {Source.RATING, Source.CORRECTION}
    assert len({one.thread for one in told}) == 1


async def test_a_conversation_that_never_ends_is_split_by_weeks(bot: Bot) -> None:
    for week in range(4):
        reply = await asked_at(bot, f"Question {week}", FRIDAY + timedelta(weeks=week))
        await react(bot, "👍", reply)
    assert len({one.thread for one in await gathered(bot)}) == 4


async def test_an_answer_to_a_question_that_was_changed_is_not_learned_from(bot: Bot) -> None:
    asked = message("Hello")
    outcome = await bot.app.outcome(await bot.app.message(asked), wait_s=10)
    await react(bot, "👍", outcome.replies[0].id)
    assert len(await gathered(bot)) == 1
    changed = Edit(event="e", ref=asked.ref, person=asked.person, text="Good evening", at=FRIDAY)
    await bot.app.edit(changed)
    assert await gathered(bot) == []
