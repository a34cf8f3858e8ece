"""The bench of judge and taste itself, on made-up replies that a good judge describes."""

from __future__ import annotations

import random

import pytest

from bench import judge as bench
from engine.backends.scripted import ScriptedBackend
from practice import world
from practice.manners import DIMENSIONS, Preference
from practice.world import canonical_note


def described(rng: random.Random, right: float) -> bench.Reply:
    manner = world.random_manner(rng, bench.NAME)

    def p(is_so: bool) -> float:
        return 0.9 if is_so == (rng.random() < right) else 0.1

    answers = {name: p(manner[dimension] == value) for name, (dimension, value) in bench.VALUES.items()}
    notes = {
        f"note: {canonical_note(dimension, value)}": p(manner[dimension] == value)
        for dimension, values in DIMENSIONS.items()
        for value in values
    }
    return bench.Reply(manner=manner, at=dict.fromkeys(bench.CUTS, answers), notes=notes)


def test_every_figure_comes_out_and_a_good_judge_does_well() -> None:
    rng = random.Random(1)
    pools = [[described(rng, 0.97) for _ in range(6)] for _ in range(16)]
    people = [Preference.draw(rng, 2) for _ in range(8)]
    learned = bench.after_ratings(20, pools, people, seed=1)
    assert sum(learned.areas) / len(learned.areas) > 0.75
    assert min(bench.zero_shot(pools, people)) > 0.9
    reliability = bench.prefix_reliability(pools)
    assert set(reliability) == {"25%", "50%", "75%", "100%"}
    assert set(reliability["25%"]) >= {"length", "tone", "all"}


def test_the_area_under_the_curve_is_the_chance_of_the_right_order() -> None:
    assert bench.auc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert bench.auc([1, 1, 1, 1], [False, True, False, True]) == 0.5
    assert bench.auc([4, 3, 2, 1], [False, False, True, True]) == 0.0
    assert bench.auc([1, 2], [True, True]) is None


def test_calibration_is_the_distance_between_foretold_and_happened() -> None:
    assert bench.calibration_error([0.25] * 4, [True, False, False, False]) == pytest.approx(0.0)
    assert bench.calibration_error([0.95, 0.95], [False, False]) == pytest.approx(0.95)


async def test_replies_are_described_whole_and_cut_short() -> None:
    pools = await bench.replies_to(ScriptedBackend(), 2, seed=1)
    for pool in pools:
        for reply in pool:
            assert set(reply.at) == set(bench.CUTS)
            assert set(bench.VALUES) <= set(reply.answers)
