"""Writes a bench's figures to `bench/results/NAME.json`, with when and on what they were made."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def record(name: str, figures: Mapping[str, object]) -> Path:
    """The file that the figures are in now. It takes the place of an earlier one."""
    made = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**figures, "made": made}, indent=2) + "\n", encoding="utf-8")
    return path
