"""Tells in which language a text is, by its script, its function words and its letters. Knows no measure.

Some neighbours of the seven languages are known only so that they are not taken for one of the seven.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from engine.judging.measures import word_lists
from engine.judging.measures.reply import Reply
from engine.judging.measures.words import Token, tokens_of

Shares: TypeAlias = tuple[tuple[str, float], ...]

MIN_SCORE: Final = 1.0  # about one function word that no other language has
MIN_SHARE: Final = 0.08  # of a longer text's words; less, and it is in a language that is not known here
LONG_WORDS: Final = 12
MIN_LEAD: Final = 0.25  # over the next language
CLEAR_LEAD: Final = 2.0
NEIGHBOUR_SHARE: Final = 0.3  # how much of a word a neighbour takes from the seven
LETTER_WEIGHT: Final = 0.8
ENDING_WEIGHT: Final = 0.5
LONGEST_ENDING: Final = 5
CARRY: Final = 0.6  # how much a sentence is expected to be in the language of the one before it

_SCRIPTS: Final[Mapping[str, re.Pattern[str]]] = {
    "ja": re.compile(r"[\u3040-\u30ff\uff66-\uff9d]"),
    "zh": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
    "ko": re.compile(r"[\u1100-\u11ff\uac00-\ud7af]"),
    "ru": re.compile(r"[\u0400-\u052f]"),
    "el": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "ar": re.compile(r"[\u0600-\u06ff\u0750-\u077f]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
}
_LATIN = re.compile(r"[^\W\d_]")
# A Latin word of five letters says about as much as two characters of Japanese or Chinese.
_LATIN_LETTERS_PER_SIGN: Final = 2.5


def identify(text: str) -> str | None:
    """The language that most of a text is in; None where it is too short, or in none that is known."""
    return _identify(text, [tokens_of(text)])


@lru_cache(maxsize=256)
def main_language(reply: Reply) -> str | None:
    """The language that most of a reply is in, code left out."""
    return _identify(reply.plain, [sentence.tokens for sentence in reply.sentences])


def is_clearly_not_in(reply: Reply, language: str) -> bool:
    """Whether most of a reply is in another language, without any doubt."""
    main = main_language(reply)
    if main is None or main == language:
        return False
    if _by_script(reply.plain) is not None:
        return True
    scores = _scores(token for sentence in reply.sentences for token in sentence.tokens)
    return scores[main] - scores.get(language, 0.0) >= CLEAR_LEAD


@lru_cache(maxsize=256)
def languages_of(reply: Reply, request: str) -> tuple[str, ...]:
    """The language of each sentence, told from it and from what stands before, never from what follows."""
    known = identify(request) or "en"
    languages = []
    for sentence in reply.sentences:
        known = _of_sentence(sentence.text, sentence.tokens, known)
        languages.append(known)
    return tuple(languages)


def _of_sentence(text: str, tokens: tuple[Token, ...], before: str) -> str:
    script = _by_script(text)
    if script is not None:
        return script
    scores = _scores(tokens)
    scores[before] = scores.get(before, 0.0) + CARRY
    return max(scores, key=lambda language: scores[language])


def _identify(text: str, sentences: Iterable[tuple[Token, ...]]) -> str | None:
    script = _by_script(text)
    if script is not None:
        return script
    total: dict[str, float] = {}
    words = 0
    for tokens in sentences:
        words += len(tokens)
        for language, score in _scores(tokens).items():
            total[language] = total.get(language, 0.0) + score
    best = max(total, key=lambda language: total[language], default=None)
    if best is None or total[best] < MIN_SCORE:
        return None
    if words >= LONG_WORDS and total[best] < MIN_SHARE * words:
        return None
    lead = total[best] - max((score for other, score in total.items() if other != best), default=0.0)
    return best if lead >= MIN_LEAD else None


def _by_script(text: str) -> str | None:
    """The language of a text whose script is not Latin. Chinese characters among kana are Japanese."""
    if text.isascii():
        return None
    counts = {language: len(pattern.findall(text)) for language, pattern in _SCRIPTS.items()}
    if counts["ja"] > 0.1 * counts["zh"]:
        counts["ja"] += counts.pop("zh")
    best = max(counts, key=lambda language: counts[language])
    others = len(_LATIN.findall(text)) - sum(counts.values())
    return best if counts[best] and counts[best] >= others / _LATIN_LETTERS_PER_SIGN else None


def _scores(tokens: Iterable[Token]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for token in tokens:
        for language, weight in _evidence(token.word):
            scores[language] = scores.get(language, 0.0) + weight
    return scores


@lru_cache(maxsize=20_000)
def _evidence(word: str) -> Shares:
    """For which languages a word speaks, and how much: a function word of several is shared among them."""
    known = _BY_WORD.get(word)
    if known:
        return known
    found: dict[str, float] = {}
    for letter in set(word) & _BY_LETTER.keys():
        _add(found, _BY_LETTER[letter], LETTER_WEIGHT)
    for size in range(2, min(len(word) - 2, LONGEST_ENDING) + 1):
        _add(found, _BY_ENDING.get(word[-size:], ()), ENDING_WEIGHT)
    return tuple(found.items())


def _add(found: dict[str, float], shares: Shares, weight: float) -> None:
    for language, share in shares:
        found[language] = found.get(language, 0.0) + share * weight


def _shares(lists: Mapping[str, Iterable[str]]) -> Mapping[str, Shares]:
    """For each entry of the lists the languages that have it, and how much it says for each."""
    languages: dict[str, list[str]] = {}
    for language, entries in lists.items():
        for entry in dict.fromkeys(entries):
            languages.setdefault(entry, []).append(language)
    return {
        entry: tuple((language, _share(language, known)) for language in known)
        for entry, known in languages.items()
    }


def _share(language: str, known: Sequence[str]) -> float:
    own = sum(other in word_lists.LANGUAGES for other in known)
    neighbours = len(known) - own
    return 1.0 / (own + neighbours * (NEIGHBOUR_SHARE if language in word_lists.LANGUAGES else 1.0))


_BY_WORD: Final = _shares(word_lists.of_each("function_words"))
_BY_LETTER: Final = _shares(word_lists.of_each("letters"))
_BY_ENDING: Final = _shares(word_lists.of_each("endings"))
