"""The nights, as the rest of the bot sees them: started, waited for, undone, and carried through one by one.

Its broad catch keeps the nights running while the database is away.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from bot import metrics
from bot.context import Context
from bot.errors import Refused, Unknown
from bot.nights import job_files
from bot.nights.due import MayLearn, people_due, people_with_news
from bot.nights.leases import NightLeases
from bot.nights.material.teacher import LessonMix
from bot.nights.morning_notes import MorningNotes, Tell
from bot.nights.progress import Listen
from bot.nights.promotion import Promotion
from bot.nights.run import NightParts, carry, jobs_folder
from bot.nights.ticks import ticking
from bot.store.loras import Version
from bot.store.nights import Night, NightState
from engine.ports import BackendState
from engine.training.runner import Trainer

log = structlog.get_logger(__name__)

LEASE_S: Final = 60.0
LOOK_EVERY_S: Final = 15.0  # for nights whose process died
LOOK_AT_FIRST_S: Final = 1.0  # for the end of a night that somebody waits for
LOOKS_RARER: Final = 1.5  # from look to look


class Nights:
    """Starts nights, carries them through, and undoes what they brought."""

    def __init__(
        self,
        context: Context,
        *,
        model_path: str,
        listen: Listen,
        tell: Tell,
        may_learn: MayLearn,
        trainer: Trainer | None = None,
        mix: LessonMix | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        settings = context.settings.learning
        self.promotion = Promotion(context)
        self._context = context
        self._store = context.store.nights
        self._may_learn = may_learn
        self._morning_notes = MorningNotes(context, tell)
        self._leases = NightLeases(context.store.leases, context.owner, for_s=lease_s)
        self._look_every_s = min(LOOK_EVERY_S, lease_s)
        self._parts = NightParts(
            context=context,
            model_path=model_path,
            may_learn=may_learn,
            trainer=trainer or Trainer(),
            mix=mix or LessonMix(replies=settings.replies, judged_pairs=settings.judged_pairs),
            promotion=self.promotion,
            morning_notes=self._morning_notes,
            leases=self._leases,
            listen=listen,
        )
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()

    async def start(self, people: Sequence[str] | None) -> str:
        """A night for these people, or for everybody who has said enough that is new; its id.

        Durable on return; `run` carries it through. Raises Unknown, Refused.
        """
        if people is None:
            found = await people_with_news(self._context, self._may_learn)
            return await self._start([fresh.person.key for fresh in found], was_asked=False)
        for person in people:
            if await self._context.store.people.get(person) is None:
                raise Unknown("unknown_person", f"There is no person {person!r}.")
        if not people:
            raise Refused("nobody", "Name somebody, or leave `people` out for everybody who is due.")
        return await self._start(list(dict.fromkeys(people)), was_asked=True)

    async def tick(self) -> str | None:
        """Starts the night of whoever is due and brings late morning notes; the night's id, if one begins.

        All processes tick at the same minute, and one of them does the work.
        """
        async with self._leases.tick() as is_mine:
            if not is_mine:
                return None
            night = await self._start_due()
            await self._morning_notes.tell_late()  # last: a platform that is away may let it wait
            return night

    async def due(self) -> list[str]:
        """Whose night it is now."""
        return await people_due(self._context, self._may_learn)

    async def get(self, night: str) -> Night:
        """How far a night is, or what came of it. Raises Unknown."""
        return await self._store.get(night)

    async def wait(self, night: str, *, timeout_s: float = math.inf) -> Night:
        """The night when it is over, or as it is after `timeout_s`. Raises Unknown.

        Another process may carry it, whose end is not heard of here, so the store is asked now and then.
        """
        until, pause_s = time.monotonic() + timeout_s, LOOK_AT_FIRST_S
        while True:
            self._ended.clear()
            found = await self._store.get(night)
            left_s = until - time.monotonic()
            if found.state is not NightState.RUNNING or left_s <= 0:
                return found
            try:
                async with asyncio.timeout(min(left_s, pause_s)):
                    await self._ended.wait()
            except TimeoutError:
                pause_s = min(pause_s * LOOKS_RARER, LOOK_EVERY_S)

    async def undo(self, person: str) -> Version | None:
        """The version before on this base goes live again; None: the bare base. Raises Unknown."""
        return await self.promotion.undo(person)

    async def erase(self, person: str) -> int:
        """Deletes a person's LoRAs and their words in running nights; how many LoRAs there were."""
        await asyncio.to_thread(job_files.erase, jobs_folder(self._context), person)
        return await self.promotion.erase(person)

    async def run(self, *, starts_due: bool) -> None:
        """Carries nights through until cancelled: those that a dead process left, and those that are started.

        `starts_due`: the clock starts nights too.
        """
        tick = self._tick if starts_due else None
        async with ticking(look=self._wake.set, look_every_s=self._look_every_s, tick=tick):
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    await self._carry_all()
                except Exception as error:  # a database that is away for a while comes back
                    metrics.ERRORS.labels("nights", type(error).__name__).inc()
                    log.exception("the running nights could not be looked for")

    async def _tick(self) -> None:
        night = await self.tick()
        if night is not None:
            log.info("a night begins", night=night)

    async def _carry_all(self) -> None:
        # While the model loads or restarts, nights wait as messages do.
        if self._context.backend.state is not BackendState.READY:
            return
        for night in await self._store.running():
            if await carry(self._parts, night.id):
                self._ended.set()

    async def _start_due(self) -> str | None:
        """None where nobody is due, or a night is running."""
        if await self._store.running():
            return None
        people = await self.due()
        return await self._start(people, was_asked=False) if people else None

    async def _start(self, people: Sequence[str], *, was_asked: bool) -> str:
        night = self._context.new_id()
        await self._store.start(night, people, was_asked=was_asked)
        self._wake.set()
        return night


async def run_night(
    nights: Nights, people: Sequence[str] | None, *, on_start: Callable[[str], None] | None = None
) -> Night:
    """One whole night in this process, as the command line runs it: started, carried through, told of."""
    night = await nights.start(people)
    if on_start is not None:
        on_start(night)
    carrying = asyncio.create_task(nights.run(starts_due=False))
    try:
        return await nights.wait(night)
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
