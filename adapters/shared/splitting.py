"""Cuts long texts into pieces that a platform takes, and paces edits. Knows no platform.

A code block that is cut is closed at the end of the piece, and opened again in the same language at the start
of the next piece. Lengths are in code points, as Discord and Slack count.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

T = TypeVar("T")

MIN_LIMIT_CHARS = 100
CLOSING = "\n```"
MAX_LANGUAGE_CHARS = 20
_FENCE = re.compile(r"`{3,}(?:(?P<language>[\w+#.-]+)(?=\n))?")
# Cut in two, a server's emoji would not be shown and a link would lead elsewhere.
_UNCUT = re.compile(r"<a?:\w{2,32}:\d{1,20}>|https?://[^\s<>]+")
# Where a text is cut, best first. Each pattern ends where the next piece may begin.
_BREAKS = (
    re.compile(r"\n[ \t]*\n+"),
    re.compile(r"\n"),
    re.compile(r"[.!?…。！？]['\")\]]*\s"),
    re.compile(r"\s"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of the text, with the marks around it that open and close a code block that was cut."""

    opened: str = ""
    body: str
    closed: str = ""

    @property
    def text(self) -> str:
        return self.opened + self.body + self.closed


def split(text: str, limit_chars: int) -> list[str]:
    """The pieces of a text, each of 1 to `limit_chars` characters and none of them blank.

    A blank text has no pieces. A stretch of white space that would fill a piece by itself is left out.
    """
    return [piece.text for piece in pieces(text, limit_chars)]


def pieces(text: str, limit_chars: int) -> list[Piece]:
    """The same, with the repair of code blocks apart. Joined, the bodies are the text."""
    if limit_chars < MIN_LIMIT_CHARS:
        raise ValueError(f"a piece needs room for {MIN_LIMIT_CHARS} characters, not {limit_chars}")
    if len(text) <= limit_chars:
        return [Piece(body=text)] if text.strip() else []
    fences = _fences(text)
    reserve = len(CLOSING) if fences else 0
    uncut = _uncut(text, limit_chars // 4)
    found: list[Piece] = []
    start = 0
    while start < len(text):
        opened = _opened(fences, start)
        room = limit_chars - len(opened)
        is_last = len(text) - start + reserve <= room
        end = len(text) if is_last else _cut(text, start, start + room - reserve, fences, uncut)
        body = text[start:end]
        closed = _closed(body) if _opened(fences, end) else ""
        if body.strip():
            found.append(Piece(opened=opened, body=body, closed=closed))
        start = end
    return found


class Pacer(Generic[T]):
    """Sends the newest of many values, at most one value in an interval.

    `stop` drops the value that waits, and lets a value that is being sent arrive.
    """

    def __init__(
        self, send: Callable[[T], Awaitable[None]], *, interval_s: float, first_after_s: float = 0.0
    ) -> None:
        self._send = send
        self._interval_s = interval_s
        self._first_after_s = first_after_s
        self._waiting: list[T] = []
        self._offered = asyncio.Event()
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()

    def offer(self, value: T) -> None:
        """This value is the newest now."""
        self._waiting = [value]
        self._offered.set()

    async def run(self) -> None:
        """Send until stopped. Run once, as a task of its owner."""
        try:
            await self._pause(self._first_after_s)
            while not self._stopped.is_set():
                await self._offered.wait()
                self._offered.clear()
                if self._waiting and not self._stopped.is_set():
                    await self._send(self._waiting.pop())
                await self._pause(self._interval_s)
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """No value is sent after this returns."""
        self._stopped.set()
        self._offered.set()
        await self._ended.wait()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), timeout=seconds)
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A stretch of the text that is not cut."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fence(_Span):
    """A run of three or more backticks, with the language that an opening run names."""

    opens: str | None  # the text that opens the block again; None: this fence closes a block


def _fences(text: str) -> list[_Fence]:
    found: list[_Fence] = []
    is_open = False
    for match in _FENCE.finditer(text):
        is_open = not is_open
        language = match["language"] or ""
        ticks_end = match.end() - len(language)
        if not is_open:
            found.append(_Fence(start=match.start(), end=ticks_end, opens=None))
        elif len(language) > MAX_LANGUAGE_CHARS:
            found.append(_Fence(start=match.start(), end=ticks_end, opens="```\n"))
        else:
            # The line break after the language belongs to the fence: no cut may come between them.
            end = match.end() + (1 if language else 0)
            found.append(_Fence(start=match.start(), end=end, opens=f"```{language}\n"))
    return found


def _uncut(text: str, max_chars: int) -> list[_Span]:
    """The emoji and links that fit well into a piece. A longer link is cut as any text."""
    spans = (match.span() for match in _UNCUT.finditer(text))
    return [_Span(start=start, end=end) for start, end in spans if end - start <= max_chars]


def _opened(fences: Sequence[_Fence], position: int) -> str:
    """The text that opens the block around this position again; empty outside of blocks."""
    before = [fence for fence in fences if fence.end <= position]
    return (before[-1].opens or "") if before else ""


def _closed(body: str) -> str:
    return CLOSING.lstrip("\n") if body.endswith("\n") else CLOSING


def _cut(text: str, start: int, latest: int, fences: Sequence[_Fence], uncut: Sequence[_Span]) -> int:
    """Where the piece that begins at `start` ends: at the best place in its second half."""
    whole = [span for span in (*fences, *uncut) if span.end > start and span.start < latest]
    earliest = start + (latest - start) // 2
    for pattern in _BREAKS:
        # A match may begin before the window. Only its end counts.
        ends = [match.end() for match in pattern.finditer(text, max(start, earliest - 2), latest)]
        fitting = [end for end in ends if end >= earliest and not _inside(whole, end)]
        if fitting:
            return _before_fence(text, fences, fitting[-1])
    for end in range(latest, earliest, -1):
        if not _inside(whole, end) and not _joins(text[end - 1], text[end]):
            return end
    return next((end for end in range(latest, start, -1) if not _inside(whole, end)), latest)


def _before_fence(text: str, fences: Sequence[_Fence], end: int) -> int:
    """Where a cut would leave a block opened and closed at once, the block begins in the next piece."""
    for before, after in pairwise([None, *fences]):
        if after and after.opens and after.end == end:
            is_clear = after.start > 0 and text[after.start - 1].isspace()
            return after.start if is_clear and (before is None or before.end < after.start) else end
    return end


def _inside(spans: Sequence[_Span], position: int) -> bool:
    return any(span.start < position < span.end for span in spans)


def _joins(left: str, right: str) -> bool:
    """Whether people see these two neighbouring characters as a single character: 👍🏽, é, 👩‍🚀, 🇫🇷."""
    if right == "\u200d" or left == "\u200d" or (left == "\r" and right == "\n"):
        return True
    if unicodedata.category(right) in ("Mn", "Mc", "Me") or "\U0001f3fb" <= right <= "\U0001f3ff":
        return True
    return all("\U0001f1e6" <= char <= "\U0001f1ff" for char in (left, right))
