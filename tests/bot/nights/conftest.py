"""Fixtures of the nights' tests."""

from __future__ import annotations

import pytest

from bot.nights import report
from tests.bot.nights.night import PICTURE


@pytest.fixture
def quick_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing the curve, which test_report.py tries, would take longer than the rest of a night."""
    monkeypatch.setattr(report, "draw", lambda curve: PICTURE)
