"""Counts what a reply is built of: words, sentences, paragraphs, lists, code. Knows no language."""

from __future__ import annotations

import itertools
import re
from typing import Final

from engine.judging.measures.blocks import ITEMS, Kind
from engine.judging.measures.measure import Occasion
from engine.judging.measures.reply import ADDRESS, LINK, MASK, Reply
from engine.judging.measures.words import count_words

PARAGRAPHS: Final = (Kind.PROSE, *ITEMS)

_LETTER = re.compile(r"[^\W\d_]")
_BOLD = (
    re.compile(r"(?<!\*)\*{2,3}(?=[^\s*])(?:(?!\*\*).)+?(?<=[^\s*])\*{2,3}(?!\*)"),
    re.compile(r"(?<![\w_])_{2,3}(?=[^\s_])(?:(?!__).)+?(?<=[^\s_])_{2,3}(?![\w_])"),
    re.compile(r"<(?:b|strong)>"),
)
_ITALICS = (
    re.compile(r"(?<![*\w])(?:\*|\*{3})(?=[^\s*])[^*\n]+?(?<=[^\s*])(?:\*{3}|\*)(?![*\w])"),
    re.compile(r"(?<![_\w])_(?=[^\s_])[^_\n]+?(?<=[^\s_])_(?![_\w])"),
    re.compile(r"<(?:i|em)>"),
)


def words(reply: Reply, occasion: Occasion) -> float:
    return count_words(reply.plain)


def sentences(reply: Reply, occasion: Occasion) -> float:
    """In paragraphs and list items. What holds no letter is no sentence, unless a block is nothing else."""
    count = 0
    prose = (sentence for sentence in reply.sentences if sentence.is_in_prose)
    for _, group in itertools.groupby(prose, key=lambda sentence: sentence.passage):
        texts = [sentence.text for sentence in group]
        with_letters = sum(_LETTER.search(text) is not None for text in texts)
        count += with_letters or any(map(count_words, texts))
    return count


def longest_sentence(reply: Reply, occasion: Occasion) -> float:
    return max((count_words(s.text) for s in reply.sentences if s.is_in_prose), default=0)


def paragraphs(reply: Reply, occasion: Occasion) -> float:
    """A list item, a table and a code block are each one; a heading is none."""
    return sum(block.kind is not Kind.HEADING for block in reply.blocks)


def longest_paragraph(reply: Reply, occasion: Occasion) -> float:
    return max((count_words(text) for kind, text in reply.passages if kind in PARAGRAPHS), default=0)


def bullets(reply: Reply, occasion: Occasion) -> float:
    return _count_blocks(reply, Kind.BULLET)


def numbered(reply: Reply, occasion: Occasion) -> float:
    return _count_blocks(reply, Kind.NUMBERED)


def list_items(reply: Reply, occasion: Occasion) -> float:
    return sum(block.kind in ITEMS for block in reply.blocks)


def headings(reply: Reply, occasion: Occasion) -> float:
    return _count_blocks(reply, Kind.HEADING)


def tables(reply: Reply, occasion: Occasion) -> float:
    return sum(block.is_ruled for block in reply.blocks)


def structures(reply: Reply, occasion: Occasion) -> float:
    return list_items(reply, occasion) + headings(reply, occasion) + tables(reply, occasion)


def code_blocks(reply: Reply, occasion: Occasion) -> float:
    return _count_blocks(reply, Kind.CODE)


def starts_with_code(reply: Reply, occasion: Occasion) -> float:
    return float(bool(reply.blocks) and reply.blocks[0].kind is Kind.CODE)


def has_begun(reply: Reply, occasion: Occasion) -> bool:
    """Whether the first block is known."""
    return bool(reply.blocks)


def bold(reply: Reply, occasion: Occasion) -> float:
    return sum(len(pattern.findall(reply.outside_code)) for pattern in _BOLD)


def italics(reply: Reply, occasion: Occasion) -> float:
    return sum(len(pattern.findall(reply.outside_code)) for pattern in _ITALICS)


def links(reply: Reply, occasion: Occasion) -> float:
    """A link that shows another text counts once, an address in it not again."""
    linked, count = LINK.subn(MASK, reply.outside_code)
    return count + len(ADDRESS.findall(linked))


def _count_blocks(reply: Reply, kind: Kind) -> int:
    return sum(block.kind is kind for block in reply.blocks)
