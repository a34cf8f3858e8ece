"""A whole night on the scripted backend: what comes of it for each person, and that dying costs nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.context import Context
from bot.events import Outcome
from bot.nights.material.prepare import Material, prepare
from bot.nights.nights import run_night
from bot.store.loras import LoraState
from bot.store.nights import NightOutcome, NightState
from bot.store.people import KnownPerson
from engine.errors import RequestError
from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Result
from engine.loras.format import check
from engine.ports import BackendState
from engine.training.runner import JobProgress
from engine.training.scripted import ScriptedTrainer
from tests.bot.conftest import StartBot, is_answered
from tests.bot.nights.night import (
    PICTURE,
    Happening,
    StubbornTrainer,
    TeachableBackend,
    carried,
    nights_of,
    taught,
)

pytestmark = pytest.mark.usefixtures("quick_picture")


async def test_after_a_night_the_persons_lora_is_live_loaded_and_told_of(start_bot: StartBot) -> None:
    async with taught(start_bot, "ann") as bot:
        heard = Happening()
        nights = nights_of(bot, heard)
        night = await run_night(nights, ["ann"])
        (ann,) = night.people
        assert (night.state, ann.outcome) == (NightState.DONE, NightOutcome.PROMOTED), ann
        assert ann.used["ratings"] + ann.used["held_out"] == 6
        live = await bot.store.loras.live("ann")
        assert live is not None
        assert live.state is LoraState.READY
        check(nights.promotion.library.path("ann", live.version))
        assert live.name in bot.context.backend.loaded  # type: ignore[attr-defined]  # the scripted one's
        ((person, note),) = heard.notes
        assert person == "ann"
        assert f"{ann.used['ratings']} rating" in note.text
        assert note.image_png == PICTURE
        assert {progress.phase for progress in heard.progress} >= {"preparing", "evaluating", "done"}
        assert not list((bot.context.settings.data / "nights").glob("*"))


async def test_who_did_not_agree_or_said_nothing_is_skipped_with_the_reason(start_bot: StartBot) -> None:
    async with taught(start_bot, "ann") as bot:
        await bot.store.people.change("ann", learning=None)
        await bot.ask("Hello", person="bob")
        await bot.store.people.change("bob", learning=True)
        night = await run_night(nights_of(bot, Happening()), ["ann", "bob"])
        assert [settled.outcome for settled in night.people] == [NightOutcome.SKIPPED] * 2
        assert "agreed" in (night.people[0].reason or "")
        assert "nothing clear enough" in (night.people[1].reason or "")


async def test_a_training_that_fails_is_told_and_leaves_the_next_night_free(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taught(start_bot, "ann") as bot:
        give_back = bot.store.leases.give_back

        async def slowly(name: str, owner: str) -> None:
            await asyncio.sleep(1.2)  # longer than it takes to look: who is told before is not free yet
            await give_back(name, owner)

        monkeypatch.setattr(bot.store.leases, "give_back", slowly)
        trainer = StubbornTrainer()
        nights = nights_of(bot, Happening(), trainer=trainer, lease_s=60.0)
        night = await run_night(nights, ["ann"])
        assert (night.state, night.problem) == (NightState.FAILED, "the disk is full")
        trainer.is_failing = False
        assert (await run_night(nights, ["ann"])).people[0].outcome is NightOutcome.PROMOTED


async def test_what_fails_for_one_person_fails_for_nobody_else(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fragile(context: Context, person: KnownPerson, *given: object, **more: object) -> Material:
        if person.key == "ann":
            raise RequestError("a prompt of hers is too long")
        if person.key == "cid":
            raise ValueError("his data are odd")
        return await prepare(context, person, *given, **more)  # type: ignore[arg-type]  # handed on as they are

    monkeypatch.setattr("bot.nights.run.prepare", fragile)
    async with taught(start_bot, "ann", "bob", "cid") as bot:
        heard = Happening()
        night = await run_night(nights_of(bot, heard), ["ann", "bob", "cid"])
        outcomes = [settled.outcome for settled in night.people]
        assert outcomes == [NightOutcome.FAILED, NightOutcome.PROMOTED, NightOutcome.FAILED]
        assert night.state is NightState.DONE
        assert "too long" in (night.people[0].reason or "")
        assert "ValueError" in (night.people[2].reason or "")
        assert "bob" in {person for person, _ in heard.notes}


async def test_a_night_whose_lease_ran_out_is_left_to_whoever_takes_it_up(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless(ScriptedTrainer):
        is_broken_off = False

        async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
            monkeypatch.setattr(bot.store.leases, "take", never)
            try:
                await asyncio.sleep(30.0)
            finally:
                self.is_broken_off = True

    async def never(name: str, owner: str, *, for_s: float) -> bool:
        return False

    async with taught(start_bot, "ann") as bot:
        take, trainer = bot.store.leases.take, Endless()
        nights = nights_of(bot, Happening(), trainer=trainer, lease_s=0.3)
        night = await nights.start(["ann"])
        async with carried(nights), asyncio.timeout(20.0):
            while not trainer.is_broken_off:
                await asyncio.sleep(0.05)
        assert (await bot.store.nights.get(night)).state is NightState.RUNNING
        monkeypatch.setattr(bot.store.leases, "take", take)
        context = replace(bot.context, owner="another")
        other = nights_of(replace(bot, context=context), Happening(), lease_s=0.3)
        async with carried(other), asyncio.timeout(20.0):
            assert (await other.wait(night)).people[0].outcome is NightOutcome.PROMOTED


async def test_while_a_training_has_the_gpu_messages_wait_and_are_answered_then(start_bot: StartBot) -> None:
    backend = TeachableBackend(can_sleep=True)
    states: list[tuple[BackendState, bool]] = []

    class WatchfulTrainer(ScriptedTrainer):
        async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
            asked.append(asyncio.create_task(bot.ask("Are you there?")))
            await asyncio.sleep(0.2)
            states.append((backend.state, asked[0].done()))
            await super().run(folder, on_progress)

    asked: list[asyncio.Task[Outcome]] = []
    async with taught(start_bot, "ann", backend=backend, gpu="sleep") as bot:
        night = await run_night(nights_of(bot, Happening(), trainer=WatchfulTrainer()), ["ann"])
        assert states == [(BackendState.ASLEEP, False)]
        assert is_answered(await asked[0])
        assert night.people[0].outcome is NightOutcome.PROMOTED


async def test_a_training_that_fails_gives_the_gpu_back(start_bot: StartBot) -> None:
    backend = TeachableBackend(can_sleep=True)
    async with taught(start_bot, "ann", backend=backend, gpu="sleep") as bot:
        await run_night(nights_of(bot, Happening(), trainer=StubbornTrainer()), ["ann"])
        assert backend.state is BackendState.READY


async def test_a_night_that_is_cut_off_while_the_model_falls_asleep_wakes_it(start_bot: StartBot) -> None:
    class Drowsy(TeachableBackend):
        """Finishes what is under way, for a long time."""

        async def sleep(self) -> bool:
            await super().sleep()
            falls_asleep.set()
            await asyncio.Event().wait()
            return True

    falls_asleep = asyncio.Event()
    backend = Drowsy(can_sleep=True)
    async with taught(start_bot, "ann", backend=backend, gpu="sleep") as bot:
        nights = nights_of(bot, Happening())
        await nights.start(["ann"])
        async with carried(nights), asyncio.timeout(20.0):
            await falls_asleep.wait()
        assert backend.state is BackendState.READY


async def test_cut_off_at_twenty_random_moments_a_night_ends_promoted_and_never_half(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever carries it is stopped, again and again; another goes on. Nobody is trained twice."""
    source = random.Random(5)
    trainings: Counter[Path] = Counter()
    write_result = JobFolder.write_result

    def counted(folder: JobFolder, result: Result) -> None:
        trainings[folder.person(result.key)] += 1
        write_result(folder, result)

    monkeypatch.setattr(JobFolder, "write_result", counted)
    async with taught(start_bot, "ann", "bob") as bot:
        heard, cuts, trained = Happening(), 0, 0
        while cuts < 20:
            for person in ("ann", "bob"):  # so that the next candidate is better than what is live
                await bot.store.people.change(person, live_lora=None)
            night_id = await nights_of(bot, heard).start(["ann", "bob"])
            trained += 1
            for number in range(5):
                context: Context = replace(bot.context, owner=f"process {number}")
                async with carried(nights_of(replace(bot, context=context), heard, lease_s=0.05)):
                    await asyncio.sleep(source.uniform(0.0, 0.15))
                cuts += (await bot.store.nights.get(night_id)).state is NightState.RUNNING
            last = nights_of(bot, heard, lease_s=0.3)
            async with carried(last), asyncio.timeout(20):
                night = await last.wait(night_id)
            for settled in night.people:
                versions = await bot.store.loras.of_person(settled.person)
                live = await bot.store.loras.live(settled.person)
                assert settled.outcome is NightOutcome.PROMOTED
                assert len(versions) == trained
                assert live is not None
                assert live.version == versions[-1].version
                check(last.promotion.library.path(settled.person, live.version))
        assert list(trainings.values()) == [1] * (2 * trained)
