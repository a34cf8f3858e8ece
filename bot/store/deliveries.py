"""Recorded replies on their way to their platform, and where they stand once they are there.

A reply is sent by the process that owns it. Knows no chat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.events import Outgoing, Person, Place, Platform, Ref
from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert
from bot.store.inbox import is_orphan, place_of
from bot.store.recorded_replies import SEEN, Delivery, Rate, actions_of, ratings_of, seen

replies, refs, inbox = tables.replies, tables.reply_refs, tables.inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsentReply:
    """A recorded reply that is still to be sent. `cause`: the inbox row that it was made for."""

    reply: str
    cause: str
    place: Place


class DeliveryStore:
    def __init__(self, database: Database, clock: Callable[[], datetime], rate: Rate) -> None:
        self._database = database
        self._clock = clock
        self._rate = rate

    async def adopt(self, owner: str, *, limit: int) -> Sequence[UnsentReply]:
        """Take up replies that are to be sent and are owned by nobody alive, oldest first."""

        async def work(connection: DatabaseConnection) -> Sequence[UnsentReply]:
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
            return [UnsentReply(reply=row.reply, cause=row.cause, place=place_of(row)) for row in found]

        return await self._database.write(work)

    async def outgoing(self, reply_id: str, *, owner: str) -> tuple[Outgoing, Person] | None:
        """The reply as it is to be posted now, and for whom. None: not to be sent any more, or not by us."""
        async with self._database.reading() as connection:
            row = (await connection.execute(OUTGOING, {"reply": reply_id, "by": owner})).one_or_none()
            if row is None:
                return None
            ratings = await ratings_of(connection, [row], self._rate)
            is_first = row.posting == 0 and row.revision == 0
            replaced = () if is_first else await _replaced(connection, row)
        platform = Platform(row.platform)
        person = Person(key=row.person, platform=platform, name=row.person_name)
        outgoing = Outgoing(
            key=f"{row.id}.{row.posting}",
            reply=seen(row, ratings.get(row.id)),
            place=place_of(row),
            question=Ref(platform=platform, channel=row.ref_channel, id=row.ref_id),
            actions=actions_of(row.actions),
            replaces=replaced,
        )
        return outgoing, person

    async def sent(self, outgoing: Outgoing, pieces: Sequence[Ref]) -> None:
        """It stands on the platform, in these pieces; they are this reply's from now on."""
        reply_id = outgoing.reply.id

        async def work(connection: DatabaseConnection) -> None:
            posting = int(outgoing.key.rpartition(".")[2])
            await connection.execute(SENT, {"sent": reply_id, "as": posting})
            for ref in outgoing.replaces:
                await connection.execute(delete(refs).where(is_ref(ref)))
            for piece, ref in enumerate(pieces):
                stands = {"platform": ref.platform, "channel": ref.channel, "id": ref.id}
                row = {**stands, "reply": reply_id, "piece": piece}
                await connection.execute(_standing_at(connection.dialect.name), row)

        await self._database.write(work)

    async def undeliverable(self, reply_id: str, problem: str) -> None:
        """It can never arrive."""

        async def work(connection: DatabaseConnection) -> None:
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


def is_ref(ref: Ref) -> Any:  # Any: SQLAlchemy's expression
    return (refs.c.platform == ref.platform) & (refs.c.channel == ref.channel) & (refs.c.id == ref.id)


async def _replaced(connection: DatabaseConnection, row: Row[Any]) -> tuple[Ref, ...]:
    """What stands of this reply itself, or of the replies to the question before it was edited."""
    ids = [row.id]
    if row.cause == row.message:
        earlier = {"message": row.message, "before": row.seq}
        ids += list((await connection.execute(OUTDATED, earlier)).scalars())
    return await _pieces(connection, ids)


async def _pieces(connection: DatabaseConnection, ids: Sequence[str]) -> tuple[Ref, ...]:
    rows = (await connection.execute(PIECES, {"replies": list(ids)})).all()
    return tuple(Ref(platform=Platform(row.platform), channel=row.channel, id=row.id) for row in rows)


# Statements that every answer runs are made once: making one costs as much as running it.
SENT: Final = (
    update(replies)
    .where(replies.c.id == bindparam("sent"), replies.c.posting == bindparam("as"))
    .values(delivery=Delivery.SENT)
)
OUTGOING: Final = (
    SEEN.add_columns(inbox, tables.people.c.name.label("person_name"))
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


@cache
def _standing_at(dialect: str) -> sqlite.Insert | postgresql.Insert:
    row = insert(dialect, refs)
    return row.on_conflict_do_update(
        index_elements=["platform", "channel", "id"],
        set_={"reply": row.excluded.reply, "piece": row.excluded.piece},
    )
