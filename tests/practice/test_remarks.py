"""Notes and critiques: many wordings, some of which are never trained on."""

from __future__ import annotations

import random

from practice import branches
from practice.manners import DIMENSIONS
from practice.remarks import (
    COMPLAINTS,
    ORDERS,
    canonical_note,
    critique_for,
    note_for,
    value_of_note,
)

VALUES = [(dimension, value) for dimension, values in DIMENSIONS.items() for value in values]


def test_every_value_can_be_asked_for_and_complained_about() -> None:
    assert set(ORDERS) == set(COMPLAINTS) == set(VALUES)
    assert all(len(orders) >= 6 for orders in ORDERS.values())


def test_a_note_in_any_wording_asks_for_its_own_value_only() -> None:
    rng = random.Random(1)
    for dimension, value in VALUES:
        for held_out in (False, True):
            notes = {note_for(rng, dimension, value, held_out=held_out) for _ in range(40)}
            assert {value_of_note(note) for note in notes} == {(dimension, value)}


def test_no_wording_asks_for_two_values() -> None:
    orders = [order for several in ORDERS.values() for order in several]
    assert len(orders) == len(set(orders))


def test_held_out_wordings_are_never_drawn_for_training() -> None:
    rng = random.Random(1)
    for dimension, value in VALUES:
        held_out = ORDERS[dimension, value][-1]
        trained = " ".join(note_for(rng, dimension, value).lower() for _ in range(200))
        assert held_out not in trained
        complaint = COMPLAINTS[dimension, value][-1]
        said = {critique_for(rng, dimension, value).lower() for _ in range(200)}
        assert not any(complaint in one for one in said)
        assert critique_for(rng, dimension, value, held_out=True) == complaint


def test_the_rubric_asks_about_every_value_with_its_note() -> None:
    """Where a dimension has two values, one question with an opposite covers both."""
    rubric = branches._rubric()["manner"]
    notes = {manner["note"] for manner in rubric} | {manner.get("opposite", "") for manner in rubric}
    assert {canonical_note(*pair) for pair in VALUES} <= notes
    for dimension, values in DIMENSIONS.items():
        assert len(branches.manner_questions(dimension)) == (1 if len(values) == 2 else len(values))


def test_a_text_that_is_no_note_has_no_value() -> None:
    assert value_of_note("Buy milk.") is None
