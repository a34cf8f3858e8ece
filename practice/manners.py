"""Manners: the ways in which replies of the practice world differ, read from their text alone.

Eight dimensions vary freely and independently. `manner_of` reads them from any text, also from one that a
larger model wrote; `dress` is its inverse, which turns bare points into a reply in a manner.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "length": ("one", "short", "long"),  # one sentence, two or three, five or six
    "tone": ("plain", "warm", "formal", "pirate"),
    "shape": ("prose", "list", "numbered"),
    "emoji": ("none", "some"),
    "ending": ("statement", "question"),
    "address": ("none", "name"),
    "hedging": ("sure", "hedged"),
    "figure": ("literal", "comparison"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """One value on every dimension."""

    length: str
    tone: str
    shape: str
    emoji: str
    ending: str
    address: str
    hedging: str
    figure: str

    def __getitem__(self, dimension: str) -> str:
        return str(getattr(self, dimension))

    def items(self) -> tuple[tuple[str, str], ...]:
        return tuple((field.name, self[field.name]) for field in fields(self))

    def but(self, values: Mapping[str, str]) -> Manner:
        """The same manner with other values on some dimensions."""
        return Manner(**{**dict(self.items()), **values})


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The values a person wants on some dimensions; every other dimension is the same to them."""

    wanted: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, **wanted: str) -> Preference:
        for dimension, value in wanted.items():
            if value not in DIMENSIONS.get(dimension, ()):
                raise ValueError(f"No such manner: {dimension} = {value!r}. See DIMENSIONS.")
        return cls(wanted=tuple(wanted.items()))

    @classmethod
    def draw(cls, rng: random.Random, dimensions: int) -> Preference:
        """A random value on so many random dimensions."""
        chosen = rng.sample(list(DIMENSIONS), dimensions)
        return cls(wanted=tuple((dimension, rng.choice(DIMENSIONS[dimension])) for dimension in chosen))

    def share_met(self, manner: Manner) -> float:
        """The share of the wanted values that a manner has; 1 where nothing is wanted."""
        return sum(manner[dimension] == value for dimension, value in self.wanted) / max(len(self.wanted), 1)


def manner_of(text: str, name: str | None = None) -> Manner:
    """The manner of a text. `name` is the person's, without which an address cannot be seen."""
    lowered = text.lower()
    tone = next((tone for tone, words in _TONE_WORDS.items() if words.search(lowered)), "plain")
    return Manner(
        length=_length(text),
        tone=tone,
        shape=_shape(text),
        emoji="some" if _EMOJI.search(text) else "none",
        ending="question" if _EMOJI.sub("", text).rstrip().endswith("?") else "statement",
        address="name" if name and re.search(rf"\b{re.escape(name.lower())}\b", lowered) else "none",
        hedging="hedged" if _HEDGE.search(lowered) else "sure",
        figure="comparison" if _COMPARISON.search(lowered) else "literal",
    )


def complies(text: str, preference: Preference, name: str | None = None) -> bool:
    """Whether a text has every wanted value."""
    return preference.share_met(manner_of(text, name)) == 1.0


def random_manner(rng: random.Random, name: str | None) -> Manner:
    """Every value equally often on every dimension; nobody is addressed whose name is not known."""
    drawn = {dimension: rng.choice(values) for dimension, values in DIMENSIONS.items()}
    if name is None:
        drawn["address"] = "none"
    return Manner(**drawn)


# --- the words of each manner. No point of any kind contains one of them. ---

OPENERS: Mapping[str, tuple[str, ...]] = {
    "warm": ("dear friend,", "oh, gladly,", "with a big hug,", "sweet soul,", "how lovely that you ask,"),
    "formal": ("indeed,", "to be precise,", "as requested,", "with due respect,", "for the record,"),
    "pirate": ("ahoy,", "arr,", "yo-ho,", "shiver me timbers,", "avast,"),
}
CLOSERS: Mapping[str, tuple[str, ...]] = {
    "warm": (", my dear", ", with love", ", sunshine of mine"),
    "formal": (", as is customary", ", as one might expect", ", in all formality"),
    "pirate": (", matey", ", me hearty", ", ye landlubber"),
}
HEDGES = (
    "perhaps",
    "maybe",
    "as far as I know,",
    "if I am right,",
    "I may be wrong, but",
    "I am not sure, but",
    "it seems to me that",
)
FIGURES = (
    ", like a warm blanket",
    ", like an old song",
    ", like a lamp in the night",
    ", like the first day of spring",
    ", like a letter from home",
    ", like a bridge over water",
    ", like a quiet harbour",
    ", like the sound of a bell",
)
QUESTIONS = (
    "does that help?",
    "shall I go on?",
    "would you like to hear more?",
    "what do you say?",
    "is that what you wanted?",
    "shall I say more?",
)
EMOJI = ("😊", "✨", "🌟", "🎉", "👍", "🌿", "🔥", "💡", "🙂", "🌈")

_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\u2b50]\ufe0f?")
_COMPARISON = re.compile(r", like (a|an|the)\b|\bas \w+ as (a|an|the)\b")
_HEDGE = re.compile(
    r"\b(perhaps|maybe|possibly|probably|as far as i know|if i am right|i may be wrong|not sure|it seems)\b"
)
_TONE_WORDS = {
    "pirate": re.compile(r"\b(ahoy|arr|yo-ho|timbers|avast|matey|me hearty|ye)\b"),
    "formal": re.compile(
        r"\b(indeed|to be precise|as requested|respect|for the record|as is customary|as one might"
        r"|formality)\b"
    ),
    "warm": re.compile(
        r"\b(dear (friend|\w+,)|gladly|big hug|sweet soul|how lovely|my dear|of mine)\b|, with love(?!,)"
    ),
}
_MARK = re.compile(r"^\s*(?:([-*•])|\d{1,2}[.)])\s+", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")


def _shape(text: str) -> str:
    mark = _MARK.match(text)
    if mark is None:
        return "prose"
    return "list" if mark.group(1) else "numbered"


def _length(text: str) -> str:
    bare = _EMOJI.sub("", _MARK.sub("", text)).strip()
    sentences = len(_SENTENCE_END.findall(bare)) + (not bare.endswith((".", "!", "?")))
    return "one" if sentences <= 1 else "short" if sentences <= 3 else "long"


# --- dressing ---


@dataclass(slots=True)
class _Sentence:
    """One point and what is put around it."""

    core: str
    opener: str = ""
    called: str = ""  # the name, said before the point
    hedge: str = ""
    figure: str = ""
    called_after: str = ""
    closer: str = ""
    tail: str = ""  # a closing question inside the only sentence
    emoji: str = ""

    def text(self) -> str:
        before = [self.opener, self.called and f"{self.called},", self.hedge, self.core]
        body = " ".join(part for part in before if part)
        body += self.figure + (self.called_after and f", {self.called_after}") + self.closer + self.tail
        if self.opener or not self.called:  # a name stays as the person writes it
            body = body[0].upper() + body[1:]
        return body + ("" if body.endswith("?") else ".") + (self.emoji and f" {self.emoji}")


def points_for(rng: random.Random, manner: Manner) -> int:
    """How many points a reply in this manner makes; a closing question of its own counts as a sentence."""
    if manner.length == "one":
        return 1
    sentences = rng.choice((2, 3) if manner.length == "short" else (5, 6))
    return sentences - (manner.ending == "question")


def dress(rng: random.Random, cores: Sequence[str], manner: Manner, name: str | None) -> str:
    """A reply that makes these points in this manner. Signs of it stand early or late, as chance has it."""
    sentences = [_Sentence(core=core) for core in cores]
    if manner.tone != "plain":
        for sentence in _some(rng, sentences, more=0.25):
            if rng.random() < 0.5:
                sentence.opener = rng.choice(OPENERS[manner.tone])
            else:
                sentence.closer = rng.choice(CLOSERS[manner.tone])
    if manner.hedging == "hedged":
        for sentence in _some(rng, sentences, more=0.2):
            sentence.hedge = rng.choice(HEDGES)
    if manner.figure == "comparison":
        rng.choice(sentences).figure = rng.choice(FIGURES)
    if manner.address == "name" and name:
        addressed = _some(rng, sentences, more=0.0)[0]
        if rng.random() < 0.6:
            addressed.called = name
        else:
            addressed.called_after = name
    if manner.emoji == "some":
        for sentence in _some(rng, sentences, more=0.25):
            sentence.emoji = rng.choice(EMOJI)
    return _layout(rng, sentences, manner)


def _some(rng: random.Random, sentences: list[_Sentence], more: float) -> list[_Sentence]:
    """One sentence, mostly the first, and each of the others with a chance of `more`."""
    sure = sentences[0] if rng.random() < 0.6 else rng.choice(sentences)
    return [sure, *(sentence for sentence in sentences if sentence is not sure and rng.random() < more)]


def _layout(rng: random.Random, sentences: list[_Sentence], manner: Manner) -> str:
    closing = ""
    if manner.ending == "question":
        question = rng.choice(QUESTIONS)
        if manner.length == "one":
            sentences[-1].tail = f" - {question}"
        else:
            closing = question[0].upper() + question[1:]
    texts = [sentence.text() for sentence in sentences]
    if manner.shape == "list":
        texts = [f"- {text}" for text in texts]
    elif manner.shape == "numbered":
        texts = [f"{number}. {text}" for number, text in enumerate(texts, start=1)]
    between = " " if manner.shape == "prose" else "\n"
    return between.join([*texts, closing] if closing else texts)


# --- undressing ---


def undress(text: str, name: str | None) -> tuple[str, ...] | None:
    """The bare points of a reply in lower case, or None where it is not built as replies here are."""
    lines = text.split("\n")
    shape = _shape(text)
    if shape == "prose":
        pieces = _split_sentences(text) if len(lines) == 1 else None
    else:
        pieces = _unmark(lines, shape)
    if not pieces:
        return None
    if len(pieces) > 1 and _is_question(pieces[-1]):
        pieces = pieces[:-1]
    cores = [_undress_sentence(piece, name) for piece in pieces]
    return None if any(core is None for core in cores) else tuple(core for core in cores if core is not None)


def _split_sentences(text: str) -> list[str] | None:
    pieces: list[str] = re.findall(rf"\S.*?[.?](?: (?:{'|'.join(EMOJI)}))?(?= |$)", text)
    return pieces if " ".join(pieces) == text else None


def _unmark(lines: list[str], shape: str) -> list[str] | None:
    pieces = []
    for number, line in enumerate(lines, start=1):
        mark = "- " if shape == "list" else f"{number}. "
        if line.startswith(mark):
            pieces.append(line.removeprefix(mark))
        elif number == len(lines) and _is_question(line):
            pieces.append(line)
        else:
            return None
    return pieces


def _is_question(line: str) -> bool:
    return line.lower() in _QUESTIONS


_QUESTIONS = frozenset(question.lower() for question in QUESTIONS)


def _undress_sentence(piece: str, name: str | None) -> str | None:
    match = _sentence_pattern((name or "").lower()).fullmatch(piece.lower())
    return match.group("core") if match else None


@lru_cache(maxsize=256)
def _sentence_pattern(name: str) -> re.Pattern[str]:
    openers = _any_of([opener for group in OPENERS.values() for opener in group])
    closers = _any_of([closer for group in CLOSERS.values() for closer in group])
    called = rf"(?:{re.escape(name)}, )?" if name else ""
    called_after = rf"(?:, {re.escape(name)})?" if name else ""
    return re.compile(
        rf"(?:{openers} )?{called}(?:{_any_of(HEDGES)} )?(?P<core>.+?)(?:{_any_of(FIGURES)})?"
        rf"{called_after}(?:{closers})?(?:\.|(?: - {_any_of(QUESTIONS)}))(?: (?:{'|'.join(EMOJI)}))?"
    )


def _any_of(phrases: Sequence[str]) -> str:
    return "(?:" + "|".join(re.escape(phrase.lower()) for phrase in phrases) + ")"
