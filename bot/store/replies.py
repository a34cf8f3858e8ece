"""Recorded answers: how each was made, where it stands on its platform, and what was thought of it.

A reply is recorded in the transaction that settles what it answers, and is sent from here. Knows no
chat and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeAlias

from sqlalchemy import Row, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.errors import Unknown
from bot.events import Action, Outgoing, Person, Place, Platform, Ref, Reply
from bot.store import tables
from bot.store.database import Connection, Database, insert
from bot.store.inbox import SETTLED, is_orphan, place_of
from bot.store.snapshots import (
    Branch,
    actions_json,
    actions_of,
    branches_json,
    branches_of,
    prompt_json,
    prompt_of,
    request_of,
    tree_json,
    tree_of,
)
from engine.types import Mode, Prompt, TreeNode

replies, searches, refs = tables.replies, tables.searches, tables.reply_refs
inbox, reactions = tables.inbox, tables.reactions

_LORA_NAME = select(tables.loras.c.name).where(tables.loras.c.id == replies.c.lora).scalar_subquery()
_REPLIES: Final = select(replies, searches.c.alternatives, _LORA_NAME.label("lora_name")).join(
    searches, searches.c.reply == replies.c.id
)
_RECORDED: Final = _REPLIES.add_columns(searches.c.prompt, searches.c.tree)

Rate: TypeAlias = Callable[[frozenset[str]], int | None]


class Delivery(StrEnum):
    """How far a recorded reply is on its way to the platform."""

    STORED = "stored"  # to be sent
    SENT = "sent"
    UNDELIVERABLE = "undeliverable"  # it can never arrive; `delivery_problem` says why
    WITHDRAWN = "withdrawn"  # its question was deleted before it was sent
    IMPORTED = "imported"  # it came with an archive and is not for sending


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
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A recorded reply that is still to be sent. `cause`: the inbox row that it was made for."""

    reply: str
    cause: str
    place: Place


class Replies:
    def __init__(self, database: Database, clock: Callable[[], datetime], rate: Rate) -> None:
        self._database = database
        self._clock = clock
        self._rate = rate

    async def record(self, draft: Draft, *, owner: str) -> bool:
        """Keep a reply and settle what it was made for, at once.

        False: the question was edited, deleted or answered meanwhile, and nothing was kept.
        """

        async def work(connection: Connection) -> bool:
            made_for: dict[str, object] = {"item": draft.cause, "by": owner}
            statement = SETTLED
            if draft.cause == draft.message:
                statement, made_for["as_of"] = SETTLED_AS_OF, draft.revision
            if (await connection.execute(statement, made_for)).rowcount == 0:
                return False
            await connection.execute(replies.insert(), _values(draft, owner, self._clock()))
            await connection.execute(searches.insert(), _search(draft))
            return True

        return await self._database.write(work)

    async def get(self, reply_id: str) -> Reply:
        """The reply as people see it. Raises Unknown."""
        found = await self.find(reply_id)
        if found is None:
            raise Unknown("unknown_reply", f"There is no reply {reply_id!r}.")
        return found

    async def find(self, reply_id: str) -> Reply | None:
        """The reply as people see it, if there is one."""
        async with self._database.reading() as connection:
            row = (await connection.execute(REPLY, {"reply": reply_id})).one_or_none()
            return None if row is None else _seen(row, await self._rating(connection, row))

    async def recorded(self, reply_id: str) -> Recorded:
        """The reply with all that is kept of it. Raises Unknown."""
        async with self._database.reading() as connection:
            row = (await connection.execute(RECORDED, {"reply": reply_id})).one_or_none()
            if row is None:
                raise Unknown("unknown_reply", f"There is no reply {reply_id!r}.")
            return _recorded(row, await self._rating(connection, row))

    async def of_messages(self, messages: Sequence[str]) -> dict[str, tuple[Reply, ...]]:
        """The current replies to each question, oldest first."""
        of_them = _REPLIES.where(replies.c.message.in_(messages), replies.c.is_current)
        found: dict[str, list[Reply]] = {message: [] for message in messages}
        async with self._database.reading() as connection:
            rows = (await connection.execute(of_them.order_by(replies.c.seq))).all()
            ratings = await self._ratings(connection, rows)
        for row in rows:
            found[row.message].append(_seen(row, ratings.get(row.id)))
        return {message: tuple(of_it) for message, of_it in found.items()}

    async def of_cause(self, item_id: str) -> tuple[Reply, ...]:
        """The current replies that were made for an inbox row, oldest first."""
        query = _REPLIES.where(replies.c.cause == item_id, replies.c.is_current).order_by(replies.c.seq)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            ratings = await self._ratings(connection, rows)
        return tuple(_seen(row, ratings.get(row.id)) for row in rows)

    async def of_person(self, person: str, *, limit: int = 1000) -> Sequence[Recorded]:
        """A person's replies with all that is kept of them, the newest first."""
        query = _RECORDED.where(replies.c.person == person).order_by(replies.c.seq.desc()).limit(limit)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            ratings = await self._ratings(connection, rows)
        return [_recorded(row, ratings.get(row.id)) for row in rows]

    async def beginnings(self, person: str) -> Mapping[str, datetime]:
        """When each of a person's conversations began."""
        query = (
            select(replies.c.conversation, func.min(replies.c.at).label("began"))
            .where(replies.c.person == person)
            .group_by(replies.c.conversation)
        )
        async with self._database.reading() as connection:
            return {row.conversation: row.began for row in await connection.execute(query)}

    async def with_feedback(self, person: str, *, limit: int) -> Sequence[Recorded]:
        """The person's replies that they reacted to or corrected, the newest first."""
        theirs = {"of_person": person, "most": limit}
        async with self._database.reading() as connection:
            rows = (await connection.execute(WITH_FEEDBACK, theirs)).all()
            ratings = await self._ratings(connection, rows)
        return [_recorded(row, ratings.get(row.id)) for row in rows]

    async def last_texts(self, messages: Sequence[str]) -> dict[str, str]:
        """What was said last to each question: a revision where there is one."""
        if not messages:
            return {}
        async with self._database.reading() as connection:
            found = await connection.execute(LAST_TEXTS, {"messages": list(messages)})
            return {row.message: row.text for row in found}

    async def at(self, ref: Ref) -> Reply | None:
        """The reply of which this platform message is a piece."""
        found = await self.id_at(ref)
        return None if found is None else await self.find(found)

    async def id_at(self, ref: Ref) -> str | None:
        """The id of the reply of which this platform message is a piece; on the web they are the same."""
        query = select(refs.c.reply).where(_is_ref(ref))
        if ref.platform is Platform.WEB:
            query = select(replies.c.id).where(replies.c.id == ref.id)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def latest_in(self, place: Place, person: str) -> Reply | None:
        """The latest answer to this person in this place."""
        query = (
            _REPLIES.join(inbox, inbox.c.id == replies.c.cause)
            .where(
                replies.c.person == person,
                replies.c.is_current,
                inbox.c.platform == place.platform,
                inbox.c.place_channel == place.channel,
                inbox.c.place_thread.is_not_distinct_from(place.thread),
            )
            .order_by(replies.c.seq.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
            return None if row is None else _seen(row, await self._rating(connection, row))

    async def describe(self, reply_id: str, text: str, manners: Mapping[str, float]) -> None:
        """Keep what the judge found in a rated reply, unless another text stands there by now."""

        async def work(connection: Connection) -> None:
            as_it_was = (replies.c.id == reply_id) & (replies.c.text == text)
            await connection.execute(update(replies).where(as_it_was).values(manners=dict(manners)))

        await self._database.write(work)

    async def never_learn(self, reply_id: str, is_never: bool) -> None:
        """Whether this reply may be learned from. One to what was withdrawn never may."""
        is_its_own = or_(inbox.c.id == replies.c.message, inbox.c.id == replies.c.cause)
        is_withdrawn = select(inbox.c.id).where(inbox.c.never_learn, is_its_own).exists()

        async def work(connection: Connection) -> None:
            change = update(replies).where(replies.c.id == reply_id)
            if not is_never:
                change = change.where(~is_withdrawn)
            await connection.execute(change.values(never_learn=is_never))

        await self._database.write(work)

    async def adopt_unsent(self, owner: str, *, limit: int) -> Sequence[Unsent]:
        """Take up replies that are to be sent and are owned by nobody alive, oldest first."""

        async def work(connection: Connection) -> Sequence[Unsent]:
            orphans = (
                select(
                    replies.c.id.label("reply"),
                    replies.c.cause,
                    inbox.c.platform,
                    inbox.c.place_channel,
                    inbox.c.place_thread,
                    inbox.c.is_private,
                )
                .join(inbox, inbox.c.id == replies.c.cause)
                .where(replies.c.delivery == Delivery.STORED, is_orphan(replies, self._clock()))
                .order_by(replies.c.seq)
                .limit(limit)
                .with_for_update(skip_locked=True, of=replies)
            )
            found = (await connection.execute(orphans)).all()
            ids = [row.reply for row in found]
            if ids:
                await connection.execute(update(replies).where(replies.c.id.in_(ids)).values(owner=owner))
            return [Unsent(reply=row.reply, cause=row.cause, place=place_of(row)) for row in found]

        return await self._database.write(work)

    async def outgoing(self, reply_id: str, *, owner: str) -> tuple[Outgoing, Person] | None:
        """The reply as it is to be posted now, and for whom. None: not to be sent any more, or not by us."""
        async with self._database.reading() as connection:
            row = (await connection.execute(OUTGOING, {"reply": reply_id, "by": owner})).one_or_none()
            if row is None:
                return None
            rating = await self._rating(connection, row)
            is_first = row.posting == 0 and row.revision == 0
            replaced = () if is_first else await self._replaced(connection, row)
        platform = Platform(row.platform)
        person = Person(key=row.person, platform=platform, name=row.person_name)
        outgoing = Outgoing(
            key=f"{row.id}.{row.posting}",
            reply=_seen(row, rating),
            place=place_of(row),
            question=Ref(platform=platform, channel=row.ref_channel, id=row.ref_id),
            actions=actions_of(row.actions),
            replaces=replaced,
        )
        return outgoing, person

    async def sent(self, outgoing: Outgoing, pieces: Sequence[Ref]) -> None:
        """It stands on the platform, in these pieces; they are this reply's from now on."""
        reply_id = outgoing.reply.id

        async def work(connection: Connection) -> None:
            posting = int(outgoing.key.rpartition(".")[2])
            await connection.execute(SENT, {"sent": reply_id, "as": posting})
            for ref in outgoing.replaces:
                await connection.execute(delete(refs).where(_is_ref(ref)))
            for piece, ref in enumerate(pieces):
                stands = {"platform": ref.platform, "channel": ref.channel, "id": ref.id}
                row = {**stands, "reply": reply_id, "piece": piece}
                await connection.execute(_standing_at(connection.dialect.name), row)

        await self._database.write(work)

    async def undeliverable(self, reply_id: str, problem: str) -> None:
        """It can never arrive."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                update(replies)
                .where(replies.c.id == reply_id)
                .values(delivery=Delivery.UNDELIVERABLE, delivery_problem=problem)
            )

        await self._database.write(work)

    async def posted(self, platform: Platform, *, since: datetime, limit: int) -> Sequence[tuple[Ref, Place]]:
        """The pieces of the answers made since then, the newest first, and where they stand."""
        query = (
            select(refs, inbox.c.place_channel, inbox.c.place_thread, inbox.c.is_private)
            .join(replies, replies.c.id == refs.c.reply)
            .join(inbox, inbox.c.id == replies.c.cause)
            .where(refs.c.platform == platform, replies.c.at >= since)
            .order_by(replies.c.seq.desc(), refs.c.piece)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [(Ref(platform=platform, channel=row.channel, id=row.id), place_of(row)) for row in rows]

    async def pieces(self, reply_id: str) -> tuple[Ref, ...]:
        """Where the reply stands on its platform, in order."""
        async with self._database.reading() as connection:
            return await _pieces(connection, [reply_id])

    async def _replaced(self, connection: Connection, row: Row[Any]) -> tuple[Ref, ...]:
        """What stands of this reply itself, or of the replies to the question before it was edited."""
        ids = [row.id]
        if row.cause == row.message:
            earlier = {"message": row.message, "before": row.seq}
            ids += list((await connection.execute(OUTDATED, earlier)).scalars())
        return await _pieces(connection, ids)

    async def _rating(self, connection: Connection, row: Row[Any]) -> int | None:
        return (await self._ratings(connection, [row])).get(row.id)

    async def _ratings(self, connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, int]:
        """What the person to whom each reply was given thinks of it."""
        if not rows:
            return {}
        sets: dict[str, set[str]] = {}
        for reply, emoji in await connection.execute(RATED, {"replies": [row.id for row in rows]}):
            sets.setdefault(reply, set()).add(emoji)
        rated = {reply: self._rate(frozenset(emoji)) for reply, emoji in sets.items()}
        return {reply: rating for reply, rating in rated.items() if rating is not None}


async def _pieces(connection: Connection, ids: Sequence[str]) -> tuple[Ref, ...]:
    rows = (await connection.execute(PIECES, {"replies": list(ids)})).all()
    return tuple(Ref(platform=Platform(row.platform), channel=row.channel, id=row.id) for row in rows)


def _is_ref(ref: Ref) -> Any:  # Any: SQLAlchemy's expression
    return (refs.c.platform == ref.platform) & (refs.c.channel == ref.channel) & (refs.c.id == ref.id)


def _values(draft: Draft, owner: str, now: datetime) -> dict[str, Any]:  # Any: columns' values
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
        "actions": actions_json(draft.actions),
        "delivery": Delivery.STORED,
        "owner": owner,
        "at": now,
    }


def _search(draft: Draft) -> dict[str, Any]:  # Any: columns' values
    return {
        "reply": draft.id,
        "alternatives": branches_json(draft.branches),
        "prompt": prompt_json(draft.prompt),
        "tree": tree_json(draft.tree),
    }


def _seen(row: Row[Any], rating: int | None) -> Reply:  # Any: a row described by columns
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


def _recorded(row: Row[Any], rating: int | None) -> Recorded:  # Any: a row described by columns
    return Recorded(
        reply=_seen(row, rating),
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


# Statements that every answer runs are made once: making one costs as much as running it.
REPLY: Final = _REPLIES.where(replies.c.id == bindparam("reply"))
RECORDED: Final = _RECORDED.where(replies.c.id == bindparam("reply"))
SETTLED_AS_OF: Final = SETTLED.where(inbox.c.revision == bindparam("as_of"))
SENT: Final = (
    update(replies)
    .where(replies.c.id == bindparam("sent"), replies.c.posting == bindparam("as"))
    .values(delivery=Delivery.SENT)
)
OUTGOING: Final = (
    _REPLIES.add_columns(inbox, tables.people.c.name.label("person_name"))
    .join(inbox, inbox.c.id == replies.c.cause)
    .join(tables.people, tables.people.c.key == replies.c.person)
    .where(
        replies.c.id == bindparam("reply"),
        replies.c.delivery == Delivery.STORED,
        replies.c.owner == bindparam("by"),
    )
)
OUTDATED: Final = select(replies.c.id).where(
    replies.c.message == bindparam("message"), ~replies.c.is_current, replies.c.seq < bindparam("before")
)
PIECES: Final = (
    select(refs)
    .join(replies, replies.c.id == refs.c.reply)
    .where(refs.c.reply.in_(bindparam("replies", expanding=True)))
    .order_by(replies.c.seq, refs.c.piece)
)
RATED: Final = (
    select(reactions.c.reply, reactions.c.emoji)
    .join(replies, replies.c.id == reactions.c.reply)
    .where(
        reactions.c.reply.in_(bindparam("replies", expanding=True)),
        reactions.c.person == replies.c.person,
        reactions.c.is_on,
    )
)
LAST_TEXTS: Final = (
    select(replies.c.message, replies.c.text)
    .where(replies.c.message.in_(bindparam("messages", expanding=True)), replies.c.is_current)
    .order_by(replies.c.seq)
)
_REACTED = select(reactions.c.reply).where(reactions.c.person == bindparam("of_person"), reactions.c.is_on)
_CORRECTED = select(tables.teachings.c.reply).where(
    tables.teachings.c.person == bindparam("of_person"), tables.teachings.c.wanted.is_not(None)
)
WITH_FEEDBACK: Final = (
    _RECORDED.where(
        replies.c.person == bindparam("of_person"),
        replies.c.id.in_(_REACTED) | replies.c.id.in_(_CORRECTED),
    )
    .order_by(replies.c.seq.desc())
    .limit(bindparam("most"))
)


@cache
def _standing_at(dialect: str) -> sqlite.Insert | postgresql.Insert:
    row = insert(dialect, refs)
    return row.on_conflict_do_update(
        index_elements=["platform", "channel", "id"],
        set_={"reply": row.excluded.reply, "piece": row.excluded.piece},
    )
