"""Tells whose file it is, and has it read. A file that is no JSON is kept as a text of the person's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from bot.errors import Refused
from bot.people.foreign import chatgpt, minetuning, minihf_conversation, minihf_loom
from bot.people.foreign.found import Found, Json, add_document
from bot.records import Unpacked

KNOWN_FORMS: Final = (
    "an archive of Nightloom, MiniHF's conversations and loom trees, MineTuning's ratings, ChatGPT's "
    "conversations.json, or plain text"
)


def read_one(name: str, data: bytes) -> Unpacked:
    """What a single file holds. Raises Refused where that is nothing."""
    return read_many({name: data})


def read_many(files: Mapping[str, bytes]) -> Unpacked:
    """What the files of a foreign zip hold. Raises Refused where that is nothing."""
    found = Found()
    for name, data in sorted(files.items()):
        _read(name, data, found)
    unpacked = found.unpacked()
    if not unpacked.archive.counts():
        why = f" ({unpacked.left[0].what}: {unpacked.left[0].why})" if unpacked.left else ""
        raise Refused("archive_unknown", f"I found nothing to take in{why}. I can read {KNOWN_FORMS}.")
    return unpacked


def _read(name: str, data: bytes, found: Found) -> None:
    text = _text(data)
    if text is None:
        found.left[name, "is no text"] += 1
        return
    if not text.strip():
        found.left[name, "is empty"] += 1
        return
    looks_like_json = text.lstrip()[:1] in "[{"
    if looks_like_json or name.endswith(".json"):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            found.left[name, f"is damaged JSON: {error}"[:200]] += 1
            return
        reader = _reader_of(document)
        if reader is None:
            found.left[name, "is JSON of a form that I do not know"] += 1
        else:
            reader(document, found)
        return
    add_document(name, text, found)


def _reader_of(document: Json) -> Callable[[Json, Found], None] | None:
    if isinstance(document, dict):
        if isinstance(document.get("responseDict"), dict):
            return minihf_conversation.read
        if isinstance(document.get("loomTree"), dict):
            return minihf_loom.read
        return chatgpt.read if isinstance(document.get("mapping"), dict) else None
    if isinstance(document, list) and document and all(isinstance(entry, dict) for entry in document):
        if all("query" in entry and "response" in entry for entry in document):
            return minetuning.read
        if all(isinstance(entry.get("mapping"), dict) for entry in document):
            return chatgpt.read
    return None


def _text(data: bytes) -> str | None:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text
