"""Reads MineTuning's ratings: [{query, response, rating, feedback}]."""

from __future__ import annotations

from typing import Final

from bot.people.foreign.found import UNKNOWN_TIME, Found, Json, add_reply, clean, digest, emoji_of, string
from bot.records import NoteRecord, TeachingRecord
from engine.types import Role, Turn

MAX_NOTE_CHARS: Final = 160


def read(document: Json, found: Found) -> None:
    for entry in document:
        query, response = clean(entry["query"]), clean(entry["response"])
        if not query.strip() or not response.strip():
            found.left["ratings", "have no query or no response"] += 1
            continue
        key = f"minetuning:{digest([query, response])}"
        rating = entry.get("rating")
        if rating not in (None, "") and emoji_of(rating) is None:
            found.left["ratings", f"are no number from 1 to 5: {string(rating)[:20]!r}"] += 1
        turns = [Turn(role=Role.USER, text=query)]
        add_reply(found, key=key, conversation=key, turns=turns, text=response, rating=rating)
        critique = clean(entry.get("feedback")).strip()
        if not critique:
            continue
        note = f"{key}:note" if len(critique) <= MAX_NOTE_CHARS and "\n" not in critique else None
        if note is not None:
            found.notes[note] = NoteRecord(
                id=note, at=UNKNOWN_TIME, kind="note", text=critique, source=critique
            )
        found.teachings[key] = TeachingRecord(
            id=key, at=UNKNOWN_TIME, reply=key, kind="critique", text=critique, note=note
        )
