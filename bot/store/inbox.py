"""Questions and thread replies, from their arrival until they are settled. Knows no chat and no model.

An item is owned by the process that took it in. A process that lives says so every few seconds
(`store.leases`); what a dead one owned is taken up by another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, or_, select, update

from bot.events import (
    Edit,
    Message,
    MessageState,
    Person,
    Place,
    Platform,
    Ref,
    TeachingKind,
    ThreadReply,
)
from bot.store import tables
from bot.store.database import Database, DatabaseConnection
from bot.store.people import meet
from bot.store.platform_events import EventKind, first_time, subject
from engine.types import Mode

inbox = tables.inbox

_ITEMS: Final = select(
    inbox,
    tables.people.c.name.label("person_name"),
    tables.people.c.platform.label("person_platform"),
).join(tables.people, tables.people.c.key == inbox.c.person)


class ItemKind(StrEnum):
    MESSAGE = "message"  # a question: it is answered
    THREAD_REPLY = "thread_reply"  # said under an answer: it teaches


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to be worked on, as it stands now."""

    seq: int
    id: str
    kind: ItemKind
    person: Person
    ref: Ref
    place: Place
    conversation: str
    text: str
    mode: Mode | None
    reply_to: str | None
    is_correction: bool | None
    at: datetime
    state: MessageState
    problem: str | None
    refused: str | None
    attempts: int
    revision: int
    never_learn: bool
    taught_as: TeachingKind | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Where an event went. `is_new` False: it was here before, and nothing was changed."""

    id: str
    is_new: bool


class InboxStore:
    def __init__(self, database: Database, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def take(self, message: Message, *, conversation: str, owner: str) -> Acceptance:
        """Keep a question, once."""
        values = {
            "kind": ItemKind.MESSAGE,
            "mode": message.mode,
            "reply_to": message.reply_to,
        }
        return await self._keep(message, conversation, owner, values)

    async def take_thread_reply(
        self, thread_reply: ThreadReply, *, reply: str, conversation: str, owner: str
    ) -> Acceptance:
        """Keep what was said under an answer, once."""
        values = {
            "kind": ItemKind.THREAD_REPLY,
            "reply_to": reply,
            "is_correction": thread_reply.is_correction,
        }
        return await self._keep(thread_reply, conversation, owner, values)

    async def edit(self, edit: Edit, item_id: str, *, owner: str) -> bool:
        """The question has another text and waits again; its old replies are no longer current.

        False: the event was here before, the text is the same or was withdrawn, and nothing was changed.
        """

        async def work(connection: DatabaseConnection) -> bool:
            platform = edit.ref.platform
            if not await first_time(connection, platform, edit.event, EventKind.EDIT, item_id, self._clock()):
                return False
            changed = await connection.execute(
                update(inbox)
                .where(
                    inbox.c.id == item_id,
                    inbox.c.text != edit.text,
                    inbox.c.state != MessageState.CANCELLED,
                )
                .values(
                    text=edit.text,
                    revision=inbox.c.revision + 1,
                    state=MessageState.WAITING,
                    problem=None,
                    attempts=0,
                    owner=owner,
                )
            )
            if changed.rowcount == 0:
                return False
            replies = tables.replies
            await connection.execute(
                update(replies).where(replies.c.message == item_id).values(is_current=False)
            )
            return True

        return await self._database.write(work)

    async def get(self, item_id: str) -> Item | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(ITEM, {"item": item_id})).one_or_none()
        return None if row is None else _item(row)

    async def at(self, ref: Ref) -> Item | None:
        """The question that this platform message is."""
        here = _ITEMS.where(
            inbox.c.platform == ref.platform, inbox.c.ref_channel == ref.channel, inbox.c.ref_id == ref.id
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(here.order_by(inbox.c.seq.desc()).limit(1))).one_or_none()
        return None if row is None else _item(row)

    async def waiting_of(self, person: str) -> Sequence[str]:
        """What a person said that is not settled."""
        waits = (inbox.c.person == person) & (inbox.c.state == MessageState.WAITING)
        async with self._database.reading() as connection:
            return list((await connection.execute(select(inbox.c.id).where(waits))).scalars())

    async def adopt(self, owner: str, *, limit: int) -> Sequence[Item]:
        """Take up what waits and is owned by nobody alive, oldest first."""

        async def work(connection: DatabaseConnection) -> Sequence[Item]:
            orphans = (
                select(inbox.c.id)
                .where(inbox.c.state == MessageState.WAITING, is_orphan(inbox, self._clock()))
                .order_by(inbox.c.seq)
                .limit(limit)
                .with_for_update(skip_locked=True)  # another process adopts others; SQLite has no need
            )
            ids = list((await connection.execute(orphans)).scalars())
            if ids:
                await connection.execute(update(inbox).where(inbox.c.id.in_(ids)).values(owner=owner))
            # Read here: what is ours already and could not be read would be taken up by nobody.
            rows = await connection.execute(_ITEMS.where(inbox.c.id.in_(ids)).order_by(inbox.c.seq))
            return [_item(row) for row in rows]

        return await self._database.write(work)

    async def begin(self, item_id: str, *, owner: str) -> Item | None:
        """Work on it begins: it is counted, so that what kills a process is not tried for ever.

        None: it is settled, or another process has it.
        """

        async def work(connection: DatabaseConnection) -> Item | None:
            if (await connection.execute(BEGUN, {"item": item_id, "by": owner})).rowcount == 0:
                return None
            return _item((await connection.execute(ITEM, {"item": item_id})).one())

        return await self._database.write(work)

    async def fail(self, item_id: str, problem: str, *, refused: str | None = None, owner: str) -> bool:
        """The item is given up. `refused`: the code of a refusal. False: it was settled meanwhile."""
        outcome = None if refused is None else {"refused": refused}

        async def work(connection: DatabaseConnection) -> bool:
            failed = MINE.values(state=MessageState.FAILED, problem=problem, outcome=outcome)
            return (await connection.execute(failed, {"item": item_id, "by": owner})).rowcount == 1

        return await self._database.write(work)

    async def taught(self, item_id: str, kind: TeachingKind, note: str | None) -> None:
        """What a thread reply was understood as. A question is then answered like any other."""
        values: dict[str, Any] = {"outcome": {"kind": kind, "note": note}}  # Any: JSON
        if kind is TeachingKind.QUESTION:
            values["kind"] = ItemKind.MESSAGE

        async def work(connection: DatabaseConnection) -> None:
            await connection.execute(update(inbox).where(inbox.c.id == item_id).values(**values))

        await self._database.write(work)

    async def earlier(self, item: Item, *, limit: int) -> Sequence[Item]:
        """The person's answered questions before this one in its conversation, newest first."""
        this = {"by": item.person.key, "in": item.conversation, "before": item.seq, "most": limit}
        async with self._database.reading() as connection:
            return [_item(row) for row in await connection.execute(EARLIER, this)]

    async def of_conversation(
        self, person: str, conversation: str, *, kind: ItemKind = ItemKind.MESSAGE, limit: int = 500
    ) -> Sequence[Item]:
        """What the person said of this kind in a conversation, oldest first, at most the newest `limit`.

        What was withdrawn is not there any more.
        """
        newest = (
            _ITEMS.where(
                inbox.c.person == person,
                inbox.c.conversation == conversation,
                inbox.c.kind == kind,
                inbox.c.state != MessageState.CANCELLED,
            )
            .order_by(inbox.c.seq.desc())
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [_item(row) for row in await connection.execute(newest)][::-1]

    async def conversations(self, person: str, *, limit: int = 200) -> Sequence[tuple[str, str, datetime]]:
        """(conversation, first question, time of the last question), the newest first."""
        spans = (
            select(
                inbox.c.conversation,
                func.min(inbox.c.seq).label("first"),
                func.max(inbox.c.seq).label("last"),
            )
            .where(
                inbox.c.person == person,
                inbox.c.kind == ItemKind.MESSAGE,
                inbox.c.state != MessageState.CANCELLED,
            )
            .group_by(inbox.c.conversation)
            .subquery()
        )
        first, last = inbox.alias("first_item"), inbox.alias("last_item")
        query = (
            select(spans.c.conversation, first.c.text, last.c.at)
            .join(first, first.c.seq == spans.c.first)
            .join(last, last.c.seq == spans.c.last)
            .order_by(spans.c.last.desc())
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [(row[0], row[1], row[2]) for row in await connection.execute(query)]

    async def _keep(
        self, event: Message | ThreadReply, conversation: str, owner: str, values: dict[str, Any]
    ) -> Acceptance:  # Any: the values of columns
        item_id, now = self._new_id(), self._clock()

        async def work(connection: DatabaseConnection) -> Acceptance:
            platform = event.ref.platform
            kind = EventKind(values["kind"])
            if not await first_time(connection, platform, event.event, kind, item_id, now):
                return Acceptance(id=await subject(connection, platform, event.event) or "", is_new=False)
            await meet(connection, event.person, now)
            row = {
                "id": item_id,
                "person": event.person.key,
                "platform": event.place.platform,
                "ref_channel": event.ref.channel,
                "ref_id": event.ref.id,
                "place_channel": event.place.channel,
                "place_thread": event.place.thread,
                "is_private": event.place.is_private,
                "conversation": conversation,
                "text": event.text,
                "at": event.at,
                "received_at": now,
                "state": MessageState.WAITING,
                "owner": owner,
                **values,
            }
            await connection.execute(inbox.insert(), row)
            return Acceptance(id=item_id, is_new=True)

        return await self._database.write(work)


# Statements that every event runs are made once: making one costs as much as running it.
ITEM: Final = _ITEMS.where(inbox.c.id == bindparam("item"))
MINE: Final = update(inbox).where(
    inbox.c.id == bindparam("item"),
    inbox.c.state == MessageState.WAITING,
    inbox.c.owner == bindparam("by"),
)
BEGUN: Final = MINE.values(attempts=inbox.c.attempts + 1)
SETTLED: Final = MINE.values(state=MessageState.ANSWERED)
EARLIER: Final = (
    _ITEMS.where(
        inbox.c.person == bindparam("by"),
        inbox.c.conversation == bindparam("in"),
        inbox.c.kind == ItemKind.MESSAGE,
        inbox.c.state == MessageState.ANSWERED,
        inbox.c.seq < bindparam("before"),
    )
    .order_by(inbox.c.seq.desc())
    .limit(bindparam("most"))
)


def is_orphan(table: Any, now: datetime) -> Any:  # Any: the inbox or the replies; SQLAlchemy's expression
    """Whether a row's owner is no process that lives."""
    leases = tables.leases
    alive = select(leases.c.owner).where(leases.c.name.startswith("process:"), leases.c.until > now)
    return or_(table.c.owner.is_(None), table.c.owner.not_in(alive))


def place_of(row: Row[Any]) -> Place:  # Any: a row with the inbox's columns for it
    return Place(
        platform=Platform(row.platform),
        channel=row.place_channel,
        thread=row.place_thread,
        is_private=row.is_private,
    )


def _item(row: Row[Any]) -> Item:  # Any: a row that is described by columns, not by types
    platform = Platform(row.platform)
    outcome = row.outcome or {}
    person = Person(key=row.person, platform=Platform(row.person_platform), name=row.person_name)
    return Item(
        seq=row.seq,
        id=row.id,
        kind=ItemKind(row.kind),
        person=person,
        ref=Ref(platform=platform, channel=row.ref_channel, id=row.ref_id),
        place=place_of(row),
        conversation=row.conversation,
        text=row.text,
        mode=None if row.mode is None else Mode(row.mode),
        reply_to=row.reply_to,
        is_correction=row.is_correction,
        at=row.at,
        state=MessageState(row.state),
        problem=row.problem,
        refused=outcome.get("refused"),
        attempts=row.attempts,
        revision=row.revision,
        never_learn=row.never_learn,
        taught_as=TeachingKind(outcome["kind"]) if "kind" in outcome else None,
        note=outcome.get("note"),
    )
