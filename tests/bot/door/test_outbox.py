"""While an answer is on its way, what the platform tells of it finds it all the same; nothing else waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from bot.door import app, outbox, work
from bot.events import Message, Person, Place, Platform, Reaction, Ref, ThreadReply
from bot.ports import Undeliverable, Unreachable
from bot.store.recorded_replies import Delivery
from tests.bot.conftest import Bot, StartBot, is_answered, message
from tests.fakes.chat import FakeChat
from tests.fakes.failing import failing
from tests.fakes.looking import looking

ANN = Person(key="discord:1", platform=Platform.DISCORD, name="Ann")
ROOM = Place(platform=Platform.DISCORD, channel="room")
THREAD = Place(platform=Platform.DISCORD, channel="room", thread="thread")
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AGO = AT - timedelta(days=365)
EVER_S = 3600.0


@pytest.fixture
def chat() -> FakeChat:
    """A platform that shows what is posted, and does not tell yet where."""
    chat = FakeChat(Platform.DISCORD)
    chat.tells.clear()
    return chat


@pytest.fixture
async def bot(start_bot: StartBot, chat: FakeChat) -> AsyncIterator[Bot]:
    async with start_bot(chat=chat) as started:
        yield started
        chat.tells.set()


def question(place: Place = ROOM) -> Message:
    ref = Ref(platform=Platform.DISCORD, channel=place.thread or place.channel, id="q1")
    return replace(message("tea?"), ref=ref, place=place, person=ANN)


def reaction(*, channel: str = "room", id: str = "m1") -> Reaction:
    ref = Ref(platform=Platform.DISCORD, channel=channel, id=id)
    return Reaction(event=f"r{id}", ref=ref, person=ANN, emoji="👍", on=True, at=AT)


async def ask_untold(bot: Bot, place: Place = ROOM) -> None:
    """A question whose answer stands there, and the bot has not been told where."""
    await bot.app.message(question(place))
    await bot.sent(1)


async def test_a_reaction_to_it_counts(bot: Bot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = looking(monkeypatch, bot.store.reactions, "put")
    await ask_untold(bot)
    reacting = asyncio.create_task(bot.app.reaction(reaction()))
    await looked.wait()
    chat.tells.set()
    assert await reacting == 4


async def test_so_does_one_in_a_thread_that_is_a_channel_of_its_own(
    bot: Bot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = looking(monkeypatch, bot.store.reactions, "put")
    await ask_untold(bot, THREAD)
    reacting = asyncio.create_task(bot.app.reaction(reaction(channel="thread")))
    await looked.wait()
    chat.tells.set()
    assert await reacting == 4


async def test_so_does_one_while_sending_it_is_tried_again(bot: Bot, chat: FakeChat) -> None:
    chat.refuse_after.append(Unreachable("its answer was lost"))
    chat.tells.set()
    await ask_untold(bot)
    assert await bot.app.reaction(reaction()) == 4


async def test_what_is_said_under_it_teaches(
    bot: Bot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = looking(monkeypatch, bot.store.replies, "at")
    await ask_untold(bot)
    here = Ref(platform=Platform.DISCORD, channel="room", id="q2")
    to = replace(here, id="m1")
    said = ThreadReply(event="t", ref=here, place=ROOM, to=to, person=ANN, text="better: Tea.", at=AT)
    teaching = asyncio.create_task(bot.app.thread_reply(said))
    await looked.wait()
    chat.tells.set()
    assert is_answered(await bot.app.outcome(await teaching, wait_s=10))


async def test_nothing_waits_for_what_is_sent_elsewhere(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "NOTED_WITHIN_S", EVER_S)
    await ask_untold(bot)
    assert await bot.app.reaction(reaction(channel="another", id="x")) is None
    assert await bot.app.reply_at(reaction(channel="another", id="x").ref) is None


async def test_nothing_waits_for_long(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not ours, where an answer of ours is on its way."""
    monkeypatch.setattr(app, "NOTED_WITHIN_S", 0.05)
    await ask_untold(bot)
    assert await bot.app.reaction(reaction(id="x")) is None


async def test_nothing_waits_for_what_cannot_be_sent(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "NOTED_WITHIN_S", EVER_S)
    monkeypatch.setattr(outbox, "SETTLES_S", 0.0)
    await ask_untold(bot)
    assert await bot.app.reaction(reaction(id="x")) is None


async def test_what_is_given_up_is_waited_for_no_longer(
    bot: Bot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "NOTED_WITHIN_S", EVER_S)
    chat.refuse_after.append(Undeliverable("the channel is gone"))
    looked = looking(monkeypatch, bot.store.reactions, "put")
    await ask_untold(bot)
    reacting = asyncio.create_task(bot.app.reaction(reaction()))
    await looked.wait()
    chat.tells.set()
    assert await reacting is None


async def test_what_a_dead_process_had_posted_is_noted_before_it_is_read_back(
    start_bot: StartBot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "STOPPING_MAY_TAKE_S", 0.05)
    async with start_bot(chat=chat) as bot:
        await ask_untold(bot)
    async with start_bot(chat=chat) as bot:
        reading = asyncio.create_task(bot.app.posted(Platform.DISCORD, since=LONG_AGO, limit=9))
        await asyncio.wait([reading], timeout=0.1)
        chat.tells.set()
        assert [ref.id for ref, _ in await reading] == ["m1"]


async def test_reading_back_does_not_wait_for_long(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "SENDING_MAY_TAKE_S", 0.05)
    await ask_untold(bot)
    assert await bot.app.posted(Platform.DISCORD, since=LONG_AGO, limit=9) == []


async def _is_recorded_as(bot: Bot, delivery: Delivery, reply: str) -> None:
    async with asyncio.timeout(10):
        while (await bot.store.replies.recorded(reply)).delivery is not delivery:
            await asyncio.sleep(0.005)


async def test_a_database_that_is_away_while_a_reply_is_given_up_stops_nothing(
    bot: Bot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.tells.set()
    chat.refuse.extend([Undeliverable("the channel is gone"), Undeliverable("the channel is gone")])
    failing(monkeypatch, bot.store.deliveries, "undeliverable", OSError("the database is away"))
    outcome = await bot.app.outcome(await bot.app.message(question()), wait_s=10)
    await _is_recorded_as(bot, Delivery.UNDELIVERABLE, outcome.replies[0].id)


async def test_who_cannot_even_be_told_that_a_reply_is_given_up_stops_nothing(
    bot: Bot, chat: FakeChat
) -> None:
    chat.tells.set()
    chat.refuse.append(Undeliverable("the channel is gone"))
    chat.refuse_to_tell.append(KeyError("a fault"))
    outcome = await bot.app.outcome(await bot.app.message(question()), wait_s=10)
    await _is_recorded_as(bot, Delivery.UNDELIVERABLE, outcome.replies[0].id)
    await bot.app.message(replace(question(), event="again"))
    await bot.sent(1)


async def test_what_fails_again_and_again_is_given_up(
    bot: Bot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LONGEST_PAUSE_S", 0.01)
    chat.tells.set()
    chat.refuse.extend(KeyError("a fault") for _ in range(outbox.FAULTS))
    outcome = await bot.app.outcome(await bot.app.message(question()), wait_s=10)
    await _is_recorded_as(bot, Delivery.UNDELIVERABLE, outcome.replies[0].id)


async def test_a_database_that_is_away_for_long_does_not_make_a_reply_undeliverable(
    bot: Bot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LONGEST_PAUSE_S", 0.01)
    chat.tells.set()
    failing(monkeypatch, bot.store.deliveries, "sent", *(OSError("away") for _ in range(3 * outbox.FAULTS)))
    outcome = await bot.app.outcome(await bot.app.message(question()), wait_s=10)
    await _is_recorded_as(bot, Delivery.SENT, outcome.replies[0].id)


async def test_every_line_about_sending_a_reply_carries_the_id_of_what_it_answers(
    bot: Bot, chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.tells.set()
    chat.refuse.extend([Unreachable("gone"), KeyError("a fault"), Undeliverable("the channel is gone")])
    merged: list[Any] = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=merged) as lines:
        monkeypatch.setattr(
            "bot.door.outbox.log", structlog.get_logger()
        )  # another test may have set up the old
        asked = await bot.app.message(question())
        outcome = await bot.app.outcome(asked, wait_s=10)
        await _is_recorded_as(bot, Delivery.UNDELIVERABLE, outcome.replies[0].id)
    told = {line["event"]: line for line in lines if "reply" in line}
    assert {"not sent, will be tried again", "sending failed", "reply cannot be delivered"} <= set(told)
    assert {line["message"] for line in told.values()} == {asked}
