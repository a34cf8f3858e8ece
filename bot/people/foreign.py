"""Reads what other programs keep of conversations and ratings, and plain texts, as records of ours.

MiniHF's conversations and loom trees, MineTuning's rating files, ChatGPT's export. Pure; knows no store.
An id is made of the content or of the file's own ids, so that reading a file again gives the same records.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final

from bot.errors import Refused
from bot.people.archive import Unpacked
from bot.records import (
    MAX_TEXT_CHARS,
    Archive,
    ChoiceRecord,
    DocumentRecord,
    Left,
    NoteRecord,
    ReplyRecord,
    TeachingRecord,
    cleaned,
)
from engine.types import Mode, Prompt, Role, Turn

MAX_TURNS: Final = 24  # of a conversation that is kept as an answer's prompt
MAX_PROMPT_CHARS: Final = 20_000
MAX_NODES: Final = 20_000
# Of one import's answers with their prompts: each repeats what was before it.
MAX_ALL_CHARS: Final = 100_000_000
MAX_NOTE_CHARS: Final = 160
MAX_DEPTH: Final = 5_000
MAX_STEPS_BACK: Final = 10 * MAX_TURNS  # nodes that are looked at for a prompt; most forms have empty ones
UNKNOWN_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)  # where a file tells none
TOO_MUCH: Final = f"come after the {MAX_ALL_CHARS // 10**6} million characters that one import may hold"
KEYCAPS: Final = ("1️⃣", "2️⃣", "3️⃣", "4️⃣", "5️⃣")
THUMBS: Final = {True: "👍", False: "👎"}
KNOWN_FORMS: Final = (
    "an archive of Nightloom, MiniHF's conversations and loom trees, MineTuning's ratings, ChatGPT's "
    "conversations.json, or plain text"
)

Json = Any  # whatever a file of somebody else holds


@dataclass(slots=True)
class _Found:
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


def read_one(name: str, data: bytes) -> Unpacked:
    """What a single file holds. Raises Refused where that is nothing."""
    return _all_of({name: data})


def read_many(files: Mapping[str, bytes]) -> Unpacked:
    """What the files of a foreign zip hold. Raises Refused where that is nothing."""
    return _all_of(files)


def _all_of(files: Mapping[str, bytes]) -> Unpacked:
    found = _Found()
    for name, data in sorted(files.items()):
        _read(name, data, found)
    unpacked = found.unpacked()
    if not unpacked.archive.counts():
        why = f" ({unpacked.left[0].what}: {unpacked.left[0].why})" if unpacked.left else ""
        raise Refused("archive_unknown", f"I found nothing to take in{why}. I can read {KNOWN_FORMS}.")
    return unpacked


def _read(name: str, data: bytes, found: _Found) -> None:
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
    _document(name, text, found)


def _reader_of(document: Json) -> Callable[[Json, _Found], None] | None:
    if isinstance(document, dict):
        if isinstance(document.get("responseDict"), dict):
            return _minihf_conversation
        if isinstance(document.get("loomTree"), dict):
            return _minihf_loom
        return _chatgpt if isinstance(document.get("mapping"), dict) else None
    if isinstance(document, list) and document and all(isinstance(one, dict) for one in document):
        if all("query" in one and "response" in one for one in document):
            return _minetuning
        if all(isinstance(one.get("mapping"), dict) for one in document):
            return _chatgpt
    return None


# --- MiniHF: a conversation, `responseDict` of id → {prompt, text, rating, parent, children} ---


def _minihf_conversation(document: Json, found: _Found) -> None:
    nodes = {str(key): node for key, node in document["responseDict"].items() if isinstance(node, dict)}
    _check_number(nodes)
    conversation = f"minihf:{_digest(sorted(nodes))}"
    prompts = {key: _clean(node.get("prompt")) for key, node in nodes.items()}
    texts = {key: _clean(node.get("text")) for key, node in nodes.items()}
    for key, node in nodes.items():
        if not texts[key].strip():
            continue  # a prompt that waits for its answers
        turns: list[Turn] = []
        for ancestor in islice(_ancestors(nodes, key, found), MAX_STEPS_BACK):
            if texts[ancestor].strip():
                turns[:0] = (
                    Turn(role=Role.USER, text=prompts[ancestor][-MAX_PROMPT_CHARS:]),
                    Turn(role=Role.ASSISTANT, text=texts[ancestor][-MAX_PROMPT_CHARS:]),
                )
            if _is_enough(turns):
                break
        turns.append(Turn(role=Role.USER, text=prompts[key][-MAX_PROMPT_CHARS:]))
        if not turns[-1].text.strip():
            found.left["answers", "have no prompt"] += 1
            continue
        if node.get("evaluationPrompt"):
            found.left["evaluationPrompt", "the judge here has questions of its own"] += 1
        _reply(
            found,
            key=f"{conversation}:{key}"[:200],
            conversation=conversation,
            turns=turns,
            text=texts[key],
            rating=node.get("rating"),
        )


def _check_number(nodes: Mapping[str, Json]) -> None:
    if len(nodes) > MAX_NODES:
        raise Refused("archive_too_large", f"The tree has more than {MAX_NODES} nodes.")


def _is_enough(turns: Sequence[Turn]) -> bool:
    """Whether a prompt needs nothing of what was said still earlier."""
    return len(turns) >= MAX_TURNS or sum(len(turn.text) for turn in turns) > MAX_PROMPT_CHARS


def _ancestors(nodes: Mapping[str, Mapping[str, Json]], key: str, found: _Found) -> Iterator[str]:
    """From the parent to the root. A circle ends it."""
    seen = {key}
    while (parent := nodes[key].get("parent")) is not None and str(parent) in nodes:
        key = str(parent)
        if key in seen or len(seen) > MAX_DEPTH:
            found.left["answers", "go round in a circle"] += 1
            return
        seen.add(key)
        yield key


# --- MiniHF: a loom tree, `nodeStore` of id → {type, patch, rating, parent}; a node's text is its patches ---


def _minihf_loom(document: Json, found: _Found) -> None:
    store = document["loomTree"].get("nodeStore")
    nodes = (
        {str(key): node for key, node in store.items() if isinstance(node, dict)}
        if isinstance(store, dict)
        else {}
    )
    _check_number(nodes)
    conversation = (
        f"loom:{_digest(sorted((key, _string(node.get('timestamp'))) for key, node in nodes.items()))}"
    )
    for key, before, after in _rendered(nodes, found):
        node = nodes[key]
        if node.get("type") in ("root", "user"):
            continue
        if before is None or after is None:
            found.left["loom nodes", "have a patch that does not apply"] += 1
        elif not before.strip() or not after.startswith(before) or not after[len(before) :].strip():
            found.left["loom nodes", "do not continue the text before them"] += 1
        else:
            _reply(
                found,
                key=f"{conversation}:{key}"[:200],
                conversation=conversation,
                turns=[Turn(role=Role.USER, text=_clean(before)[-MAX_PROMPT_CHARS:])],
                text=_clean(after[len(before) :]),
                rating=node.get("rating"),
                at=_time(node.get("timestamp"), per_second=1000),
            )


def _rendered(
    nodes: Mapping[str, Mapping[str, Json]], found: _Found
) -> Iterator[tuple[str, str | None, str | None]]:
    """Each node with the text before it and its own; None where a patch on the way to it does not apply.

    One branch after the other: only the texts on the way to the present node are held.
    """
    children: dict[str | None, list[str]] = {}
    for key, node in nodes.items():
        parent = str(node.get("parent"))
        children.setdefault(parent if parent in nodes else None, []).append(key)
    waiting: list[tuple[str, str | None]] = [(key, "") for key in reversed(children.get(None, ()))]
    reached = 0
    while waiting:
        key, before = waiting.pop()
        reached += 1
        if not found.has_room(len(before or "")):
            found.left["loom nodes", TOO_MUCH] += 1
            continue
        after = None if before is None else patched(before, nodes[key].get("patch"))
        yield key, before, after
        waiting += [(child, after) for child in reversed(children.get(key, ()))]
    if reached < len(nodes):
        found.left["loom nodes", "go round in a circle, or hang on one that was left"] += len(nodes) - reached


def patched(text: str, patch: Json) -> str | None:
    """A text after the patches of diff-match-patch; None where one does not fit.

    Offsets count UTF-16 units, as JavaScript does.
    """
    if not isinstance(patch, list):
        return text
    units = _units(text)
    for hunk in patch:
        diffs = [_diff(diff) for diff in hunk.get("diffs", [])] if isinstance(hunk, dict) else [None]
        if any(diff is None for diff in diffs):
            return None
        known = [diff for diff in diffs if diff is not None]
        before = "".join(_units(piece) for operation, piece in known if operation <= 0)
        after = "".join(_units(piece) for operation, piece in known if operation >= 0)
        at = _nearest(units, before, _offset(hunk.get("start2")))
        if at is None or len(units) - len(before) + len(after) > MAX_TEXT_CHARS:
            return None
        units = units[:at] + after + units[at + len(before) :]
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _diff(diff: Json) -> tuple[int, str] | None:
    """One piece: an operation (-1, 0, 1) and a text; some versions write it as an object."""
    if isinstance(diff, dict):
        diff = [diff.get("0"), diff.get("1")]
    if isinstance(diff, list) and len(diff) == 2 and diff[0] in (-1, 0, 1) and isinstance(diff[1], str):
        return int(diff[0]), diff[1]
    return None


def _nearest(text: str, piece: str, at: int) -> int | None:
    """Where a piece stands in a text, nearest to where it is said to stand."""
    if not piece:
        return min(at, len(text))
    if text.startswith(piece, at):
        return at
    places = [place for place in (text.rfind(piece, 0, at + len(piece)), text.find(piece, at)) if place >= 0]
    return min(places, key=lambda place: abs(place - at), default=None)


def _units(text: str) -> str:
    """A text with each UTF-16 unit as a character of its own."""
    return "".join(map(chr, memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")))


def _offset(value: Json) -> int:
    return max(value, 0) if isinstance(value, int) else 0


# --- MineTuning: [{query, response, rating, feedback}] ---


def _minetuning(document: Json, found: _Found) -> None:
    for one in document:
        query, response = _clean(one["query"]), _clean(one["response"])
        if not query.strip() or not response.strip():
            found.left["ratings", "have no query or no response"] += 1
            continue
        key = f"minetuning:{_digest([query, response])}"
        rating = one.get("rating")
        if rating not in (None, "") and _emoji(rating) is None:
            found.left["ratings", f"are no number from 1 to 5: {_string(rating)[:20]!r}"] += 1
        turns = [Turn(role=Role.USER, text=query)]
        _reply(found, key=key, conversation=key, turns=turns, text=response, rating=rating)
        critique = _clean(one.get("feedback")).strip()
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


# --- ChatGPT: [{title, mapping: id → {message, parent, children}, current_node}] ---


def _chatgpt(document: Json, found: _Found) -> None:
    for one in document if isinstance(document, list) else [document]:
        _chatgpt_conversation(one, found)


def _chatgpt_conversation(document: Mapping[str, Json], found: _Found) -> None:
    nodes = {str(key): node for key, node in document["mapping"].items() if isinstance(node, dict)}
    own_id = document.get("conversation_id") or document.get("id") or _digest(sorted(nodes))
    conversation = f"chatgpt:{_clean(own_id)}"[:200]
    current = str(document.get("current_node"))
    shown = {current, *_ancestors(nodes, current, found)} if current in nodes else set()
    by_question: dict[str, list[str]] = {}
    said = {key: turn for key, node in nodes.items() if (turn := _said(node)) is not None}
    for key, answer in said.items():
        if answer.role is not Role.ASSISTANT:
            continue
        turns, question = _turns_before(nodes, said, key, found)
        if not turns or turns[-1].role is not Role.USER:
            found.left["messages of ChatGPT", "answer nothing that you said"] += 1
            continue
        record = f"{conversation}:{key}"[:200]
        _reply(
            found,
            key=record,
            conversation=conversation,
            turns=turns,
            text=answer.text,
            at=_time(nodes[key]["message"].get("create_time"), per_second=1),
        )
        if record in found.replies:
            by_question.setdefault(question, []).append(key)
    for answers in by_question.values():
        _choices_among(answers, shown, conversation, found)


def _choices_among(answers: Sequence[str], shown: set[str], conversation: str, found: _Found) -> None:
    """Of several answers to one question the one that the person went on from was preferred."""
    preferred = [key for key in answers if key in shown]
    if len(preferred) != 1:
        return
    chosen = found.replies[f"{conversation}:{preferred[0]}"[:200]]
    for key in answers:
        other = found.replies[f"{conversation}:{key}"[:200]]
        if other.id != chosen.id and other.text != chosen.text:
            made = f"choice:{_digest([chosen.id, other.id])}"
            found.choices[made] = ChoiceRecord(
                id=made,
                at=chosen.at,
                reply=chosen.id,
                kind="taken",
                alternative=_digest([other.id]),
                chosen=chosen.text,
                rejected=other.text,
            )


def _turns_before(
    nodes: Mapping[str, Mapping[str, Json]], said: Mapping[str, Turn], key: str, found: _Found
) -> tuple[list[Turn], str]:
    """What was said before a message, neighbours of one role in one turn, and the id of the last question."""
    turns: list[Turn] = []
    question = ""
    for ancestor in islice(_ancestors(nodes, key, found), MAX_STEPS_BACK):
        if ancestor not in said:
            continue
        question = question or ancestor
        role, text = said[ancestor].role, said[ancestor].text[-MAX_PROMPT_CHARS:]
        if turns and turns[0].role is role:
            turns[0] = Turn(role=role, text=f"{text}\n{turns[0].text}")
        else:
            turns.insert(0, Turn(role=role, text=text))
        if _is_enough(turns):
            break
    while turns and turns[0].role is Role.ASSISTANT:
        turns.pop(0)
    return turns, question


def _said(node: Mapping[str, Json]) -> Turn | None:
    """What a message says, if it is one of a person or the assistant and says anything in text."""
    message = node.get("message")
    if not isinstance(message, dict):
        return None
    author, content = message.get("author"), message.get("content")
    role = author.get("role") if isinstance(author, dict) else None
    if role not in ("user", "assistant") or not isinstance(content, dict):
        return None
    parts = content.get("parts")
    if content.get("content_type") != "text" or not isinstance(parts, list):
        return None
    text = _clean("\n".join(part for part in parts if isinstance(part, str))).strip()
    return Turn(role=Role(role), text=text) if text else None


# --- what all forms share ---


def _document(name: str, text: str, found: _Found) -> None:
    if len(text) > MAX_TEXT_CHARS:
        found.left[name, f"is longer than {MAX_TEXT_CHARS} characters; its beginning is taken"] += 1
    kept = cleaned(text)[:MAX_TEXT_CHARS]
    key = f"text:{_digest([kept])}"
    title = PurePosixPath(name).stem[:200] or "text"
    found.documents[key] = DocumentRecord(id=key, at=UNKNOWN_TIME, title=cleaned(title), text=kept)


def _reply(
    found: _Found,
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
    emoji = _emoji(rating)
    found.replies[key] = ReplyRecord(
        id=key,
        at=at,
        conversation=conversation,
        prompt=Prompt(turns=kept),
        text=text,
        mode=Mode.FAST,
        reactions=(emoji,) if emoji else (),
    )


def _emoji(rating: Json) -> str | None:
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


def _text(data: bytes) -> str | None:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _time(value: Json, *, per_second: int) -> datetime:
    try:
        return datetime.fromtimestamp(value / per_second, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return UNKNOWN_TIME


def _clean(value: Json) -> str:
    return cleaned(_string(value))


def _string(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
