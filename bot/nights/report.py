"""The morning note: what was learned from, what it brought, the curve over the nights as a picture.

Knows no store and no platform; draws with matplotlib, off the event loop.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bot.events import Action, ActionKind, Notice
from bot.store.nights import Night, NightOutcome, NightPerson

QUIET_FOR: Final = timedelta(days=7)
MAX_EXAMPLE_CHARS: Final = 400
ONES: Final = {
    "ratings": ("rating", "ratings"),
    "revisions": ("critique", "critiques"),
    "corrections": ("correction", "corrections"),
    "choices": ("choice", "choices"),
    "notes": ("note", "notes"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One night on the curve: how well replies were as wanted, 0 to 1, with an interval of the gain."""

    at: datetime
    before: float
    after: float
    low: float
    high: float
    is_promoted: bool


@dataclass(frozen=True, slots=True)
class Curve:
    points: tuple[Point, ...]

    @classmethod
    def of(cls, nights: Sequence[tuple[Night, NightPerson]]) -> Curve:
        """The nights that measured something, oldest first."""
        return cls(
            tuple(
                Point(
                    at=night.started_at,
                    before=one.metrics["wanted_before"],
                    after=one.metrics["wanted_after"],
                    low=one.metrics["wanted_before"] + one.metrics["wanted_low"],
                    high=one.metrics["wanted_before"] + one.metrics["wanted_high"],
                    is_promoted=one.outcome is NightOutcome.PROMOTED,
                )
                for night, one in nights
                if one.metrics.get("judge_sees")
            )
        )


def morning_note(
    one: NightPerson, night: str, curve: Curve, *, told_at: datetime | None, now: datetime
) -> Notice | None:
    """What a person is told of their night; None where there is nothing that they need to hear again.

    A night that changed nothing says so at most once a week.
    """
    if one.outcome is NightOutcome.PROMOTED:
        actions = (
            Action(kind=ActionKind.UNDO_LORA, label="Undo", target=night),
            Action(kind=ActionKind.SHOW_MORE, label="Show me more", target=night),
        )
        picture = draw(curve) if curve.points else None
        return Notice(text=_good_morning(one), actions=actions, image_png=picture)
    if told_at is not None and now - told_at < QUIET_FOR:
        return None
    return Notice(text=f"Last night changed nothing: {one.reason}.")


def more(one: NightPerson) -> str:
    """All figures of a night, for whoever pressed *Show me more*."""
    lines = [f"Version {one.version}: {one.outcome}, {one.reason}."] if one.version else [f"{one.reason}."]
    lines += [f"- {name.replace('_', ' ')}: {count}" for name, count in one.used.items()]
    figures = {name: value for name, value in one.metrics.items() if isinstance(value, int | float)}
    lines += [f"- {name.replace('_', ' ')}: {value:g}" for name, value in figures.items()]
    return "\n".join(lines)


def draw(curve: Curve) -> bytes:
    """The curve as a PNG: what was before each night, what after, and how sure that is."""
    from matplotlib.ticker import MaxNLocator

    numbers = list(range(len(curve.points) + 1))
    levels = [curve.points[0].before, *_levels(curve)]
    axes = paper("Answers to requests I had not seen", across="nights", up="as you like it")
    axes.plot(numbers, levels, color="#4b5fd6", linewidth=2.5, marker="o", markersize=6, zorder=3)
    for number, point in enumerate(curve.points, start=1):
        color = "#4b5fd6" if point.is_promoted else "#a0a4b8"
        low, high = max(0.0, point.low), min(1.0, point.high)
        axes.plot([number, number], [low, high], color=color, linewidth=6, alpha=0.25, solid_capstyle="round")
        if not point.is_promoted:
            axes.plot([number], [point.after], marker="x", color=color, linestyle="none", zorder=4)
    axes.set_xlim(-0.3, max(3, len(curve.points)) + 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return png(axes)


# Any: matplotlib's axes, whose types are skipped.
def paper(title: str, *, across: str, up: str) -> Any:
    """Empty axes for shares from 0 to 1, as all of Nightloom's curves are drawn."""
    # matplotlib takes a second to import, and most processes never draw.
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    axes = Figure(figsize=(6.4, 3.2), dpi=150, layout="constrained").add_subplot()
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(axis="y", color="#e4e6ee")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def png(axes: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    out = io.BytesIO()
    FigureCanvasAgg(axes.figure).print_png(out)
    return out.getvalue()


def _levels(curve: Curve) -> list[float]:
    """What answers after each night: the new level where it was promoted, else the old one."""
    return [point.after if point.is_promoted else point.before for point in curve.points]


def _good_morning(one: NightPerson) -> str:
    metrics = one.metrics
    lines = [f"Good morning. Last night I learned from {_learned_from(one.used)}.", _gain(metrics)]
    example = metrics.get("example")
    if isinstance(example, Mapping):
        lines += ["", *_example(example)]
    return "\n".join(lines)


def _gain(metrics: Mapping[str, Any]) -> str:  # Any: figures as JSON
    """Old against new, by the judge where it sees what is wanted, else by the feedback held back."""
    if not metrics.get("judge_sees"):
        likely = 100 * metrics["probability_better"]
        return f"By the feedback I held back, my answers are better now with a probability of {likely:.0f}%."
    before, after = 100 * metrics["wanted_before"], 100 * metrics["wanted_after"]
    low, high = 100 * metrics["wanted_low"], 100 * metrics["wanted_high"]
    return (
        f"On requests I had not seen, {after:.0f}% of my answers are now as you like them; before it was "
        f"{before:.0f}% (a gain of {low:.0f} to {high:.0f} points)."
    )


def _learned_from(used: Mapping[str, Any]) -> str:  # Any: counts as JSON
    said = [
        f"{used[name]} {forms[0] if used[name] == 1 else forms[1]}"
        for name, forms in ONES.items()
        if used.get(name)
    ]
    if not said:
        return "what you said"
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _example(example: Mapping[str, Any]) -> list[str]:  # Any: texts as JSON
    return [
        f"To “{_short(example['request'])}” I used to say:",
        f"> {_short(example['before'])}",
        "and now:",
        f"> {_short(example['after'])}",
    ]


def _short(text: str) -> str:
    one_line = " ".join(str(text).split())
    return one_line if len(one_line) <= MAX_EXAMPLE_CHARS else one_line[: MAX_EXAMPLE_CHARS - 1] + "…"
