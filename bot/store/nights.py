"""The nights: who was in each, how far it is with them, and what is new since. Knows no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Integer, Row, Select, bindparam, case, func, select, union_all, update

from bot.errors import Unknown
from bot.figures import NightFigures, of_json, to_json
from bot.store import loras as store_loras
from bot.store import tables
from bot.store.database import Database, DatabaseConnection, insert
from bot.store.people import KnownPerson, known

nights, night_people = tables.nights, tables.night_people
reactions, teachings, choices, replies = tables.reactions, tables.teachings, tables.choices, tables.replies


class NightState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # nobody in it got anywhere; `problem` says why


class NightOutcome(StrEnum):
    """What a night came to for one person."""

    PROMOTED = "promoted"  # a new LoRA is live
    KEPT = "kept"  # one was trained, and what answered before was kept
    SKIPPED = "skipped"  # there was nothing to train
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NightPerson:
    """A person in a night. `outcome` None: not yet. `used`: how much feedback of each kind was used."""

    person: str
    outcome: NightOutcome | None = None
    reason: str | None = None
    version: int | None = None
    used: Mapping[str, int] = field(default_factory=dict)
    figures: NightFigures | None = None
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """`was_asked`: it was started for somebody by name; else for whoever was due."""

    id: str
    state: NightState
    was_asked: bool
    started_at: datetime
    ended_at: datetime | None
    problem: str | None
    people: tuple[NightPerson, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """When a person's last night began, and how much they have said that no night has learned from."""

    person: KnownPerson
    last_night: datetime | None
    feedback: int


class NightStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def start(self, night: str, people: Sequence[str], *, was_asked: bool) -> None:
        """A night with these people in it. It goes on after any death until it is ended."""

        async def work(connection: DatabaseConnection) -> None:
            row = insert(connection, nights).values(
                id=night, state=NightState.RUNNING, was_asked=was_asked, started_at=self._clock()
            )
            await connection.execute(row.on_conflict_do_nothing())
            for person in people:
                line = insert(connection, night_people).values(
                    night=night, person=person, used={}, metrics={}
                )
                await connection.execute(line.on_conflict_do_nothing())

        await self._database.write(work)

    async def get(self, night: str) -> Night:
        """Raises Unknown."""
        found = await self._where(nights.c.id == night)
        if not found:
            raise Unknown("unknown_night", f"There is no night {night!r}.")
        return found[0]

    async def running(self) -> Sequence[Night]:
        """The nights that have not ended, oldest first: also those whose process died."""
        return await self._where(nights.c.state == NightState.RUNNING)

    async def of_person(self, person: str, *, limit: int = 30) -> Sequence[tuple[Night, NightPerson]]:
        """A person's nights, oldest first, with what each came to for them."""
        mine = select(night_people.c.night).where(night_people.c.person == person)
        found = await self._where(nights.c.id.in_(mine), newest=limit)
        return [
            (night, person_in_it)
            for night in sorted(found, key=lambda night: night.started_at)
            for person_in_it in night.people
            if person_in_it.person == person
        ]

    async def settle(self, night: str, settled: NightPerson, *, lora: int | None = None) -> None:
        """What the night came to for a person, and the LoRA's pointer with it: both or neither.

        Once settled it stays so; doing it again changes nothing.
        """

        async def work(connection: DatabaseConnection) -> None:
            mine = (night_people.c.night == night) & (night_people.c.person == settled.person)
            values = {
                "outcome": settled.outcome,
                "reason": settled.reason,
                "version": settled.version,
                "used": dict(settled.used),
                "metrics": to_json(settled.figures),
            }
            changed = await connection.execute(
                update(night_people).where(mine, night_people.c.outcome.is_(None)).values(**values)
            )
            if changed.rowcount == 0:
                return
            if lora is None:
                await store_loras.reject_unjudged(connection, settled.person, night, settled.reason or "")
                return
            version = update(tables.loras).where(tables.loras.c.id == lora)
            await connection.execute(version.values(metrics=to_json(settled.figures)))
            if settled.outcome is NightOutcome.PROMOTED:
                await store_loras.go_live(connection, lora, self._clock())
            else:
                await store_loras.reject(connection, lora, settled.reason or "")

        await self._database.write(work)

    async def end(self, night: str, *, problem: str | None = None) -> None:
        """The night is over. With a problem it failed."""

        async def work(connection: DatabaseConnection) -> None:
            state = NightState.DONE if problem is None else NightState.FAILED
            running = (nights.c.id == night) & (nights.c.state == NightState.RUNNING)
            await connection.execute(
                update(nights).where(running).values(state=state, ended_at=self._clock(), problem=problem)
            )

        await self._database.write(work)

    async def told(self, night: str, person: str) -> None:
        """The person has had their morning note."""

        async def work(connection: DatabaseConnection) -> None:
            now = self._clock()
            mine = (night_people.c.night == night) & (night_people.c.person == person)
            await connection.execute(update(night_people).where(mine).values(told_at=now))
            await connection.execute(
                update(tables.people).where(tables.people.c.key == person).values(night_told_at=now)
            )

        await self._database.write(work)

    async def untold(self, *, since: datetime) -> Sequence[tuple[str, NightPerson]]:
        """The people for whom a night that ended since then changed something, and who were not told."""
        query = (
            select(night_people)
            .join(nights, night_people.c.night == nights.c.id)
            .where(nights.c.state != NightState.RUNNING, nights.c.ended_at > since)
            .where(night_people.c.outcome == NightOutcome.PROMOTED, night_people.c.told_at.is_(None))
            .order_by(nights.c.ended_at, night_people.c.person)
        )
        async with self._database.reading() as connection:
            return [(row.night, _person(row)) for row in await connection.execute(query)]

    async def freshness(self, *, at_least: int) -> Sequence[Freshness]:
        """Those who agreed to be learned from and have so much new feedback, by key. One query.

        New is what was said since the last night that did not fail for them.
        """
        async with self._database.reading() as connection:
            found = await connection.execute(_FRESHNESS, {"at_least": at_least})
            return [
                Freshness(person=known(row), last_night=row.last_night, feedback=row.feedback)
                for row in found
            ]

    async def _where(self, condition: Any, *, newest: int | None = None) -> list[Night]:
        # Any: SQLAlchemy's expression
        query = select(nights).where(condition).order_by(nights.c.started_at, nights.c.id)
        if newest is not None:
            query = select(nights).where(condition).order_by(nights.c.started_at.desc()).limit(newest)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            lines = select(night_people).where(night_people.c.night.in_([row.id for row in rows]))
            people: dict[str, list[NightPerson]] = {row.id: [] for row in rows}
            for line in await connection.execute(lines.order_by(night_people.c.person)):
                people[line.night].append(_person(line))
        return [_night(row, people[row.id]) for row in rows]


def _freshness() -> Select[Any]:  # Any: rows described by columns
    did_not_fail = night_people.c.outcome.is_(None) | (night_people.c.outcome != NightOutcome.FAILED)
    last = (
        select(
            night_people.c.person,
            func.max(nights.c.started_at).label("last_night"),
            func.max(case((did_not_fail, nights.c.started_at))).label("began"),
        )
        .join(nights, night_people.c.night == nights.c.id)
        .group_by(night_people.c.person)
        .subquery()
    )
    rated = select(reactions.c.person, reactions.c.at).join(replies, reactions.c.reply == replies.c.id)
    said = union_all(
        # A reaction to an answer to somebody else counts for nothing.
        rated.where(replies.c.person == reactions.c.person, reactions.c.is_on),
        select(teachings.c.person, teachings.c.at),
        select(choices.c.person, choices.c.at),
    ).subquery()
    new = (
        select(said.c.person, func.count().label("feedback"))
        .outerjoin(last, last.c.person == said.c.person)
        .where(last.c.began.is_(None) | (said.c.at > last.c.began))
        .group_by(said.c.person)
        .subquery()
    )
    people, feedback = tables.people, func.coalesce(new.c.feedback, 0)
    return (
        select(people, last.c.last_night, feedback.label("feedback"))
        .outerjoin(last, last.c.person == people.c.key)
        .outerjoin(new, new.c.person == people.c.key)
        .where(people.c.learning.is_(True), feedback >= bindparam("at_least", type_=Integer))
        .order_by(people.c.key)
    )


_FRESHNESS: Final = _freshness()


def _night(row: Row[Any], people: Sequence[NightPerson]) -> Night:  # Any: a row described by columns
    return Night(
        id=row.id,
        state=NightState(row.state),
        was_asked=row.was_asked,
        started_at=row.started_at,
        ended_at=row.ended_at,
        problem=row.problem,
        people=tuple(people),
    )


def _person(row: Row[Any]) -> NightPerson:  # Any: a row described by columns
    return NightPerson(
        person=row.person,
        outcome=None if row.outcome is None else NightOutcome(row.outcome),
        reason=row.reason,
        version=row.version,
        used=row.used,
        figures=of_json(row.metrics),
        told_at=row.told_at,
    )
