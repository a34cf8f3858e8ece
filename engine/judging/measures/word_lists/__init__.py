"""Loads the word lists, one file for each language. Knows no reply.

`LANGUAGE.toml` holds lists of phrases by kind; phrases.py says how a phrase is written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

Lists: TypeAlias = Mapping[str, tuple[str, ...]]

FOLDER: Final = Path(__file__).parent
LANGUAGES: Final = ("en", "de", "fr", "es", "pt", "it", "ja")


def _read(name: str) -> Mapping[str, object]:
    with (FOLDER / name).open("rb") as file:
        return tomllib.load(file)


def _lists(table: object) -> Lists:
    assert isinstance(table, Mapping)
    return {kind: tuple(entries) for kind, entries in table.items()}


_OWN: Final = {language: _lists(_read(f"{language}.toml")) for language in LANGUAGES}
_NEIGHBOURS: Final = {language: _lists(table) for language, table in _read("neighbours.toml").items()}


def of(language: str, kind: str) -> tuple[str, ...]:
    """The phrases of one kind in one language; none where the language has no such list."""
    return _OWN[language].get(kind, ())


def languages_with(kind: str) -> tuple[str, ...]:
    return tuple(language for language in LANGUAGES if of(language, kind))


def of_each(kind: str) -> Lists:
    """A kind of list in every language that has it, the neighbours of the seven too."""
    return {language: lists[kind] for language, lists in {**_OWN, **_NEIGHBOURS}.items() if lists.get(kind)}


@lru_cache
def of_all(kind: str) -> frozenset[str]:
    """The entries of a kind in all languages together."""
    return frozenset(word for language in LANGUAGES for word in of(language, kind))


# Without the last full stop; those in small letters are abbreviations in capitals too.
ABBREVIATIONS: Final = of_all("abbreviations")  # never at the end of a sentence
LAST_ABBREVIATIONS: Final = of_all("last_abbreviations")  # there, if a capital follows
BEFORE_NUMBERS: Final = of_all("before_numbers")  # words but for a number behind them: "No. 5"
# Those in two parts, as "z. b" of "z.b": people set a space between them or none.
SPACED_ABBREVIATIONS: Final = frozenset(
    word if " " in word else word.replace(".", ". ")
    for word in ABBREVIATIONS | LAST_ABBREVIATIONS
    if " " in word or word.count(".") == 1
)
AFTER_ORDINALS: Final = of_all("after_ordinals")
NAMES_AND_WORDS: Final = of_all("names_and_words")
ELISIONS: Final = of_all("elisions")
FUNCTION_WORDS: Final = {language: frozenset(of(language, "function_words")) for language in LANGUAGES}
ALL_FUNCTION_WORDS: Final = of_all("function_words")
