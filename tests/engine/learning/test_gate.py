"""The gate: who is let through, who is not and why, and how rarely chance is taken for a gain."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from engine.learning.gate import (
    Evidence,
    GateBounds,
    Sample,
    decide,
    is_affirmation,
    log_bayes_factor,
    looks_worse,
    repetition,
    variety,
)
from engine.learning.lessons import TrialScore

BOUNDS = GateBounds(promote_at=0.8)
THINGS = ["otters", "kettles", "violins", "glaciers", "hammers", "tulips", "bridges", "comets", "walnuts"]


def samples(wanted: float, *, words: int = 12, opening: str = "", sound: float = 1.0) -> list[Sample]:
    """Replies of which the first ones, so large a share, are found to be without a fault."""
    source = random.Random(1)
    return [
        Sample(
            request=f"Tell me about {thing}",
            text=opening + " ".join(source.choice(THINGS) + str(source.randrange(99)) for _ in range(words)),
            wanted=wanted,
            is_sound=number < sound * len(THINGS),
        )
        for number, thing in enumerate(THINGS)
    ]


def rated(rating: int, gain: float, *, name: str = "t") -> TrialScore:
    return TrialScore(id=name, rating=rating, tokens=20, candidate=-30 + gain, current=-30, base=-30)


def preferred(gain: float) -> TrialScore:
    return TrialScore(
        id="p",
        rating=None,
        tokens=20,
        candidate=-30 + gain,
        current=-30,
        base=-30,
        candidate_against=-30 - gain,
        current_against=-30,
        base_against=-30,
    )


GOOD = Evidence(
    prior=0.8,
    trials=[rated(5, 3), rated(1, -9), rated(4, 1), rated(2, -6), preferred(4)],
    candidate=samples(0.9),
    current=samples(0.2),
    shared_candidate=samples(0.9),
    shared_current=samples(0.2),
    shared_noted=samples(0.9),
    divergence=0.4,
)


def test_a_better_candidate_goes_live_and_says_by_how_much() -> None:
    decision = decide(GOOD, BOUNDS)
    assert decision.is_promoted
    assert "+70 points" in decision.reason
    assert decision.figures.wanted_low < 0.7 < decision.figures.wanted_high


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"candidate": samples(0.2)}, "no gain"),
        ({"candidate": samples(0.25)}, "within the noise"),
        ({"trials": [rated(5, -9), rated(1, 3), preferred(-4)]}, "probability of only"),
        ({"prior": 0.5, "trials": []}, "probability of only"),
        ({"divergence": 3.0}, "nats per token"),
        ({"shared_candidate": samples(0.9, sound=0.6)}, "worse on the shared requests"),
        ({"candidate": samples(0.99, opening="Yes! ")}, "agrees"),
        (
            {"candidate": [replace(sample, text="so it is " * 9) for sample in samples(0.99)]},
            "repeat themselves",
        ),
        ({"candidate": [replace(sample, text=" ") for sample in samples(0.99)]}, "unanswered"),
        ({"candidate": samples(0.99, words=900)}, "times as long"),
        ({"candidate": (), "shared_candidate": (), "shared_noted": ()}, "could be looked at"),
        (
            {
                "candidate": [
                    replace(sample, text="All things are fine here today") for sample in samples(0.99)
                ],
                "shared_candidate": [replace(sample, text="All things are fine") for sample in samples(0.9)],
            },
            "says the same",
        ),
    ],
)
def test_a_candidate_is_stopped_with_the_reason(change: dict[str, object], reason: str) -> None:
    decision = decide(replace(GOOD, **change), BOUNDS)  # type: ignore[arg-type]  # a table of changes
    assert not decision.is_promoted
    assert reason in decision.reason


def test_a_manner_that_a_judge_finds_less_sound_is_no_regression() -> None:
    """Told the person's notes the base is found no sounder: it is the manner, not the LoRA."""
    less = replace(GOOD, shared_candidate=samples(0.9, sound=0.6), shared_noted=samples(0.9, sound=0.6))
    assert decide(less, BOUNDS).is_promoted
    assert not decide(replace(less, shared_noted=samples(0.9, sound=0.9)), BOUNDS).is_promoted


def test_what_only_looks_worse_is_not_stopped_for_it() -> None:
    """Two faults more in nine replies may well be chance."""
    doubtful = replace(GOOD, shared_candidate=samples(0.9, sound=7 / 9))
    assert looks_worse(doubtful, BOUNDS)
    assert decide(doubtful, BOUNDS).is_promoted
    assert not looks_worse(GOOD, BOUNDS)


def test_a_judge_that_does_not_see_what_is_wanted_has_no_say() -> None:
    after, before = samples(0.22), samples(0.24)
    blind = replace(GOOD, candidate=after, current=before, shared_candidate=after, shared_current=before)
    blind = replace(blind, shared_noted=samples(0.25))
    assert decide(blind, BOUNDS).is_promoted
    assert not decide(replace(blind, trials=[rated(5, -4), rated(1, 5), rated(2, 3)]), BOUNDS).is_promoted
    assert not decide(replace(blind, divergence=9.0), BOUNDS).is_promoted


def test_the_judge_alone_does_not_promote() -> None:
    """What the judge is delighted by but the person's own held-back word speaks against stays out."""
    evidence = replace(GOOD, candidate=samples(0.999), trials=[rated(5, -4), rated(1, 5), rated(2, 3)])
    assert not decide(evidence, BOUNDS).is_promoted


def test_held_out_feedback_that_goes_with_the_gain_counts_for_and_against_counts_against() -> None:
    assert log_bayes_factor([rated(5, 4), rated(1, -4), rated(3, 0)]) > 0.5
    assert log_bayes_factor([rated(1, 4), rated(5, -4), rated(3, 0)]) < -0.5
    assert log_bayes_factor([rated(3, 4), rated(3, -4)]) == 0.0
    assert log_bayes_factor([]) == 0.0
    assert log_bayes_factor([preferred(4)]) > 0 > log_bayes_factor([preferred(-4)])


def test_ten_good_trials_outweigh_one_bad_one() -> None:
    trials = [preferred(5.0)] * 10 + [preferred(-50.0)]
    assert log_bayes_factor(trials) > 3


@pytest.mark.parametrize("count", [3, 5, 9, 15])
def test_shuffled_ratings_are_seldom_taken_for_a_gain(count: int) -> None:
    """With ratings that say nothing the evidence for `better` reaches 3:1 in well under one night of six."""
    source = random.Random(count)
    passed = 0
    for _ in range(2000):
        trials = [rated(source.randint(1, 5), source.gauss(0, 8)) for _ in range(count)]
        passed += log_bayes_factor(trials) > 1.1
    assert passed / 2000 < 1 / 6


def test_repetition_is_seen_within_a_text_and_variety_over_many() -> None:
    assert repetition("the cat sat on the mat") == 0.0
    assert repetition("on and on and on and on and on") > 0.5
    assert repetition("") == 0.0
    assert variety(["one two three four", "five six seven eight"]) == 1.0
    assert variety(["one two three four"] * 4) == 0.25


@pytest.mark.parametrize("text", ["Yes.", "yes, and more", "  Absolutely!", "Sure thing", "Of course it is"])
def test_agreement_is_recognised(text: str) -> None:
    assert is_affirmation(text)


@pytest.mark.parametrize("text", ["Yesterday it rained", "Surely not", "No.", "A certain thing", ""])
def test_what_only_looks_like_agreement_is_none(text: str) -> None:
    assert not is_affirmation(text)
