"""What is looked for in a reply: questions that hold for everybody, and the manners in which replies differ.

An operator edits both in one file. What code can count names its measure there; the rest is asked of the
model.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from engine import wording
from engine.judging.measures import Relation, Wish, parse

SHIPPED_RUBRIC = Path(__file__).with_name("rubric.toml")
ABOUT_NOTE = "note: "
NOTE_KIND = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A yes/no question about a reply. A negative weight means that no is the good answer.

    `is_wish`: it asks for what one person wants, not for what holds for everybody. `wish`: what code counts
    to answer it; without one the model is asked, where its profile knows that it tells this `kind`.
    """

    name: str
    text: str
    weight: float = 1.0
    is_wish: bool = False
    wish: Wish | None = None
    kind: str = ""  # empty: by its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """A way in which replies differ. Of the manners in one group a reply has one.

    `note` is the standing note of somebody who wants it, `opposite` of somebody who wants the contrary;
    it is empty where the contrary is no wish of its own, as in a group of several manners. `wish`: what code
    counts to see the manner. `template`: the note with `{n}` in place of the wish's bound.
    """

    name: str
    group: str
    text: str
    note: str
    opposite: str = ""
    wish: Wish | None = None
    template: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    questions: tuple[Question, ...] = ()
    manners: tuple[Manner, ...] = ()

    def group_of(self, manner: str | None) -> str | None:
        """The group of a manner, or with a "!" before its name of its contrary, if it is in the rubric."""
        found = self.manner(manner)
        return None if found is None else found.group

    def manner(self, name: str | None) -> Manner | None:
        """A manner by its name, or by its name with a "!" before it."""
        bare = (name or "").removeprefix("!")
        return next((manner for manner in self.manners if manner.name == bare), None)

    def noted(self, text: str) -> Noted:
        """A note as the judge looks for it: if it is worded as a manner's, by what code counts."""
        for manner in self.manners:
            for name, worded in (
                (manner.name, manner.template or manner.note),
                (f"!{manner.name}", manner.opposite),
            ):
                bound = _bound_in(text, worded) if worded else None
                wish = self.wish_of(name)
                if bound is None:
                    continue
                if wish is not None and math.isfinite(bound):
                    wish = replace(wish, bound=bound)
                return Noted(text=text, manner=name, wish=wish)
        return Noted(text=text)

    def note_of(self, name: str, wish: Wish | None = None) -> str:
        """The standing note for a manner or its contrary, with its own bound or another."""
        manner = self.manner(name)
        if manner is None:
            raise KeyError(name)
        if name.startswith("!"):
            return manner.opposite
        return _filled(manner.template, wish) if manner.template and wish is not None else manner.note

    def wish_of(self, name: str | None) -> Wish | None:
        """What code counts to see a manner, or with a "!" before its name its contrary."""
        manner = self.manner(name)
        if manner is None or manner.wish is None or name is None:
            return None
        return contrary(manner.wish) if name.startswith("!") else manner.wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A standing note as the judge looks for it: its words, and what code counts to see it, if code can."""

    text: str
    manner: str | None = None
    wish: Wish | None = None

    @property
    def kind(self) -> str:
        """As what the model's profile knows it."""
        return NOTE_KIND if self.manner is None else self.manner.removeprefix("!")


class RubricError(ValueError):
    """The rubric file cannot be used. The text names the entry and what to do."""


def load_rubric(path: Path) -> Rubric:
    """The rubric that an operator can edit. Raises RubricError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RubricError(f"The rubric {path} cannot be read: {error}") from error
    questions = tuple(_question(entry, path) for entry in _tables(document, "question", path))
    manners = tuple(_manner(entry, path) for entry in _tables(document, "manner", path))
    names = [question.name for question in questions] + [manner.name for manner in manners]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RubricError(f"The rubric {path} uses a name twice: {', '.join(twice)}. Rename one of them.")
    return Rubric(questions=questions, manners=manners)


def note_questions(notes: Sequence[Noted | str], *, weight: float = 2.0) -> tuple[Question, ...]:
    """One question for each of a person's notes. They weigh more than what holds for everybody."""
    noted_notes = [Noted(text=note) if isinstance(note, str) else note for note in notes]
    return tuple(
        Question(
            name=ABOUT_NOTE + noted.text,
            text=wording.note_question(noted.text),
            weight=weight,
            is_wish=True,
            wish=noted.wish,
            kind=noted.kind,
        )
        for noted in {noted.text: noted for noted in noted_notes}.values()
    )


def contrary(wish: Wish) -> Wish:
    """What somebody wants who wants anything but this."""
    bound, whole = wish.bound, Relation.AT_LEAST
    match wish.relation:
        case Relation.AT_LEAST:
            return replace(wish, relation=Relation.AT_MOST, bound=bound - 1)
        case Relation.AT_MOST:
            return replace(wish, relation=whole, bound=bound + 1)
        case Relation.EXACTLY:
            return replace(wish, bound=0) if bound else replace(wish, relation=whole, bound=1)


def text_of_note(name: str) -> str:
    """The text of a question about a note, from its name."""
    return wording.note_question(name.removeprefix(ABOUT_NOTE))


def manner_questions(manners: Sequence[Manner]) -> tuple[Question, ...]:
    """The questions that describe a reply. They weigh nothing: a taste says what they are worth."""
    return tuple(
        Question(name=manner.name, text=manner.text, weight=0.0, wish=manner.wish) for manner in manners
    )


def _filled(template: str, wish: Wish | None) -> str:
    return template if wish is None else template.replace("{n}", f"{wish.bound:g}")


def _bound_in(text: str, worded: str) -> float | None:
    """The bound with which a text is a manner's note; infinite for a note without one; None: it is not."""
    found = _pattern(worded).fullmatch(text.strip())
    if found is None:
        return None
    return float(found["n"]) if "n" in found.groupdict() else math.inf


@lru_cache(maxsize=512)
def _pattern(worded: str) -> re.Pattern[str]:
    """The words of a note, whatever stands between them, with any number for the bound."""
    words = [r"(?P<n>\d{1,5})" if word == "{n}" else word for word in re.findall(r"\{n\}|\w+", worded)]
    return re.compile(r"\W*" + r"\W+".join(words) + r"\W*", re.IGNORECASE)


def _tables(document: Mapping[str, object], key: str, path: Path) -> list[Mapping[str, object]]:
    entries = document.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RubricError(f"In the rubric {path}, write every {key} as a table headed [[{key}]].")
    return entries


def _question(entry: Mapping[str, object], path: Path) -> Question:
    weight = entry.get("weight", 1.0)
    if not isinstance(weight, (int, float)) or not math.isfinite(weight):
        raise RubricError(
            f"In the rubric {path}, the weight of question {entry.get('name')!r} must be a number."
        )
    return Question(
        name=_text(entry, "name", "question", path),
        text=_text(entry, "text", "question", path),
        weight=float(weight),
        wish=_wish(entry, path),
    )


def _manner(entry: Mapping[str, object], path: Path) -> Manner:
    wish, note = _wish(entry, path), _text(entry, "note", "manner", path)
    return Manner(
        name=_text(entry, "name", "manner", path),
        group=_text(entry, "group", "manner", path),
        text=_text(entry, "text", "manner", path),
        note=_filled(note, wish),
        opposite=_text(entry, "opposite", "manner", path) if "opposite" in entry else "",
        wish=wish,
        template=note if "{n}" in note else "",
    )


def _wish(entry: Mapping[str, object], path: Path) -> Wish | None:
    measure = entry.get("measure")
    if measure is None:
        return None
    try:
        return parse(str(measure))
    except ValueError as error:
        raise RubricError(f"In the rubric {path}, the measure of {entry.get('name')!r}: {error}") from error


def _text(entry: Mapping[str, object], key: str, kind: str, path: Path) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RubricError(
            f"In the rubric {path}, {kind} {entry.get('name', '?')!r} needs a text for {key!r}."
        )
    return value
