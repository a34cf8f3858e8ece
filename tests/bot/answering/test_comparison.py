"""Showing two answers side by side: rarely, only to people who teach, and never against the settings."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from bot.context import now
from bot.events import Choice, Person, Place, Platform, Ref
from bot.store.feedback.choices import ChoiceKind
from engine.judging.rubric import load_rubric
from engine.models.catalogue import PRACTICE_RUBRIC
from tests.bot.conftest import StartBot, message
from tests.bot.taught import who

RUBRIC = load_rubric(PRACTICE_RUBRIC)


async def test_of_three_answers_at_most_one_asks_which_is_better(start_bot: StartBot) -> None:
    async with start_bot(rubric=RUBRIC, comparison={"one_in": 3}) as bot:
        await bot.store.people.meet(who("ann"))
        await bot.store.people.change("ann", learning=True)
        duels = [(await bot.ask(f"number {i}", conversation=f"d{i}")).replies[0].duel for i in range(9)]
        asked = [number for number, duel in enumerate(duels) if duel]
        assert len(asked) > 1  # questions that teach just as much do not keep each other away for ever
        assert asked[0] >= 2
        assert all(later - earlier >= 3 for earlier, later in itertools.pairwise(asked))


async def test_who_does_not_teach_is_never_asked_to_choose(start_bot: StartBot) -> None:
    async with start_bot(rubric=RUBRIC, comparison={"one_in": 1}) as bot:
        await bot.store.people.meet(who("ann"))
        await bot.store.people.change("ann", learning=False)
        assert (await bot.ask("hello")).replies[0].duel is None


@pytest.mark.parametrize(("before", "asked_at"), [(0.0, 1), (9.0, 3)])
async def test_what_would_teach_little_waits_for_a_better_question_but_not_for_ever(
    start_bot: StartBot, before: float, asked_at: int
) -> None:
    async with start_bot(rubric=RUBRIC, comparison={"one_in": 2}) as bot:
        await bot.store.people.meet(who("ann"))
        await bot.store.people.change("ann", learning=True)
        for _ in range(4):
            bot.context.caches.comparison_worths.saw("ann", before)
        duels = [(await bot.ask(f"number {i}", conversation=f"d{i}")).replies[0].duel for i in range(4)]
        assert next(number for number, duel in enumerate(duels) if duel) == asked_at


async def test_the_answer_that_was_better_as_it_is_is_shown_alone_from_then_on(start_bot: StartBot) -> None:
    async with start_bot(rubric=RUBRIC, comparison={"one_in": 1}) as bot:
        await bot.store.people.meet(who("ann"))
        await bot.store.people.change("ann", learning=True)
        reply = (await bot.ask("hello")).replies[0]
        await bot.sent(1)
        assert bot.chat.posts[0].reply.duel
        choice = Choice(event="c", reply=reply.id, person=who("ann"), alternative=reply.id, at=now())
        for _ in range(2):  # delivered twice, and posted once
            assert (await bot.app.choose(choice)).duel is None
        await bot.sent(2)
        again = bot.chat.posts[1]
        assert (again.reply.text, again.reply.duel, len(again.replaces)) == (reply.text, None, 1)
        (pair,) = await bot.store.choices.of_person("ann")
        assert (pair.kind, pair.chosen_text) == (ChoiceKind.DUEL, reply.text)
        assert len(bot.chat.posts) == 2


async def test_a_setting_of_zero_never_asks(start_bot: StartBot) -> None:
    async with start_bot(rubric=RUBRIC, comparison={"one_in": 0}) as bot:
        await bot.store.people.meet(who("ann"))
        await bot.store.people.change("ann", learning=True)
        assert (await bot.ask("hello")).replies[0].duel is None


async def test_nobody_is_asked_to_choose_where_the_operator_has_not_acknowledged_learning(
    start_bot: StartBot,
) -> None:
    place = Place(platform=Platform.DISCORD, channel="c")
    ann = Person(key="discord:1", platform=Platform.DISCORD)
    asked = message("hello", place=place, ref=Ref(platform=Platform.DISCORD, channel="c", id="1"))
    for is_acknowledged in (False, True):
        learning = {"discord": {"acknowledged": is_acknowledged}}
        async with start_bot(rubric=RUBRIC, comparison={"one_in": 1}, learning=learning) as bot:
            await bot.store.people.meet(ann)
            await bot.store.people.change(ann.key, learning=True)
            taken = await bot.app.message(replace(asked, event=f"e{is_acknowledged}", person=ann))
            (reply,) = (await bot.app.outcome(taken, wait_s=10)).replies
            assert (reply.duel is not None) is is_acknowledged
