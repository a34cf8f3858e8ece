"""Recorded replies: how each was made, and what was thought of it. Knows no chat and no model.

A reply is recorded in the transaction that settles what it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, or_, select, update

from bot.errors import Unknown
from bot.events import Place, Platform, Ref, Reply
from bot.store import tables
from bot.store.database import Database, DatabaseConnection
from bot.store.deliveries import is_ref
from bot.store.inbox import SETTLED
from bot.store.recorded_replies import (
    HAS_WORDS,
    RECORDED,
    SEEN,
    Draft,
    Rate,
    RecordedReply,
    ratings_of,
    recorded,
    reply_row,
    search_row,
    seen,
)
from bot.store.withdrawals import without_withdrawn

replies, searches, refs = tables.replies, tables.searches, tables.reply_refs
inbox = tables.inbox


class ReplyStore:
    def __init__(self, database: Database, clock: Callable[[], datetime], rate: Rate) -> None:
        self._database = database
        self._clock = clock
        self._rate = rate

    async def record(self, draft: Draft, *, owner: str) -> bool:
        """Keep a reply and settle what it was made for, at once.

        False: the question was edited, deleted or answered meanwhile, and nothing was kept.
        """

        async def work(connection: DatabaseConnection) -> bool:
            made_for: dict[str, object] = {"item": draft.cause, "by": owner}
            statement = SETTLED
            if draft.cause == draft.message:
                statement, made_for["as_of"] = SETTLED_AS_OF, draft.revision
            if (await connection.execute(statement, made_for)).rowcount == 0:
                return False
            kept = await without_withdrawn(connection, draft)
            await connection.execute(replies.insert(), reply_row(kept, owner, self._clock()))
            await connection.execute(searches.insert(), search_row(kept))
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
            return None if row is None else await self._seen(connection, row)

    async def recorded(self, reply_id: str) -> RecordedReply:
        """The reply with all that is kept of it. Raises Unknown."""
        async with self._database.reading() as connection:
            row = (await connection.execute(RECORDED_REPLY, {"reply": reply_id})).one_or_none()
            if row is None:
                raise Unknown("unknown_reply", f"There is no reply {reply_id!r}.")
            ratings = await ratings_of(connection, [row], self._rate)
            return recorded(row, ratings.get(row.id))

    async def of_messages(self, messages: Sequence[str]) -> dict[str, tuple[Reply, ...]]:
        """The current replies to each question, oldest first."""
        of_them = SEEN.where(replies.c.message.in_(messages), replies.c.is_current)
        found: dict[str, list[Reply]] = {message: [] for message in messages}
        async with self._database.reading() as connection:
            rows = (await connection.execute(of_them.order_by(replies.c.seq))).all()
            ratings = await ratings_of(connection, rows, self._rate)
        for row in rows:
            found[row.message].append(seen(row, ratings.get(row.id)))
        return {message: tuple(of_it) for message, of_it in found.items()}

    async def of_cause(self, item_id: str) -> tuple[Reply, ...]:
        """The current replies that were made for an inbox row, oldest first."""
        query = SEEN.where(replies.c.cause == item_id, replies.c.is_current).order_by(replies.c.seq)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            ratings = await ratings_of(connection, rows, self._rate)
        return tuple(seen(row, ratings.get(row.id)) for row in rows)

    async def of_person(self, person: str, *, limit: int = 1000) -> Sequence[RecordedReply]:
        """A person's replies with all that is kept of them, the newest first."""
        query = RECORDED.where(replies.c.person == person, HAS_WORDS)
        query = query.order_by(replies.c.seq.desc()).limit(limit)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            ratings = await ratings_of(connection, rows, self._rate)
        return [recorded(row, ratings.get(row.id)) for row in rows]

    async def beginnings(self, person: str) -> Mapping[str, datetime]:
        """When each of a person's conversations began."""
        query = (
            select(replies.c.conversation, func.min(replies.c.at).label("began"))
            .where(replies.c.person == person)
            .group_by(replies.c.conversation)
        )
        async with self._database.reading() as connection:
            return {row.conversation: row.began for row in await connection.execute(query)}

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
        query = select(refs.c.reply).where(is_ref(ref))
        if ref.platform is Platform.WEB:
            query = select(replies.c.id).where(replies.c.id == ref.id)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def latest_in(self, place: Place, person: str) -> Reply | None:
        """The latest answer to this person in this place."""
        query = (
            SEEN.join(inbox, inbox.c.id == replies.c.cause)
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
            return None if row is None else await self._seen(connection, row)

    async def describe(self, reply_id: str, text: str, manners: Mapping[str, float]) -> None:
        """Keep what the judge found in a rated reply, unless another text stands there by now."""

        async def work(connection: DatabaseConnection) -> None:
            as_it_was = (replies.c.id == reply_id) & (replies.c.text == text)
            await connection.execute(update(replies).where(as_it_was).values(manners=dict(manners)))

        await self._database.write(work)

    async def never_learn(self, reply_id: str, is_never: bool) -> None:
        """Whether this reply may be learned from. A reply to a withdrawn message never may."""
        is_its_own = or_(inbox.c.id == replies.c.message, inbox.c.id == replies.c.cause)
        is_withdrawn = select(inbox.c.id).where(inbox.c.never_learn, is_its_own).exists()

        async def work(connection: DatabaseConnection) -> None:
            change = update(replies).where(replies.c.id == reply_id)
            if not is_never:
                change = change.where(~is_withdrawn)
            await connection.execute(change.values(never_learn=is_never))

        await self._database.write(work)

    async def _seen(self, connection: DatabaseConnection, row: Row[Any]) -> Reply:
        # Any: a row described by columns
        return seen(row, (await ratings_of(connection, [row], self._rate)).get(row.id))


# Statements that every answer runs are made once: making one costs as much as running it.
REPLY: Final = SEEN.where(replies.c.id == bindparam("reply"))
RECORDED_REPLY: Final = RECORDED.where(replies.c.id == bindparam("reply"))
SETTLED_AS_OF: Final = SETTLED.where(inbox.c.revision == bindparam("as_of"))
LAST_TEXTS: Final = (
    select(replies.c.message, replies.c.text)
    .where(replies.c.message.in_(bindparam("messages", expanding=True)), replies.c.is_current)
    .order_by(replies.c.seq)
)
