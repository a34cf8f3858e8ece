"""Where notes, facts and examples stand in a prompt, by the layout that a model follows."""

from engine import wording
from engine.types import Example, ExamplesAs, Layout, NotesAt, Prompt, Role, Turn

ASKED = Prompt(
    turns=(Turn(role=Role.USER, text="What is tea?"),),
    name="Ann",
    facts=("I live in Rome.",),
    notes=("Be brief.",),
    examples=(
        Example(request="What is jazz?", reply="Music.", rating=5),
        Example(request="What is rain?", reply="Water, and so much more.", rating=1),
    ),
)
BEHIND = Layout()


def test_behind_the_request_stand_facts_and_notes_and_before_it_liked_answers_as_turns() -> None:
    assert wording.messages(ASKED, BEHIND) == [
        {"role": "user", "content": "What is jazz?\n\nI live in Rome.\nBe brief."},
        {"role": "assistant", "content": "Music."},
        {"role": "user", "content": "What is tea?\n\nI live in Rome.\nBe brief."},
    ]


def test_the_templates_own_system_message_stays_unless_a_persona_is_set() -> None:
    assert wording.system(ASKED, BEHIND) == ""
    assert (
        wording.system(Prompt(turns=ASKED.turns, persona="You are a pirate."), BEHIND) == "You are a pirate."
    )


def test_the_classic_layout_says_everything_in_the_system_message() -> None:
    system, asked = wording.messages(ASKED, wording.CLASSIC)
    assert system["content"].startswith(
        "You are Nightloom. You are talking with Ann.\nFacts:\n- I live in Rome."
    )
    assert "Rating: 1 of 5" in system["content"]
    assert asked == {"role": "user", "content": "What is tea?"}


def test_notes_may_stand_in_both_places() -> None:
    system, *_, asked = wording.messages(ASKED, Layout(notes=NotesAt.BOTH, examples=ExamplesAs.TURNS))
    assert system["content"] == "Facts:\n- I live in Rome.\nNotes:\n- Be brief."
    assert asked["content"] == "What is tea?\n\nBe brief."


def test_a_critique_is_a_turn_of_its_own_only_where_notes_stand_in_the_system_message() -> None:
    classic = wording.revision(ASKED, "A drink.", "Longer!", wording.CLASSIC)
    assert [turn.text for turn in classic.turns] == [
        "What is tea?",
        "A drink.",
        f"Longer!\n{wording.REVISION_REQUEST}",
    ]
    behind = wording.revision(ASKED, "A drink.", "Longer!", BEHIND)
    assert behind.turns == ASKED.turns
    assert behind.notes == ("Be brief.", "Longer!")
    assert wording.revision(behind, "A drink.", "Longer!", BEHIND) == behind
