"""Reads a reply as blocks: paragraphs, list items, headings, tables and code. Knows no words, no language.

Markdown as chat platforms show it, line by line: what a line is never depends on a later line, but for a
bold line, which is a heading only if something follows it. So nearly all of a half-written reply is settled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

MAX_HEADING_WORDS: Final = 12  # a longer line in bold is an emphasised sentence


class Kind(Enum):
    PROSE = auto()
    BULLET = auto()
    NUMBERED = auto()
    HEADING = auto()
    TABLE = auto()
    CODE = auto()


ITEMS: Final = (Kind.BULLET, Kind.NUMBERED)


@dataclass(slots=True, kw_only=True)
class Block:
    """One paragraph, list item, heading, table or code block. `marker` makes it a list item or heading."""

    kind: Kind
    lines: list[str] = field(default_factory=list)
    marker: str = ""
    is_quoted: bool = False  # it stands behind ">"
    is_ruled: bool = False  # a table: it has the row of dashes under its header

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


_FENCE = re.compile(r"(?:[-*+]\s+|\d{1,3}[.)]\s+)?(`{3,}|~{3,})")
_QUOTED = re.compile(r"\s{0,3}(?:>\s?)+")
_RULE = re.compile(r"\s*(?:([-*_])(?:\s*\1){2,}|={3,})\s*$")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(?=\S)")
_BOLD_LINE = re.compile(r"\s*(\*\*|__)(?=\S)((?:(?!\1).)+)(?<=\S)\1\s*:?\s*$")
_BULLET = re.compile(r"\s*(?:[-*+–]\s+(?:\[[ xX]\]\s+)?|[•·・▪▫◦‣●○■□➢➤]\s*)(?=\S)")
_NUMBERED = re.compile(
    r"\s*(?:\*\*|__)?(?:"
    r"\d{1,3}\.(?:\s+(?=\S)|(?=[^\W\d_]|\*\*|__))"  # 1. Tea, 1.Tea
    r"|\d{1,3}\.?\)\s*(?=[^\s\d])|\(\d{1,3}\)\s*(?=[^\s\d])"  # 1) Tea, (1) Tea
    r"|(?:[a-z]|\([a-z])\)\s+(?=\S)"  # a) Tea
    r"|\d{1,3}[．、]\s*(?=\S)|[①-⑳]\s*(?=\S)|\d\ufe0f?\u20e3\s*(?=\S))"
)
# What may still become a marker when more is written: signs, and one short number or letter.
_MARKER_SO_FAR = re.compile(r"[\W_]*+(?:\d{1,3}|[a-zA-Z]|[①-⑳])?[\W_]*$")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
CJK: Final = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d"
_LAST_WHOLE_WORD = re.compile(rf".*(?:\s|[{CJK}。、！？「」『』])", re.DOTALL)


def read_blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a reply, in their order."""
    return tuple(_read(text).blocks)


def without_code_spans(line: str, instead: str) -> str:
    """A line with every `code span` replaced."""
    return _CODE_SPAN.sub(instead, line) if "`" in line else line


def settled(text: str) -> str:
    """The beginning of a half-written reply that reads the same, whatever follows.

    Left out are the last word, which may go on; a code span, a link or a line in bold that has no end yet;
    and signs from which a list marker, a table or a code block may still come.
    """
    head, newline, last = text.replace("\r\n", "\n").rpartition("\n")
    head += newline
    reader = _read(head.removesuffix("\n"))
    if reader.fence:
        return head
    last = _settled_line(last)
    if "|" not in last and newline and reader.is_in_table:
        last = ""
    return head + last if last else _without_pending_heading(head)


@dataclass(slots=True)
class _Reader:
    """What has been read so far. `open` is the block that the next line may belong to."""

    blocks: list[Block] = field(default_factory=list)
    open: Block | None = None
    fence: str = ""

    @property
    def is_in_table(self) -> bool:
        return self.open is not None and self.open.kind is Kind.TABLE

    def begin(self, kind: Kind, line: str | None, *, marker: str = "", is_quoted: bool = False) -> Block:
        lines = [] if line is None else [line]
        self.open = Block(kind=kind, lines=lines, marker=marker, is_quoted=is_quoted)
        self.blocks.append(self.open)
        return self.open


def _read(text: str) -> _Reader:
    reader = _Reader()
    lines = text.replace("\r\n", "\n").split("\n")
    last = max((number for number, line in enumerate(lines) if line.strip()), default=0)
    for number, line in enumerate(lines):
        if reader.fence:
            _read_code(reader, line)
        elif not _opens_code(reader, line):
            _read_line(reader, line, is_last=number >= last)
    return reader


def _read_code(reader: _Reader, line: str) -> None:
    stripped = line.strip()
    sign = reader.fence[0]
    closes = stripped.startswith(reader.fence) and not stripped.strip(sign)
    if closes or (sign == "`" and stripped.endswith(reader.fence)):
        reader.fence, reader.open = "", None
    elif reader.open is not None:
        reader.open.lines.append(line)


def _opens_code(reader: _Reader, line: str) -> bool:
    """Whether a code block begins here. As on Discord, its fence may also end a line of text."""
    if "```" not in line and "~~~" not in line:
        return False
    fence = _FENCE.match(line.lstrip())
    if fence is not None and (fence[1][0] == "~" or "`" not in line.lstrip()[fence.end() :]):
        reader.begin(Kind.CODE, None)
        reader.fence = fence[1]
        return True
    before, fence_sign, after = without_code_spans(line, "").partition("```")
    if fence_sign and before.strip() and "`" not in after:
        _read_line(reader, line.rpartition("```")[0], is_last=False)
        reader.begin(Kind.CODE, None)
        reader.fence = "```"
        return True
    return False


def _read_line(reader: _Reader, line: str, *, is_last: bool) -> None:
    quoted = _QUOTED.match(line)
    content = line[quoted.end() :] if quoted else line
    if not content.strip() or _RULE.match(content):
        reader.open = None
    elif "|" in content and _is_table_line(reader, content):
        _read_table_line(reader, content)
    elif heading := _HEADING.match(content):
        reader.begin(Kind.HEADING, content[heading.end() :], marker=heading.group())
        reader.open = None
    elif marker := _BULLET.match(content):
        _begin_item(reader, Kind.BULLET, content, marker)
    elif marker := _NUMBERED.match(content):
        _begin_item(reader, Kind.NUMBERED, content, marker)
    elif not is_last and _is_bold_heading(content):
        reader.begin(Kind.HEADING, content)
        reader.open = None
    else:
        _read_prose(reader, content, is_quoted=quoted is not None)


def _is_table_line(reader: _Reader, content: str) -> bool:
    return content.lstrip().startswith("|") or reader.is_in_table or _rules_a_table(reader, content)


def _rules_a_table(reader: _Reader, content: str) -> bool:
    is_rule = _TABLE_RULE.match(content) is not None
    return is_rule and reader.open is not None and bool(reader.open.lines) and "|" in reader.open.lines[-1]


def _read_table_line(reader: _Reader, content: str) -> None:
    is_rule = _rules_a_table(reader, content)
    table = reader.open if reader.is_in_table and reader.open else reader.begin(Kind.TABLE, None)
    table.is_ruled = table.is_ruled or is_rule
    if not is_rule:
        table.lines.append(content)


def _begin_item(reader: _Reader, kind: Kind, content: str, marker: re.Match[str]) -> None:
    reader.begin(kind, content[marker.end() :], marker=marker.group())


def _is_bold_heading(content: str) -> bool:
    bold = _BOLD_LINE.match(content)
    return bold is not None and len(bold[2].split()) <= MAX_HEADING_WORDS and bold[2][-1] not in ".!,;"


def _read_prose(reader: _Reader, content: str, *, is_quoted: bool) -> None:
    open_block = reader.open
    goes_on = open_block is not None and (
        (open_block.kind is Kind.PROSE and open_block.is_quoted == is_quoted)
        or (open_block.kind in ITEMS and content[0].isspace())
    )
    if open_block is not None and goes_on:
        open_block.lines.append(content)
    else:
        reader.begin(Kind.PROSE, content, is_quoted=is_quoted)


# --- half-written lines ---


def _settled_line(line: str) -> str:
    whole = _LAST_WHOLE_WORD.match(line)
    line = whole.group() if whole else ""
    line = line[: _first_open(line)]
    if _MARKER_SO_FAR.match(line) or _may_become_heading(line):
        return ""
    return line


def _first_open(line: str) -> int:
    """Where the first code span or bracket begins that has no end yet."""
    masked = _CODE_SPAN.sub(lambda span: " " * len(span.group()), line)
    backtick = masked.find("`")
    masked = masked if backtick < 0 else masked[:backtick]
    opened: list[int] = []
    for position, sign in enumerate(masked):
        if sign == "[":
            opened.append(position)
        elif sign == "]" and opened:
            opened.pop()
    if not opened:
        return len(masked)
    return opened[0] - (masked[: opened[0]].endswith("!"))  # an image's "!" is no mark


def _may_become_heading(line: str) -> bool:
    bold = re.match(r"[\s>]*(\*\*|__)", line)
    if bold is None:
        return False
    _, closing, after = line[bold.end() :].partition(bold[1])
    return not closing or not after.strip(" \t:")


def _without_pending_heading(head: str) -> str:
    body = head.rstrip()
    last = body.rpartition("\n")[2]
    return head[: len(body) - len(last)] if _may_become_heading(last) else head
