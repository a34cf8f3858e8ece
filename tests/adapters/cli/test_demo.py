"""The demo answers with the real model that comes along, and says so where only the toy can answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cli import main
from bot.settings import load


@pytest.fixture(autouse=True)
def _without_the_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.usefixtures("log_as_it_was")
def test_without_the_real_model_the_practice_model_answers_and_is_called_a_toy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.with_a_model(load()).model == "practice"
    lines = capsys.readouterr().out.splitlines()
    assert "93 MB" in lines[0]
    assert [line for line in lines if "The practice model, a toy, answers instead." in line] == lines[1:]


def test_a_model_that_the_operator_named_is_left_to_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTLOOM_MODEL", "some/model")
    assert main.with_a_model(load()).model == "some/model"
    assert capsys.readouterr().out == ""


def test_a_backend_that_needs_no_model_fetches_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTLOOM_BACKEND__KIND", "scripted")
    assert main.with_a_model(load()).model == "smollm2"
    assert capsys.readouterr().out == ""
