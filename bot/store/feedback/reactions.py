"""The emoji that each person has on each reply. Knows no rating: feedback decides what a set amounts to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from bot.events import Person, Platform, Reaction, ReactionState, Ref
from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert
from bot.store.people import meet
from bot.store.platform_events import EventKind, first_time

reactions, replies, refs = tables.reactions, tables.replies, tables.reply_refs


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionSet:
    """What a person has on a reply now, and whether the reply was given to them."""

    reply: str
    is_theirs: bool
    never_learn: bool
    emoji: frozenset[str]


class ReactionStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def put(self, reaction: Reaction, emoji: str) -> ReactionSet | None:
        """Put the emoji on or take it off. Returns the person's set. None: the bot has no such reply.

        A repeated event changes nothing, and of two events about one emoji the later one holds,
        whichever came first.
        """
        ref, person = reaction.ref, reaction.person

        async def work(connection: DatabaseConnection) -> ReactionSet | None:
            row = await _reply_at(connection, ref)
            if row is None:
                return None
            now = self._clock()
            if await first_time(connection, ref.platform, reaction.event, EventKind.REACTION, row.id, now):
                if row.person != person.key:  # the person whom an answer was given to is known
                    await meet(connection, person, now)
                await _put(connection, row.id, person.key, emoji, is_on=reaction.on, at=reaction.at)
            return _standing(row, person, await _on(connection, row.id, person.key))

        return await self._database.write(work)

    async def replace(self, state: ReactionState, emoji: frozenset[str]) -> ReactionSet | None:
        """Set the person's emoji on the reply. None: they were so before, or the bot has no such reply."""
        person = state.person

        async def work(connection: DatabaseConnection) -> ReactionSet | None:
            row = await _reply_at(connection, state.ref)
            if row is None:
                return None
            before = await _on(connection, row.id, person.key)
            if before == emoji:
                return None
            now = self._clock()
            await meet(connection, person, now)
            for gone in before - emoji:
                await _put(connection, row.id, person.key, gone, is_on=False, at=now)
            for new in emoji - before:
                await _put(connection, row.id, person.key, new, is_on=True, at=now)
            return _standing(row, person, emoji)

        return await self._database.write(work)

    async def of(self, reply: str, person: str) -> frozenset[str]:
        """The person's set on this reply."""
        async with self._database.reading() as connection:
            return await _on(connection, reply, person)

    async def of_person(self, person: str) -> dict[str, frozenset[str]]:
        """Every reply that the person has an emoji on, and which."""
        query = select(reactions.c.reply, reactions.c.emoji).where(
            reactions.c.person == person, reactions.c.is_on
        )
        sets: dict[str, set[str]] = {}
        async with self._database.reading() as connection:
            for reply, emoji in await connection.execute(query):
                sets.setdefault(reply, set()).add(emoji)
        return {reply: frozenset(emoji) for reply, emoji in sets.items()}

    async def people_on(self, reply: str) -> frozenset[str]:
        """Everybody who has an emoji on this reply."""
        query = select(reactions.c.person).where(reactions.c.reply == reply, reactions.c.is_on)
        async with self._database.reading() as connection:
            return frozenset((await connection.execute(query)).scalars())


async def _reply_at(
    connection: DatabaseConnection, ref: Ref
) -> Row[Any, Any, Any] | None:  # Any: a row described by columns
    """The reply of which this platform message is a piece; on the web a reply's ref is its id."""
    is_web = ref.platform is Platform.WEB
    where = {"id": ref.id} if is_web else {"on": ref.platform, "in": ref.channel, "id": ref.id}
    return (await connection.execute(BY_ID if is_web else BY_REF, where)).one_or_none()


def _standing(row: Row[Any, Any, Any], person: Person, emoji: frozenset[str]) -> ReactionSet:  # Any: as above
    return ReactionSet(
        reply=row.id, is_theirs=row.person == person.key, never_learn=row.never_learn, emoji=emoji
    )


async def _put(
    connection: DatabaseConnection, reply: str, person: str, emoji: str, *, is_on: bool, at: datetime
) -> None:
    values = {"reply": reply, "person": person, "emoji": emoji, "is_on": is_on, "at": at}
    await connection.execute(_later_holds(connection.dialect.name), values)


async def _on(connection: DatabaseConnection, reply: str, person: str) -> frozenset[str]:
    found = await connection.execute(SET, {"of_reply": reply, "of_person": person})
    return frozenset(found.scalars())


# Statements that every reaction runs are made once: making one costs as much as running it.
_OF_REPLY = select(replies.c.id, replies.c.person, replies.c.never_learn)
BY_ID: Final = _OF_REPLY.where(replies.c.id == bindparam("id"))
BY_REF: Final = _OF_REPLY.join(refs, refs.c.reply == replies.c.id).where(
    refs.c.platform == bindparam("on"), refs.c.channel == bindparam("in"), refs.c.id == bindparam("id")
)
SET: Final = select(reactions.c.emoji).where(
    reactions.c.reply == bindparam("of_reply"),
    reactions.c.person == bindparam("of_person"),
    reactions.c.is_on,
)


@cache
def _later_holds(dialect: str) -> sqlite.Insert | postgresql.Insert:
    row = insert(dialect, reactions)
    return row.on_conflict_do_update(
        index_elements=["reply", "person", "emoji"],
        set_={"is_on": row.excluded.is_on, "at": row.excluded.at},
        where=reactions.c.at <= row.excluded.at,
    )
