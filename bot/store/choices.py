"""Which of two finished replies a person preferred. Knows no chat and no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update

from bot.errors import Unknown
from bot.events import Choice
from bot.store import tables
from bot.store.database import Connection, Database
from bot.store.inbox import first_time
from bot.store.people import meet
from bot.store.replies import Delivery
from bot.store.snapshots import Branch, branches_of

choices, replies = tables.choices, tables.replies


class ChoiceKind(StrEnum):
    TAKEN = "taken"  # paged through the other answers, and took one
    DUEL = "duel"  # was shown two and asked which is better


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A preference between two replies to the prompt of `reply`."""

    id: str
    person: str
    reply: str
    kind: ChoiceKind
    alternative: str
    chosen_text: str
    rejected_text: str
    at: datetime


class Choices:
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

        async def work(connection: Connection) -> bool:
            now = self._clock()
            platform = choice.person.platform
            if not await first_time(connection, platform, choice.event, "choice", choice.reply, now):
                return False
            row = (await connection.execute(select(replies).where(replies.c.id == choice.reply))).one()
            branches = branches_of(row.alternatives)
            taken = next((branch for branch in branches if branch.id == choice.alternative), None)
            if taken is None:
                text = f"This answer has no alternative {choice.alternative!r}."
                raise Unknown("unknown_alternative", text)
            await meet(connection, choice.person, now)
            given = Branch(id=branch_id, text=row.text, score=row.score or 0.0, answers=row.answers)
            swapped = [given if branch.id == taken.id else branch for branch in branches]
            kind = ChoiceKind.DUEL if row.duel == taken.id else ChoiceKind.TAKEN
            await connection.execute(
                choices.insert().values(
                    id=choice_id,
                    person=choice.person.key,
                    reply=choice.reply,
                    kind=kind,
                    alternative=taken.id,
                    chosen_text=taken.text,
                    rejected_text=row.text,
                    at=choice.at,
                )
            )
            await connection.execute(
                update(replies)
                .where(replies.c.id == choice.reply)
                .values(
                    text=taken.text,
                    score=taken.score,
                    answers=taken.answers,
                    manners=None,
                    alternatives=[asdict(branch) for branch in swapped],
                    duel=None,
                    delivery=Delivery.STORED,
                    posting=replies.c.posting + 1,
                    owner=owner,
                )
            )
            return True

        return await self._database.write(work)

    async def keep(self, choice: Choice) -> bool:
        """In a duel the reply that is shown was preferred: the pair is kept, nothing else changes."""
        choice_id = self._new_id()

        async def work(connection: Connection) -> bool:
            now = self._clock()
            platform = choice.person.platform
            if not await first_time(connection, platform, choice.event, "choice", choice.reply, now):
                return False
            row = (await connection.execute(select(replies).where(replies.c.id == choice.reply))).one()
            other = next((b for b in branches_of(row.alternatives) if b.id == row.duel), None)
            if other is None:
                raise Unknown("no_duel", "These two answers are no longer up for a choice.")
            await meet(connection, choice.person, now)
            await connection.execute(
                choices.insert().values(
                    id=choice_id,
                    person=choice.person.key,
                    reply=choice.reply,
                    kind=ChoiceKind.DUEL,
                    alternative=other.id,
                    chosen_text=row.text,
                    rejected_text=other.text,
                    at=choice.at,
                )
            )
            await connection.execute(update(replies).where(replies.c.id == choice.reply).values(duel=None))
            return True

        return await self._database.write(work)

    async def of_person(self, person: str) -> Sequence[Chosen]:
        """All preferences of a person, oldest first."""
        query = select(choices).where(choices.c.person == person).order_by(choices.c.at, choices.c.id)
        async with self._database.reading() as connection:
            return [_chosen(row) for row in await connection.execute(query)]


def _chosen(row: Row[Any]) -> Chosen:  # Any: a row described by columns
    return Chosen(
        id=row.id,
        person=row.person,
        reply=row.reply,
        kind=ChoiceKind(row.kind),
        alternative=row.alternative,
        chosen_text=row.chosen_text,
        rejected_text=row.rejected_text,
        at=row.at,
    )
