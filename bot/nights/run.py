"""The night: who is in it, what they learn from, the training, the gate, going live, and the morning note.

Every step is written down when it is done, so a night that dies, or whose process does, is taken up where
it was: prepared people stay prepared, the training has its checkpoint, and going live is one transaction.
Its broad catches keep what goes wrong small: with one person, with one night, with the database for a while.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from bot import metrics
from bot.context import Context
from bot.errors import Refused, Unknown
from bot.events import NightProgress
from bot.nights import job_files
from bot.nights.due import is_due
from bot.nights.lease import LeaseLost, held
from bot.nights.morning_notes import Morning, Tell
from bot.nights.prepare import Material, study
from bot.nights.prepare import Recipe as StudyRecipe
from bot.nights.promotion import Candidates
from bot.store.loras import Version
from bot.store.nights import Freshness, Night, NightOutcome, NightPerson, NightState
from bot.store.people import KnownPerson
from engine.errors import EngineDownError, EngineError
from engine.learning.job_folder import clean
from engine.loras.library import person_folder
from engine.ports import BackendState
from engine.training.runner import Step, Trainer

log = structlog.get_logger(__name__)

LEASE_S: Final = 60.0
LOOK_AGAIN_S: Final = 15.0
LOOK_AT_FIRST_S: Final = 1.0
LOOKS_RARER: Final = 1.5  # from look to look
PREPARED_AT_ONCE: Final = 4
EXAMINED_AT_ONCE: Final = 4
PROGRESS_EVERY_S: Final = 0.2
FOLDER: Final = "nights"
TICK_LEASE: Final = "nights:tick"

Hear = Callable[[str, NightProgress], None]
MayLearn = Callable[[KnownPerson], bool]


class Nights:
    """Starts nights, carries them through, takes them back."""

    def __init__(
        self,
        context: Context,
        *,
        model_path: str,
        hear: Hear,
        tell: Tell,
        may_learn: MayLearn,
        trainer: Trainer | None = None,
        recipe: StudyRecipe | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        self.candidates = Candidates(context)
        self._context = context
        self._store = context.store.nights
        self._model_path = model_path
        self._morning = Morning(context, tell)
        self._hear, self._may_learn = hear, may_learn
        self._trainer = trainer or Trainer()
        self._recipe = recipe or _study_recipe(context)
        self._lease_s = lease_s
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()
        self._heard_at: dict[str, float] = {}

    # --- what others ask ---

    async def start(self, people: Sequence[str] | None) -> str:
        """A night for these people, or for everybody who has said enough that is new; its id.

        Durable on return; `run` carries it through. Raises Unknown, Refused.
        """
        if people is None:
            people = [fresh.person.key for fresh in await self._with_news()]
            return await self._start(people, was_asked=False)
        for person in people:
            if await self._context.store.people.get(person) is None:
                raise Unknown("unknown_person", f"There is no person {person!r}.")
        if not people:
            raise Refused("nobody", "Name somebody, or leave `people` out for everybody who is due.")
        return await self._start(list(dict.fromkeys(people)), was_asked=True)

    async def tick(self) -> str | None:
        """What is due by the clock: a night, and morning notes that did not arrive; its id, if one begins.

        All processes tick at the same minute, and one of them does it.
        """
        leases, owner = self._context.store.leases, self._context.owner
        if not await leases.take(TICK_LEASE, owner, for_s=self._lease_s):
            return None
        try:
            night = await self._start_due()
            await self._morning.tell_late()  # last: a platform that is away may let it wait
            return night
        finally:
            await leases.give_back(TICK_LEASE, owner)

    async def due(self) -> list[str]:
        """Whose night it is: consent, the hour in their zone, enough that is new."""
        hour, now = self._context.settings.learning.hour, self._context.clock()
        return [
            fresh.person.key
            for fresh in await self._with_news()
            if is_due(now, timezone=fresh.person.timezone, hour=hour, last_night=fresh.last_night)
        ]

    async def get(self, night: str) -> Night:
        """How far a night is, or what came of it. Raises Unknown."""
        return await self._store.get(night)

    async def wait(self, night: str, *, timeout_s: float = math.inf) -> Night:
        """The night when it is over, or as it is after `timeout_s`. Raises Unknown.

        Another process may carry it through, of which nothing is heard here: so look now and then.
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
                pause_s = min(pause_s * LOOKS_RARER, LOOK_AGAIN_S)

    async def undo(self, person: str) -> Version | None:
        """The version before goes live again, loaded before the pointer moves; None: the bare base.

        Raises Unknown when nothing is live.
        """
        return await self.candidates.undo(person)

    async def erase(self, person: str) -> int:
        """Deletes a person's LoRAs and what running nights hold of their words; how many LoRAs."""
        await asyncio.to_thread(job_files.erase, self._root, person)
        return await self.candidates.erase(person)

    async def run(self) -> None:
        """Carries nights through, until cancelled: those that a dead process left, then what is started."""
        while True:
            self._wake.clear()
            try:
                # While the model loads or restarts, nights wait as messages do.
                if self._context.backend.state is BackendState.READY:
                    for night in await self._store.running():
                        await self._carry(night.id)
            except Exception as error:  # a database that is away for a while comes back
                metrics.ERRORS.labels("nights", type(error).__name__).inc()
                log.exception("nights could not be looked after")
            try:
                async with asyncio.timeout(min(LOOK_AGAIN_S, self._lease_s)):
                    await self._wake.wait()
            except TimeoutError:
                continue  # another process may have died in the middle of its night

    # --- one night ---

    async def _start_due(self) -> str | None:
        """A night for those whose hour has passed; None where there is nobody, or one is running."""
        if await self._store.running():
            return None
        people = await self.due()
        return await self._start(people, was_asked=False) if people else None

    async def _start(self, people: Sequence[str], *, was_asked: bool) -> str:
        night = self._context.new_id()
        await self._store.start(night, people, was_asked=was_asked)
        self._wake.set()
        return night

    async def _carry(self, night_id: str) -> None:
        """One night to its end, unless another process has it."""
        lease, leases = f"night:{night_id}", self._context.store.leases
        if not await leases.take(lease, self._context.owner, for_s=self._lease_s):
            return
        logger = log.bind(night=night_id)
        try:
            async with held(leases, [lease], self._context.owner, for_s=self._lease_s):
                problem = await self._through(night_id)
            await self._end(night_id, problem)
            logger.info("night ended", problem=problem)
        except EngineDownError:
            logger.warning("the engine went down; the night goes on when it is back")
            return
        except LeaseLost:
            logger.warning("the night was held too long without a sign of life; whoever takes it up goes on")
            return
        except Exception as error:  # one night's fault: it is written down, and the next one begins anew
            logger.exception("night failed")
            await self._settle_rest(night_id, _unforeseen(error))
            await self._free(night_id)
            await self._end(night_id, _unforeseen(error))
        finally:
            await leases.give_back(lease, self._context.owner)
        self._ended.set()

    async def _through(self, night_id: str) -> str | None:
        """Prepare, train, examine, tell. The problem, if it got nobody anywhere."""
        night = await self._store.get(night_id)
        waiting = [one.person for one in night.people if one.outcome is None]
        free = [person for person in waiting if await self._is_free(night_id, person)]
        problem = None
        leases = [_lease_of(person) for person in free]
        async with held(self._context.store.leases, leases, night_id, for_s=self._lease_s):
            try:
                await self._prepare_all(night_id, free)
                await self._train(night_id)
                await self._examine_all(night_id, free)
            except EngineDownError:
                raise
            except EngineError as error:
                problem = str(error)
        if problem is not None:
            await self._settle_rest(night_id, problem)
        await self._free(night_id)
        await self._morning.tell_all(night_id)
        return problem

    async def _is_free(self, night_id: str, person: str) -> bool:
        """One night per person at a time, however many processes run.

        The lease is the night's, not the process's: whoever takes up a dead process's night has it already.
        """
        if await self._context.store.leases.take(_lease_of(person), night_id, for_s=self._lease_s):
            return True
        await self._settle(night_id, person, NightOutcome.SKIPPED, "another night of theirs is under way")
        return False

    async def _free(self, night_id: str) -> None:
        """Before anybody hears that the night is over: they may begin the next one at once."""
        for one in (await self._store.get(night_id)).people:
            await self._context.store.leases.give_back(_lease_of(one.person), night_id)

    # --- preparing ---

    async def _prepare_all(self, night_id: str, people: Sequence[str]) -> None:
        """Writes the job folder, whole. A job that was begun is gone on with as it is."""
        folder = self._root / night_id
        if job_files.is_begun(folder, self._model_path):
            return
        await asyncio.to_thread(clean, folder)
        studies: list[Material] = []

        async def prepare(person: str) -> None:
            made = await self._prepare(night_id, person)
            if made is not None:
                studies.append(made)

        await self._for_each(night_id, people, prepare, at_once=PREPARED_AT_ONCE)
        if studies:
            currents = {one.person: await self.candidates.current(one.person) for one in studies}
            write = partial(job_files.write, folder, self._context, self._model_path)
            await asyncio.to_thread(write, studies, currents)
            for one in studies:
                if (
                    await self._context.store.people.get(one.person) is None
                ):  # forgotten since they were studied
                    await asyncio.to_thread(job_files.erase, self._root, one.person)

    async def _prepare(self, night_id: str, key: str) -> Material | None:
        person = await self._context.store.people.get(key)
        if person is None:
            return None  # erased meanwhile
        if not self._may_learn(person):
            reason = "they have not agreed to be learned from"
            await self._settle(night_id, key, NightOutcome.SKIPPED, reason)
            return None

        def report(done: int, total: int) -> None:
            self._progress(night_id, key, "practising", done, total)

        made = await study(
            self._context, person, self._recipe, seed=job_files.seed_of(night_id, key), on_progress=report
        )
        if isinstance(made, str):
            await self._settle(night_id, key, NightOutcome.SKIPPED, made)
            return None
        return made

    # --- training ---

    async def _train(self, night_id: str) -> None:
        folder = self._root / night_id
        if not job_files.is_begun(folder, self._model_path):
            return
        people = [one.person for one in (await self._store.get(night_id)).people if one.outcome is None]

        def report(step: Step) -> None:
            for person in people:
                self._progress(night_id, person, "training", step.done, step.total)

        # On a GPU the two may not fit beside each other: then messages wait for the end of the training.
        may_sleep = self._context.settings.learning.gpu == "sleep"
        try:
            if may_sleep:
                await self._context.backend.sleep()
            await self._trainer.run(folder, report)
        finally:  # also where it was cut off while it fell asleep
            if may_sleep:
                await self._context.backend.wake()

    # --- the gate ---

    async def _examine_all(self, night_id: str, people: Sequence[str]) -> None:
        examine = partial(self._examine, night_id)
        await self._for_each(night_id, people, examine, at_once=EXAMINED_AT_ONCE)

    async def _examine(self, night_id: str, key: str) -> None:
        """A person's result becomes a version, and the version is judged. Safe to do again."""
        mine = next((one for one in (await self._store.get(night_id)).people if one.person == key), None)
        person = await self._context.store.people.get(key)
        if mine is None or mine.outcome is not None or person is None:
            return
        if not self._may_learn(person):
            reason = "they took back their agreement to be learned from"
            await self._settle(night_id, key, NightOutcome.SKIPPED, reason)
            return
        taught = await asyncio.to_thread(job_files.read, self._root / night_id, key)
        if taught is None:
            await self._settle(night_id, key, NightOutcome.FAILED, "the training left no result")
            return
        if not taught.result.is_trained:
            used, reason = taught.studied.used, taught.result.reason
            await self._settle(night_id, key, NightOutcome.FAILED, reason, used=used)
            return
        self._progress(night_id, key, "examining", 0, 1)
        await self.candidates.settle(night_id, taught)
        self._progress(night_id, key, "done", 1, 1)

    # --- what came of it ---

    async def _for_each(
        self, night_id: str, people: Sequence[str], work: Callable[[str], Awaitable[None]], *, at_once: int
    ) -> None:
        """Work for everybody. What goes wrong with one of them is theirs alone, unless the engine is away."""
        gate = asyncio.Semaphore(at_once)

        async def one(person: str) -> None:
            try:
                async with gate:
                    await work(person)
            except EngineDownError:
                raise
            except EngineError as error:
                await self._settle(night_id, person, NightOutcome.FAILED, str(error))
            except Exception as error:  # odd data of one person must not cost the others their night
                log.exception("a night failed for one person", night=night_id, person=person)
                await self._settle(night_id, person, NightOutcome.FAILED, _unforeseen(error))

        tasks = [asyncio.create_task(one(person)) for person in people]
        try:
            await asyncio.gather(*tasks)
        finally:  # whatever ends this, nobody goes on alone
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(
        self,
        night_id: str,
        person: str,
        outcome: NightOutcome,
        reason: str,
        *,
        used: Mapping[str, int] | None = None,
    ) -> None:
        settled = NightPerson(person=person, outcome=outcome, reason=reason, used=used or {})
        await self._store.settle(night_id, settled)
        self._progress(night_id, person, "done", 1, 1)

    async def _end(self, night_id: str, problem: str | None) -> None:
        """Its folder goes first: when a night is over, nothing of what people said is left lying."""
        await asyncio.to_thread(clean, self._root / night_id)
        await self._store.end(night_id, problem=problem)

    async def _settle_rest(self, night_id: str, reason: str) -> None:
        """Whoever has no outcome yet has failed."""
        for one in (await self._store.get(night_id)).people:
            if one.outcome is None:
                await self._settle(night_id, one.person, NightOutcome.FAILED, reason)

    def _progress(self, night_id: str, person: str, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if phase not in ("done", "examining") and now - self._heard_at.get(person, 0.0) < PROGRESS_EVERY_S:
            return
        self._heard_at[person] = now
        self._hear(person, NightProgress(night=night_id, person=person, phase=phase, done=done, total=total))

    async def _with_news(self) -> list[Freshness]:
        """Everybody who may be learned from and has said enough that is new."""
        least = self._context.settings.learning.min_feedback
        found = await self._store.freshness(at_least=least)
        return [fresh for fresh in found if self._may_learn(fresh.person)]

    @property
    def _root(self) -> Path:
        return self._context.settings.data.absolute() / FOLDER


async def run_night(
    nights: Nights, people: Sequence[str] | None, *, on_start: Callable[[str], None] | None = None
) -> Night:
    """One whole night in this process, as the command line runs it: started, carried through, told of."""
    night = await nights.start(people)
    if on_start is not None:
        on_start(night)
    carrying = asyncio.create_task(nights.run())
    try:
        return await nights.wait(night)
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


def _study_recipe(context: Context) -> StudyRecipe:
    settings = context.settings.learning
    return StudyRecipe(replies=settings.replies, judged_pairs=settings.judged_pairs)


def _lease_of(person: str) -> str:
    return f"night of:{person_folder(person)}"


def _unforeseen(error: Exception) -> str:
    return f"something unforeseen went wrong: {type(error).__name__}"
