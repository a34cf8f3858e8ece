"""docs/measures.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from engine.judging.measures import MEASURES
from engine.judging.measures.catalogue import documentation

PAGE = Path(__file__).parents[4] / "docs" / "measures.md"


def test_the_page_is_what_the_code_says() -> None:
    # To renew it: PAGE.write_text(documentation())
    assert PAGE.read_text() == documentation()


def test_the_page_names_every_measure_once() -> None:
    lines = PAGE.read_text().splitlines()
    for name in MEASURES:
        assert sum(line.startswith(f"| `{name}` |") for line in lines) == 1
