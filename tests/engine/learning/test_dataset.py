"""Feedback as lessons: the checks, the split that never changes, and what each source teaches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.learning.dataset import (
    Dataset,
    Feedback,
    Flaw,
    Source,
    as_rated,
    balanced,
    distilled,
    is_held_out,
    is_honest_gain,
    is_unreadable,
    lessons,
    trials,
)
from engine.learning.lessons import Kind, Lesson
from engine.types import Prompt, Role, TokenIds, Turn

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def prompt(text: str, notes: tuple[str, ...] = ()) -> Prompt:
    return Prompt(turns=(Turn(role=Role.USER, text=text),), notes=notes)


def rating(number: int, stars: int, *, reply: str = "Otters hold hands.", thread: int = 0) -> Feedback:
    return Feedback(
        id=f"r{number}",
        source=Source.RATING,
        thread=thread,
        at=NOON + timedelta(minutes=number),
        prompt=prompt(f"Tell me about otter {number}"),
        reply=reply,
        rating=stars,
    )


def better(source: Source, text: str, *, number: int = 1) -> Feedback:
    return replace(rating(number, 3), id=f"b{number}", source=source, rating=None, better=text)


def encode(asked: Prompt) -> TokenIds:
    return (*(ord(letter) for note in asked.notes for letter in note), 0, *map(ord, asked.turns[-1].text))


def encode_text(text: str) -> TokenIds:
    return tuple(map(ord, text))


def made_of(*feedback: Feedback) -> list[Lesson]:
    return lessons(feedback, encode=encode, encode_text=encode_text)


def test_a_correction_is_said_and_preferred() -> None:
    pair, say = made_of(better(Source.CORRECTION, "Otters sleep."))
    assert (pair.kind, say.kind) == (Kind.PAIR, Kind.SAY)
    assert pair.reply == say.reply == encode_text("Otters sleep.")
    assert pair.against == encode_text("Otters hold hands.")
    assert say.weight > pair.weight


@pytest.mark.parametrize("source", [Source.REVISION, Source.CHOICE, Source.JUDGED])
def test_what_is_preferred_becomes_a_pair_and_the_judges_own_weigh_least(source: Source) -> None:
    (pair,) = made_of(better(source, "Otters sleep."))
    assert pair.kind is Kind.PAIR
    assert (pair.weight < 0.5) == (source is Source.JUDGED)


def test_clear_ratings_are_single_lessons_and_middling_ones_none() -> None:
    made = made_of(*(rating(stars, stars) for stars in range(1, 6)))
    assert [(lesson.kind, lesson.wanted) for lesson in made] == [
        (Kind.RATED, wanted) for wanted in (0.0, 0.0, 1.0, 1.0)
    ]


def test_siblings_with_different_stars_become_best_over_worst() -> None:
    same = prompt("One question")
    group = [
        replace(rating(number, stars, reply=f"Reply {stars}"), prompt=same)
        for number, stars in enumerate((2, 5, 1))
    ]
    pairs = [lesson for lesson in made_of(*group) if lesson.kind is Kind.PAIR]
    assert [(lesson.reply, lesson.against) for lesson in pairs] == [
        (encode_text("Reply 5"), encode_text("Reply 1"))
    ]


def test_lessons_never_see_the_memory_that_the_answer_saw() -> None:
    noted = replace(rating(1, 5), prompt=prompt("Tell me", notes=("Be short.",)))
    assert made_of(noted)[0].prefix == encode(prompt("Tell me"))
    (trial,) = trials([noted], encode=encode, encode_text=encode_text)
    assert trial.prefix == encode(prompt("Tell me"))


def test_distilled_lessons_are_asked_bare_and_taught_under_the_notes() -> None:
    lesson = distilled(prompt("Tell me", notes=("Old.",)), ["Be short."], (7, 8), encode=encode)
    assert lesson.kind is Kind.DISTIL
    assert lesson.prefix == encode(prompt("Tell me"))
    assert lesson.teacher == encode(prompt("Tell me", notes=("Be short.",)))
    assert lesson.reply == (7, 8)


@pytest.mark.parametrize(
    ("feedback", "flaw"),
    [
        (rating(1, 5, reply="  "), Flaw.EMPTY),
        (rating(1, 5, reply="x" * 30_000), Flaw.TOO_LONG),
        (better(Source.CORRECTION, "y"), Flaw.TOO_SHORT),
        (better(Source.CORRECTION, "Otters  hold hands."), Flaw.NO_CHANGE),
        (better(Source.CORRECTION, "sdkjfh qwrtpsdf zxcvbnm lkjhgf"), Flaw.UNREADABLE),
        (better(Source.CORRECTION, "noooooooooooooooo what"), Flaw.UNREADABLE),
    ],
)
def test_flawed_feedback_is_dropped_with_its_reason(feedback: Feedback, flaw: Flaw) -> None:
    told = Dataset.of([feedback, rating(9, 5, reply="A sound one.")])
    assert told.dropped == {feedback.id: flaw}
    assert told.counts()[f"dropped: {flaw}"] == 1


def test_of_repeats_the_newest_stays_and_of_contradictions_none() -> None:
    repeats = [
        replace(rating(1, 5), id=name, at=NOON + timedelta(hours=hour)) for hour, name in enumerate("abc")
    ]
    assert Dataset.of(repeats).dropped == {"a": Flaw.REPEAT, "b": Flaw.REPEAT}
    both = [replace(rating(1, 5), id="up"), replace(rating(1, 1), id="down")]
    assert set(Dataset.of(both).dropped.values()) == {Flaw.CONTRADICTORY}
    choice = better(Source.CHOICE, "Otters sleep.")
    back = replace(choice, id="back", reply="Otters sleep.", better=choice.reply)
    assert set(Dataset.of([choice, back]).dropped) == {choice.id, "back"}


@pytest.mark.parametrize(
    "text",
    [
        "Otters hold hands.",
        "----------",
        "Žluťoučký kůň úpěl",
        "水獭手牵手睡觉。",
        "```\nxxxxxxxxxx = 1\n```",
        "BBC, NHS, HTML",
    ],
)
def test_unusual_texts_are_readable(text: str) -> None:
    assert not is_unreadable(text)


feedbacks = st.lists(
    st.builds(
        lambda number, stars, thread: rating(number, stars, reply=f"Reply {number}", thread=thread),
        st.integers(0, 5_000),
        st.integers(1, 5),
        st.integers(0, 12),
    ),
    unique_by=lambda piece: piece.id,
    max_size=40,
)


@given(feedbacks, st.randoms(use_true_random=False))
def test_nothing_is_lost_and_the_order_does_not_matter(
    given_feedback: list[Feedback], source: random.Random
) -> None:
    told = Dataset.of(given_feedback)
    kept = [piece.id for piece in (*told.train, *told.held_out)]
    assert sorted([*kept, *told.dropped]) == sorted(piece.id for piece in given_feedback)
    shuffled = list(given_feedback)
    source.shuffle(shuffled)
    assert Dataset.of(shuffled) == told


@given(feedbacks, feedbacks)
def test_more_feedback_never_moves_a_thread_over_the_split(
    first: list[Feedback], second: list[Feedback]
) -> None:
    early = Dataset.of(first)
    known = {piece.id for piece in first}
    later = Dataset.of(first + [piece for piece in second if piece.id not in known])
    assert not {piece.thread for piece in early.held_out} & {piece.thread for piece in later.train}
    assert not {piece.thread for piece in later.held_out} & {piece.thread for piece in early.train}


def test_a_fifth_is_held_out_and_the_first_of_few_never() -> None:
    held_out = [is_held_out(number) for number in range(2000)]
    assert sum(held_out) == 400
    assert not any(held_out[:2])


@given(st.lists(st.booleans(), max_size=40))
def test_good_and_bad_ratings_stay_near_each_other_in_number(wanted: Sequence[bool]) -> None:
    made = [Lesson(kind=Kind.RATED, prefix=(1,), reply=(2,), wanted=float(share)) for share in wanted]
    kept = balanced(made)
    good = sum(lesson.wanted > 0.5 for lesson in kept)
    bad = len(kept) - good
    assert max(good, bad) <= min(good, bad) * 4 / 3
    assert min(good, bad) == min(sum(wanted), len(wanted) - sum(wanted))


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5), st.integers(1, 5))
def test_answers_moved_to_the_stars_say_what_they_say_and_keep_their_order(
    found: list[float], stars: int
) -> None:
    answers = {str(number): p for number, p in enumerate(found)}
    told = as_rated(answers, stars)
    assert sum(told.values()) / len(told) == pytest.approx(0.05 + 0.9 * (stars - 1) / 4, abs=1e-6)
    for name in answers:
        for other in answers:
            assert answers[name] < answers[other] or told[name] >= told[other]


@pytest.mark.parametrize(
    ("better", "worse", "is_honest"),
    [
        ("Otters swim on their backs.", "It is an animal.", True),
        ("Yes, of course! Otters swim.", "Otters swim.", False),
        ("They swim and swim and swim and swim and swim and swim.", "They swim.", False),
        (
            "They swim. " * 3 + "They float, they dive, they eat fish, and they sleep on kelp beds.",
            "Yes",
            False,
        ),
    ],
)
def test_what_may_have_won_the_judge_over_by_a_trick_is_not_taught(
    better: str, worse: str, is_honest: bool
) -> None:
    assert is_honest_gain(better, worse) == is_honest
