"""Counts what a reply begins with: a greeting, an opening phrase, the question again. Knows no ending."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from engine.judging.measures import word_lists
from engine.judging.measures.blocks import CJK, Kind
from engine.judging.measures.measure import Occasion
from engine.judging.measures.phrases import Finder
from engine.judging.measures.reply import Reply, Sentence
from engine.judging.measures.words import grams, is_unspaced, split_sentences, tokens_of, words_of

GREETING_TOKENS: Final = 7  # a greeting, and what it might turn out to be instead, stand within so many words
GREETING_CHARACTERS: Final = 12  # the same for Japanese
GREETED_TOKENS: Final = 3  # whom a greeting greets, up to the comma
OPENING_SENTENCES: Final = 2  # behind the greeting
RUN: Final = 6  # words of the request in a row that make a restatement
RUN_CHARACTERS: Final = 12  # the same for Japanese
SHORTEST_REQUEST: Final = 3  # words; what is shorter is not restated but taken up
LONG_REQUEST: Final = 60  # words; it brings a text along, and asks in its first or last sentence

GREETINGS: Final = Finder("greetings", at_start=True)
FILLERS: Final = Finder("fillers", at_start=True)
RESTATEMENTS: Final = Finder("restatements")

_NAME: Final = r"(?:\[[^\]\n]+\]|[^\W\d_a-zà-öø-ÿ][\w.'’-]*)"
_AND: Final = r"(?:\s+(?:or|and|und|oder|y|e|et|ou|o|von|van|de|of|the|&))?"
_SALUTATIONS: Final = [
    entry for language in word_lists.LANGUAGES for entry in word_lists.of(language, "salutations")
]
# "Dear Sam," and "dear sam," but not "Dear friends are worth more than gold, ...".
_SALUTATION = re.compile(
    rf"(?i:{'|'.join(_SALUTATIONS)})(?:\s+{_NAME}(?:{_AND}\s+{_NAME}){{0,4}}\s*[,:!\n]|\s+[\w'’-]+\s*[,!\n]|、|[ぁ-ん一-龯])"
)
_STARTS_IN_CJK = re.compile(f"[{CJK}]")
_MARK_BEFORE = re.compile(r"[^\w\s'’-]")


# --- greetings ---


def greetings(reply: Reply, occasion: Occasion) -> float:
    """1 if the first words greet, else 0."""
    beginning = _beginning(reply.opening)
    if GREETINGS.begins(beginning.text) or _SALUTATION.match(beginning.text):
        return 1.0
    return float(GREETINGS.first(beginning) is not None)


def is_greeting_decided(reply: Reply, occasion: Occasion) -> bool:
    """After so many words, or at the first word if no greeting begins with it."""
    if reply.blocks and reply.blocks[0].kind is Kind.CODE:
        return True
    opening = reply.opening
    if _STARTS_IN_CJK.match(opening):
        return len(opening) >= GREETING_CHARACTERS
    tokens = tokens_of(opening[:200])
    return len(tokens) >= GREETING_TOKENS or (bool(tokens) and tokens[0].word not in _FIRST_WORDS)


def _beginning(text: str) -> Sentence:
    tokens = tokens_of(text[:200])[:GREETING_TOKENS]
    if len(tokens) == GREETING_TOKENS:
        text = text[: tokens[-1].end]
    return Sentence(text=text, kind=Kind.PROSE, passage=0, tokens=tokens)


def _first_words() -> frozenset[str]:
    greeting = {word for phrase in GREETINGS.phrases for word in phrase.slots[0].words}
    return frozenset(greeting | {tokens_of(entry)[0].word for entry in _SALUTATIONS})


_FIRST_WORDS: Final = _first_words()


# --- opening phrases ---


def fillers(reply: Reply, occasion: Occasion) -> float:
    """How many of the first two sentences behind the greeting begin with an opening phrase."""
    return sum(
        FILLERS.count_in(sentence, number, reply, occasion.request) for number, sentence in _openers(reply)
    )


def least_fillers(reply: Reply, occasion: Occasion) -> float:
    last = len(reply.sentences) - 1
    return sum(
        FILLERS.count_in(sentence, number, reply, occasion.request, is_open=number == last)
        for number, sentence in _openers(reply)
    )


def is_opening_over(reply: Reply, occasion: Occasion) -> bool:
    """Whether a sentence has begun that no rule about the opening looks at."""
    return len(reply.sentences) > OPENING_SENTENCES + 1


def _openers(reply: Reply) -> Iterator[tuple[int, Sentence]]:
    """The sentences of the opening with their numbers, what greets left out. A list or a table ends it."""
    left = OPENING_SENTENCES
    for number, sentence in enumerate(reply.sentences[: OPENING_SENTENCES + 1]):
        if sentence.kind not in (Kind.PROSE, Kind.HEADING) or not left:
            return
        opener = _without_greeting(sentence) if number == 0 else sentence
        if opener.tokens:
            left -= 1
            yield number, opener


def _without_greeting(sentence: Sentence) -> Sentence:
    greeting = GREETINGS.first(sentence)
    if greeting is None:
        bare = re.sub(r"^[\W_]+", "", sentence.text)
        is_all = GREETINGS.begins(bare) and len(bare) < 2 * GREETING_CHARACTERS
        return _part(sentence, len(sentence.tokens)) if is_all else sentence
    start = greeting.end
    for number in range(greeting.end, min(greeting.end + GREETED_TOKENS, len(sentence.tokens)) + 1):
        if _has_mark_before(sentence, number):
            start = number
            break
    return _part(sentence, start)


def _has_mark_before(sentence: Sentence, number: int) -> bool:
    """Whether a mark stands between a word and the one before it, or the sentence is over."""
    if number >= len(sentence.tokens):
        return True
    token = sentence.tokens[number]
    between = sentence.text[sentence.tokens[number - 1].end : token.end - len(token.written)]
    return _MARK_BEFORE.search(between) is not None


def _part(sentence: Sentence, start: int) -> Sentence:
    return Sentence(
        text=sentence.text, kind=sentence.kind, passage=sentence.passage, tokens=sentence.tokens[start:]
    )


# --- the question again ---


def restatements(reply: Reply, occasion: Occasion) -> float:
    """How many of the first two sentences behind the greeting say again what was asked."""
    return sum(
        _restates(sentence, occasion.request)
        or RESTATEMENTS.count_in(sentence, number, reply, occasion.request) > 0
        for number, sentence in _openers(reply)
    )


def least_restatements(reply: Reply, occasion: Occasion) -> float:
    last = len(reply.sentences) - 1
    return sum(
        _restates(sentence, occasion.request)
        or RESTATEMENTS.count_in(sentence, number, reply, occasion.request, is_open=number == last) > 0
        for number, sentence in _openers(reply)
    )


def _restates(sentence: Sentence, request: str) -> bool:
    asked = words_of(_question(request))
    run, shortest = (RUN_CHARACTERS, RUN_CHARACTERS // 2) if is_unspaced(asked) else (RUN, SHORTEST_REQUEST)
    size = min(run, len(asked))
    return size >= shortest and not set(grams(asked, size)).isdisjoint(grams(words_of(sentence.text), size))


def _question(request: str) -> str:
    parts = list(split_sentences(request))
    return f"{parts[0]} {parts[-1]}" if len(request.split()) > LONG_REQUEST and len(parts) > 2 else request
