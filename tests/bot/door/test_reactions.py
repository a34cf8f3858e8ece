"""Reactions by anybody, in any order, come to what the last word on each emoji says."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.context import new_id
from bot.events import Deletion, Platform, Reaction, ReactionState, Ref
from bot.ratings import rating
from tests.bot.conftest import Bot
from tests.bot.taught import react, who

START = datetime(2026, 1, 1, tzinfo=UTC)
people = st.sampled_from(["ann", "bob", "cid"])
symbols = st.sampled_from(["👍", "👍🏽", ":+1:", "👎", "❤️", "🦙", "3️⃣"])
deeds = st.lists(st.tuples(people, symbols, st.booleans()), max_size=12)


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(deeds, st.randoms(use_true_random=False))
async def test_any_sequence_ends_where_the_last_set_says(
    bot: Bot, deeds: list[tuple[str, str, bool]], shuffler: random.Random
) -> None:
    reply = (await bot.ask("hello", conversation=new_id())).replies[0].id
    reactions = [
        Reaction(
            event=f"{reply}-{number}",
            ref=Ref(platform=Platform.WEB, channel="c", id=reply),
            person=who(person),
            emoji=emoji,
            on=is_on,
            at=START + timedelta(seconds=number),
        )
        for number, (person, emoji, is_on) in enumerate(deeds)
    ]
    delivered = [*reactions, *shuffler.choices(reactions, k=3)] if reactions else []
    shuffler.shuffle(delivered)
    for reaction in delivered:
        await bot.app.reaction(reaction)
    for person in ("ann", "bob", "cid"):
        assert await _rating(bot, reply, person) == rating(_last_set(deeds, person))
    assert (await bot.store.replies.get(reply)).rating == rating(_last_set(deeds, "ann"))


def _last_set(deeds: list[tuple[str, str, bool]], person: str) -> list[str]:
    """The emoji whose last deed put them on. A name is the same as its emoji, a skin tone is not."""
    names = {":+1:": "👍"}
    state = {names.get(emoji, emoji): is_on for who_did, emoji, is_on in deeds if who_did == person}
    return [emoji for emoji, is_on in state.items() if is_on]


async def _rating(bot: Bot, reply: str, person: str) -> int | None:
    return rating(await bot.store.reactions.of(reply, person))


async def test_what_was_missed_is_read_back(bot: Bot) -> None:
    reply = (await bot.ask("hello")).replies[0].id
    await react(bot, "👍", reply)
    ref = Ref(platform=Platform.WEB, channel="c", id=reply)
    for emoji, value, changed in (
        (["👎"], 1, 1),
        (["👎"], 1, 0),
        ([], None, 1),
        (["💯", "nonsense word"], 5, 1),
    ):
        state = ReactionState(ref=ref, person=who("ann"), emoji=frozenset(emoji))
        assert await bot.app.reactions([state]) == changed
        assert (await bot.store.replies.get(reply)).rating == value


async def test_one_skin_tone_taken_off_leaves_the_other(bot: Bot) -> None:
    reply = (await bot.ask("hello")).replies[0].id
    await react(bot, "👍", reply)
    await react(bot, "+1::skin-tone-4", reply)
    assert await react(bot, "👍🏽", reply, is_on=False) == 4
    assert await bot.store.reactions.of(reply, "ann") == {"👍"}
    assert await react(bot, "👍", reply, is_on=False) is None


@pytest.mark.parametrize("emoji", ["hello", "", "👍👍"])
async def test_what_is_no_emoji_changes_nothing(bot: Bot, emoji: str) -> None:
    reply = (await bot.ask("hello")).replies[0].id
    await react(bot, "👍", reply)
    assert await react(bot, emoji, reply) == 4


async def test_a_reaction_to_what_is_no_answer_changes_nothing(bot: Bot) -> None:
    assert await react(bot, "👍", "nothing") is None


async def test_never_learn_is_taken_back_with_its_emoji(bot: Bot) -> None:
    reply = (await bot.ask("hello")).replies[0].id
    await react(bot, "🚫", reply)
    assert (await bot.store.replies.recorded(reply)).never_learn
    await react(bot, "🚫", reply, is_on=False)
    assert not (await bot.store.replies.recorded(reply)).never_learn


async def test_only_who_asked_forbids_learning(bot: Bot) -> None:
    reply = (await bot.ask("hello")).replies[0].id
    await react(bot, "🚫", reply, person="bob")
    assert not (await bot.store.replies.recorded(reply)).never_learn


async def test_no_reaction_brings_back_what_was_withdrawn(bot: Bot) -> None:
    asked = await bot.ask("hello", event="q1")
    reply = asked.replies[0].id
    ref = Ref(platform=Platform.WEB, channel="c", id="q1")
    await bot.app.delete(Deletion(event="d1", ref=ref, at=START))
    await react(bot, "👍", reply)
    assert (await bot.store.replies.recorded(reply)).never_learn
