"""Estimates the school grade that a reader needs, by a formula for each language.

English: Flesch and Kincaid. German: the first Wiener Sachtextformel. French, Spanish, Portuguese, Italian and
what is in no known language: LIX, turned into grades. Japanese: by the length of sentences and the share of
Chinese characters, a rule of our own (a primer comes to about 3, a newspaper to about 11).
"""

from __future__ import annotations

import re
from typing import Final

from engine.judging.measures.language import main_language
from engine.judging.measures.measure import Occasion
from engine.judging.measures.reply import Reply, Sentence
from engine.judging.measures.shape import sentences

LONG_WORD: Final = 6  # letters; more than these make a word long
MANY_SYLLABLES: Final = 3

_VOWELS = re.compile(r"[aeiouyäöüàáâãèéêëìíîïòóôõùúûœæ]+")
_SILENT_E = re.compile(r"(?:[^laeiouy]e|[^laeiouyt]ed|[^aeiouycgxszh]es)$")
_KANJI = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_DIGIT = re.compile(r"\d")


def reading_grade(reply: Reply, occasion: Occasion) -> float:
    prose = [sentence for sentence in reply.sentences if sentence.is_in_prose]
    language = main_language(reply)
    if language in ("ja", "zh"):
        return max(_japanese_grade(reply.plain, sentences(reply, occasion)), 0.0)
    words = _words(prose)
    if not words:
        return 0.0
    per_sentence = len(words) / max(sentences(reply, occasion), 1.0)
    if language in ("en", None):
        return max(_flesch_kincaid(words, per_sentence), 0.0)
    if language == "de":
        return max(_wiener(words, per_sentence), 0.0)
    return max(_lix_grade(words, per_sentence), 0.0)


def syllables(word: str) -> int:
    """Groups of vowels, without English silent ones at the end."""
    groups = len(_VOWELS.findall(word))
    return max(groups, 1)


def english_syllables(word: str) -> int:
    groups = len(_VOWELS.findall(word)) - bool(_SILENT_E.search(word))
    return max(groups, 1)


def _words(prose: list[Sentence]) -> list[str]:
    return [token.word for s in prose for token in s.tokens if not _DIGIT.search(token.word)]


def _flesch_kincaid(words: list[str], per_sentence: float) -> float:
    return 0.39 * per_sentence + 11.8 * sum(map(english_syllables, words)) / len(words) - 15.59


def _wiener(words: list[str], per_sentence: float) -> float:
    counts = [syllables(word) for word in words]
    many = 100 * sum(count >= MANY_SYLLABLES for count in counts) / len(words)
    single = 100 * sum(count == 1 for count in counts) / len(words)
    return 0.1935 * many + 0.1672 * per_sentence + 0.1297 * _long(words) - 0.0327 * single - 0.875


def _lix_grade(words: list[str], per_sentence: float) -> float:
    """LIX 20 is about the second grade, 56 the twelfth (Anderson 1983)."""
    return (per_sentence + _long(words) - 13.0) / 3.6


def _long(words: list[str]) -> float:
    """Long words in percent."""
    return 100 * sum(len(word) > LONG_WORD for word in words) / len(words)


def _japanese_grade(text: str, sentence_count: float) -> float:
    characters = len(_JAPANESE.findall(text))
    kanji = len(_KANJI.findall(text)) / max(characters, 1)
    return 0.12 * characters / max(sentence_count, 1.0) + 12.0 * kanji
