"""The versions of each person's LoRA, and which one is live. Knows no files and no training.

A number counts upwards for ever and is used by one LoRA alone: a model server that kept something under it
can never serve one LoRA for another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, select, update

from bot.errors import Unknown
from bot.figures import NightFigures, of_json
from bot.store import tables
from bot.store.database import Database, DatabaseConnection

loras, people = tables.loras, tables.people


class LoraState(StrEnum):
    """What became of a version."""

    TRAINING = "training"  # its number is taken; it is not judged yet
    READY = "ready"  # it is live, or was and may be again
    REJECTED = "rejected"  # the gate kept it out, or it could not be used; `reason` says why
    UNDONE = "undone"  # the person took it back
    PRUNED = "pruned"  # too old: its files are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version. `path` is below the folder of all LoRAs; `model` is the base that it fits."""

    id: int
    person: str
    version: int
    name: str
    path: str
    model: str
    rank: int | None
    state: LoraState
    reason: str | None
    figures: NightFigures | None
    night: str | None
    created_at: datetime
    promoted_at: datetime | None


class LoraStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def reserve(self, person: str, *, folder: str, model: str, rank: int | None, night: str) -> Version:
        """The next version for a person in a night, with a number of its own; the same when asked again.

        An import is a night of its own.
        """

        async def work(connection: DatabaseConnection) -> Version:
            mine = select(loras).where(loras.c.person == person, loras.c.night == night)
            row = (await connection.execute(mine)).one_or_none()
            if row is not None:
                return _version(row)
            newest = select(func.max(loras.c.version)).where(loras.c.person == person)
            version = ((await connection.execute(newest)).scalar_one() or 0) + 1
            await connection.execute(
                loras.insert().values(
                    person=person,
                    version=version,
                    name=f"{folder}-{night}-{version}",
                    path=f"{folder}/{version}",
                    model=model,
                    rank=rank,
                    state=LoraState.TRAINING,
                    metrics={},
                    night=night,
                    created_at=self._clock(),
                )
            )
            return _version((await connection.execute(mine)).one())

        return await self._database.write(work)

    async def of_person(self, person: str) -> Sequence[Version]:
        """All versions of a person, oldest first."""
        query = select(loras).where(loras.c.person == person).order_by(loras.c.version)
        async with self._database.reading() as connection:
            return [_version(row) for row in await connection.execute(query)]

    async def get(self, number: int) -> Version:
        """Raises Unknown."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(loras).where(loras.c.id == number))).one_or_none()
        if row is None:
            raise Unknown("unknown_lora", f"There is no LoRA number {number}.")
        return _version(row)

    async def live(self, person: str, *, model: str | None = None) -> Version | None:
        """What answers for a person now. With `model`, only if it was trained on that base."""
        query = select(loras).join(people, people.c.live_lora == loras.c.id).where(people.c.key == person)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None or (model is not None and row.model != model):
            return None
        return _version(row)

    async def before(self, person: str, *, model: str) -> Version | None:
        """The version that an undo on this base would bring back."""
        async with self._database.reading() as connection:
            return await _before(connection, person, model)

    async def undo(self, person: str, *, model: str) -> Version | None:
        """The version before on this base goes live again, or the bare base (None).

        What was live is marked as undone. Raises Unknown when nothing is live on this base.
        """

        async def work(connection: DatabaseConnection) -> Version | None:
            pointed = select(people.c.live_lora).where(people.c.key == person).scalar_subquery()
            query = select(loras.c.id).where(loras.c.id == pointed, loras.c.model == model)
            live = (await connection.execute(query)).scalar_one_or_none()
            if live is None:
                raise Unknown("nothing_to_undo", "No LoRA of yours is live, so there is nothing to undo.")
            previous = await _before(connection, person, model)
            await connection.execute(update(loras).where(loras.c.id == live).values(state=LoraState.UNDONE))
            pointer = None if previous is None else previous.id
            await connection.execute(update(people).where(people.c.key == person).values(live_lora=pointer))
            return previous

        return await self._database.write(work)

    async def reject(self, number: int, reason: str) -> None:
        """This version is never to go live."""

        async def work(connection: DatabaseConnection) -> None:
            await reject(connection, number, reason)

        await self._database.write(work)

    async def pruned(self, numbers: Collection[int]) -> None:
        """Their files are gone."""

        async def work(connection: DatabaseConnection) -> None:
            if numbers:
                await connection.execute(
                    update(loras).where(loras.c.id.in_(numbers)).values(state=LoraState.PRUNED)
                )

        await self._database.write(work)

    async def go_live(self, number: int) -> None:
        """Move the person's pointer to this version. It must be loaded already."""

        async def work(connection: DatabaseConnection) -> None:
            await go_live(connection, number, self._clock())

        await self._database.write(work)


async def go_live(connection: DatabaseConnection, number: int, now: datetime) -> None:
    """Move the pointer within a transaction."""
    person = select(loras.c.person).where(loras.c.id == number).scalar_subquery()
    await connection.execute(
        update(loras).where(loras.c.id == number).values(state=LoraState.READY, reason=None, promoted_at=now)
    )
    await connection.execute(update(people).where(people.c.key == person).values(live_lora=number))


async def reject(connection: DatabaseConnection, number: int, reason: str) -> None:
    """Keep a version out within a transaction."""
    await connection.execute(
        update(loras).where(loras.c.id == number).values(state=LoraState.REJECTED, reason=reason)
    )


async def reject_unjudged(connection: DatabaseConnection, person: str, night: str, reason: str) -> None:
    """Keep out the version that a night began for a person and did not judge."""
    begun = (loras.c.person == person) & (loras.c.night == night) & (loras.c.state == LoraState.TRAINING)
    await connection.execute(update(loras).where(begun).values(state=LoraState.REJECTED, reason=reason))


async def _before(connection: DatabaseConnection, person: str, model: str) -> Version | None:
    live = select(people.c.live_lora).where(people.c.key == person).scalar_subquery()
    query = (
        select(loras)
        .where(loras.c.person == person, loras.c.state == LoraState.READY, loras.c.id < live)
        .where(loras.c.promoted_at.is_not(None), loras.c.model == model)
        .order_by(loras.c.id.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _version(row)


def _version(row: Row[Any]) -> Version:  # Any: a row described by columns
    return Version(
        id=row.id,
        person=row.person,
        version=row.version,
        name=row.name,
        path=row.path,
        model=row.model,
        rank=row.rank,
        state=LoraState(row.state),
        reason=row.reason,
        figures=of_json(row.metrics),
        night=row.night,
        created_at=row.created_at,
        promoted_at=row.promoted_at,
    )
