"""Every measure that knows a language counts the examples of that language right."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.judging.measures import MEASURES, Occasion

FOLDER = Path(__file__).parent / "examples"
FEWEST_EXAMPLES = 6
# The reading grade is tested by its order; the others need no example in each language.
WITHOUT_EXAMPLES = {"reading_grade"}


def files() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(FOLDER.glob("*.toml")):
        with path.open("rb") as file:
            yield path.stem, tomllib.load(file)


def examples() -> Iterator[Any]:
    for language, file in files():
        for name, lists in file.items():
            for count, texts in lists.items() if isinstance(lists, dict) else ():
                for text in texts:
                    yield pytest.param(
                        name, file["request"], text, int(count), id=f"{language}-{name}-{text}"
                    )


@pytest.mark.parametrize(("name", "request_text", "text", "count"), list(examples()))
def test_the_measure_counts_as_the_example_says(name: str, request_text: str, text: str, count: int) -> None:
    assert MEASURES[name].count(text, Occasion(request=request_text)) == count


def test_every_rule_has_enough_examples_with_and_without_in_every_language_that_it_knows() -> None:
    for language, file in files():
        for measure in MEASURES.values():
            if language in measure.languages and measure.name not in WITHOUT_EXAMPLES:
                lists = file[measure.name]
                assert sum(map(len, lists.values())) >= FEWEST_EXAMPLES, (language, measure.name)
                assert lists["0"], (language, measure.name)
                assert set(lists) - {"0"}, (language, measure.name)
