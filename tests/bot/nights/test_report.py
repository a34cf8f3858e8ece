"""The morning note in words and as a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.events import ActionKind
from bot.figures import BeforeAndAfter, NightFigures, of_json, to_json
from bot.nights.curve import Curve, Point, draw
from bot.nights.report import more, morning_note
from bot.store.nights import Night, NightOutcome, NightPerson, NightState
from engine.learning.gate import GateFigures


def gate_figures(*, judge_sees: bool) -> GateFigures:
    return GateFigures(
        judge_sees=judge_sees,
        probability_better=0.97,
        held_out=4,
        wanted_before=0.12,
        wanted_after=0.91,
        wanted_low=0.7,
        wanted_high=0.88,
        regression_points=0.2,
        divergence=0.4,
    )


NOW = datetime(2026, 5, 4, 7, tzinfo=UTC)
PROMOTED = NightPerson(
    person="ada",
    outcome=NightOutcome.PROMOTED,
    reason="better with a probability of 0.97",
    version=3,
    used={"ratings": 18, "revisions": 1, "corrections": 2, "held_out": 4},
    figures=NightFigures(
        gate=gate_figures(judge_sees=True),
        example=BeforeAndAfter(request="Tell me about tea", before="Tea is…", after="Tea, matey!"),
    ),
)
KEPT = NightPerson(person="ada", outcome=NightOutcome.KEPT, reason="the judge sees no gain")


def night(person: NightPerson, at: datetime = NOW) -> tuple[Night, NightPerson]:
    made = Night(
        id="n",
        state=NightState.DONE,
        was_asked=False,
        started_at=at,
        ended_at=at,
        problem=None,
        people=(person,),
    )
    return made, person


def test_it_says_what_was_learned_from_and_what_it_brought() -> None:
    notice = morning_note(PROMOTED, "n", Curve.of([night(PROMOTED)]), told_at=None, now=NOW)
    assert notice is not None
    assert "18 ratings, 1 critique and 2 corrections" in notice.text
    assert "91%" in notice.text
    assert "70 to 88 points" in notice.text
    assert "Tea, matey!" in notice.text
    assert [action.kind for action in notice.actions] == [ActionKind.UNDO_LORA, ActionKind.SHOW_MORE]
    assert notice.image_png is not None
    assert notice.image_png.startswith(b"\x89PNG")


def test_where_the_judge_sees_nothing_the_feedback_held_back_is_told() -> None:
    blind = replace(PROMOTED, figures=NightFigures(gate=gate_figures(judge_sees=False)))
    notice = morning_note(blind, "n", Curve.of([night(blind)]), told_at=None, now=NOW)
    assert notice is not None
    assert "probability of 97%" in notice.text
    assert notice.image_png is None


@pytest.mark.parametrize(("days", "is_told"), [(None, True), (1, False), (6.9, False), (7, True)])
def test_a_night_that_changed_nothing_says_why_at_most_once_a_week(days: float | None, is_told: bool) -> None:
    told_at = None if days is None else NOW - timedelta(days=days)
    notice = morning_note(KEPT, "n", Curve(()), told_at=told_at, now=NOW)
    assert (notice is not None) == is_told
    if notice is not None:
        assert notice.text == "Last night changed nothing: the judge sees no gain."


def test_the_curve_holds_the_nights_that_measured_something() -> None:
    curve = Curve.of([night(KEPT), night(PROMOTED)])
    (point,) = curve.points
    assert (point.before, point.after) == (0.12, 0.91)
    assert point.low == pytest.approx(0.82)


def test_more_gives_every_figure_and_no_text_of_the_example() -> None:
    text = more(PROMOTED)
    assert "- wanted after: 0.91" in text
    assert "- held out: 4" in text
    assert "matey" not in text


def test_more_says_why_the_live_lora_was_not_compared_with() -> None:
    assert PROMOTED.figures is not None
    large = replace(PROMOTED, figures=replace(PROMOTED.figures, set_aside="the LoRA has rank 64"))
    assert "- not compared with what answered before: the LoRA has rank 64" in more(large)


def test_figures_are_stored_as_one_table_and_come_back() -> None:
    assert PROMOTED.figures is not None
    stored = json.loads(json.dumps(to_json(PROMOTED.figures)))
    assert stored["wanted_after"] == 0.91
    assert of_json(stored) == PROMOTED.figures
    assert to_json(None) == {}
    assert of_json({}) is None
    assert of_json({"wanted_after": 0.9}) is None


def test_a_long_row_of_nights_can_be_drawn() -> None:
    points = [
        Point(at=NOW, before=0.1, after=number / 30, low=-0.2, high=1.4, is_promoted=number % 3 == 0)
        for number in range(30)
    ]
    assert draw(Curve(tuple(points))).startswith(b"\x89PNG")
