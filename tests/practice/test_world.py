"""The practice world: its checks agree with its grammar, and what is held out stays out."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice import world
from practice.kinds import KINDS
from practice.manners import (
    DIMENSIONS,
    Preference,
    complies,
    manner_of,
    random_manner,
)
from practice.things import CATEGORIES, category_of, things
from practice.world import (
    Request,
    is_about,
    is_coherent,
    reply_for,
)

NAMES = st.sampled_from([None, "Ada", "pixel", "Zoe Li", "O'Hara"])
SEEDS = st.integers(0, 2**32)


def any_request(rng: random.Random) -> Request:
    held_out = rng.random() < 0.5
    return rng.choice(
        (
            lambda: world.request(rng, held_out=held_out),
            lambda: world.recall(rng, held_out=held_out),
            lambda: world.recall(rng, held_out=held_out, value=""),
            lambda: world.tell(rng, held_out=held_out),
        )
    )()


def test_the_world_has_many_things_and_kinds() -> None:
    assert len(things()) == len(set(things())) >= 300
    assert len(world.kinds()) >= 12
    assert len(DIMENSIONS) >= 8


@given(seed=SEEDS, name=NAMES)
def test_a_reply_has_the_manner_it_was_made_in(seed: int, name: str | None) -> None:
    rng = random.Random(seed)
    asked, manner = any_request(rng), random_manner(rng, name)
    if name and name.lower() == asked.other.lower():
        return  # a pet that is called like the person: then the name alone is no address
    assert manner_of(reply_for(rng, asked, manner, name), name) == manner


@given(seed=SEEDS, name=NAMES)
def test_a_reply_of_the_grammar_is_coherent_and_about_what_was_asked(seed: int, name: str | None) -> None:
    rng = random.Random(seed)
    asked = any_request(rng)
    text = reply_for(rng, asked, random_manner(rng, name), name)
    assert is_coherent(text, asked, name)
    assert is_about(text, asked)


@given(seed=SEEDS)
def test_a_reply_to_another_request_is_not_coherent(seed: int) -> None:
    rng = random.Random(seed)
    asked, other = world.request(rng, held_out=False), world.request(rng, held_out=False)
    if {asked.thing, asked.other} & {other.thing, other.other}:
        return
    text = reply_for(rng, other, random_manner(rng, "Ada"), "Ada")
    assert not is_coherent(text, asked, "Ada")


def test_a_reply_about_another_thing_is_not_about_this_one() -> None:
    asked = world.request(random.Random(1), held_out=False, kind="poem", thing="an otter")
    assert is_about("Most people would call an otter clever.", asked)
    assert not is_about("Most people would call a badger clever.", asked)


@given(seed=SEEDS, cut=st.floats(0.1, 0.9))
def test_a_reply_cut_inside_a_word_is_not_coherent(seed: int, cut: float) -> None:
    rng = random.Random(seed)
    asked = world.request(rng, held_out=False)
    text = reply_for(rng, asked, random_manner(rng, None))
    short = text[: int(len(text) * cut)]
    if not short[-1:].isalpha():
        return
    assert not is_coherent(short, asked)


def test_every_manner_can_be_had_together_with_every_other() -> None:
    rng = random.Random(1)
    pairs = [(dimension, value) for dimension, values in DIMENSIONS.items() for value in values]
    for left, right in itertools.combinations(pairs, 2):
        if left[0] == right[0]:
            continue
        asked = world.request(rng, held_out=False)
        text = reply_for(rng, asked, random_manner(rng, "Ada").but(dict([left, right])), "Ada")
        assert complies(text, Preference(wanted=(left, right)), "Ada"), text


def test_no_point_of_the_grammar_wears_a_manner_of_its_own() -> None:
    """Otherwise a reply could not be plain, sure and literal about everything."""
    bare = {"tone": "plain", "emoji": "none", "ending": "statement", "hedging": "sure", "figure": "literal"}
    rng = random.Random(1)
    for kind, category in itertools.product(KINDS, CATEGORIES):
        if kind.name == "care" and not category.care:
            continue
        for thing in category.things:
            other = category.good[0] if kind.name == "rewrite" else category.things[-1]
            asked = Request(kind=kind.name, thing=thing, text="", held_out=False, other=other)
            text = ". ".join(world.points_to(rng, asked, 6)) + "."
            seen = manner_of(text, "Ada")
            assert {dimension: seen[dimension] for dimension in bare} == bare, text


def test_untaught_manners_are_drawn_evenly() -> None:
    rng = random.Random(1)
    drawn = [random_manner(rng, "Ada") for _ in range(6000)]
    for dimension, values in DIMENSIONS.items():
        for value in values:
            share = sum(manner[dimension] == value for manner in drawn) / len(drawn)
            assert share == pytest.approx(1 / len(values), rel=0.15)


def test_held_out_combinations_are_a_sixth_and_never_drawn_for_training() -> None:
    rng = random.Random(1)
    combinations = [(kind, thing) for kind in world.kinds() for thing in things()]
    share = sum(world.is_held_out(*pair) for pair in combinations) / len(combinations)
    assert 0.12 < share < 0.18
    for held_out in (False, True):
        for _ in range(300):
            asked = world.request(rng, held_out=held_out)
            assert world.is_held_out(asked.kind, asked.thing) == held_out


def test_every_thing_is_seen_in_training_and_asked_for_in_every_evaluation() -> None:
    for thing in things():
        sides = {world.is_held_out(kind, thing) for kind in world.kinds()}
        assert False in sides


@given(seed=SEEDS)
def test_a_follow_up_leaves_its_thing_to_the_turn_before(seed: int) -> None:
    rng = random.Random(seed)
    first = world.request(rng, held_out=False)
    follow = world.followup(rng, first, held_out=False)
    assert follow is None or (follow.thing == first.thing and not is_about(follow.text, first))


def test_a_fact_can_be_told_asked_for_and_unknown() -> None:
    rng = random.Random(2)
    asked = world.recall(
        rng, held_out=False, owned="cat" if not world.is_held_out("recall", "cat") else "dog"
    )
    assert asked.other
    assert asked.other in asked.facts[0]
    untold = world.recall(rng, held_out=False, value="")
    assert untold.facts == ()
    assert is_coherent(reply_for(rng, untold, random_manner(rng, None)), untold)


def test_a_preference_refuses_what_is_no_manner() -> None:
    with pytest.raises(ValueError, match="No such manner"):
        Preference.of(length="endless")


def test_texts_of_other_models_are_read_too() -> None:
    text = "**Sure!** Here are two ideas:\n\n* Bread is probably fine\n* Rice is, too 🎉"
    assert manner_of(text).emoji == "some"
    assert manner_of(text).hedging == "hedged"
    assert manner_of("* one\n* two").shape == "list"
    assert manner_of("2) one").shape == "numbered"
    assert manner_of("Is it?").ending == "question"


def test_the_thing_of_every_request_is_known() -> None:
    for thing in things():
        assert thing in category_of(thing).things
    with pytest.raises(KeyError):
        category_of("a perpetual motion machine")
