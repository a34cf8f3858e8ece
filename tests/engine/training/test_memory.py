"""How much a training holds is seen pass by pass."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch

from engine.training.memory import peak_bytes


def test_the_peak_is_that_of_the_last_pass_and_is_seen_after_it() -> None:
    peak_bytes()
    before = peak_bytes()
    torch.ones(64 * 2**20 // 4)  # 64 MiB, which are gone at once
    assert peak_bytes() - before > 48 * 2**20
    assert peak_bytes() - before < 48 * 2**20


def test_where_the_peak_cannot_be_forgotten_what_is_held_now_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(file: Path, *given: object, **more: object) -> int:
        raise PermissionError(file)

    monkeypatch.setattr(Path, "write_text", refused)
    torch.ones(64 * 2**20 // 4)  # 64 MiB, which are gone at once
    since_it_began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert 0 < peak_bytes() < since_it_began - 48 * 2**20
