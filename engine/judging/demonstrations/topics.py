"""Loads the material that demonstrations are built from. Knows no wish."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("topics.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """The material for answers to one request. The head of topics.toml says what each field holds."""

    request: str
    words: tuple[str, ...]
    greeting: str
    emoji: tuple[str, ...]
    heading: str
    first_question: str
    question: str
    sentences: tuple[str, ...]
    items: tuple[str, ...]
    table: tuple[Sequence[str], ...]
    key_words: tuple[str, ...]
    said: Mapping[str, str]
    code: str = ""
    code_sentence: str = ""
    is_for_others: bool = False


def _read() -> Iterator[Topic]:
    for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["topic"]:
        lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
        yield Topic(**(entry | lists))


TOPICS: Final = tuple(_read())
