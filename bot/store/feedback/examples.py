"""What a person was answered and thought of it, and nothing else. Knows no prompt and no model.

Every message and every rating asks for it, so nothing of how an answer was made is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, bindparam, select

from bot.events import TeachingKind
from bot.store import tables
from bot.store.database import Database, DatabaseConnection
from bot.store.recorded_replies import Rate

replies, reactions, teachings = tables.replies, tables.reactions, tables.teachings


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedExchange:
    """What was asked, and an answer to it that the person rated. A correction was written by the person."""

    request: str
    reply: str
    rating: int
    is_correction: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedReply:
    """An answer that the person rated. `manners`: what the judge found in it; None: it was not asked."""

    id: str
    text: str
    rating: int
    at: datetime
    manners: dict[str, float] | None


CORRECTION_RATING: Final = 5


class ExampleStore:
    def __init__(self, database: Database, rate: Rate) -> None:
        self._database = database
        self._rate = rate

    async def of_person(self, person: str, *, limit: int) -> Sequence[RatedExchange]:
        """The newest corrections, then the newest rated answers, at most `limit` of each.

        All of them may be learned from. A question that was edited has no rated answer here.
        """
        theirs = {"of_person": person, "most": limit}
        async with self._database.reading() as connection:
            corrected = await self._corrected(connection, theirs)
            return [*corrected, *await self._rated(connection, theirs)]

    async def rated(self, person: str, *, limit: int) -> Sequence[RatedReply]:
        """The person's newest rated answers that may be learned from, the newest first."""
        theirs = {"of_person": person, "most": limit}
        async with self._database.reading() as connection:
            found = await self._with_rating(connection, RATED, theirs)
        return [
            RatedReply(id=row.id, text=row.text, rating=rating, at=row.at, manners=row.manners)
            for row, rating in found
        ]

    async def _corrected(
        self, connection: DatabaseConnection, theirs: dict[str, object]
    ) -> list[RatedExchange]:
        return [
            RatedExchange(request=row.request, reply=row.wanted, rating=CORRECTION_RATING, is_correction=True)
            for row in await connection.execute(CORRECTED, theirs)
        ]

    async def _rated(self, connection: DatabaseConnection, theirs: dict[str, object]) -> list[RatedExchange]:
        return [
            RatedExchange(request=row.request, reply=row.text, rating=rating, is_correction=False)
            for row, rating in await self._with_rating(connection, EXCHANGES, theirs)
        ]

    async def _with_rating(
        self, connection: DatabaseConnection, statement: Select[Any], theirs: dict[str, object]
    ) -> list[tuple[Row[Any], int]]:
        # Any: rows described by columns. The statement has a row for each emoji on a reply, side by side.
        rate = cache(self._rate)  # most sets are the same few
        found = []
        for _, rows in groupby(await connection.execute(statement, theirs), key=attrgetter("id")):
            of_reply = list(rows)
            rating = rate(frozenset(row.emoji for row in of_reply))
            if rating is not None:
                found.append((of_reply[0], rating))
        return found


# Made once, as every message asks for them: making a statement costs as much as running it.
_MAY_BE_LEARNED_FROM = replies.c.is_current & ~replies.c.never_learn
_own_reply = replies.alias("own_reply")
_NEWEST = (
    select(reactions.c.reply)
    .join(_own_reply, _own_reply.c.id == reactions.c.reply)
    .where(
        reactions.c.person == bindparam("of_person"),
        reactions.c.is_on,
        _own_reply.c.person == bindparam("of_person"),
    )
    .order_by(reactions.c.at.desc())
    .limit(bindparam("most"))
)
# What stands in a corrected answer's place is the person's own text: it is an example as a correction.
_IS_CORRECTION = (
    select(teachings.c.id)
    .where(teachings.c.revision == replies.c.id, teachings.c.kind == TeachingKind.CORRECTION)
    .exists()
)


def _of_rated(*columns: ColumnElement[Any]) -> Select[Any]:  # Any: each column has a type of its own
    return (
        select(replies.c.id, reactions.c.emoji, *columns)
        .join(reactions, (reactions.c.reply == replies.c.id) & (reactions.c.person == replies.c.person))
        .where(replies.c.id.in_(_NEWEST), reactions.c.is_on, _MAY_BE_LEARNED_FROM)
        .order_by(replies.c.seq.desc())
    )


RATED: Final = _of_rated(replies.c.text, replies.c.at, replies.c.manners)
EXCHANGES: Final = _of_rated(replies.c.text, replies.c.request).where(~_IS_CORRECTION)
CORRECTED: Final = (
    select(replies.c.request, teachings.c.wanted)
    .join(replies, replies.c.id == teachings.c.reply)
    .where(
        teachings.c.person == bindparam("of_person"),
        replies.c.person == bindparam("of_person"),
        teachings.c.wanted.is_not(None),
        ~teachings.c.never_learn,
        ~replies.c.never_learn,
    )
    .order_by(teachings.c.at.desc(), teachings.c.id.desc())
    .limit(bindparam("most"))
)
