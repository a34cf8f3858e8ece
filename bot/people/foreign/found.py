"""The records that are found in somebody else's files, each id once, and what every file's reader needs.

An id is made of the content or of the file's own ids, so that reading a file again gives the same records.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from bot.records import (
    MAX_TEXT_CHARS,
    Archive,
    ChoiceRecord,
    DocumentRecord,
    Left,
    NoteRecord,
    ReplyRecord,
    TeachingRecord,
    Unpacked,
    cleaned,
)
from engine.types import Mode, Prompt, Turn

MAX_TURNS: Final = 24  # of a conversation that is kept as an answer's prompt
# Of one import's answers with their prompts: each repeats what was before it.
MAX_ALL_CHARS: Final = 100_000_000
UNKNOWN_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)  # where a file tells none
TOO_MUCH: Final = f"come after the {MAX_ALL_CHARS // 10**6} million characters that one import may hold"
KEYCAPS: Final = ("1️⃣", "2️⃣", "3️⃣", "4️⃣", "5️⃣")
THUMBS: Final = {True: "👍", False: "👎"}

Json = Any  # whatever a file of somebody else holds


@dataclass(slots=True)
class Found:
    """Records as they are found, each id once."""

    replies: dict[str, ReplyRecord] = field(default_factory=dict)
    teachings: dict[str, TeachingRecord] = field(default_factory=dict)
    notes: dict[str, NoteRecord] = field(default_factory=dict)
    choices: dict[str, ChoiceRecord] = field(default_factory=dict)
    documents: dict[str, DocumentRecord] = field(default_factory=dict)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    chars: int = 0

    def has_room(self, chars: int) -> bool:
        """Whether so many characters more may be held."""
        self.chars += chars
        return self.chars <= MAX_ALL_CHARS

    def unpacked(self) -> Unpacked:
        return Unpacked(
            archive=Archive(
                replies=tuple(self.replies.values()),
                teachings=tuple(self.teachings.values()),
                notes=tuple(self.notes.values()),
                choices=tuple(self.choices.values()),
                documents=tuple(self.documents.values()),
            ),
            left=tuple(Left(what=what, why=why, count=count) for (what, why), count in self.left.items()),
        )


def add_document(name: str, text: str, found: Found) -> None:
    if len(text) > MAX_TEXT_CHARS:
        found.left[name, f"is longer than {MAX_TEXT_CHARS} characters; its beginning is taken"] += 1
    kept = cleaned(text)[:MAX_TEXT_CHARS]
    key = f"text:{digest([kept])}"
    title = PurePosixPath(name).stem[:200] or "text"
    found.documents[key] = DocumentRecord(id=key, at=UNKNOWN_TIME, title=cleaned(title), text=kept)


def add_reply(
    found: Found,
    *,
    key: str,
    conversation: str,
    turns: Sequence[Turn],
    text: str,
    rating: Json = None,
    at: datetime = UNKNOWN_TIME,
) -> None:
    if len(text) > MAX_TEXT_CHARS:
        found.left["answers", f"are longer than {MAX_TEXT_CHARS} characters"] += 1
        return
    kept = tuple(turns[-MAX_TURNS:])
    if not found.has_room(len(text) + sum(len(turn.text) for turn in kept)):
        found.left["answers", TOO_MUCH] += 1
        return
    emoji = emoji_of(rating)
    found.replies[key] = ReplyRecord(
        id=key,
        at=at,
        conversation=conversation,
        prompt=Prompt(turns=kept),
        text=text,
        mode=Mode.FAST,
        reactions=(emoji,) if emoji else (),
    )


def emoji_of(rating: Json) -> str | None:
    """A foreign rating as the reaction that says the same: thumbs, or a number from 1 to 5."""
    if isinstance(rating, bool):
        return THUMBS[rating]
    if isinstance(rating, str):
        stars = rating.count("⭐") or rating.count("★")
        try:
            rating = stars or float(rating.strip().partition("/")[0])
        except ValueError:
            return None
    if isinstance(rating, int | float) and 1 <= rating <= 5:
        return KEYCAPS[int(rating + 0.5) - 1]
    return None


def time_of(value: Json, *, per_second: int) -> datetime:
    try:
        return datetime.fromtimestamp(value / per_second, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return UNKNOWN_TIME


def clean(value: Json) -> str:
    return cleaned(string(value))


def string(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
