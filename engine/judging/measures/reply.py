"""A reply as the measures read it: its blocks, plain text, sentences and tokens, each worked out once.

Knows no measure. Code is no text: no count but that of code blocks looks into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from engine.judging.measures.blocks import ITEMS, Block, Kind, read_blocks, without_code_spans
from engine.judging.measures.words import Token, split_sentences, tokens_of

# Stands for a code span or an address: a word without case, so that nothing is counted in it.
MASK: Final = "\u02d1"
READ_LATELY: Final = 256  # replies that are kept, since many measures look at the same few

_PATH: Final = r"[!-~]*[!-~](?<![.,;:!?'\"*_)\]}>])"  # marks at the end belong to the sentence
ADDRESS: Final = re.compile(
    rf"(?:https?://|www\.){_PATH}|(?<![@\w.-])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|io|gov|edu)\b(?:/{_PATH})?"
)
LINK: Final = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)")
_TAG = re.compile(r"</?(?:b|br|i|u|em|strong|sub|sup|p|div|span|ul|ol|li|kbd|code)/?>|<br(?=\s)\s?/?>?")


@dataclass(slots=True, kw_only=True)
class Sentence:
    """One sentence, or what stands for one: a heading, a line of a table."""

    text: str
    kind: Kind
    passage: int  # the number of its block among those that are no code
    tokens: tuple[Token, ...]

    @property
    def is_in_prose(self) -> bool:
        return self.kind is Kind.PROSE or self.kind in ITEMS


class Reply:
    """A finished reply, or the settled part of a half-written one."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        return read_blocks(self.text)

    @cached_property
    def passages(self) -> tuple[tuple[Kind, str], ...]:
        """The plain text of each block that is no code, with its kind."""
        return tuple((block.kind, plain(block.text)) for block in self.blocks if block.kind is not Kind.CODE)

    @cached_property
    def plain(self) -> str:
        """All text outside code, without list markers; code spans and addresses are masked."""
        return "\n".join(text for _, text in self.passages)

    @cached_property
    def outside_code(self) -> str:
        """All text outside code as it is written, list markers and addresses too."""
        return "\n".join(
            without_code_spans(block.marker + block.text, MASK)
            for block in self.blocks
            if block.kind is not Kind.CODE
        )

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        return tuple(
            Sentence(text=text, kind=kind, passage=number, tokens=tokens_of(text))
            for number, (kind, passage) in enumerate(self.passages)
            for text in (passage.split("\n") if kind is Kind.TABLE else split_sentences(passage))
        )

    @cached_property
    def opening(self) -> str:
        """The first lines of text, from the first letter or digit on. Empty if the reply begins with code."""
        if not self.blocks or self.blocks[0].kind is Kind.CODE:
            return ""
        return re.sub(r"^[\W_]+", "", self.passages[0][1])


@lru_cache(maxsize=READ_LATELY)
def read(text: str) -> Reply:
    return Reply(text)


def plain(text: str) -> str:
    """A block's text with code spans and addresses masked and links replaced by what they show."""
    if "`" in text:
        text = "\n".join(without_code_spans(line, MASK) for line in text.split("\n"))
    if "](" in text:
        text = LINK.sub(r"\1", text)
    if "<" in text:
        text = _TAG.sub("", text)
    return ADDRESS.sub(MASK, text) if "." in text or "://" in text else text
