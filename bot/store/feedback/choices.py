"""Which of two finished replies a person preferred. Knows no chat and no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, select, update

from bot.errors import Unknown
from bot.events import Choice
from bot.store import tables
from bot.store.database import Database, DatabaseConnection
from bot.store.people import meet
from bot.store.platform_events import EventKind, first_time
from bot.store.recorded_replies import Branch, Delivery, branches_json, branches_of

choices, replies, searches = tables.choices, tables.replies, tables.searches


MOST_COUNTED: Final = 1_000


class ChoiceKind(StrEnum):
    TAKEN = "taken"  # paged through the other answers, and took one
    DUEL = "duel"  # was shown two and asked which is better


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A preference between two replies to the prompt of `reply`."""

    id: str
    person: str
    reply: str
    kind: ChoiceKind
    alternative: str
    chosen_text: str
    rejected_text: str
    at: datetime
    manners: dict[str, dict[str, float]] | None  # what the judge found in `chosen` and in `rejected`


class ChoiceStore:
    def __init__(self, database: Database, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def take(self, choice: Choice, *, owner: str) -> bool:
        """The alternative becomes the reply's text, the old text an alternative; the pair is kept.

        The reply is to be posted again, in its old place. False: the event was here before. Raises
        Unknown for an alternative that the reply does not have.
        """
        choice_id, branch_id = self._new_id(), self._new_id()

        async def work(connection: DatabaseConnection) -> bool:
            row = await self._reply_of(connection, choice)
            if row is None:
                return False
            taken = next((b for b in branches_of(row.alternatives) if b.id == choice.alternative), None)
            if taken is None:
                text = f"This answer has no alternative {choice.alternative!r}."
                raise Unknown("unknown_alternative", text)
            kind = ChoiceKind.DUEL if row.duel == taken.id else ChoiceKind.TAKEN
            await self._keep(connection, choice, choice_id, kind, taken, chosen=taken.text, rejected=row.text)
            given = Branch(id=branch_id, text=row.text, score=row.score or 0.0, answers=row.answers)
            await _swap(connection, row, taken, given, owner=owner)
            return True

        return await self._database.write(work)

    async def keep(self, choice: Choice, *, owner: str) -> bool:
        """In a duel the reply itself was preferred: the pair is kept, and it is to be posted again, alone.

        False: the event was here before.
        """
        choice_id = self._new_id()

        async def work(connection: DatabaseConnection) -> bool:
            row = await self._reply_of(connection, choice)
            if row is None:
                return False
            other = next((b for b in branches_of(row.alternatives) if b.id == row.duel), None)
            if other is None:
                raise Unknown("no_duel", "These two answers are no longer up for a choice.")
            kind = ChoiceKind.DUEL
            await self._keep(connection, choice, choice_id, kind, other, chosen=row.text, rejected=other.text)
            await connection.execute(
                update(replies).where(replies.c.id == choice.reply).values(**_posted_anew(owner))
            )
            return True

        return await self._database.write(work)

    async def of_person(self, person: str) -> Sequence[Preference]:
        """All preferences of a person, oldest first."""
        query = select(choices).where(choices.c.person == person).order_by(choices.c.at, choices.c.id)
        async with self._database.reading() as connection:
            return [_chosen(row) for row in await connection.execute(query)]

    async def answers_since_duel(self, person: str) -> int:
        """How many answers a person was given since two stood side by side, at most `MOST_COUNTED`."""
        async with self._database.reading() as connection:
            return int((await connection.execute(SINCE_DUEL, {"of_person": person})).scalar_one())

    async def telling(self, person: str, *, limit: int) -> Sequence[Preference]:
        """The newest preferences between replies that may be learned from, oldest first."""
        query = (
            select(choices)
            .join(replies, replies.c.id == choices.c.reply)
            .where(choices.c.person == person, replies.c.is_current, ~replies.c.never_learn)
            .order_by(choices.c.at.desc(), choices.c.id.desc())
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [_chosen(row) for row in await connection.execute(query)][::-1]

    async def describe(self, choice_id: str, manners: Mapping[str, Mapping[str, float]]) -> None:
        """Keep what the judge found in the chosen text and in the rejected text."""

        async def work(connection: DatabaseConnection) -> None:
            this = update(choices).where(choices.c.id == choice_id)
            await connection.execute(
                this.values(manners={name: dict(answers) for name, answers in manners.items()})
            )

        await self._database.write(work)

    async def _reply_of(self, connection: DatabaseConnection, choice: Choice) -> Row[Any] | None:
        """The reply that is chosen about; None: the event was here before."""
        platform, now = choice.person.platform, self._clock()
        if not await first_time(connection, platform, choice.event, EventKind.CHOICE, choice.reply, now):
            return None
        query = select(replies, searches.c.alternatives).join(searches, searches.c.reply == replies.c.id)
        return (await connection.execute(query.where(replies.c.id == choice.reply))).one()

    async def _keep(
        self,
        connection: DatabaseConnection,
        choice: Choice,
        choice_id: str,
        kind: ChoiceKind,
        other: Branch,
        *,
        chosen: str,
        rejected: str,
    ) -> None:
        await meet(connection, choice.person, self._clock())
        await connection.execute(
            choices.insert().values(
                id=choice_id,
                person=choice.person.key,
                reply=choice.reply,
                kind=kind,
                alternative=other.id,
                chosen_text=chosen,
                rejected_text=rejected,
                at=choice.at,
            )
        )


# Made once, as every answer asks for it. However many answers there are, it reads few rows.
_SHOWN = (
    select(replies.c.seq)
    .where(replies.c.person == bindparam("of_person"), replies.c.duel.is_not(None))
    .order_by(replies.c.seq.desc())
    .limit(1)
)
_DECIDED = (
    select(func.max(replies.c.seq))
    .join(choices, choices.c.reply == replies.c.id)
    .where(
        choices.c.person == bindparam("of_person"),
        replies.c.person == bindparam("of_person"),
        choices.c.kind == ChoiceKind.DUEL,
    )
)
_SINCE = (
    select(replies.c.seq)
    .where(
        replies.c.person == bindparam("of_person"),
        replies.c.seq > func.coalesce(_SHOWN.scalar_subquery(), -1),
        replies.c.seq > func.coalesce(_DECIDED.scalar_subquery(), -1),
    )
    .limit(MOST_COUNTED)
)
SINCE_DUEL: Final = select(func.count()).select_from(_SINCE.subquery())


async def _swap(
    connection: DatabaseConnection, row: Row[Any], taken: Branch, given: Branch, *, owner: str
) -> None:
    """The taken branch is the reply's text from now on, and what was given takes its place."""
    swapped = [given if branch.id == taken.id else branch for branch in branches_of(row.alternatives)]
    await connection.execute(
        update(replies)
        .where(replies.c.id == row.id)
        .values(
            text=taken.text,
            score=taken.score,
            answers=taken.answers,
            manners=None,
            **_posted_anew(owner),
        )
    )
    await connection.execute(
        update(searches).where(searches.c.reply == row.id).values(alternatives=branches_json(swapped))
    )


def _posted_anew(owner: str) -> dict[str, Any]:  # Any: the values of columns
    """The reply is to be shown as it is now, in its old place, without another beside it."""
    return {
        "duel": None,
        "delivery": Delivery.STORED,
        "posting": replies.c.posting + 1,
        "owner": owner,
    }


def _chosen(row: Row[Any]) -> Preference:  # Any: a row described by columns
    return Preference(
        id=row.id,
        person=row.person,
        reply=row.reply,
        kind=ChoiceKind(row.kind),
        alternative=row.alternative,
        chosen_text=row.chosen_text,
        rejected_text=row.rejected_text,
        at=row.at,
        manners=row.manners,
    )
