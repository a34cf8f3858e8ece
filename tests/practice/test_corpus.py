"""The corpus: right, balanced, worded as the product words it, and without anything held out."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from engine import wording
from engine.types import Role
from practice import corpus, world
from practice.corpus import Document
from practice.manners import DIMENSIONS, manner_of
from practice.remarks import ORDERS


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(itertools.islice(corpus.documents(seed=1), 4800))


def test_the_same_seed_gives_the_same_documents(documents: list[Document]) -> None:
    assert list(itertools.islice(corpus.documents(seed=1), 20)) == documents[:20]
    assert list(itertools.islice(corpus.documents(seed=2), 20)) != documents[:20]


def test_every_prompt_ends_with_the_person(documents: list[Document]) -> None:
    for document in documents:
        assert document.prompt.turns[-1].role is Role.USER
        assert wording.messages(document.prompt, wording.CLASSIC)[0]["role"] == "system"


def test_replies_to_be_learned_are_coherent_and_in_their_manner(documents: list[Document]) -> None:
    accidents = 0  # somebody is called Far, and "as far as I know"
    for document in documents:
        if document.asked is None or document.manner is None or not document.is_model:
            continue
        name = document.prompt.name
        assert world.is_coherent(document.reply, document.asked, name), document.reply
        assert not world.repeats_itself(document.reply, name)
        if document.asked.other.lower() != (name or "").lower():
            seen = manner_of(document.reply, name)
            accidents += seen.address != document.manner.address
            assert seen.but({"address": document.manner.address}) == document.manner
    assert accidents <= 2


def test_replies_to_be_learned_obey_the_notes_that_apply(documents: list[Document]) -> None:
    checked = 0
    for document in documents:
        said_again = wording.REVISION_REQUEST in wording.last_request(document.prompt)
        if not document.is_model or document.manner is None or said_again:
            continue
        for note in document.prompt.notes:
            value = world.value_of_note(note)
            if value is not None:
                assert document.manner[value[0]] == value[1]
                checked += 1
    assert checked > 500


def test_no_held_out_combination_is_learned_from(documents: list[Document]) -> None:
    for document in documents:
        if document.asked is not None:
            assert not world.is_held_out(document.asked.kind, document.asked.thing)


def test_no_held_out_wording_is_learned_from(documents: list[Document]) -> None:
    held_out = {orders[-1] for orders in ORDERS.values()}
    for document in documents:
        said = [*document.prompt.notes, *(branch.said for branch in document.branches)]
        assert not [text for text in said for order in held_out if order in text.lower()]


def test_yes_and_no_come_equally_often_for_every_question(documents: list[Document]) -> None:
    answers: Counter[tuple[str, str]] = Counter()
    for document in documents:
        for branch in document.branches:
            if branch.is_judgement:
                about = ("follow the note", "for this request")
                question = next((words for words in about if words in branch.said), branch.said)
                answers[question, branch.answer] += 1
    for question in {question for question, _ in answers}:
        asked = answers[question, "yes"] + answers[question, "no"]
        assert abs(answers[question, "yes"] - answers[question, "no"]) < 4 * asked**0.5 + 0.03 * asked, (
            question
        )


def test_half_of_the_judgements_are_about_half_finished_replies(documents: list[Document]) -> None:
    judged = [one for document in documents for one in document.branches if one.is_judgement and one.share]
    assert 0.45 < sum(branch.share < 1 for branch in judged) / len(judged) < 0.55


def test_untaught_replies_have_every_value_equally_often(documents: list[Document]) -> None:
    manners = [
        document.manner
        for document in documents
        if document.manner and document.prompt.name and document.prompt == document.prompt.bare()
    ]
    for dimension, values in DIMENSIONS.items():
        for value in values:
            share = sum(manner[dimension] == value for manner in manners) / len(manners)
            assert share == pytest.approx(1 / len(values), rel=0.25), (dimension, value)


def test_a_critique_leads_to_the_note_of_the_rubric(documents: list[Document]) -> None:
    notes = [
        branch.answer
        for document in documents
        for branch in document.branches
        if wording.NOTE_REQUEST in branch.said
    ]
    assert len(notes) > 200
    assert all(world.value_of_note(note) is not None for note in notes)


def test_a_revision_changes_what_was_asked_for() -> None:
    rng = random.Random(3)
    changed = 0
    while changed < 50:
        document = corpus.document(rng)
        for branch in document.branches:
            if wording.REVISION_REQUEST in branch.said and document.manner is not None:
                after = manner_of(branch.answer, document.prompt.name)
                differing = [d for d in DIMENSIONS if after[d] != document.manner[d]]
                assert (
                    len(differing) == 1 or document.asked is None or document.asked.kind in ("tell", "recall")
                )
                changed += 1
