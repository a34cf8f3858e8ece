"""One night from its first step to its last: prepare, train, evaluate, and tell everybody in the morning.

Every step is written down when it is done, so a night that was cut off is resumed where it was: prepared
people stay prepared, the training has its checkpoint, and going live is one transaction. The broad catches
keep what goes wrong with one person or one night from the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from bot.context import Context
from bot.nights import job_files
from bot.nights.due import MayLearn
from bot.nights.leases import LeaseLostError, NightLeases
from bot.nights.material.prepare import Material, NothingToLearn, prepare
from bot.nights.material.teacher import LessonMix
from bot.nights.morning_notes import MorningNotes
from bot.nights.progress import Listen, NightReporter, Phase
from bot.nights.promotion import Promotion
from bot.store.nights import NightOutcome, NightPerson
from engine.errors import EngineDownError, EngineError
from engine.learning.job_folder import clean
from engine.training.runner import JobProgress, Trainer

log = structlog.get_logger(__name__)

PREPARED_AT_ONCE: Final = 4
EVALUATED_AT_ONCE: Final = 4
FOLDER: Final = "nights"


@dataclass(frozen=True, slots=True, kw_only=True)
class NightParts:
    """What every night of this process works with."""

    context: Context
    model_path: str
    may_learn: MayLearn
    trainer: Trainer
    mix: LessonMix
    promotion: Promotion
    morning_notes: MorningNotes
    leases: NightLeases
    listen: Listen


def jobs_folder(context: Context) -> Path:
    """Where the job folders of all running nights lie."""
    return context.settings.data.absolute() / FOLDER


async def carry(parts: NightParts, night_id: str) -> bool:
    """Carries one night to its end. False: another process has it, or it goes on at another time."""
    leases, run, logger = parts.leases, NightRun(parts, night_id), log.bind(night=night_id)
    if not await leases.take_night(night_id):
        return False
    try:
        async with leases.holding_night(night_id):
            problem = await run.through()
        await run.end(problem)
        logger.info("night ended", problem=problem)
    except EngineDownError:
        logger.warning("the engine went down; the night goes on when it is back")
        return False
    except LeaseLostError:
        logger.warning("the night's lease ran out; the process that has it now goes on with the night")
        return False
    except Exception as error:  # one night's fault: it is written down, and the next night begins anew
        logger.exception("night failed")
        await run.fail(_unforeseen(error))
    finally:
        await leases.give_back_night(night_id)
    return True


class NightRun:
    """One night, in this process."""

    def __init__(self, parts: NightParts, night_id: str) -> None:
        self._parts, self._night_id = parts, night_id
        self._context, self._store = parts.context, parts.context.store.nights
        self._folder = jobs_folder(parts.context) / night_id
        self._progress = NightReporter(night_id, parts.listen)

    async def through(self) -> str | None:
        """All steps. The problem, if the night got nobody anywhere."""
        free = [person for person in await self._waiting() if await self._is_free(person)]
        problem = None
        async with self._parts.leases.holding_people(self._night_id, free):
            try:
                await self._prepare_all(free)
                await self._train()
                await self._evaluate_all(free)
            except EngineDownError:
                raise
            except EngineError as error:
                problem = str(error)
        if problem is not None:
            await self._fail_waiting(problem)
        await self._free_people()
        await self._parts.morning_notes.tell_all(self._night_id)
        return problem

    async def fail(self, reason: str) -> None:
        """Ends the night for everybody who has no outcome yet."""
        await self._fail_waiting(reason)
        await self._free_people()
        await self.end(reason)

    async def end(self, problem: str | None) -> None:
        """The folder goes first: when a night is over, nothing of what people said is left lying."""
        await asyncio.to_thread(clean, self._folder)
        await self._store.end(self._night_id, problem=problem)

    # --- who is in it ---

    async def _waiting(self) -> list[str]:
        """The people who have no outcome yet."""
        night = await self._store.get(self._night_id)
        return [person.person for person in night.people if person.outcome is None]

    async def _is_free(self, person: str) -> bool:
        if await self._parts.leases.take_person(self._night_id, person):
            return True
        await self._settle(person, NightOutcome.SKIPPED, "another night of theirs is under way")
        return False

    async def _free_people(self) -> None:
        """Before anybody is told that the night is over: they may begin the next one at once."""
        people = (await self._store.get(self._night_id)).people
        await self._parts.leases.give_back_people(self._night_id, [person.person for person in people])

    # --- preparing ---

    async def _prepare_all(self, people: Sequence[str]) -> None:
        """Writes the job folder, whole. A job that was begun is gone on with as it is."""
        if self._has_job():
            return
        await asyncio.to_thread(clean, self._folder)
        materials: list[Material] = []

        async def prepare_person(person: str) -> None:
            material = await self._prepare(person)
            if material is not None:
                materials.append(material)

        await self._for_each(people, prepare_person, at_once=PREPARED_AT_ONCE)
        if not materials:
            return
        live = {material.person: await self._parts.promotion.live(material.person) for material in materials}
        write = partial(job_files.write, self._folder, self._context, self._parts.model_path)
        await asyncio.to_thread(write, materials, live)
        for material in materials:  # whoever was forgotten since they were prepared is not written down
            if await self._context.store.people.get(material.person) is None:
                await asyncio.to_thread(job_files.erase, jobs_folder(self._context), material.person)

    async def _prepare(self, key: str) -> Material | None:
        person = await self._context.store.people.get(key)
        if person is None:
            return None  # erased meanwhile
        if not self._parts.may_learn(person):
            await self._settle(key, NightOutcome.SKIPPED, "they have not agreed to be learned from")
            return None
        try:
            return await prepare(
                self._context,
                person,
                self._parts.mix,
                seed=job_files.seed_of(self._night_id, key),
                on_progress=partial(self._progress.report, key, Phase.PREPARING),
            )
        except NothingToLearn as nothing:
            await self._settle(key, NightOutcome.SKIPPED, str(nothing))
            return None

    # --- training ---

    def _has_job(self) -> bool:
        return job_files.is_begun(self._folder, self._parts.model_path)

    async def _train(self) -> None:
        if not self._has_job():
            return
        people = await self._waiting()

        def report(job: JobProgress) -> None:
            for person in people:
                self._progress.report(person, Phase.TRAINING, job.done, job.total)

        # On a GPU the two may not fit beside each other: then messages wait for the end of the training.
        may_sleep = self._context.settings.learning.gpu == "sleep"
        try:
            if may_sleep:
                await self._context.backend.sleep()
            await self._parts.trainer.run(self._folder, report)
        finally:  # also where it was cut off while it fell asleep
            if may_sleep:
                await self._context.backend.wake()

    # --- the gate ---

    async def _evaluate_all(self, people: Sequence[str]) -> None:
        await self._for_each(people, self._evaluate, at_once=EVALUATED_AT_ONCE)

    async def _evaluate(self, key: str) -> None:
        """A person's result becomes a version, and the gate decides about it. Safe to do again."""
        person = await self._context.store.people.get(key)
        if person is None or key not in await self._waiting():
            return
        if not self._parts.may_learn(person):
            reason = "they took back their agreement to be learned from"
            await self._settle(key, NightOutcome.SKIPPED, reason)
            return
        trained = await asyncio.to_thread(job_files.read, self._folder, key)
        if trained is None:
            await self._settle(key, NightOutcome.FAILED, "the training left no result")
            return
        if not trained.result.is_trained:
            await self._settle(key, NightOutcome.FAILED, trained.result.reason, used=trained.used)
            return
        self._progress.report(key, Phase.EVALUATING, 0, 1)
        await self._parts.promotion.settle(self._night_id, trained)
        self._progress.report(key, Phase.DONE, 1, 1)

    # --- outcomes ---

    async def _for_each(
        self, people: Sequence[str], work: Callable[[str], Awaitable[None]], *, at_once: int
    ) -> None:
        """Work for everybody. What goes wrong with a person is theirs alone, unless the engine is away."""
        gate = asyncio.Semaphore(at_once)

        async def work_safely(person: str) -> None:
            try:
                async with gate:
                    await work(person)
            except EngineDownError:
                raise
            except EngineError as error:
                await self._settle(person, NightOutcome.FAILED, str(error))
            except Exception as error:  # odd data of one person must not cost the others their night
                log.exception("a night failed for one person", night=self._night_id, person=person)
                await self._settle(person, NightOutcome.FAILED, _unforeseen(error))

        tasks = [asyncio.create_task(work_safely(person)) for person in people]
        try:
            await asyncio.gather(*tasks)
        finally:  # whatever ends this, no task goes on alone
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(
        self, person: str, outcome: NightOutcome, reason: str, *, used: Mapping[str, int] | None = None
    ) -> None:
        settled = NightPerson(person=person, outcome=outcome, reason=reason, used=used or {})
        await self._store.settle(self._night_id, settled)
        self._progress.report(person, Phase.DONE, 1, 1)

    async def _fail_waiting(self, reason: str) -> None:
        for person in await self._waiting():
            await self._settle(person, NightOutcome.FAILED, reason)


def _unforeseen(error: Exception) -> str:
    return f"something unforeseen went wrong: {type(error).__name__}"
