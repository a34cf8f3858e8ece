"""How much memory a training process holds, so that it can keep to a bound. Knows no model and no lessons."""

from __future__ import annotations

import re
import resource
from pathlib import Path
from typing import Final

import torch

from engine.errors import TrainingError

FORGET_THE_PEAK: Final = "5"  # as proc_pid_clear_refs(5) numbers what can be forgotten


class MemoryBoundError(TrainingError):
    """The job needs more memory than it is allowed. It ends for everybody: no single trainee is the cause."""


def used_bytes(device: torch.device) -> float:
    """The most that was held since this was last asked: on a GPU there, else by this process."""
    if device.type != "cuda":
        return peak_bytes()
    used = float(torch.cuda.max_memory_allocated())
    torch.cuda.reset_peak_memory_stats()
    return used


def peak_bytes() -> float:
    """The most that this process has held since it was last asked. What a pass needs is gone after it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    try:
        Path("/proc/self/clear_refs").write_text(FORGET_THE_PEAK, encoding="ascii")
    except OSError:  # a peak that is never forgotten would stay over the bound, whatever is given up
        return _bytes(status, "VmRSS")
    return _bytes(status, "VmHWM")


def _bytes(status: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    return 0.0 if found is None else int(found[1]) * 1024.0
