"""Splits plain text into sentences, words and tokens, in languages with and without spaces. Knows no blocks.

A mark ends a sentence by what stands before it and by the next word, so a boundary once seen stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from engine.judging.measures import word_lists
from engine.judging.measures.blocks import CJK

LOOKED_AT: Final = 80  # characters on each side of a full stop
CJK_PER_WORD: Final = 2  # characters; Japanese words are two characters long on the average

_END = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’»«“)\]*_]*+(?=\s|$|[^\x00-\x7f\w])"
    rf"|[!?]+(?=[{CJK}])|(?<![。！？｡])[。！？｡]++[」』）”’\"]*"
)
_CLOSERS: Final = "\"'”’»«“)]」』）"
_EMPHASIS: Final = "*_"
_LETTER = re.compile(r"[^\W_]")
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“„«]*$")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]$")
_GOES_ON_AFTER_QUOTE: Final = "とってはがをにのもでや"
_CJK_LETTER = re.compile(rf"[{CJK}]")
_SPACED_WORD = re.compile(r"(?<![^\s—…])(?:[^\s—…\w]|_)*+[^\W_][^\s—…]*+")
_TOKEN = re.compile(r"[^\W_]+(?:['’‐-][^\W_]+)*")
_BARE_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:'[^\W_{CJK}]+)*")
_APOSTROPHES = str.maketrans({"’": "'", "‐": "-"})


class Token(NamedTuple):
    """One word as phrases are matched with it: in lower case, with straight apostrophes."""

    word: str
    written: str
    end: int  # where it ends in its sentence


def tokens_of(text: str) -> tuple[Token, ...]:
    """The words of a sentence; what French and Italian elide ("l'", "qu'") is a word of its own."""
    tokens: list[Token] = []
    for found in _TOKEN.finditer(text):
        written = found.group()
        word = written.translate(_APOSTROPHES).lower()
        elided, apostrophe, rest = word.partition("'")
        if apostrophe and len(rest) > 1 and elided in word_lists.ELISIONS:
            cut = found.start() + len(elided) + 1
            tokens.append(Token(elided + "'", written[: len(elided) + 1], cut))
            word, written = rest, written[len(elided) + 1 :]
        tokens.append(Token(word, written, found.end()))
    return tuple(tokens)


def count_words(text: str) -> int:
    """Words between spaces that hold a letter or digit; two Japanese or Chinese characters are a word."""
    if text.isascii():
        return len(_SPACED_WORD.findall(text))
    without, characters = _CJK_LETTER.subn(" ", text)
    return len(_SPACED_WORD.findall(without)) + -(-characters // CJK_PER_WORD)


def words_of(text: str) -> tuple[str, ...]:
    """Words in lower case, without marks; each Japanese or Chinese character is one."""
    return tuple(_BARE_WORD.findall(text.translate(_APOSTROPHES).lower()))


def is_unspaced(words: Sequence[str]) -> bool:
    """Whether most of them are single characters of a language without spaces."""
    return sum(_CJK_LETTER.match(word) is not None for word in words) > len(words) / 2


def grams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """All runs of so many words."""
    return [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]


def split_sentences(text: str) -> Iterator[str]:
    """The sentences of one block. What follows the last mark is one more."""
    start = 0
    following = _LETTER.search(text)
    for mark in _END.finditer(text):
        if following is not None and following.start() < mark.end():
            following = _LETTER.search(text, mark.end())
        if following is None:
            break
        if _ends_sentence(text[start : mark.start()], mark.group(), following, text):
            yield text[start : mark.end()]
            start = mark.end()
    if text[start:].strip():
        yield text[start:]


def _ends_sentence(before: str, mark: str, following: re.Match[str], text: str) -> bool:
    letter = following.group()
    bare = mark.rstrip(_EMPHASIS)
    signs = bare.rstrip(_CLOSERS)
    is_closed = signs != bare
    if signs[-1] in "。！？｡":
        return not (is_closed and letter in _GOES_ON_AFTER_QUOTE)
    if is_closed and letter.islower():
        return False
    if "!" in signs or "?" in signs:
        return True
    if "…" in signs or len(signs) > 1:
        return letter.isupper() or _is_cjk(letter)
    return _is_full_stop(before, letter, text, following.start())


def _is_full_stop(before: str, letter: str, text: str, at: int) -> bool:
    """Whether one "." ends a sentence: not after an abbreviation, an initial, a number that counts."""
    before = before[-LOOKED_AT:]
    found = _WORD_BEFORE.search(before)
    word = (found.group() if found else "").lstrip(_EMPHASIS)
    next_word = text[at : at + LOOKED_AT].split(None, 1)[0].lower()
    if _goes_on_with(word.lower(), next_word):
        return False
    whole = _with_first_half(before, word)
    if _is_one_of(word_lists.ABBREVIATIONS, whole):
        return False
    if _is_one_of(word_lists.LAST_ABBREVIATIONS, whole) or _ACRONYM.match(word):
        return letter.isupper()
    if _is_one_of(word_lists.BEFORE_NUMBERS, word):
        return not letter.isdigit()
    if word.isdigit():
        is_ordinal = len(word) <= 2 and next_word.strip(".,;:!?)") in word_lists.AFTER_ORDINALS
        return not (is_ordinal or _begins(before, word))
    if len(word) == 1 and word.isupper() and word != "I":
        return letter.islower() or not _follows_name(before[: -len(word)])
    return True


def _goes_on_with(word: str, next_word: str) -> bool:
    """Whether a full stop stands within an abbreviation in two parts, as in "z. B."."""
    return next_word.endswith(".") and f"{word}. {next_word[:-1]}" in word_lists.SPACED_ABBREVIATIONS


def _with_first_half(before: str, word: str) -> str:
    """The word, or the whole of an abbreviation in two parts that it ends."""
    parts = before.split()
    whole = f"{parts[-2].lstrip('([')} {word}" if len(parts) > 1 else ""
    return whole if whole.lower() in word_lists.SPACED_ABBREVIATIONS else word


def _is_one_of(abbreviations: frozenset[str], word: str) -> bool:
    lower = word.lower()
    return not abbreviations.isdisjoint((word, lower, lower.replace(" ", "")))


def _begins(before: str, word: str) -> bool:
    """Whether a number stands where a list's number stands: at the start or behind a colon."""
    rest = before[: len(before) - len(word)].rstrip(" *_(\n")
    return not rest or rest[-1] in ":;"


def _follows_name(before: str) -> bool:
    """Whether a single capital stands where an initial does: first, or behind a name or another initial."""
    words = before.split()
    return not words or words[-1][0].isupper()


def _is_cjk(letter: str) -> bool:
    return _CJK_LETTER.match(letter) is not None
