"""What people say in passing, and what of it should stand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.teaching.said_in_passing import facts, is_only_facts, wishes
from practice import world


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("My cat is called Miso.", "My cat is called Miso."),
        ("by the way, my Cat is called Miso", "My cat is called Miso."),
        ("Hi! No, my cat is named Tom!", "My cat is called Tom."),
        ("The name of my boat is Salty Dog.", "My boat is called Salty Dog."),
        ("my sister's name is Ana", "My sister is called Ana."),
        ("My name is Ana.", "My name is Ana."),
        ("My favourite colour is blue.", "My favourite colour is blue."),
        ("I live in Porto.", "I live in Porto."),
        ("I am allergic to nuts", "I am allergic to nuts."),
        ("Remember that the demo is on Friday.", "The demo is on Friday."),
        ("Remember: my cat is called Miso", "My cat is called Miso."),
    ],
)
def test_a_stated_fact_is_found(text: str, fact: str) -> None:
    assert [found.text for found in facts(text)] == [fact]


@pytest.mark.parametrize(
    "text",
    [
        "What is my cat called?",
        "Is my cat called Miso?",
        "Tell me about the cat.",
        "My code is broken.",
        "call me by my name",
        "You did not use my name.",
        "my answer is that I do not know",
        "",
        "I am so tired of lists.",
    ],
)
def test_nothing_else_is_taken_for_a_fact(text: str) -> None:
    assert facts(text) == ()


def test_a_later_fact_about_the_same_thing_has_the_same_key() -> None:
    first, second = facts("My cat is called Miso."), facts("Actually my cat is named Tom.")
    assert first[0].key == second[0].key
    assert [fact.text for fact in facts("My cat is called Miso. No, my cat is called Tom.")] == [
        "My cat is called Tom."
    ]


@pytest.mark.parametrize("correction", [False, True])
def test_every_way_in_which_the_practice_world_tells_a_fact_is_understood(correction: bool) -> None:
    rng = random.Random(7)
    for _ in range(300):
        told = world.tell(rng, held_out=False, correction=correction)
        assert [fact.text for fact in facts(told.text)] == [f"My {told.thing} is called {told.other}."], (
            told.text
        )
        assert is_only_facts(told.text)


def test_no_request_of_the_practice_world_states_a_fact_or_a_wish() -> None:
    requests = world.requests(random.Random(8), held_out=False)
    assert all(
        not facts(asked.text) and not wishes(asked.text)
        for asked, _ in zip(requests, range(1000), strict=False)
    )


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        (
            "From now on, a llama is the hero of every story.",
            "From now on, a llama is the hero of every story.",
        ),
        ("Tell me a story. Always end with a question", "Always end with a question."),
        (
            "in all my stories everything is science fiction",
            "In all my stories everything is science fiction.",
        ),
        ("never use lists!", "Never use lists!"),
    ],
)
def test_a_wish_for_all_answers_is_found(text: str, wish: str) -> None:
    assert wishes(text) == (wish,)


@pytest.mark.parametrize(
    "text", ["Never mind.", "Do you always lie?", "Tell me about alwaysness.", "Write a story."]
)
def test_nothing_else_is_taken_for_a_wish(text: str) -> None:
    assert wishes(text) == ()


@given(st.text(max_size=2000))
def test_whatever_is_said_makes_few_and_short_statements(text: str) -> None:
    assert len(facts(text)) + len(wishes(text)) <= 16
    assert all(len(fact.text) <= 160 for fact in facts(text))


@pytest.mark.parametrize(
    "text",
    [
        "call me Sam",
        "Please call me Sam.",
        "My name's Sam",
        "nenn mich Sam bitte",
        "appelle-moi Sam",
        "llámame Sam, por favor",
        "chiamami Sam",
        "me chame de Sam",
    ],
)
def test_what_a_person_is_to_be_called_is_a_fact(text: str) -> None:
    (fact,) = facts(text)
    assert fact.text == "My name is Sam."
    assert fact.key == "my name is"
