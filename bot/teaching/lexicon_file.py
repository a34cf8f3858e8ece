"""Reads the lexicon's file, and says where it is wrong. What the file holds is explained at its head."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from bot.teaching.language.roles import BOUNDS, Kind, Language, Role
from bot.teaching.language.words import PatternError, Phrasebook

SHIPPED: Final = Path(__file__).with_name("lexicon.toml")
ANY_LANGUAGE: Final = "any"


class LexiconError(ValueError):
    """The lexicon's file cannot be used. The text names the file, the line and what to write there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What the file says of a manner.

    `note` and `contrary` are standing notes; no `contrary`: nothing is noted for it. `opposite`: the manner
    that is its contrary. `share`: the bound of its wish is this share of the criticised reply's words.
    """

    name: str
    note: str
    wish: str | None = None
    contrary: str | None = None
    opposite: str | None = None
    share: float | None = None
    yields_to: tuple[str, ...] = ()
    contrary_yields_to: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What an amount asks for: a manner, its wish, and its note."""

    manner: str
    wish: str | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What can be counted. `bare`: what a number without "at most" and the like means."""

    name: str
    bounds: Mapping[Kind, Bound]
    bare: Kind
    single: Bound | None
    per: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    manners: Mapping[str, Manner]
    units: Mapping[str, Unit]
    languages: tuple[Language, ...]

    def meant(self, name: str, *, is_wanted: bool) -> str | None:
        """What it means that a manner (or a "!manner", its contrary) is wanted, or is not; None: nothing."""
        bare = name.removeprefix("!")
        if is_wanted is not name.startswith("!"):
            return bare
        manner = self.manners[bare]
        return manner.opposite or (f"!{bare}" if manner.contrary else None)

    def yields_to(self, name: str) -> tuple[str, ...]:
        """The manners that say all that a manner (or a contrary) says, and more exactly."""
        manner = self.manners[name.removeprefix("!")]
        return manner.contrary_yields_to if name.startswith("!") else manner.yields_to

    def excluded_by(self, name: str) -> set[str]:
        """What cannot be wanted together with a manner (or a contrary)."""
        others = () if name.startswith("!") else self.manners[name].excludes
        return {*others, self.meant(name, is_wanted=False) or ""}

    def note(self, name: str) -> str:
        manner = self.manners[name.removeprefix("!")]
        return (manner.contrary or "") if name.startswith("!") else manner.note


def load_lexicon(path: Path = SHIPPED, *, known_manners: Collection[str]) -> Lexicon:
    """The lexicon that an operator can edit. Raises LexiconError."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LexiconError(f"The lexicon {path} cannot be read: {error}") from error
    return _Reader(path, text, document, known_manners).lexicon()


_CUE_KINDS: Final = {
    kind.value: kind
    for kind in Kind
    if kind not in (Kind.THING, Kind.QUALITY, Kind.FAULT, Kind.SAYS, Kind.UNIT)
}
_NAMING_KINDS: Final = {kind.value: kind for kind in (Kind.THING, Kind.QUALITY, Kind.FAULT, Kind.SAYS)}
_MANNER_KEYS: Final = frozenset(
    {"name", "note", "wish", "contrary", "opposite", "share", "yields_to", "contrary_yields_to", "excludes"}
)
_UNIT_KEYS: Final = frozenset({"name", "bare", "per", "single", *(kind.value for kind in BOUNDS)})
_WISH = re.compile(r"[a-z_]+ (?:<=|>=|==) (?:\d+|\{n\})")
_AFTER: Final = "..."


class _Reader:
    """Reads one file. `_header` and `_index` say where: the how manieth of the tables with that header."""

    def __init__(
        self, path: Path, text: str, document: Mapping[str, object], known_manners: Collection[str]
    ) -> None:
        self._path = path
        self._lines = text.splitlines()
        self._document = document
        self._known = frozenset(known_manners)
        self._header, self._index = "", 0
        self._books: dict[str, Phrasebook[Role]] = {}

    def lexicon(self) -> Lexicon:
        self._read_languages()
        named = [(name, entry) for name, entry in self._entries("manner") if not name.startswith("!")]
        manners = {name: self._manner(name, entry) for name, entry in named}
        for name, entry in self._entries("manner"):
            self._check(name, manners)
            self._read_phrases(entry, _NAMING_KINDS, name, _MANNER_KEYS)
        units = {}
        for name, entry in self._entries("unit"):
            units[name] = self._unit(name, entry, manners)
            self._read_phrases(entry, {Kind.UNIT.value: Kind.UNIT}, name, _UNIT_KEYS)
        languages = tuple(Language(name=name, book=book) for name, book in self._books.items())
        return Lexicon(manners=manners, units=units, languages=languages)

    def _read_languages(self) -> None:
        tables = self._tables(self._document.get("language", {}), "language")
        shared = tables.get(ANY_LANGUAGE, {})
        for name, own in tables.items():
            if name == ANY_LANGUAGE:
                continue
            numbers: dict[str, float] = {}
            for place, entry in ((ANY_LANGUAGE, shared), (name, own)):
                self._header, self._index = f"[language.{place}.numbers]", 0
                for value, words in self._table(entry.get("numbers", {}), "numbers").items():
                    numbers |= dict.fromkeys(self._patterns(words, value), float(value))
            book = self._books[name] = Phrasebook(numbers)
            for place, entry in ((ANY_LANGUAGE, shared), (name, own)):
                self._header, self._index = f"[language.{place}]", 0
                for key, patterns in entry.items():
                    if key != "numbers":
                        kind = _CUE_KINDS[self._known_word(key, _CUE_KINDS, key)]
                        self._add(book, patterns, key, Role(kind=kind))

    def _entries(self, table: str) -> Iterator[tuple[str, Mapping[str, object]]]:
        entries = self._document.get(table, [])
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            self._header, self._index = f"[[{table}]]", index
            values = self._table(entry, table)
            yield self._text(values, "name"), values

    def _manner(self, name: str, entry: Mapping[str, object]) -> Manner:
        share = entry.get("share")
        return Manner(
            name=name,
            note=self._text(entry, "note"),
            wish=self._wish(entry),
            contrary=self._optional(entry, "contrary"),
            opposite=self._optional(entry, "opposite"),
            share=float(share) if isinstance(share, int | float) else None,
            yields_to=self._names(entry, "yields_to"),
            excludes=self._names(entry, "excludes"),
            contrary_yields_to=self._names(entry, "contrary_yields_to"),
        )

    def _check(self, name: str, manners: Mapping[str, Manner]) -> None:
        bare = name.removeprefix("!")
        self._known_word(bare, self._known, "name")
        if bare not in manners:
            raise self._error("name", f"“{name}” needs another [[manner]], “{bare}”, that has its note")
        manner = manners[bare]
        if manner.opposite is not None:
            self._known_word(manner.opposite, manners, "opposite")

    def _unit(self, name: str, entry: Mapping[str, object], manners: Mapping[str, Manner]) -> Unit:
        bounds = {
            kind: self._bound(self._table(entry[kind.value], kind.value), kind.value, manners)
            for kind in BOUNDS
            if kind.value in entry
        }
        bare = self._known_word(self._text(entry, "bare"), {kind.value for kind in bounds}, "bare")
        single, per = entry.get("single"), entry.get("per", 1)
        return Unit(
            name=name,
            bounds=bounds,
            bare=Kind(bare),
            single=self._bound(self._table(single, "single"), "single", manners) if single else None,
            per=float(per) if isinstance(per, int | float) else 1.0,
        )

    def _bound(self, values: Mapping[str, object], key: str, manners: Mapping[str, Manner]) -> Bound:
        manner = self._known_word(self._text(values, "manner"), manners, key)
        note = self._optional(values, "note") or manners[manner].note
        return Bound(manner=manner, wish=self._wish(values), note=note)

    def _read_phrases(
        self, entry: Mapping[str, object], kinds: Mapping[str, Kind], name: str, others: Collection[str]
    ) -> None:
        for key, by_language in entry.items():
            if key in others:
                continue
            kind = kinds[self._known_word(key, kinds, key)]
            for language, patterns in self._table(by_language, key).items():
                known = {ANY_LANGUAGE, *self._books}
                self._known_word(language, known, f"{key}.{language}")
                for book in self._books.values() if language == ANY_LANGUAGE else [self._books[language]]:
                    self._add(book, patterns, f"{key}.{language}", Role(kind=kind, name=name))

    def _add(self, book: Phrasebook[Role], patterns: object, key: str, role: Role) -> None:
        for pattern in self._patterns(patterns, key):
            is_after = pattern.startswith(_AFTER)
            try:
                book.add(pattern.removeprefix(_AFTER).strip(), replace(role, is_after=is_after))
            except PatternError as error:
                raise self._error(pattern, f"“{pattern}” cannot be read: {error}") from error

    def _patterns(self, patterns: object, key: str) -> list[str]:
        if not isinstance(patterns, str):
            raise self._error(key, f'{key} is no text. Write: {key} = "a phrase, another"')
        return [pattern for pattern in map(str.strip, re.split(r"[,\n]", patterns)) if pattern]

    def _wish(self, entry: Mapping[str, object]) -> str | None:
        wish = self._optional(entry, "wish")
        if wish is not None and not _WISH.fullmatch(wish):
            raise self._error(wish, f"“{wish}” is no wish. Write it as: words <= 45")
        return wish

    def _text(self, entry: Mapping[str, object], key: str) -> str:
        text = self._optional(entry, key)
        if text is None:
            raise self._error("", f'{key} is missing. Write: {key} = "…"')
        return text

    def _optional(self, entry: Mapping[str, object], key: str) -> str | None:
        text = entry.get(key)
        if text is not None and not isinstance(text, str):
            raise self._error(key, f'{key} is no text. Write: {key} = "…"')
        return text or None

    def _names(self, entry: Mapping[str, object], key: str) -> tuple[str, ...]:
        names = self._patterns(entry.get(key, ""), key)
        return tuple(self._known_word(name, self._known, key) for name in names)

    def _tables(self, value: object, key: str) -> dict[str, Mapping[str, object]]:
        return {name: self._table(entry, name) for name, entry in self._table(value, key).items()}

    def _table(self, value: object, key: str) -> Mapping[str, object]:
        if not isinstance(value, dict):
            raise self._error(key, f"{key} is no table")
        return value

    def _known_word(self, word: str, known: Collection[str], key: str) -> str:
        if word not in known:
            nearest = get_close_matches(word, known, n=1, cutoff=0) or ["(none is known)"]
            raise self._error(key, f"“{word}” is unknown. The nearest right name is “{nearest[0]}”")
        return word

    def _error(self, text: str, message: str) -> LexiconError:
        return LexiconError(f"{self._path}, line {self._line_of(text)}: {message}.")

    def _line_of(self, text: str) -> int:
        """The line of a text in the table that is being read, or else of the table's header."""
        headers = [number for number, line in enumerate(self._lines, 1) if line.strip() == self._header]
        first = headers[self._index] if self._index < len(headers) else 1
        for number, line in enumerate(self._lines[first:], first + 1):
            if line.startswith("["):
                break
            if text and text in line:
                return number
        return first
