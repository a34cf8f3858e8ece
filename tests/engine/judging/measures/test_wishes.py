"""Wishes are read, written, met, missed by more or less, and seen coming in half-written replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.judging.measures import (
    MEASURES,
    Occasion,
    Outlook,
    Relation,
    UnknownMeasure,
    Wish,
    WishError,
    parse,
)

CONTEXT = Occasion(name="Sam", request="Why is tea green?")


@pytest.mark.parametrize("text", ["words <= 45", "emoji >= 1", "sentences == 1", "reading_grade <= 6.5"])
def test_a_wish_is_written_as_it_was_read(text: str) -> None:
    assert str(parse(text)) == text


def test_spaces_do_not_matter() -> None:
    assert parse(" words<=45 ") == parse("words <= 45")


@given(
    st.sampled_from(sorted(MEASURES)),
    st.sampled_from(Relation),
    st.floats(min_value=0.0, allow_nan=False, allow_infinity=False),
)
def test_every_wish_comes_back_from_its_text(measure: str, relation: Relation, bound: float) -> None:
    wish = Wish(measure=measure, relation=relation, bound=bound)
    assert parse(str(wish)) == wish


@pytest.mark.parametrize(
    ("written", "nearest"), [("wrods", "words"), ("Emoji", "emoji"), ("bullet", "bullets"), ("", "bold")]
)
def test_an_unknown_measure_names_the_nearest_right_name(written: str, nearest: str) -> None:
    with pytest.raises(UnknownMeasure, match=f"nearest is '{nearest}'" if written else "nearest") as caught:
        parse(f"{written} <= 3")
    assert isinstance(caught.value, ValueError)
    assert caught.value.nearest in MEASURES


@pytest.mark.parametrize(
    "text",
    ["", "words", "words < 3", "words = 3", "words <=", "words <= many", "words <= nan", "words <= -1"],
)
def test_what_is_no_wish_says_what_to_write(text: str) -> None:
    with pytest.raises(WishError):
        parse(text)


@pytest.mark.parametrize(
    ("wish", "text", "is_met"),
    [
        ("words <= 3", "One two three.", True),
        ("words <= 3", "One two three four.", False),
        ("words >= 3", "One two.", False),
        ("sentences == 1", "One.", True),
        ("sentences == 1", "One. Two.", False),
        ("sentences == 1", "", False),
        ("capitals == 0", "all small", True),
        ("greetings == 1", "Hello Sam!", True),
        ("names >= 1", "Tea, Sam.", True),
        ("names >= 1", "Tea, Tom.", False),
    ],
)
def test_a_finished_reply_meets_a_wish_or_does_not(wish: str, text: str, is_met: bool) -> None:
    assert parse(wish).is_met(text, CONTEXT) is is_met


@pytest.mark.parametrize(
    ("wish", "text_so_far", "outlook"),
    [
        ("words <= 3", "One two", Outlook.OPEN),
        ("words <= 3", "One two three four fi", Outlook.LOST),
        ("words >= 3", "One two three f", Outlook.MET),
        ("words >= 0", "", Outlook.MET),
        ("sentences == 1", "One thing", Outlook.OPEN),
        ("sentences == 1", "One thing. Two things are", Outlook.LOST),
        ("capitals == 0", "hello the", Outlook.OPEN),
        ("capitals == 0", "Hello the", Outlook.LOST),
        ("small_letters == 0", "HELLO the ", Outlook.LOST),
        ("greetings == 1", "He", Outlook.OPEN),
        ("greetings == 1", "Tea is", Outlook.LOST),
        ("greetings == 0", "Tea is", Outlook.MET),
        ("greetings == 1", "Hello there, this is how you make tea", Outlook.MET),
        ("greetings == 1", "Hello World is a program that says so", Outlook.LOST),
        ("fillers == 0", "Sure! Here", Outlook.LOST),
        ("fillers == 0", "Tea is green. It grows. It is picked. Then it", Outlook.MET),
        ("fillers == 0", "Tea is", Outlook.OPEN),
        ("apologies == 0", "I'm sorry, but tea is hot and", Outlook.LOST),
        ("hedges >= 1", "Perhaps tea is the better choice here", Outlook.MET),
        ("bullets >= 2", "- one\n- two is", Outlook.MET),
        ("bullets >= 2", "- one\n- ", Outlook.OPEN),
        ("list_items == 0", "Tea:\n\n1. green te", Outlook.LOST),
        ("starts_with_code == 1", "The", Outlook.OPEN),
        ("starts_with_code == 1", "The code", Outlook.LOST),
        ("starts_with_code == 1", "```py\nprint", Outlook.MET),
        ("ends_with_question == 1", "Shall we?", Outlook.OPEN),
        ("ends_with_question <= 1", "Shall we?", Outlook.MET),
        ("emoji == 0", "Tea 😊 is", Outlook.LOST),
        ("language_de == 1", "Tea is green and it is good for you", Outlook.OPEN),
        ("words <= 4", "これはとても長い文なのです。", Outlook.LOST),
    ],
)
def test_the_outlook_of_a_half_written_reply(wish: str, text_so_far: str, outlook: Outlook) -> None:
    assert parse(wish).outlook(text_so_far, CONTEXT) is outlook


PARAGRAPH = (
    "Tea is made from the leaves of one plant, and whether it is green or black depends on what "
    "happens to the leaves after they were picked."
)


@pytest.mark.parametrize(
    ("wish", "text_so_far", "seems_lost"),
    [
        ("bullets >= 2", PARAGRAPH, False),
        ("bullets >= 2", PARAGRAPH + "\n\nThe kinds", False),
        ("bullets >= 2", PARAGRAPH + "\n\nGreen tea comes from Japan and from China and", True),
        ("bullets >= 2", PARAGRAPH + "\n\n1. Green tea comes from Japan and from China and", False),
        (
            "bullets >= 2",
            PARAGRAPH.removesuffix(".") + ":\n\nGreen tea comes from Japan and from China",
            False,
        ),
        ("bullets >= 2", "Sure, here we go.\n\n", False),
        ("bullets >= 2", "word " * 82, True),
        ("bullets >= 2", "- tea\n" + "word " * 82, False),
        ("bullets == 0", "word " * 82, False),
        ("code_blocks >= 1", "word " * 82, False),
        ("paragraphs == 1", PARAGRAPH, False),
        ("paragraphs == 1", PARAGRAPH + "\n\n", True),
        ("paragraphs == 1", "```py\nimport tea\n\n", False),
        ("paragraphs >= 2", PARAGRAPH + "\n\n", False),
        ("language_de == 1", PARAGRAPH, True),
        ("language_de == 1", "Tea is green and it is good", False),
        ("language_en == 1", PARAGRAPH, False),
        ("words <= 3", "One two three four five", True),
        ("emoji >= 1", PARAGRAPH, False),
    ],
)
def test_what_experience_says_of_a_half_written_reply(wish: str, text_so_far: str, seems_lost: bool) -> None:
    assert parse(wish).seems_lost(text_so_far, CONTEXT) is seems_lost


@pytest.mark.parametrize(
    ("wish", "count", "closeness"),
    [
        ("words <= 45", 45, 1.0),
        ("words <= 45", 50, 0.9),
        ("words <= 45", 90, 0.5),
        ("words >= 150", 150, 1.0),
        ("words >= 150", 100, 2 / 3),
        ("words >= 150", 0, 0.0),
        ("words == 10", 20, 0.5),
        ("words == 10", 5, 0.5),
        ("words == 0", 0, 1.0),
        ("words <= 0", 1, 0.5),
        ("words <= 0", 3, 0.25),
    ],
)
def test_closeness_is_the_share_of_the_bound_that_is_kept(wish: str, count: int, closeness: float) -> None:
    assert parse(wish).closeness("word " * count, CONTEXT) == pytest.approx(closeness)


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from(Relation), st.integers(0, 200))
def test_nearer_counts_are_closer(first: int, second: int, relation: Relation, bound: int) -> None:
    wish = Wish(measure="words", relation=relation, bound=bound)
    on_one_side = (first - bound) * (second - bound) > 0
    near, far = sorted((first, second), key=lambda count: abs(count - bound))
    if on_one_side:
        assert wish.closeness("word " * near, CONTEXT) >= wish.closeness("word " * far, CONTEXT)
