"""Commands that give no answers know the model's name, and neither fetch nor make it for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cli.store_only import UnloadedBackend
from bot.settings import load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_a_model_that_is_still_to_be_made_goes_by_its_name(tmp_path: Path) -> None:
    assert UnloadedBackend(load(model="smollm2")).model == "smollm2"
    assert not (tmp_path / "cache").exists()


def test_a_model_that_is_there_goes_by_its_fingerprint() -> None:
    assert UnloadedBackend(load(model="practice")).model.startswith("practice@")
