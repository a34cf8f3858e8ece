"""The morning note in words and as a picture."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.events import ActionKind
from bot.nights.report import (
    Curve,
    Point,
    draw,
    more,
    morning_note,
)
from bot.store.nights import Night, NightOutcome, NightPerson, NightState

NOW = datetime(2026, 5, 4, 7, tzinfo=UTC)
PROMOTED = NightPerson(
    person="ada",
    outcome=NightOutcome.PROMOTED,
    reason="better with a probability of 0.97",
    version=3,
    used={"ratings": 18, "revisions": 1, "corrections": 2, "held_out": 4},
    metrics={
        "judge_sees": 1.0,
        "probability_better": 0.97,
        "wanted_before": 0.12,
        "wanted_after": 0.91,
        "wanted_low": 0.7,
        "wanted_high": 0.88,
        "example": {"request": "Tell me about tea", "before": "Tea is…", "after": "Tea, matey!"},
    },
)
KEPT = NightPerson(person="ada", outcome=NightOutcome.KEPT, reason="the judge sees no gain")


def night(one: NightPerson, at: datetime = NOW) -> tuple[Night, NightPerson]:
    made = Night(
        id="n",
        state=NightState.DONE,
        was_asked=False,
        started_at=at,
        ended_at=at,
        problem=None,
        people=(one,),
    )
    return made, one


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
    blind = replace(PROMOTED, metrics={**PROMOTED.metrics, "judge_sees": 0.0})
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
    told = more(PROMOTED)
    assert "- wanted after: 0.91" in told
    assert "- held out: 4" in told
    assert "matey" not in told


def test_a_long_row_of_nights_can_be_drawn() -> None:
    points = [
        Point(at=NOW, before=0.1, after=number / 30, low=-0.2, high=1.4, is_promoted=number % 3 == 0)
        for number in range(30)
    ]
    assert draw(Curve(tuple(points))).startswith(b"\x89PNG")
