"""Brings people their morning notes: after their night, or later where they could not be reached then.

Its broad catch keeps what goes wrong with one note from the others, and from the nights.
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
from bot.nights.report import Curve, morning_note
from bot.store.nights import NightPerson

log = structlog.get_logger(__name__)

NEWS_FOR: Final = timedelta(days=1)  # so long a morning note is worth being told

Tell = Callable[[Person, Notice], Awaitable[bool]]  # False: it may arrive another time


class Morning:
    def __init__(self, context: Context, tell: Tell) -> None:
        self._context, self._tell = context, tell
        self._nights = context.store.nights

    async def tell_all(self, night: str) -> None:
        """What a night came to for everybody in it. Who was not told when the process died is told now."""
        for one in (await self._nights.get(night)).people:
            if one.told_at is None:
                await self._tell_one(night, one)

    async def tell_late(self) -> None:
        """What was changed for people of late without their having heard of it."""
        for night, one in await self._nights.untold(since=self._context.clock() - NEWS_FOR):
            await self._tell_one(night, one)

    async def _tell_one(self, night: str, one: NightPerson) -> None:
        try:
            await self._bring(night, one)
        except Exception as error:  # a platform's fault or one person's odd figures: it may work another time
            metrics.ERRORS.labels("morning", type(error).__name__).inc()
            log.exception("a morning note could not be brought", night=night, person=one.person)

    async def _bring(self, night: str, one: NightPerson) -> None:
        person = await self._context.store.people.get(one.person)
        if person is None:
            return
        curve = Curve.of(await self._nights.of_person(one.person))
        notice = await asyncio.to_thread(
            morning_note, one, night, curve, told_at=person.night_told_at, now=self._context.clock()
        )
        if notice is None:
            return
        if await self._tell(Person(key=person.key, platform=person.platform, name=person.name), notice):
            await self._nights.told(night, one.person)
