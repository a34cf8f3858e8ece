"""What emoji and replies under an answer mean."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events import TeachingKind
from bot.ratings import ALIASES, DEFAULT_RATINGS, is_emoji, is_never_learn, kept, normal, rating
from bot.teaching.understanding import Teaching, classify
from practice.manners import DIMENSIONS
from practice.remarks import (
    COMPLAINTS,
    ORDERS,
    RELATIVE_COMPLAINTS,
    critique_for,
)

SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
emoji_of_the_map = st.sampled_from(sorted(DEFAULT_RATINGS))


@pytest.mark.parametrize("emoji", sorted(DEFAULT_RATINGS))
def test_one_reaction_is_its_rating(emoji: str) -> None:
    assert rating([emoji]) == DEFAULT_RATINGS[emoji]


@pytest.mark.parametrize(
    "spelling",
    [
        "👍",
        "👍🏽",
        "👍🏿",
        "+1",
        ":+1:",
        "thumbsup",
        ":thumbsup:",
        ":thumbsup::skin-tone-3:",
        "+1::skin-tone-2",
    ],
)
def test_skin_tones_and_aliases_are_one_emoji(spelling: str) -> None:
    assert normal(spelling) == "👍"


@pytest.mark.parametrize("spelling", ["❤️", "❤", "heart", ":heart:", ":red_heart:"])
def test_variation_selectors_make_no_difference(spelling: str) -> None:
    assert rating([spelling]) == 5


@pytest.mark.parametrize(("name", "value"), [("one", 1), ("1⃣", 1), ("1️⃣", 1), (":five:", 5), ("keycap_4", 4)])
def test_a_number_is_itself(name: str, value: int) -> None:
    assert rating([name]) == value


@pytest.mark.parametrize(
    "text", ["", " ", "hello", "👍👍", "a👍", "12", "5", "<script>", "😀" * 200, "thumbs up", "\x00"]
)
def test_what_is_no_emoji_is_refused(text: str) -> None:
    assert not is_emoji(text)


@pytest.mark.parametrize(
    "text",
    ["🦙", "👩🏽‍🚀", "🇵🇹", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "#️⃣", ":party_parrot:", "<:blob:123456>", "<a:blob:123456>", "🚫", "☠️"],
)
def test_every_emoji_is_one_also_a_server_s_own(text: str) -> None:
    assert is_emoji(text)


def test_unknown_emoji_say_nothing() -> None:
    assert rating(["🦙", ":party_parrot:"]) is None
    assert rating(["🦙", "👍"]) == 4


@given(st.sets(emoji_of_the_map))
def test_good_and_bad_together_are_no_rating(emoji: set[str]) -> None:
    values = {DEFAULT_RATINGS[one] for one in emoji}
    is_mixed = bool(values & {1, 2}) and bool(values & {4, 5})
    assert (rating(emoji) is None) == (is_mixed or not values)


@given(st.sets(emoji_of_the_map, min_size=1))
def test_the_strongest_of_one_sign_counts(emoji: set[str]) -> None:
    values = {DEFAULT_RATINGS[one] for one in emoji}
    given_rating = rating(emoji)
    if given_rating is not None:
        assert given_rating in values
        assert all(abs(value - 3) <= abs(given_rating - 3) for value in values)


@given(st.lists(emoji_of_the_map), st.randoms())
def test_neither_order_nor_repetition_matters(emoji: list[str], shuffler: random.Random) -> None:
    again = [*emoji, *emoji]
    shuffler.shuffle(again)
    assert rating(again) == rating(emoji)


@given(emoji_of_the_map, st.sampled_from(SKIN_TONES))
def test_decoration_never_changes_a_rating(emoji: str, tone: str) -> None:
    bare = emoji.replace("\ufe0f", "")
    assert rating([bare]) == rating([emoji])
    if len(bare) == 1:
        assert rating([bare + tone]) == rating([emoji])


@given(st.text())
def test_no_text_breaks_the_reading_of_emoji(text: str) -> None:
    for spelling in (normal, kept):
        name = spelling(text)
        assert name is None or spelling(name) == name


@given(st.sampled_from(sorted(ALIASES)))
def test_an_alias_stands_for_an_emoji_that_is_known(alias: str) -> None:
    known = {normal(emoji) for emoji in DEFAULT_RATINGS} | {"🚫"}
    assert normal(alias) in known
    assert normal(f":{alias.upper()}:") == normal(alias)


def test_an_operator_may_give_another_map() -> None:
    assert rating(["🦙"], {"🦙": 5}) == 5
    assert rating(["👍"], {"🦙": 5}) is None


def test_no_entry_means_never_learn_and_is_no_rating() -> None:
    assert is_never_learn([":no_entry_sign:", "👍"])
    assert not is_never_learn(["👍"])
    assert rating(["🚫", "👍"]) == 4


CORRECTIONS = [
    ("better: The otter swims.", "The otter swims."),
    ("Better : The otter swims.", "The otter swims."),
    ("correction:\nThe otter\nswims.", "The otter\nswims."),
    ("instead: ```\nThe otter swims.\n```", "The otter swims."),
    ("```\nThe otter swims.\n```", "The otter swims."),
    ("```text\nThe otter swims.\n```", "The otter swims."),
    ("rather like this\n~~~\nThe otter swims.\n~~~\nthanks", "The otter swims."),
    ("```The otter swims.```", "The otter swims."),
    ("> The otter swims.\n> It is glad.", "The otter swims.\nIt is glad."),
    ("try:\n> The otter swims.", "The otter swims."),
    ('"The otter swims."', "The otter swims."),
    ("„Der Otter schwimmt.“", "Der Otter schwimmt."),
    ("« La loutre nage. »", "La loutre nage."),
]


@pytest.mark.parametrize(("text", "wanted"), CORRECTIONS)
def test_a_correction_gives_the_wanted_text(text: str, wanted: str) -> None:
    assert classify(text) == Teaching(kind=TeachingKind.CORRECTION, wanted=wanted)


def test_a_text_that_is_marked_as_a_correction_is_one_word_for_word() -> None:
    assert classify("What is an otter?", is_correction=True).wanted == "What is an otter?"
    assert classify("better: An otter.", is_correction=True).wanted == "An otter."


def test_a_text_that_is_marked_as_none_is_none() -> None:
    assert classify("better: An otter.", is_correction=False).kind is TeachingKind.CRITIQUE


def test_a_citation_of_the_answer_is_no_correction() -> None:
    reply = "The otter swims in the river. It is glad."
    assert classify("> It is   glad.\nhow do you know", reply=reply).kind is TeachingKind.CRITIQUE
    assert classify('"the otter swims"', reply=reply).kind is TeachingKind.CRITIQUE


@pytest.mark.parametrize(
    "text",
    [
        "too long",
        "shorter please!",
        "Could you be shorter?",
        "why do you use lists?",
        "less emoji?",
        "too long?",
        "better",
        "better:",
    ],
)
def test_everything_else_is_a_critique(text: str) -> None:
    assert classify(text).kind is TeachingKind.CRITIQUE


@pytest.mark.parametrize(
    "text", ["What do otters eat?", "and where do they live?", "question: more about otters", "Q: otters"]
)
def test_a_question_about_the_matter_is_a_question(text: str) -> None:
    assert classify(text).kind is TeachingKind.QUESTION


def _everything_people_say() -> Sequence[str]:
    complaints = [
        text
        for texts in (*COMPLAINTS.values(), *RELATIVE_COMPLAINTS.values(), *ORDERS.values())
        for text in texts
    ]
    rng = random.Random(0)
    drawn = [
        critique_for(rng, dimension, value)
        for dimension, values in DIMENSIONS.items()
        for value in values
        for _ in range(20)
    ]
    return [*complaints, *drawn]


def test_the_practice_world_s_critiques_are_understood_as_such() -> None:
    said = _everything_people_say()
    assert len(said) > 500
    assert [text for text in said if classify(text).kind is not TeachingKind.CRITIQUE] == []


@given(st.text(min_size=1), st.text())
def test_whatever_is_said_is_understood_as_something(text: str, reply: str) -> None:
    understood = classify(text, reply=reply)
    assert (understood.wanted is not None) == (understood.kind is TeachingKind.CORRECTION)
