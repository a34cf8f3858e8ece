"""The leases of the nights: one process ticks, one carries a night, and a person is in one night at a time.

However many processes run. Knows the lease store; starts and trains nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import structlog

from bot.store.leases import LeaseStore
from engine.loras.library import person_folder

log = structlog.get_logger(__name__)

TICK: Final = "nights:tick"


class LeaseLostError(Exception):
    """What this process did alone, another process may be doing by now."""


class NightLeases:
    """`owner` names this process. A lease that is not renewed for `for_s` seconds runs out."""

    def __init__(self, store: LeaseStore, owner: str, *, for_s: float) -> None:
        self._store, self._owner, self._for_s = store, owner, for_s

    @asynccontextmanager
    async def tick(self) -> AsyncIterator[bool]:
        """Inside, whether this process is the one that ticks."""
        is_mine = await self._store.take(TICK, self._owner, for_s=self._for_s)
        try:
            yield is_mine
        finally:
            if is_mine:
                await self._store.give_back(TICK, self._owner)

    async def take_night(self, night: str) -> bool:
        """False: another process carries this night."""
        return await self._store.take(_of_night(night), self._owner, for_s=self._for_s)

    async def give_back_night(self, night: str) -> None:
        await self._store.give_back(_of_night(night), self._owner)

    async def take_person(self, night: str, person: str) -> bool:
        """False: the person is in another night.

        The lease is the night's and not the process's, so whoever resumes a dead process's night has it
        already.
        """
        return await self._store.take(_of_person(person), night, for_s=self._for_s)

    async def give_back_people(self, night: str, people: Sequence[str]) -> None:
        for person in people:
            await self._store.give_back(_of_person(person), night)

    def holding_night(self, night: str) -> AbstractAsyncContextManager[None]:
        """Renews the night's lease while inside. Raises LeaseLostError when it has run out."""
        return _holding(self._store, [_of_night(night)], self._owner, for_s=self._for_s)

    def holding_people(self, night: str, people: Sequence[str]) -> AbstractAsyncContextManager[None]:
        """The same for the people in a night."""
        return _holding(self._store, list(map(_of_person, people)), night, for_s=self._for_s)


def _of_night(night: str) -> str:
    return f"night:{night}"


def _of_person(person: str) -> str:
    return f"night of:{person_folder(person)}"


@asynccontextmanager
async def _holding(
    store: LeaseStore, names: Sequence[str], owner: str, *, for_s: float
) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    until = asyncio.timeout(for_s)

    async def renew() -> None:
        while True:
            await asyncio.sleep(for_s / 3)
            began = loop.time()
            try:
                renewed = [await store.take(name, owner, for_s=for_s) for name in names]
            except Exception:  # while the database is away the leases run out, and then it is over
                log.exception("leases could not be renewed")
                continue
            if all(renewed):
                until.reschedule(began + for_s)

    try:
        async with until:
            renewing = asyncio.create_task(renew())
            try:
                yield
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
    except TimeoutError:
        if until.expired():
            raise LeaseLostError from None
        raise
