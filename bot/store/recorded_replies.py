"""A recorded reply as a value, and as the rows that keep it: what was sent, and what its search began with.

Knows no question and no platform.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from sqlalchemy import Row, bindparam, select

from bot.events import Action, ActionKind, Alternative, Reply
from bot.store import tables
from bot.store.database import DatabaseConnection
from engine import wording
from engine.types import Example, Mode, Prompt, Role, TreeNode, Turn

replies, searches, reactions = tables.replies, tables.searches, tables.reactions

Rate: TypeAlias = Callable[[frozenset[str]], int | None]
# Any: what JSON holds.
Json = dict[str, Any]


class Delivery(StrEnum):
    """How far a recorded reply is on its way to the platform."""

    STORED = "stored"  # to be sent
    SENT = "sent"
    UNDELIVERABLE = "undeliverable"  # it can never arrive; `delivery_problem` says why
    WITHDRAWN = "withdrawn"  # its question was deleted before it was sent
    IMPORTED = "imported"  # it came with an archive and is not for sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A finished reply that was not posted, with what the judge answered about it."""

    id: str
    text: str
    score: float
    answers: dict[str, float] = field(default_factory=dict)

    def shown(self) -> Alternative:
        return Alternative(id=self.id, text=self.text, score=self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A reply as it is about to be recorded."""

    id: str
    message: str  # the question
    cause: str  # the inbox row that it was made for: the question, or what was said under an answer
    person: str
    conversation: str
    revision: int = 0
    revises: str | None = None
    text: str
    prompt: Prompt
    model: str
    lora: int | None
    seed: int
    mode: Mode
    score: float | None
    answers: Mapping[str, float]
    branches: tuple[Branch, ...] = ()
    tree: tuple[TreeNode, ...] = ()
    generated_tokens: int = 0
    seconds: float = 0.0
    heading: str | None = None
    duel: str | None = None
    never_learn: bool = False
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedReply:
    """A recorded reply with all that is kept of how it was made."""

    reply: Reply
    cause: str | None
    prompt: Prompt
    model: str
    lora: int | None
    answers: dict[str, float]
    branches: tuple[Branch, ...]
    tree: tuple[TreeNode, ...]
    generated_tokens: int
    seconds: float
    manners: dict[str, float] | None  # what the judge found in it, once it was rated
    never_learn: bool
    is_current: bool
    delivery: Delivery
    delivery_problem: str | None
    at: datetime


# A reply as people see it, and with all that is kept of how it was made.
_LORA_NAME = select(tables.loras.c.name).where(tables.loras.c.id == replies.c.lora).scalar_subquery()
SEEN: Final = select(replies, searches.c.alternatives, _LORA_NAME.label("lora_name")).join(
    searches, searches.c.reply == replies.c.id
)
# Else what it answered was withdrawn, and all its words are erased.
HAS_WORDS: Final = (replies.c.request != "") | (replies.c.text != "") | replies.c.import_key.is_not(None)
RECORDED: Final = SEEN.add_columns(searches.c.prompt, searches.c.tree)
RATED: Final = (
    select(reactions.c.reply, reactions.c.emoji)
    .join(replies, replies.c.id == reactions.c.reply)
    .where(
        reactions.c.reply.in_(bindparam("replies", expanding=True)),
        reactions.c.person == replies.c.person,
        reactions.c.is_on,
    )
)


async def ratings_of(
    connection: DatabaseConnection, rows: Sequence[Row[Any]], rate: Rate
) -> dict[str, int]:  # Any: rows described by columns
    """What the person to whom each reply was given thinks of it."""
    if not rows:
        return {}
    sets: dict[str, set[str]] = {}
    for reply, emoji in await connection.execute(RATED, {"replies": [row.id for row in rows]}):
        sets.setdefault(reply, set()).add(emoji)
    rated = {reply: rate(frozenset(emoji)) for reply, emoji in sets.items()}
    return {reply: rating for reply, rating in rated.items() if rating is not None}


def seen(row: Row[Any], rating: int | None) -> Reply:  # Any: a row described by columns
    return Reply(
        id=row.id,
        message=row.message or "",
        conversation=row.conversation,
        person=row.person,
        text=row.text,
        mode=Mode(row.mode),
        score=row.score,
        lora=row.lora_name,
        seed=row.seed,
        revises=row.revises,
        rating=rating,
        alternatives=tuple(branch.shown() for branch in branches_of(row.alternatives)),
        at=row.at,
        heading=row.heading,
        duel=row.duel,
    )


def recorded(row: Row[Any], rating: int | None) -> RecordedReply:  # Any: a row described by columns
    return RecordedReply(
        reply=seen(row, rating),
        cause=row.cause,
        prompt=prompt_of(row.prompt),
        model=row.model,
        lora=row.lora,
        answers=row.answers,
        manners=row.manners,
        branches=branches_of(row.alternatives),
        tree=tree_of(row.tree),
        generated_tokens=row.generated_tokens,
        seconds=row.seconds,
        never_learn=row.never_learn,
        is_current=row.is_current,
        delivery=Delivery(row.delivery),
        delivery_problem=row.delivery_problem,
        at=row.at,
    )


def reply_row(draft: Draft, owner: str, now: datetime) -> dict[str, Any]:  # Any: columns' values
    return {
        "id": draft.id,
        "message": draft.message,
        "cause": draft.cause,
        "person": draft.person,
        "conversation": draft.conversation,
        "revision": draft.revision,
        "revises": draft.revises,
        "text": draft.text,
        "request": request_of(draft.prompt),
        "model": draft.model,
        "lora": draft.lora,
        "seed": draft.seed,
        "mode": draft.mode,
        "score": draft.score,
        "answers": dict(draft.answers),
        "generated_tokens": draft.generated_tokens,
        "seconds": draft.seconds,
        "heading": draft.heading,
        "duel": draft.duel,
        "never_learn": draft.never_learn,
        "actions": actions_json(draft.actions),
        "delivery": Delivery.STORED,
        "owner": owner,
        "at": now,
    }


def search_row(draft: Draft) -> dict[str, Any]:  # Any: columns' values
    return {
        "reply": draft.id,
        "alternatives": branches_json(draft.branches),
        "prompt": prompt_json(draft.prompt),
        "tree": tree_json(draft.tree),
    }


def prompt_json(prompt: Prompt) -> Json:
    return asdict(prompt)


def prompt_of(data: Mapping[str, Any]) -> Prompt:
    return Prompt(
        turns=tuple(Turn(role=Role(turn["role"]), text=turn["text"]) for turn in data["turns"]),
        persona=data.get("persona", ""),
        name=data.get("name"),
        facts=tuple(data.get("facts", ())),
        notes=tuple(data.get("notes", ())),
        examples=tuple(Example(**example) for example in data.get("examples", ())),
    )


def request_of(prompt: Prompt) -> str:
    """The person's request. A revision has the request that stood before the critiques."""
    return wording.last_request(wording.before_critiques(prompt))


def tree_json(tree: Sequence[TreeNode]) -> list[Json]:
    return [asdict(node) for node in tree]


def tree_of(data: Sequence[Mapping[str, Any]]) -> tuple[TreeNode, ...]:
    return tuple(TreeNode(**node) for node in data)


def branches_json(branches: Sequence[Branch]) -> list[Json]:
    return [asdict(branch) for branch in branches]


def branches_of(data: Sequence[Mapping[str, Any]]) -> tuple[Branch, ...]:
    return tuple(Branch(**branch) for branch in data)


def actions_json(actions: Sequence[Action]) -> list[Json]:
    return [asdict(action) for action in actions]


def actions_of(data: Sequence[Mapping[str, Any]]) -> tuple[Action, ...]:
    return tuple(
        Action(kind=ActionKind(item["kind"]), label=item["label"], target=item["target"]) for item in data
    )
