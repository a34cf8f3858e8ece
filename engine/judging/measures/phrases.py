"""Finds phrases of the word lists in a reply. Knows no kind of phrase by name.

A phrase is written as words with spaces between; case and the form of apostrophes do not matter.

    a|b     either word            [a|b]   either word or none        *      any word
    *n't    any word that ends so  =May    in this very case          sure,  a mark or the line's end follows

A list `KIND_except` holds longer phrases in which those of KIND mean something else. Of phrases that overlap
the first and longest counts. Japanese phrases are plain text and found without regard to words.

A phrase whose words are all function words of another language too ("me", "du") counts only in a sentence of
its own language. Every other phrase counts wherever it stands.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from engine.judging.measures import word_lists
from engine.judging.measures.language import languages_of
from engine.judging.measures.reply import Reply, Sentence
from engine.judging.measures.words import Token, tokens_of

_SLOT = re.compile(r"\[[^\]]*\]|\S+")
_MARK = re.compile(r"[*_\"'”’)\]\s]*(?:[,.!?:;…、。！？\n]|\s[-–—]|—)")
_LEADING_SIGNS = re.compile(r"^[\W_]+")
_END_OF_LINE = re.compile(r"[*_\"'”’)\]\s]*$")


class Slot(NamedTuple):
    """What one word of a phrase may be: one of some words, or any with an ending ("" is any at all)."""

    words: frozenset[str]
    ending: str | None = None
    written: str | None = None  # in this very case

    def fits(self, token: Token) -> bool:
        if self.ending is not None:
            return token.word.endswith(self.ending)
        return token.word in self.words and self.written in (None, token.written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """One way to say it. With a language it counts only in sentences of that language."""

    slots: tuple[Slot, ...]
    needs_mark: bool
    is_exception: bool
    language: str | None = None


class Match(NamedTuple):
    start: int  # the first token
    end: int  # behind the last
    phrase: Phrase


@dataclass(slots=True)
class Finder:
    """Finds the phrases of one kind, in all languages, anywhere or at the start of sentences only."""

    kind: str
    at_start: bool = False
    binds_words: bool = False  # every single word without an apostrophe counts in its own language only
    once_a_sentence: bool = False
    languages: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    _by_word: dict[str, list[tuple[int, Phrase]]] = field(default_factory=dict)
    _without_words: list[Phrase] = field(default_factory=list)
    _endings: tuple[str, ...] = ()
    _japanese: re.Pattern[str] | None = None
    # What an exception may add to a phrase, in words and in Japanese characters: so much is held back while a
    # sentence is open.
    _reach: int = 0
    _japanese_reach: int = 0

    def __post_init__(self) -> None:
        self.languages = word_lists.languages_with(self.kind)
        self.phrases = tuple(phrases_of(self.kind, binds_words=self.binds_words))
        for phrase in self.phrases:
            self._add(phrase)
        self._japanese = _any_of(self.kind)
        exceptions = (len(phrase.slots) for phrase in self.phrases if phrase.is_exception)
        self._reach = max(exceptions, default=1) - 1
        self._japanese_reach = max(map(len, word_lists.of("ja", self.kind + "_except")), default=1) - 1

    def _add(self, phrase: Phrase) -> None:
        """Index a phrase by the slot that the fewest and rarest words fit."""
        literal = [(_frequency(slot), offset) for offset, slot in enumerate(phrase.slots) if slot.words]
        if not literal:
            self._without_words.append(phrase)
            self._endings += (phrase.slots[0].ending or "",)
            return
        _, offset = min(literal)
        for word in phrase.slots[offset].words:
            self._by_word.setdefault(word, []).append((offset, phrase))

    def count(self, reply: Reply, request: str) -> int:
        """How often one of the phrases is said."""
        return self._count(reply, request, is_whole=True)

    def least(self, reply: Reply, request: str) -> int:
        """How often for certain, whatever follows: the last sentence may yet turn out otherwise."""
        return self._count(reply, request, is_whole=False)

    def _count(self, reply: Reply, request: str, *, is_whole: bool) -> int:
        last = len(reply.sentences) - 1
        return sum(
            self.count_in(sentence, number, reply, request, is_open=number == last and not is_whole)
            for number, sentence in enumerate(reply.sentences)
        )

    def count_in(
        self, sentence: Sentence, number: int, reply: Reply, request: str, *, is_open: bool = False
    ) -> int:
        """How often in the sentence of that number. An open one may go on, and its language is not known."""
        matches = list(self.matches(sentence, is_open=is_open))
        if any(match.phrase.language for match in matches):
            language = None if is_open else languages_of(reply, request)[number]
            matches = [match for match in matches if match.phrase.language in (None, language)]
        until = len(sentence.tokens) - (self._reach if is_open else 0)
        kept = [match for match in without_overlaps(matches) if match.end <= until]
        count = len(kept) + self._count_japanese(sentence.text, is_open=is_open)
        return min(count, 1) if self.once_a_sentence else count

    def first(self, sentence: Sentence) -> Match | None:
        """The phrase with which a sentence begins, in whatever language. No Japanese."""
        found = without_overlaps(list(self.matches(sentence)))
        return found[0] if found and not found[0].start else None

    def begins(self, text: str) -> bool:
        """Whether a text begins with one of the Japanese phrases."""
        found = self._japanese.match(text) if self._japanese is not None else None
        return found is not None and found[1] is None

    def matches(self, sentence: Sentence, *, is_open: bool = False) -> Iterator[Match]:
        """Every phrase in a sentence, those of other languages and those that overlap too. No Japanese."""
        tokens = sentence.tokens
        for position, token in enumerate(tokens):
            for offset, phrase in self._by_word.get(token.word, ()):
                start = position - offset
                if _fits(phrase, tokens, start, sentence.text, is_open) and not (self.at_start and start):
                    yield Match(start, start + len(phrase.slots), phrase)
            for phrase in self._without_words if token.word.endswith(self._endings) else ():
                if _fits(phrase, tokens, position, sentence.text, is_open):
                    yield Match(position, position + len(phrase.slots), phrase)

    def _count_japanese(self, text: str, *, is_open: bool) -> int:
        if self._japanese is None or text.isascii():
            return 0
        if self.at_start:
            return int(self.begins(_LEADING_SIGNS.sub("", text)))
        until = len(text) - (self._japanese_reach if is_open else 0)
        return sum(found[1] is None and found.end() <= until for found in self._japanese.finditer(text))


def without_overlaps(matches: list[Match]) -> list[Match]:
    """The phrases that count: the first and longest before others, and exceptions before their like."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda m: (m.start, -m.end, not m.phrase.is_exception)):
        if not kept or match.start >= kept[-1].end:
            kept.append(match)
    return [match for match in kept if not match.phrase.is_exception]


def _fits(phrase: Phrase, tokens: tuple[Token, ...], start: int, text: str, is_open: bool) -> bool:
    end = start + len(phrase.slots)
    if start < 0 or end > len(tokens):
        return False
    if not all(slot.fits(token) for slot, token in zip(phrase.slots, tokens[start:end], strict=True)):
        return False
    if not phrase.needs_mark:
        return True
    after = tokens[end - 1].end
    return bool(_MARK.match(text, after)) or (not is_open and bool(_END_OF_LINE.match(text, after)))


# --- reading the lists ---


def phrases_of(kind: str, *, binds_words: bool = False) -> Iterator[Phrase]:
    """Every phrase of a kind and its exceptions. What another language might mean otherwise is bound."""
    for language in word_lists.LANGUAGES:
        if language != "ja":
            for written in word_lists.of(language, kind):
                for phrase in _read(written):
                    is_bound = _is_common(phrase, language) or (binds_words and _is_word(phrase))
                    yield replace(phrase, language=language) if is_bound else phrase
            for written in word_lists.of(language, kind + "_except"):
                yield from _read(written, is_exception=True)


def _read(written: str, *, is_exception: bool = False) -> Iterator[Phrase]:
    """The phrases that an entry of a list stands for: with and without the words that may be missing."""
    parts = [(part, "") if part.startswith("[") else (part,) for part in _SLOT.findall(written.rstrip(","))]
    for choice in itertools.product(*parts):
        slots = tuple(slot for part in choice if part for slot in _slots(part))
        yield Phrase(slots=slots, needs_mark=written.endswith(","), is_exception=is_exception)


def _slots(part: str) -> Iterator[Slot]:
    words = part.strip("[]").split("|")
    if part.startswith("*"):
        yield Slot(frozenset(), ending=part[1:])
    elif len(words) > 1 or part.endswith("'"):
        yield Slot(frozenset(word if word.endswith("'") else tokens_of(word)[0].word for word in words))
    else:
        for token in tokens_of(words[0]):
            yield Slot(frozenset({token.word}), written=token.written if part.startswith("=") else None)


def _is_word(phrase: Phrase) -> bool:
    words = phrase.slots[0].words
    return len(phrase.slots) == 1 and bool(words) and not any("'" in word for word in words)


def _frequency(slot: Slot) -> int:
    """How often the words of a slot come about, roughly: a function word stands for ten others."""
    return sum(10 if word in word_lists.ALL_FUNCTION_WORDS else 1 for word in slot.words)


def _is_common(phrase: Phrase, language: str) -> bool:
    """Whether another language has function words that make the same phrase."""
    return any(
        all(slot.words & words for slot in phrase.slots)
        for other, words in word_lists.FUNCTION_WORDS.items()
        if other != language
    )


def _any_of(kind: str) -> re.Pattern[str] | None:
    """A pattern for the Japanese phrases of a kind; its group holds an exception."""
    phrases = word_lists.of("ja", kind)
    if not phrases:
        return None
    exceptions = "|".join(map(re.escape, word_lists.of("ja", kind + "_except")))
    wanted = "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))
    return re.compile(f"({exceptions or '(?!)'})|{wanted}")
