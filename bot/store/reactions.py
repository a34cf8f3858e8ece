"""The emoji that each person has on each reply. Knows no rating: feedback decides what a set amounts to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from bot.events import Person, Reaction
from bot.store import tables
from bot.store.database import Connection, Database, insert
from bot.store.inbox import first_time
from bot.store.people import meet

reactions = tables.reactions


class Reactions:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def put(self, reaction: Reaction, emoji: str, reply: str) -> frozenset[str]:
        """Put the emoji on or take it off; the person's set on this reply as it is now.

        A repeated event changes nothing, and of two events about one emoji the later one holds,
        whichever came first.
        """

        async def work(connection: Connection) -> frozenset[str]:
            now = self._clock()
            is_new = await first_time(
                connection, reaction.ref.platform, reaction.event, "reaction", reply, now
            )
            if is_new:
                await meet(connection, reaction.person, now)
                await _put(connection, reply, reaction.person.key, emoji, is_on=reaction.on, at=reaction.at)
            return await _on(connection, reply, reaction.person.key)

        return await self._database.write(work)

    async def replace(self, reply: str, person: Person, emoji: frozenset[str]) -> bool:
        """The person's set on this reply is this one now. False: it was."""

        async def work(connection: Connection) -> bool:
            now = self._clock()
            before = await _on(connection, reply, person.key)
            if before == emoji:
                return False
            await meet(connection, person, now)
            for gone in before - emoji:
                await _put(connection, reply, person.key, gone, is_on=False, at=now)
            for new in emoji - before:
                await _put(connection, reply, person.key, new, is_on=True, at=now)
            return True

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


async def _put(
    connection: Connection, reply: str, person: str, emoji: str, *, is_on: bool, at: datetime
) -> None:
    row = insert(connection, reactions).values(reply=reply, person=person, emoji=emoji, is_on=is_on, at=at)
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["reply", "person", "emoji"],
            set_={"is_on": row.excluded.is_on, "at": row.excluded.at},
            where=reactions.c.at <= row.excluded.at,
        )
    )


async def _on(connection: Connection, reply: str, person: str) -> frozenset[str]:
    query = select(reactions.c.emoji).where(
        reactions.c.reply == reply, reactions.c.person == person, reactions.c.is_on
    )
    return frozenset((await connection.execute(query)).scalars())
