"""Decides what a reply under an answer teaches: a correction, a critique, or nothing: a question.

Pure. Knows no platform and no database; docs/teaching.md tells people the same rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.events import TeachingKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """What a reply under an answer was understood as. `wanted`: the text that a correction gives."""

    kind: TeachingKind
    wanted: str | None = None


def classify(text: str, *, reply: str = "", is_correction: bool | None = None) -> Teaching:
    """What a reply under an answer teaches. `reply` is that answer's text.

    A correction gives the wanted text: it was marked as one, or it opens with a word such as "better:",
    or it holds a fenced block, a quoted block or nothing but quotation marks. A question asks about the
    matter and not about the answering. Everything else is a critique.
    """
    said = text.strip()
    if is_correction:
        return Teaching(kind=TeachingKind.CORRECTION, wanted=_opened(said) or _block(said, "") or said)
    wanted = _opened(said) or _block(said, reply)
    if wanted and is_correction is None:
        return Teaching(kind=TeachingKind.CORRECTION, wanted=wanted)
    kind = TeachingKind.QUESTION if _asks_about_the_matter(said) else TeachingKind.CRITIQUE
    return Teaching(kind=kind)


# --- corrections ---

CORRECTION_OPENINGS = (
    "better",
    "better answer",
    "better reply",
    "correct",
    "correct answer",
    "corrected",
    "correction",
    "instead",
    "rather",
    "right answer",
    "should be",
    "it should be",
    "this should be",
    "you should have said",
    "you should say",
    "i would have said",
    "i would say",
    "say this",
    "say instead",
    "say rather",
)
_OPENING = re.compile(
    rf"(?:{'|'.join(re.escape(words) for words in CORRECTION_OPENINGS)})\s*:\s*(?P<wanted>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})[^\n`]*\n(?P<wanted>.*?)\n?(?P=fence)", re.DOTALL)
_FENCE_IN_LINE = re.compile(r"```(?P<wanted>[^`\n]+)```")
_IN_QUOTATION_MARKS = re.compile(
    r"(?:\"(?P<a>[^\"]+)\"|“(?P<b>[^“”]+)”|„(?P<c>[^„“”]+)[“”]|«\s*(?P<d>[^«»]+?)\s*»|»(?P<e>[^«»]+)«)"
)


def _opened(text: str) -> str | None:
    """The text behind an opening such as "better:", out of its fence or quotes if it stands in one."""
    match = _OPENING.fullmatch(text)
    if match is None:
        return None
    wanted = match.group("wanted").strip()
    return _block(wanted, "") or wanted


def _block(text: str, reply: str) -> str | None:
    """The wanted text in a fenced or quoted block. What only repeats the reply is a citation of it."""
    for wanted in (_fenced(text), _quoted(text), _in_quotation_marks(text)):
        if wanted and _plain(wanted) not in _plain(reply):
            return wanted
    return None


def _fenced(text: str) -> str | None:
    match = _FENCE.search(text) or _FENCE_IN_LINE.search(text)
    return (match.group("wanted").strip("\n") if match else "") or None


def _quoted(text: str) -> str | None:
    lines = [line.strip() for line in text.splitlines()]
    quoted = [line[1:].removeprefix(" ") for line in lines if line.startswith(">")]
    return "\n".join(quoted).strip() or None


def _in_quotation_marks(text: str) -> str | None:
    match = _IN_QUOTATION_MARKS.fullmatch(text)
    return next((group.strip() for group in match.groups() if group), None) if match else None


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


# --- questions ---

QUESTION_WORDS = (
    "what",
    "who",
    "whom",
    "whose",
    "when",
    "where",
    "which",
    "why",
    "how",
    "is",
    "are",
    "was",
    "were",
    "does",
    "do",
    "did",
    "can",
    "could",
    "will",
    "would",
    "has",
    "have",
    "and",
)
# A question that holds one of these speaks of the answering: "could you be shorter?" is a critique.
ANSWERING_WORDS = (
    "you",
    "your",
    "you're",
    "answer",
    "answers",
    "reply",
    "replies",
    "bullet",
    "bullets",
    "emoji",
    "emojis",
    "list",
    "lists",
    "less",
    "fewer",
    "more",
    "shorter",
    "longer",
    "simpler",
    "briefer",
    "warmer",
    "friendlier",
)
_MARKED_QUESTION = re.compile(r"(?:question|q)\s*:\s*\S", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def _asks_about_the_matter(text: str) -> bool:
    if _MARKED_QUESTION.match(text):
        return True
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    if not text.endswith("?") or not words or words[0] not in QUESTION_WORDS:
        return False
    return not any(word in ANSWERING_WORDS for word in words)
