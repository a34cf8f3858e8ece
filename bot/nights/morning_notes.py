"""Brings people their morning notes: after their night, or later where they could not be reached then.

Its broad catch keeps a failed note from stopping the other notes and the nights.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog

from bot import metrics
from bot.context import Context
from bot.events import Notice, Person
from bot.nights.curve import Curve
from bot.nights.report import morning_note
from bot.store.nights import NightPerson

log = structlog.get_logger(__name__)

NEWS_FOR: Final = timedelta(days=1)  # so long a morning note is worth being told

Tell = Callable[[Person, Notice], Awaitable[bool]]  # False: it may arrive another time


class MorningNotes:
    def __init__(self, context: Context, tell: Tell) -> None:
        self._context, self._tell = context, tell
        self._nights = context.store.nights

    async def tell_all(self, night: str) -> None:
        """The result of a night, to everybody in it who was not told yet, as after a crash."""
        for person in (await self._nights.get(night)).people:
            if person.told_at is None:
                await self._tell_safely(night, person)

    async def tell_late(self) -> None:
        """The recent changes that people were not told of."""
        for night, person in await self._nights.untold(since=self._context.clock() - NEWS_FOR):
            await self._tell_safely(night, person)

    async def _tell_safely(self, night: str, person: NightPerson) -> None:
        try:
            await self._tell_about(night, person)
        except Exception as error:  # a platform's fault or one person's odd figures: it may work another time
            metrics.ERRORS.labels("morning", type(error).__name__).inc()
            log.exception("a morning note could not be brought", night=night, person=person.person)

    async def _tell_about(self, night: str, settled: NightPerson) -> None:
        person = await self._context.store.people.get(settled.person)
        if person is None:
            return
        curve = Curve.of(await self._nights.of_person(person.key))
        notice = await asyncio.to_thread(
            morning_note, settled, night, curve, told_at=person.night_told_at, now=self._context.clock()
        )
        if notice is None:
            return
        if await self._tell(Person(key=person.key, platform=person.platform, name=person.name), notice):
            await self._nights.told(night, person.key)
