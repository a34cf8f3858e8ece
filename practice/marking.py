"""What a reply that the model gave is worth, told from its text: at which characters it leaves the world's
grammar, and what it meets of its prompt's wishes. Knows no model and no tokenizer.
"""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeAlias

from practice import world
from practice.manners import (
    CLOSERS,
    EMOJI,
    FIGURES,
    HEDGES,
    OPENERS,
    QUESTIONS,
    Manner,
    Preference,
    manner_of,
)
from practice.world import Request

Span: TypeAlias = tuple[int, int]  # from where to where in a text


@dataclass(frozen=True, slots=True)
class Mark:
    wrong: tuple[Span, ...]  # a sentence stops to be one of this world; behind the text, if it ends too soon
    again: tuple[Span, ...]  # a point is made that was made before
    said: tuple[Span, ...]  # any other point is made; the rest of the text is manner
    manner: Manner
    missed: tuple[tuple[str, str], ...]  # of the wanted values
    is_sound: bool  # whether it is, as a whole, a reply to this request, as far as its sentences are right

    @property
    def is_wrong(self) -> bool:
        return bool(self.wrong) or not self.is_sound


def mark(text: str, asked: Request, wanted: Preference, name: str | None) -> Mark:
    """Marks each sentence for itself: one that went wrong says nothing against the others."""
    wrong: list[Span] = []
    again: list[Span] = []
    said: list[Span] = []
    points: set[str] = set()
    for start, sentence in _sentences(text.lower()):
        if sentence in _CLOSING_QUESTIONS:
            continue
        reached, is_within, point = _read(sentence, asked, name)
        if point:
            place = (start + point[0], start + point[1])
            (again if sentence[slice(*point)] in points else said).append(place)
            points.add(sentence[slice(*point)])
        else:
            wrong.append((start + _blamed(sentence, reached, is_within), start + reached + 1))
    manner = manner_of(text, name)
    return Mark(
        wrong=tuple(wrong),
        again=tuple(again),
        said=tuple(said),
        manner=manner,
        missed=tuple((dimension, value) for dimension, value in wanted.wanted if manner[dimension] != value),
        is_sound=bool(wrong)
        or (world.is_coherent(text, asked, name) and not world.repeats_itself(text, name)),
    )


def _blamed(sentence: str, reached: int, is_within: bool) -> int:
    """From where on a sentence is at fault that could be one of this world up to `reached`.

    A word that ends too soon is at fault itself ("I" for "in"), and of one that goes wrong all but its first
    letter: what comes next did not make "Ar ounes" of "Arr".
    """
    if not is_within:
        return reached
    begin = len(sentence[:reached].rstrip(string.ascii_lowercase))
    has_ended = not sentence[reached : reached + 1].isalpha()
    return min(begin + 1, reached - has_ended)


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    """Each sentence, without the sign of a list, and where it begins."""
    for line in re.finditer(r"[^\n]+", text):
        sign = _LIST_SIGN.match(line.group())
        for sentence in _SENTENCE.finditer(text, line.start() + (sign.end() if sign else 0), line.end()):
            yield sentence.start(), sentence.group()


_LIST_SIGN = re.compile(r"(?:-|\d+\.) ")
_SENTENCE = re.compile(rf"\S.*?(?:[.?](?: (?:{'|'.join(EMOJI)}))?(?= |$)|$)")
_CLOSING_QUESTIONS = frozenset(question.lower() for question in QUESTIONS)


def _read(sentence: str, asked: Request, name: str | None) -> tuple[int, bool, tuple[int, int] | None]:
    """How far a sentence could be one of this world, whether that ends within a word of it, and where its
    point stands if it is one to its end."""
    called = (name.lower(),) if name else ()
    parts: tuple[Collection[str], ...] = (
        ("", *_OPENERS),
        ("", *(f"{called}, " for called in called)),
        ("", *_HEDGES),
        world.sayable_of(asked.kind, asked.thing, asked.other),
        ("", *_FIGURES),
        ("", *(f", {called}" for called in called)),
        ("", *_CLOSERS),
        _ENDS,
        ("", *_EMOJI),
    )
    reached, is_within = 0, False

    def walk(number: int, at: int, point: tuple[int, int]) -> tuple[int, int] | None:
        nonlocal reached, is_within
        if at >= reached:
            reached, is_within = at, False
        if number == len(parts):
            return point if at == len(sentence) else None
        for part in parts[number]:
            if not sentence.startswith(part, at):
                if sentence[at : reached + 1] == part[: reached + 1 - at]:  # it goes farther than any before
                    alike = _alike(part, sentence[at:])
                    reached, is_within = at + alike, part[alike - 1 : alike + 1].isalpha()
                continue
            behind = at + len(part)
            found = walk(number + 1, behind, (at, behind) if number == _POINT else point)
            if found:
                return found
        return None

    point = walk(0, 0, (0, 0))
    return reached, is_within, point


def _alike(first: str, second: str) -> int:
    """How many characters two texts begin with that are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


_POINT = 3  # which of the parts is what the sentence says
_OPENERS = [f"{opener} " for openers in OPENERS.values() for opener in openers]
_HEDGES = [f"{hedge.lower()} " for hedge in HEDGES]
_FIGURES = [figure.lower() for figure in FIGURES]
_CLOSERS = [closer for closers in CLOSERS.values() for closer in closers]
_ENDS = (".", *(f" - {question}" for question in _CLOSING_QUESTIONS))
_EMOJI = [f" {emoji}" for emoji in EMOJI]
