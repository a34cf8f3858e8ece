"""A person's learning curve over their nights, and how it is drawn.

Knows no store and no platform. matplotlib draws, off the event loop.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.store.nights import Night, NightOutcome, NightPerson


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One night: how well replies were as wanted, 0 to 1, with an interval of the level after it."""

    at: datetime
    before: float
    after: float
    low: float
    high: float
    is_promoted: bool

    @classmethod
    def of(cls, night: Night, person: NightPerson) -> Point | None:
        """None for a night that measured nothing."""
        if person.figures is None or not person.figures.gate.judge_sees:
            return None
        gate = person.figures.gate
        return cls(
            at=night.started_at,
            before=gate.wanted_before,
            after=gate.wanted_after,
            low=gate.wanted_before + gate.wanted_low,
            high=gate.wanted_before + gate.wanted_high,
            is_promoted=person.outcome is NightOutcome.PROMOTED,
        )


@dataclass(frozen=True, slots=True)
class Curve:
    points: tuple[Point, ...]

    @classmethod
    def of(cls, nights: Sequence[tuple[Night, NightPerson]]) -> Curve:
        """The nights that measured something, oldest first."""
        points = (Point.of(night, person) for night, person in nights)
        return cls(tuple(point for point in points if point is not None))

    @property
    def levels(self) -> list[float]:
        """What answered before the first night and after each: the new level where it was promoted."""
        after = [point.after if point.is_promoted else point.before for point in self.points]
        return [self.points[0].before, *after]


def draw(curve: Curve) -> bytes:
    """The curve as a PNG: the level before each night, the level after, and how sure that is."""
    from matplotlib.ticker import MaxNLocator

    axes = paper("Answers to requests I had not seen", across="nights", up="as you like it")
    levels = curve.levels
    axes.plot(range(len(levels)), levels, color="#4b5fd6", linewidth=2.5, marker="o", markersize=6, zorder=3)
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
