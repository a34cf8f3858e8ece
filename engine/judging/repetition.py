"""Finds the same words again and again in a reply. Knows no request and no other fault.

Ordinary lists begin their items alike, poems have a refrain, tables and code repeat themselves: none of these
is a loop. The bounds lie between sound and broken replies of a model with 135 million parameters.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from engine.judging.measures.blocks import ITEMS, Kind
from engine.judging.measures.reply import Reply, plain
from engine.judging.measures.words import CJK_PER_WORD, grams, is_unspaced, words_of

Words: TypeAlias = tuple[str, ...]

# Up to so many words right behind themselves, and how often they must stand there to be a loop.
LOOPS: Final = ((1, 6), (3, 4), (25, 3))
LOOP_WORDS: Final = 8  # a loop is at least so long altogether
GRAM: Final = 4  # words that come again together
UNSPACED_GRAM: Final = 10  # characters, in a language without spaces
GRAM_TIMES: Final = 3
LONG_GRAM: Final = 7  # so many words are a loop by themselves when they come again often enough
UNSPACED_LONG_GRAM: Final = 20
LONG_GRAM_TIMES: Final = 4
REPEATED_SHARE: Final = 0.35  # of all words, in such grams
VERSE_SHARE: Final = 0.6  # the same where verses were asked for
FEWEST_WORDS: Final = 12
VARIETY_GRAM: Final = 3
VARIETY_WORDS: Final = 60
LEAST_VARIETY: Final = 0.65  # different grams among all
LINE_WORDS: Final = 3
LINE_TIMES: Final = 3
SHORT_LINE_TIMES: Final = 6
SHORT_LINE_SHARE: Final = 0.3
VERSE_LINE_SHARE: Final = 0.5
SHARED_ENDING: Final = 6  # words with which list items may end alike: "3 sets of 12 reps"
REMEMBERED_SENTENCES: Final = 40  # with which a sentence is compared
SENTENCE_WORDS: Final = 5
SENTENCE_TIMES: Final = 3


def has_loop(reply: Reply, *, is_verse: bool = False) -> bool:
    """Whether words follow on themselves, or the same few words make up much of the text."""
    words = [word for unit in _sentences(reply) for word in unit]
    if _follows_on_itself(words):
        return True
    different = _unlike_earlier(reply)
    unspaced = is_unspaced(different)
    long = Counter(grams(different, UNSPACED_LONG_GRAM if unspaced else LONG_GRAM))
    if not is_verse and max(long.values(), default=0) >= LONG_GRAM_TIMES:
        return True
    share = _repeated_share(different, UNSPACED_GRAM if unspaced else GRAM)
    return len(words) >= FEWEST_WORDS and share > (VERSE_SHARE if is_verse else REPEATED_SHARE)


def has_repeated_line(reply: Reply, *, is_verse: bool = False) -> bool:
    """Whether a line or list item stands there again and again, or a list item twice in a row."""
    lines = [words for line in _lines(reply) if (words := words_of(line))]
    for line, count in Counter(lines).items():
        share = count / len(lines)
        if is_verse:
            is_fault = count >= LINE_TIMES and share >= VERSE_LINE_SHARE
        elif _length(line) >= LINE_WORDS:
            is_fault = count >= LINE_TIMES
        else:
            is_fault = count >= SHORT_LINE_TIMES and share >= SHORT_LINE_SHARE
        if is_fault:
            return True
    items = [words_of(block.text) for block in reply.blocks if block.kind in ITEMS]
    return any(_length(item) >= LINE_WORDS and item == after for item, after in itertools.pairwise(items))


def has_repeated_sentence(reply: Reply) -> bool:
    """Whether a sentence stands there three times, or twice in a row."""
    said = [unit for unit in _sentences(reply) if _length(unit) >= SENTENCE_WORDS]
    is_often = any(count >= SENTENCE_TIMES for count in Counter(said).values())
    return is_often or any(sentence == after for sentence, after in itertools.pairwise(said))


def has_little_variety(reply: Reply) -> bool:
    """Whether a long text is made of few different turns of phrase."""
    words = _unlike_earlier(reply)
    turns = grams(words, VARIETY_GRAM)
    return len(words) >= VARIETY_WORDS and len(set(turns)) < LEAST_VARIETY * len(turns)


def _sentences(reply: Reply) -> list[Words]:
    """The words of each sentence and heading; tables repeat themselves by their nature."""
    return [words_of(s.text) for s in reply.sentences if s.kind is not Kind.TABLE]


def _lines(reply: Reply) -> Iterator[str]:
    for block in reply.blocks:
        if block.kind not in (Kind.CODE, Kind.TABLE):
            yield from plain(block.text).split("\n")


def _length(words: Words) -> float:
    return len(words) / CJK_PER_WORD if is_unspaced(words) else len(words)


def _follows_on_itself(words: Sequence[str]) -> bool:
    shortest = 1
    for longest, times in LOOPS:
        for size in range(shortest, longest + 1):
            needed = max(size * (times - 1), LOOP_WORDS - size)
            run = 0
            for word, later in zip(words, words[size:], strict=False):
                run = run + 1 if word == later else 0
                if run >= needed:
                    return True
        shortest = longest + 1
    return False


def _unlike_earlier(reply: Reply) -> list[str]:
    """All words but those with which an earlier sentence began, or an earlier list item ended in a few words.

    A sentence that is an earlier one altogether keeps its words.
    """
    words: list[str] = []
    earlier: list[Words] = []
    for sentence in reply.sentences:
        unit = words_of(sentence.text) if sentence.kind is not Kind.TABLE else ()
        near = earlier[-REMEMBERED_SENTENCES:]
        start = max((_common_beginning(unit, other) for other in near), default=0)
        end = max((_common_beginning(unit[::-1], other[::-1]) for other in near), default=0)
        if start < len(unit):
            is_short = sentence.kind in ITEMS and end <= SHARED_ENDING
            words += unit[start : max(len(unit) - (end if is_short else 0), start)]
        else:
            words += unit
        earlier.append(unit)
    return words


def _common_beginning(unit: Words, other: Words) -> int:
    pairs = zip(unit, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _repeated_share(words: Sequence[str], size: int) -> float:
    """The share of the words that stand in a gram that comes three times or more."""
    all_grams = grams(words, size)
    counts = Counter(all_grams)
    repeated: set[int] = set()
    for start, gram in enumerate(all_grams):
        if counts[gram] >= GRAM_TIMES:
            repeated.update(range(start, start + size))
    return len(repeated) / max(len(words), 1)
