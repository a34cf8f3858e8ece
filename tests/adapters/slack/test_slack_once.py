"""Each question is answered once and no teaching is lost, whatever Slack and the network do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import pytest

from adapters.shared import catch_up
from adapters.slack.catch_up import CatchUp
from adapters.slack.sending import PIECE_CHARS
from bot.events import Place, Ref
from bot.ratings import normal
from tests.adapters.slack.conftest import LATEST_S, Running, StartSlack
from tests.fakes.failing import failing
from tests.fakes.slack_server import SlackServer
from tests.fakes.slack_workspace import Post

QUIET_S = 0.5


def texts(server: SlackServer, channel: str = "CANN") -> list[str]:
    return [post.text for post in server.workspace.replies_of_bot(channel)]


async def settled(bot: Running, count: int, channel: str = "CANN") -> list[str]:
    """The answers, once there are so many and for a while no more."""
    await bot.answer(channel, count)
    await asyncio.sleep(QUIET_S)
    return texts(bot.server, channel)


async def test_every_envelope_twice_gives_one_answer_and_one_teaching(
    start: StartSlack, server: SlackServer
) -> None:
    server.is_repeating = True
    async with start() as bot:
        question, _ = await bot.ask("UANN", "CANN", "tea?")
        server.say("UANN", "CANN", "Answer in short prose.", thread=question)
        assert len(await settled(bot, 2)) == 2
        assert len(await bot.store.teachings.of_person("slack:T1:UANN")) == 1


async def test_lost_acknowledgements_give_one_answer(start: StartSlack, server: SlackServer) -> None:
    server.is_losing_acks = True
    async with start() as bot:
        await bot.ask("UANN", "CANN", "tea?")
        assert await settled(bot, 1) == ["echo: tea?"]


async def test_a_disconnect_in_the_middle_of_an_answer_loses_nothing(
    start: StartSlack, server: SlackServer
) -> None:
    async with start(delay_s=0.3) as bot:
        server.say("UANN", "CANN", "<@UBOT> tea?")
        await asyncio.sleep(0.15)
        await server.disconnect()
        assert await settled(bot, 1) == ["echo: tea?"]


async def test_a_rewriting_that_breaks_off_midway_is_finished(start: StartSlack, server: SlackServer) -> None:
    async with start() as bot:
        question = server.say("UANN", "CANN", "<@UBOT> " + "lot " * PIECE_CHARS)
        last = await bot.answer("CANN", 4)
        await bot.noted(last)
        server.drops["chat.delete"] = 1
        server.edit("UANN", "CANN", question, "<@UBOT> tea?")
        async with asyncio.timeout(LATEST_S):
            while texts(server) != ["echo: tea?"]:
                await asyncio.sleep(0.02)
        assert server.drops["chat.delete"] == 0


async def test_an_answer_that_somebody_deleted_is_posted_anew_after_an_edit(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        question, answer = await bot.ask("UANN", "CANN", "tea?")
        del server.workspace.posts["CANN", answer.ts]
        server.edit("UANN", "CANN", question, "<@UBOT> coffee?")
        assert await settled(bot, 1) == ["echo: coffee?"]


async def test_a_post_that_was_taken_while_the_connection_broke_is_not_posted_again(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        server.drops["chat.postMessage"] = 1
        _, answer = await bot.ask("UANN", "CANN", "tea?")
        assert await settled(bot, 1) == ["echo: tea?"]
        assert server.calls["chat.postMessage"] == 1
        assert await bot.noted(answer)


async def test_a_taken_post_is_found_behind_many_later_messages(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        server.drops["chat.postMessage"] = 1
        server.say("UANN", "DANN", "tea?")
        answer = await bot.answer("DANN", 1)
        for number in range(250):
            server.workspace.say("UANN", "DANN", f"word {number}")
        server.workspace.announcements.clear()
        await bot.noted(answer)
        assert await settled(bot, 1, "DANN") == ["echo: tea?"]


async def test_an_edit_that_is_announced_as_change_and_as_mention_is_answered_anew_once(
    start: StartSlack, server: SlackServer
) -> None:
    async with start() as bot:
        question, _ = await bot.ask("UANN", "CANN", "tea?")
        server.edit("UANN", "CANN", question, "<@UBOT> coffee?")
        async with asyncio.timeout(LATEST_S):
            while texts(server) != ["echo: coffee?"]:
                await asyncio.sleep(0.02)
        await asyncio.sleep(QUIET_S)
        assert texts(server) == ["echo: coffee?"]


async def test_two_hundred_reactions_changed_while_away_are_read_back(
    start: StartSlack, server: SlackServer
) -> None:
    rng = random.Random(4)
    async with start() as bot:
        answers = [(await bot.ask("UANN", "CANN", f"question {number}"))[1] for number in range(20)]
        replies = [await bot.noted(answer) for answer in answers]
        for answer in answers:
            server.react("UANN", "CANN", answer.ts, "heart")
        await server.settled()
    for _ in range(200):
        change_one(rng, server, rng.choice(answers))
    server.workspace.announcements.clear()  # nobody is there to hear of it
    async with start() as bot, asyncio.timeout(60):
        for reply, answer in zip(replies, answers, strict=True):
            for user in ("UANN", "UBOB"):
                there = {normal(name) for name, users in answer.reactions.items() if user in users}
                while await bot.store.reactions.of(reply, f"slack:T1:{user}") != there:
                    await asyncio.sleep(0.02)


async def test_a_database_that_is_away_while_it_is_read_back_only_delays_that(
    start: StartSlack, server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "AGAIN_S", 0.05)
    async with start() as bot:
        _, answer = await bot.ask("UANN", "CANN", "tea?")
        reply = await bot.noted(answer)
        failing(monkeypatch, bot.store.deliveries, "posted", OSError("the database is away"))
        server.workspace.react("UANN", "CANN", answer.ts, "heart")
        server.workspace.announcements.clear()
        await server.disconnect()
        async with asyncio.timeout(LATEST_S):
            while not await bot.store.reactions.of(reply, "slack:T1:UANN"):
                await asyncio.sleep(0.02)


def change_one(rng: random.Random, server: SlackServer, answer: Post) -> None:
    user, name = rng.choice(("UANN", "UBOB")), rng.choice(("heart", "+1", "-1", "tada"))
    if user in answer.reactions.get(name, []):
        server.workspace.unreact(user, "CANN", answer.ts, name)
    else:
        server.workspace.react(user, "CANN", answer.ts, name)


async def test_a_clicked_thumb_survives_the_reading_back(start: StartSlack, server: SlackServer) -> None:
    async with start() as bot:
        _, answer = await bot.ask("UANN", "CANN", "tea?")
        reply = await bot.noted(answer)
        await server.press("UANN", "CANN", answer.ts, "feedback", value=f"+{reply}")
        async with asyncio.timeout(LATEST_S):
            while (await bot.store.replies.get(reply)).rating != 4:
                await asyncio.sleep(0.02)
        await server.disconnect()
        await server.connected()
        await asyncio.sleep(QUIET_S)
        assert (await bot.store.replies.get(reply)).rating == 4


async def test_a_question_that_came_while_away_is_answered_once(
    start: StartSlack, server: SlackServer
) -> None:
    server.workspace.say("UANN", "CANN", "<@UBOT> tea?")
    server.workspace.announcements.clear()
    async with start() as bot:
        assert await settled(bot, 1) == ["echo: tea?"]
    async with start() as bot:
        assert await settled(bot, 1) == ["echo: tea?"]


async def test_what_could_not_be_read_back_is_read_back_later(
    start: StartSlack, server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "AGAIN_S", 0.01)
    piece_of_each, failures = CatchUp._piece_of_each, ["the database is away", "and still is"]

    async def failing_at_first(self: CatchUp, posted: Iterable[tuple[Ref, Place]]) -> dict[str, Ref]:
        if failures:
            raise OSError(failures.pop())
        return await piece_of_each(self, posted)

    monkeypatch.setattr(CatchUp, "_piece_of_each", failing_at_first)
    server.workspace.say("UANN", "CANN", "<@UBOT> tea?")
    server.workspace.announcements.clear()
    async with start() as bot:
        assert await settled(bot, 1) == ["echo: tea?"]
    assert not failures


async def test_a_reaction_of_the_bot_itself_rates_nothing(start: StartSlack, server: SlackServer) -> None:
    async with start() as bot:
        _, answer = await bot.ask("UANN", "CANN", "tea?")
        reply = await bot.noted(answer)
        server.react("UBOT", "CANN", answer.ts, "heart")
        await server.settled()
        assert await bot.store.reactions.people_on(reply) == frozenset()
