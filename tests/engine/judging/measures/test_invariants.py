"""What holds for every measure, every text and every continuation."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.judging.measures import MEASURES, Occasion, Outlook, Relation, Wish
from engine.judging.measures.phrases import Finder, Phrase, without_overlaps
from engine.judging.measures.reply import Reply
from engine.judging.soundness import faults
from tests.engine.judging.measures.texts import texts

OCCASIONS = (
    Occasion(name="Sam", request="What is the capital of France and why is it so big?"),
    Occasion(name="Will", request="Was ist das?"),
    Occasion(name=None, request=""),
)
occasions = st.sampled_from(OCCASIONS)


@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=40, deadline=None)
@given(beginning=texts, continuation=texts, occasion=occasions)
def test_no_continuation_leaves_the_limits_of_the_beginning(
    name: str, beginning: str, continuation: str, occasion: Occasion
) -> None:
    measure = MEASURES[name]
    least, most = measure.limits(beginning, occasion)
    count = measure.count(beginning + continuation, occasion)
    assert 0.0 <= least <= count <= most <= measure.most


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(MEASURES)),
    st.sampled_from(Relation),
    st.integers(0, 4),
    texts,
    texts,
    occasions,
)
def test_met_and_lost_stay_so_whatever_follows(
    name: str, relation: Relation, bound: int, beginning: str, continuation: str, occasion: Occasion
) -> None:
    wish = Wish(measure=name, relation=relation, bound=bound)
    outlook = wish.outlook(beginning, occasion)
    if outlook is not Outlook.OPEN:
        assert wish.outlook(beginning + continuation, occasion) is outlook
        assert wish.outlook(beginning + continuation, occasion, is_finished=True) is outlook
    if outlook is Outlook.LOST:
        assert wish.seems_lost(beginning, occasion)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(MEASURES)), st.sampled_from(Relation), st.integers(0, 4), texts, occasions)
def test_a_finished_reply_is_met_or_lost_and_closest_where_it_is_met(
    name: str, relation: Relation, bound: int, text: str, occasion: Occasion
) -> None:
    wish = Wish(measure=name, relation=relation, bound=bound)
    is_met = wish.is_met(text, occasion)
    assert wish.outlook(text, occasion, is_finished=True) is (Outlook.MET if is_met else Outlook.LOST)
    assert 0.0 <= wish.closeness(text, occasion) <= 1.0
    assert (wish.closeness(text, occasion) == 1.0) is is_met


@settings(max_examples=200, deadline=None)
@given(texts, occasions)
def test_space_at_the_ends_counts_for_nothing(text: str, occasion: Occasion) -> None:
    for measure in MEASURES.values():
        assert measure.count(f"\n\n{text}\n \n", occasion) == measure.count(f"\n\n{text}", occasion)


# What small models fall into: the same signs again and again, and then something else.
DEGENERATE = (
    *(
        "❤️",
        "👩‍💻",
        "🇩🇪",
        "(",
        "[",
        "[](",
        "`",
        "*",
        "**a",
        '"',
        "'a",
        "-",
        "|-",
        "a|",
        "> ",
        "1. ",
        "!",
        "…",
        "—",
        " ",
        "\n",
    ),
    *(
        "。」",
        "お",
        "a.",
        "Dr. ",
        ": - ",
        "https://",
        "![",
        "\n- ",
        "**x**\n",
        "I like a ",
        "sorry, ",
        "\ud83d",
    ),
)
LONGEST_S = 5.0  # the slowest takes half a second; a pattern that goes back again and again takes hours


@pytest.mark.parametrize("sign", DEGENERATE)
def test_signs_that_come_again_and_again_are_read_quickly(sign: str) -> None:
    text = sign * (1500 // len(sign)) + "x"
    started = time.process_time()
    for measure in MEASURES.values():
        measure.count(text, OCCASIONS[0])
        measure.limits(text, OCCASIONS[0])
    faults(text, request=OCCASIONS[0].request, is_cut=True)
    assert time.process_time() - started < LONGEST_S


# --- the word lists ---

# Of the other kinds sentences are counted, and beginnings of sentences.
COUNTED_ANYWHERE = ("hedges", "first_person", "second_person", "contractions", "examples", "comparisons")


def spelled(phrase: Phrase) -> Iterator[str]:
    """Some of the ways in which a phrase can be written."""
    words = [sorted(slot.words) or [f"x{slot.ending or ''}"] for slot in phrase.slots]
    return (" ".join(choice) for choice in itertools.islice(itertools.product(*words), 200))


@pytest.mark.parametrize("kind", COUNTED_ANYWHERE)
def test_no_phrase_holds_two_others_so_that_no_count_shrinks_when_one_is_completed(kind: str) -> None:
    finder = Finder(kind)
    for phrase in finder.phrases:
        for text in () if phrase.is_exception else spelled(phrase):
            sentence = Reply(text).sentences[0]
            inner = [m for m in finder.matches(sentence) if m.end - m.start < len(sentence.tokens)]
            assert len(without_overlaps(inner)) <= 1, text
