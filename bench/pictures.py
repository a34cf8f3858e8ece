"""The curves that docs/learning.md shows, drawn from what `make bench-learning` wrote.

`python -m bench.pictures` draws them again without measuring anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.record import RESULTS
from bot.nights.curve import paper, png

PICTURES: Final = Path(__file__).parents[1] / "docs" / "pictures"
COLORS: Final = {
    "untaught": "#a0a4b8",
    "memory_only": "#d68a2d",
    "lora_only": "#4b5fd6",
    "both": "#2b9a66",
    "all_feedback_in_prompt": "#8d4bd6",
}
# Lines that lie on each other are told apart.
DASHES: Final = {"memory_only": (0, (4, 3)), "all_feedback_in_prompt": (0, (1, 2))}
NAMES: Final = {
    "untaught": "untaught",
    "memory_only": "memory alone",
    "lora_only": "LoRA alone",
    "both": "both",
    "all_feedback_in_prompt": "everything in the prompt",
}


# Any: figures as JSON.
def draw(figures: Mapping[str, Any], folder: Path = PICTURES) -> list[Path]:
    """Writes the pictures that these figures suffice for."""
    made = {"learning-curve.png": _curve(figures), "learning-silent.png": _silent(figures)}
    if figures.get("flipped", {}).get("before"):
        made["learning-changed-mind.png"] = _flipped(figures)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, picture in made.items():
        if picture is not None:
            (folder / name).write_bytes(picture)
            written.append(folder / name)
    return written


def _curve(figures: Mapping[str, Any]) -> bytes | None:
    """People who talk: compliance by how much they have said."""
    pieces = [number for number in (18, 54) if f"after_{number}" in figures]
    if not pieces:
        return None
    axes = paper(
        f"{figures['people']} people who rate and remark", across="pieces of feedback", up="as wanted"
    )
    start = figures[f"after_{pieces[0]}"]["untaught"]
    for place, (condition, color) in enumerate(COLORS.items()):
        points = [(n, figures[f"after_{n}"].get(condition), _interval(figures, n, condition)) for n in pieces]
        known = [(n, share, interval) for n, share, interval in points if share is not None]
        beside = [(n + 0.5 * (place - 2), share, interval) for n, share, interval in known]
        _line(axes, [(0, start, None), *beside], color, NAMES[condition], DASHES.get(condition, "-"))
    axes.set_xlim(-2, 58)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return png(axes)


def _silent(figures: Mapping[str, Any]) -> bytes | None:
    """People who only react, after 36 reactions and two nights."""
    told = figures.get("silent_after_36")
    if told is None:
        return None
    count = figures["silent_people"]
    axes = paper(f"{count} people who only react, after 36 reactions", across="", up="as wanted")
    known = [condition for condition in COLORS if condition in told]
    for place, condition in enumerate(known):
        axes.bar([place], [told[condition]], color=COLORS[condition], width=0.6)
        low, high = figures["ci"]["silent_after_36"][condition]
        axes.plot([place, place], [low, high], color="#30334a", linewidth=2)
    axes.set_xticks(range(len(known)), [NAMES[condition] for condition in known])
    return png(axes)


def _flipped(figures: Mapping[str, Any]) -> bytes:
    """People who change their mind about one thing: how soon the LoRA alone follows."""
    told = figures["flipped"]
    axes = paper(
        f"{told['people']} people change their mind", across="nights since", up="LoRA alone, as wanted now"
    )
    groups = [told["before"], told["lora_only_after_1"], told["lora_only_after_2"]]
    points = [(night, group["share"], (group["low"], group["high"])) for night, group in enumerate(groups)]
    _line(axes, points, COLORS["lora_only"], "LoRA alone")
    axes.set_xticks(range(len(groups)))
    return png(axes)


def _line(
    axes: Any, points: Sequence[tuple[float, float, Any]], color: str, name: str, dashes: Any = "-"
) -> None:
    axes.plot(
        [x for x, _, _ in points],
        [y for _, y, _ in points],
        color=color,
        marker="o",
        label=name,
        linestyle=dashes,
        zorder=2 if dashes == "-" else 3,
    )
    for x, _, interval in points:
        if interval is not None:
            axes.plot([x, x], list(interval), color=color, linewidth=5, alpha=0.25)


def _interval(figures: Mapping[str, Any], pieces: int, condition: str) -> Any:
    return figures.get("ci", {}).get(f"after_{pieces}", {}).get(condition)


def main() -> None:
    figures = json.loads((RESULTS / "learning.json").read_text(encoding="utf-8"))
    for path in draw(figures):
        print(path)


if __name__ == "__main__":
    main()
