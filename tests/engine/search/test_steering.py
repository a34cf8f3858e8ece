"""A few words begin or end a reply as it is wanted; nothing is steered that no wish asks for."""

import pytest

from engine.judging.measures import parse
from engine.search.steering import closed, closings, openings


@pytest.mark.parametrize(
    ("wishes", "beginning"),
    [
        (["bullets >= 2"], "- "),
        (["numbered >= 2"], "1. "),
        (["greetings == 1", "bullets >= 2"], "Hello! "),
        (["greetings == 1", "capitals == 0"], "hello! "),
        (["greetings == 1", "small_letters == 0"], "HELLO! "),
    ],
)
def test_a_wish_about_the_beginning_opens_a_reply(wishes: list[str], beginning: str) -> None:
    assert openings([parse(wish) for wish in wishes])[0] == beginning


@pytest.mark.parametrize("wish", ["greetings == 0", "bullets <= 0", "words <= 45", "emoji >= 1"])
def test_other_wishes_open_nothing(wish: str) -> None:
    assert openings([parse(wish)]) == ()


def test_a_question_at_the_end_is_begun_in_the_case_that_is_wanted() -> None:
    assert closings([parse("ends_with_question == 1")])[0] == " Would you"
    assert closings([parse("ends_with_question == 1"), parse("capitals == 0")])[0] == " would you"
    assert closings([parse("ends_with_question == 0")]) == ()


def test_a_closing_question_ends_at_its_mark() -> None:
    assert closed(" like some tea? I do") == " like some tea?"
    assert closed(" like some tea") is None
