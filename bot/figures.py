"""The figures of a person's night: what the gate measured, how the training went, an example of the change.

The store keeps them as one flat JSON object, and the web interface shows the same. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias

from engine.learning.gate import GateFigures

FlatJson: TypeAlias = dict[str, float | str | dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAndAfter:
    """One request, answered by what was live and by the new LoRA."""

    request: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NightFigures:
    """`set_aside`: why the live LoRA could not be compared with in the training; usually empty."""

    gate: GateFigures
    steps: int = 0
    train_s: float = 0.0
    first_loss: float = 0.0
    last_loss: float = 0.0
    set_aside: str = ""
    example: BeforeAndAfter | None = None


def to_json(figures: NightFigures | None) -> FlatJson:
    """All figures in one table; none give an empty one."""
    if figures is None:
        return {}
    flat: FlatJson = {
        **asdict(figures.gate),
        "steps": figures.steps,
        "train_s": figures.train_s,
        "first_loss": figures.first_loss,
        "last_loss": figures.last_loss,
    }
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in flat.items()}
    if figures.set_aside:
        rounded["set_aside"] = figures.set_aside
    if figures.example is not None:
        rounded["example"] = asdict(figures.example)
    return rounded


def of_json(data: Mapping[str, Any]) -> NightFigures | None:  # Any: what JSON holds
    """None for an empty table, and for one that another version wrote in a way that is not known here."""
    names = [part.name for part in fields(GateFigures)]
    if any(name not in data for name in names):
        return None
    gate = GateFigures(**{name: data[name] for name in names})
    example = data.get("example")
    return NightFigures(
        gate=gate,
        steps=data.get("steps", 0),
        train_s=data.get("train_s", 0.0),
        first_loss=data.get("first_loss", 0.0),
        last_loss=data.get("last_loss", 0.0),
        set_aside=data.get("set_aside", ""),
        example=BeforeAndAfter(**example) if example else None,
    )
