"""A whole night on the scripted backend: who is in it, what comes of it, and that dying costs nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from bot.context import Context
from bot.events import NightProgress, Notice, Outcome, Person, Reaction, Ref
from bot.nights import report
from bot.nights.material.prepare import Material, prepare
from bot.nights.nights import Nights, run_night
from bot.nights.ticks import ticking
from bot.people import portability
from bot.people.forget import Forgetting
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from bot.store.loras import LoraState
from bot.store.nights import Night, NightOutcome, NightState
from bot.store.people import KnownPerson
from engine.backends.scripted import ScriptedBackend
from engine.errors import RequestError, TrainingError
from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Result
from engine.loras.format import check
from engine.loras.library import JUDGE_FOLDER, person_folder
from engine.ports import BackendState
from engine.training.runner import JobProgress
from engine.training.scripted import ScriptedTrainer
from engine.types import Completion, LoraRef, Mode, Sampling, TokenIds
from tests.bot.conftest import Bot, StartBot, is_answered, message

PICTURE = b"a picture"


@pytest.fixture(autouse=True)
def _quick_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing the curve, which test_report.py tries, would take longer than the rest of a night."""
    monkeypatch.setattr(report, "draw", lambda curve: PICTURE)


class TeachableBackend(ScriptedBackend):
    """The scripted backend, except that a LoRA makes replies that the judge likes better."""

    async def sample(
        self, prefix: TokenIds, *, n: int, sampling: Sampling, lora: LoraRef | None = None
    ) -> Sequence[Completion]:
        made = await super().sample(prefix, n=n, sampling=sampling, lora=lora)
        if lora is not None or "Notes:" in self.decode(prefix):
            return made
        worse = self.encode_text(self.decode(made[0].token_ids) + " #9")
        return [replace(completion, token_ids=worse) for completion in made]


class StubbornTrainer(ScriptedTrainer):
    """Fails until it is told not to."""

    is_failing = True

    async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
        if self.is_failing:
            raise TrainingError("the disk is full")
        await super().run(folder, on_progress)


@dataclass
class Happening:
    """What a night said to people, whose platform may be away."""

    is_away: bool = False
    notes: list[tuple[str, Notice]] = field(default_factory=list)
    progress: list[NightProgress] = field(default_factory=list)

    async def tell(self, person: Person, notice: Notice) -> bool:
        if not self.is_away:
            self.notes.append((person.key, notice))
        return not self.is_away

    def listen(self, person: str, progress: NightProgress) -> None:
        self.progress.append(progress)


def nights_of(bot: Bot, heard: Happening, **changes: object) -> Nights:
    values: Mapping[str, object] = {
        "model_path": "none",
        "listen": heard.listen,
        "tell": heard.tell,
        "may_learn": lambda known: known.learning is True,
        "trainer": ScriptedTrainer(),
        "lease_s": 0.3,
        **changes,
    }
    return Nights(bot.context, **values)  # type: ignore[arg-type]  # a table of changes


def a_day_later() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def teach(bot: Bot, person: str, *, count: int = 6) -> None:
    """Ask and rate, each in a conversation of its own, and leave one standing note."""
    for number in range(count):
        outcome = await bot.ask(f"Question {number} of {person}", person=person, conversation=f"c{number}")
        reply = outcome.replies[0]
        await bot.app.reaction(
            Reaction(
                event=f"{person}-{number}",
                ref=Ref(platform=bot.chat.platform, channel=f"c{number}", id=reply.id),
                person=message("", person=person).person,
                emoji="👍" if number % 2 else "👎",
                on=True,
                at=datetime.now(UTC),
            )
        )
    note = NewNote(
        id=f"note-{person}",
        person=person,
        kind=NoteKind.NOTE,
        text="Be short.",
        source="",
        origin=Origin.CRITIQUE,
    )
    await bot.store.notes.keep(note)
    await bot.store.people.change(person, learning=True)


@asynccontextmanager
async def carried(nights: Nights) -> AsyncIterator[None]:
    running = asyncio.create_task(nights.run(starts_due=False))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _taught(
    start_bot: StartBot, *people: str, backend: ScriptedBackend | None = None, **learning: object
) -> AsyncIterator[Bot]:
    wanted = {"replies": 8, "min_feedback": 4, **learning}
    async with start_bot(backend=backend or TeachableBackend(), learning=wanted) as bot:
        for person in people:
            await teach(bot, person)
        yield bot


async def test_after_a_night_the_persons_lora_is_live_loaded_and_told_of(start_bot: StartBot) -> None:
    async with _taught(start_bot, "ann") as bot:
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
    async with _taught(start_bot, "ann") as bot:
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
    async with _taught(start_bot, "ann") as bot:
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
    async with _taught(start_bot, "ann", "bob", "cid") as bot:
        heard = Happening()
        night = await run_night(nights_of(bot, heard), ["ann", "bob", "cid"])
        outcomes = [settled.outcome for settled in night.people]
        assert outcomes == [NightOutcome.FAILED, NightOutcome.PROMOTED, NightOutcome.FAILED]
        assert night.state is NightState.DONE
        assert "too long" in (night.people[0].reason or "")
        assert "ValueError" in (night.people[2].reason or "")
        assert "bob" in {person for person, _ in heard.notes}


async def test_an_evaluation_that_fails_leaves_no_version_that_is_never_judged_and_none_loaded(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*given: object, **more: object) -> None:
        raise RequestError("the judge is silent")

    monkeypatch.setattr("bot.nights.evaluate.Evaluation.decide", fail)
    backend = TeachableBackend()
    async with _taught(start_bot, "ann", backend=backend) as bot:
        await run_night(nights_of(bot, Happening()), ["ann"])
        assert not backend.loaded
        (version,) = await bot.store.loras.of_person("ann")
        assert (version.state, version.reason) == (LoraState.REJECTED, "the judge is silent")


async def test_who_is_forgotten_while_a_training_runs_takes_nobody_with_them(start_bot: StartBot) -> None:
    class ForgettingTrainer(ScriptedTrainer):
        async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
            await nights.erase("ann")
            await bot.store.people.erase("ann")
            await super().run(folder, on_progress)

    async with _taught(start_bot, "ann", "bob") as bot:
        nights = nights_of(bot, Happening(), trainer=ForgettingTrainer())
        night = await run_night(nights, ["ann", "bob"])
        assert [(settled.person, settled.outcome) for settled in night.people] == [
            ("bob", NightOutcome.PROMOTED)
        ]


async def test_who_is_forgotten_while_they_are_studied_is_not_written_down_after_it(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forgetting(context: Context, person: KnownPerson, *given: object, **more: object) -> Material:
        made = await prepare(context, person, *given, **more)  # type: ignore[arg-type]  # handed on as they are
        if person.key == "ann":
            await bot.app.erase("ann")
        return made

    class Watchful(ScriptedTrainer):
        async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
            written.extend(path for path in folder.rglob("*") if person_folder("ann") in str(path))
            await super().run(folder, on_progress)

    written: list[Path] = []
    monkeypatch.setattr("bot.nights.run.prepare", forgetting)
    async with _taught(start_bot, "ann", "bob") as bot:
        nights = nights_of(bot, Happening(), trainer=Watchful())
        night = await run_night(nights, ["ann", "bob"])
        assert [(settled.person, settled.outcome) for settled in night.people] == [
            ("bob", NightOutcome.PROMOTED)
        ]
        assert not written


async def test_what_a_night_writes_of_somebody_while_they_are_forgotten_goes_after_it(bot: Bot) -> None:
    class Watched(Nights):
        async def erase(self, person: str) -> int:
            was_there.append(await bot.store.people.get(person) is not None)
            return await super().erase(person)

    async def nothing(person: str) -> None:
        del person

    await bot.ask("Hello", person="ann")
    was_there: list[bool] = []
    heard = Happening()
    nights = Watched(
        bot.context, model_path="none", listen=heard.listen, tell=heard.tell, may_learn=lambda known: True
    )
    await Forgetting(bot.context, nights, drop_work=nothing).forget("ann")
    assert was_there == [True, False]


async def test_a_night_that_failed_is_tried_again_at_the_next_hour_and_not_before(
    start_bot: StartBot,
) -> None:
    async with _taught(start_bot, "ann") as bot:
        nights = nights_of(bot, Happening(), trainer=StubbornTrainer())
        assert await nights.due() == ["ann"]
        await run_night(nights, None)
        assert await nights.due() == []
        tomorrow = nights_of(replace(bot, context=replace(bot.context, clock=a_day_later)), Happening())
        assert await tomorrow.due() == ["ann"]


async def test_a_morning_note_that_did_not_arrive_is_told_at_a_later_tick_and_once(
    start_bot: StartBot,
) -> None:
    async with _taught(start_bot, "ann") as bot:
        heard = Happening(is_away=True)
        nights = nights_of(bot, heard)
        await run_night(nights, ["ann"])
        await nights.tick()
        assert not heard.notes
        heard.is_away = False
        await nights.tick()
        await nights.tick()
        assert [person for person, _ in heard.notes] == ["ann"]


async def test_a_morning_note_that_goes_wrong_costs_nobody_else_theirs_and_no_night(
    start_bot: StartBot,
) -> None:
    class Fragile(Happening):
        async def tell(self, person: Person, notice: Notice) -> bool:
            if person.key == "ann":
                raise ValueError("what no platform should raise")
            return await super().tell(person, notice)

    async with _taught(start_bot, "ann", "bob") as bot:
        heard = Fragile()
        nights = nights_of(bot, heard)
        night = await run_night(nights, ["ann", "bob"])
        assert (night.state, night.problem) == (NightState.DONE, None)
        assert [person for person, _ in heard.notes] == ["bob"]
        await teach(bot, "cid")
        assert await nights.tick() is not None


async def test_a_morning_note_that_waits_for_its_platform_delays_no_night(start_bot: StartBot) -> None:
    class Waiting(Happening):
        async def tell(self, person: Person, notice: Notice) -> bool:
            if self.is_away:
                waits.set()
                await asyncio.Event().wait()
            return False

    waits = asyncio.Event()
    async with _taught(start_bot, "ann") as bot:
        heard = Waiting()
        nights = nights_of(bot, heard)
        await run_night(nights, ["ann"])
        await teach(bot, "bob")
        heard.is_away = True
        ticking = asyncio.create_task(nights.tick())
        await waits.wait()
        (night,) = await bot.store.nights.running()
        assert [settled.person for settled in night.people] == ["bob"]
        ticking.cancel()
        await asyncio.gather(
            ticking, return_exceptions=True
        )  # it gives its lease back while the store is open


async def test_one_tick_at_a_time_in_a_process_the_first_included(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = most_at_once = ticks = 0

    async def slow_tick() -> None:
        nonlocal at_once, most_at_once, ticks
        ticks, at_once = ticks + 1, at_once + 1
        most_at_once = max(most_at_once, at_once)
        await asyncio.sleep(0.1)
        at_once -= 1

    monkeypatch.setattr("bot.nights.ticks.CronTrigger", lambda **_: IntervalTrigger(seconds=0.02))
    async with asyncio.timeout(10.0), ticking(look=lambda: None, look_every_s=60.0, tick=slow_tick):
        while ticks < 3:
            await asyncio.sleep(0.01)
    assert most_at_once == 1


async def test_a_tick_that_fails_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = 0

    async def failing_tick() -> None:
        nonlocal ticks
        ticks += 1
        raise OSError("the database is away")

    monkeypatch.setattr("bot.nights.ticks.CronTrigger", lambda **_: IntervalTrigger(seconds=0.02))
    async with asyncio.timeout(10.0), ticking(look=lambda: None, look_every_s=60.0, tick=failing_tick):
        while ticks < 3:
            await asyncio.sleep(0.01)


async def test_the_clock_is_the_only_thing_that_looks_for_nights_that_a_dead_process_left(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _taught(start_bot, "ann") as bot:
        nights, looks = nights_of(bot, Happening(), lease_s=60.0), 0
        running = bot.store.nights.running

        async def counted() -> Sequence[Night]:
            nonlocal looks
            looks += 1
            return await running()

        monkeypatch.setattr(bot.store.nights, "running", counted)
        monkeypatch.setattr("bot.nights.ticks.IntervalTrigger", lambda **_: IntervalTrigger(seconds=3600))
        async with carried(nights):
            while not looks:  # at once when it starts
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
        assert looks == 1


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

    async with _taught(start_bot, "ann") as bot:
        take, trainer = bot.store.leases.take, Endless()
        nights = nights_of(bot, Happening(), trainer=trainer)
        night = await nights.start(["ann"])
        async with carried(nights), asyncio.timeout(20.0):
            while not trainer.is_broken_off:
                await asyncio.sleep(0.05)
        assert (await bot.store.nights.get(night)).state is NightState.RUNNING
        monkeypatch.setattr(bot.store.leases, "take", take)
        other = nights_of(replace(bot, context=replace(bot.context, owner="another")), Happening())
        async with carried(other), asyncio.timeout(20.0):
            assert (await other.wait(night)).people[0].outcome is NightOutcome.PROMOTED


async def test_a_database_that_is_away_for_a_while_ends_no_nights(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _taught(start_bot, "ann") as bot:
        running, failures = bot.store.nights.running, iter(range(2))

        async def away_at_first() -> Sequence[Night]:
            if next(failures, None) is not None:
                raise OSError("the database is away")
            return await running()

        monkeypatch.setattr(bot.store.nights, "running", away_at_first)
        night = await run_night(nights_of(bot, Happening()), ["ann"])
        assert night.people[0].outcome is NightOutcome.PROMOTED


async def test_who_waits_for_a_night_looks_seldom_and_hears_of_its_end_at_once(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _taught(start_bot, "ann") as bot:
        nights, looks = nights_of(bot, Happening()), 0
        get = bot.store.nights.get

        async def counted(night: str) -> Night:
            nonlocal looks
            looks += 1
            return await get(night)

        night = await nights.start(["ann"])
        with monkeypatch.context() as patched:
            patched.setattr(bot.store.nights, "get", counted)
            assert (await nights.wait(night, timeout_s=1.2)).state is NightState.RUNNING
        assert looks <= 3
        waiting = asyncio.create_task(nights.wait(night, timeout_s=30))
        carrying = asyncio.create_task(nights.run(starts_due=False))
        assert (await waiting).state is NightState.DONE
        carrying.cancel()


async def test_undo_brings_back_the_one_before_and_then_the_base(start_bot: StartBot) -> None:
    async with _taught(start_bot, "ann") as bot:
        nights = nights_of(bot, Happening(), trainer=ScriptedTrainer())
        await run_night(nights, ["ann"])
        first = await bot.store.loras.live("ann")
        assert first is not None
        await bot.store.people.change("ann", live_lora=None)  # so that the second is better than what is live
        await run_night(nights, ["ann"])
        second = await bot.store.loras.live("ann")
        assert second is not None
        assert second.id > first.id
        assert await nights.undo("ann") == await bot.store.loras.get(first.id)
        assert await nights.undo("ann") is None
        assert (await bot.store.people.get("ann")).live_lora is None  # type: ignore[union-attr]
        with pytest.raises(LookupError, match="nothing to undo"):
            await nights.undo("ann")


async def test_a_morning_notes_undo_takes_back_its_own_night_and_no_other(start_bot: StartBot) -> None:
    async with _taught(start_bot, "ann") as bot:
        heard = Happening()
        nights = nights_of(bot, heard)
        for _ in range(2):
            await run_night(nights, ["ann"])
            await bot.store.people.change("ann", live_lora=None)
        ((_, first), (_, second)) = heard.notes
        newest = (await bot.store.loras.of_person("ann"))[-1]
        await bot.store.people.change("ann", live_lora=newest.id)
        ann = message("", person="ann").person
        stale = await bot.app.press(ann, first.actions[0])
        assert stale is not None
        assert "nothing to undo" in stale.text
        assert (await bot.store.loras.live("ann")) == newest
        for expected in ("Version 1 answers now", "nothing to undo"):  # pressed twice
            told = await bot.app.press(ann, second.actions[0])
            assert told is not None
            assert expected in told.text


async def test_erasing_leaves_no_lora_and_no_words(start_bot: StartBot) -> None:
    async with _taught(start_bot, "ann") as bot:
        nights = nights_of(bot, Happening())
        await run_night(nights, ["ann"])
        assert await nights.erase("ann") == 1
        await bot.store.people.erase("ann")
        assert not any(path.is_file() for path in (bot.context.settings.data / "loras").rglob("*"))


async def test_a_judge_with_a_lora_of_its_own_shares_all_that_becomes_of_its_persons(
    start_bot: StartBot,
) -> None:
    backend = TeachableBackend()
    async with _taught(start_bot, "ann", backend=backend, evaluator="own") as bot:
        nights = nights_of(bot, Happening())
        await run_night(nights, ["ann"])
        live = await bot.store.loras.live("ann")
        assert live is not None
        check(nights.promotion.library.path("ann", live.version) / JUDGE_FOLDER)
        assert {live.name, f"{live.name}-judge"} <= set(backend.loaded)
        backend.used.clear()
        await bot.ask("Which otter?", mode=Mode.BEST)
        assert {live.name, f"{live.name}-judge"} <= set(backend.used)
        exported = await portability.export(bot.context, "ann")
        await bot.ask("Hello", person="bob")
        taken = await portability.take_in(bot.context, "bob", exported)
        assert taken.taken["lora"] == 1
        theirs = await bot.store.loras.live("bob")
        assert theirs is not None
        assert f"{theirs.name}-judge" in backend.loaded
        assert await nights.undo("ann") is None
        assert await nights.erase("ann") == 1
        assert live.name not in backend.loaded
        assert f"{live.name}-judge" not in backend.loaded


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
    async with _taught(start_bot, "ann", backend=backend, gpu="sleep") as bot:
        night = await run_night(nights_of(bot, Happening(), trainer=WatchfulTrainer()), ["ann"])
        assert states == [(BackendState.ASLEEP, False)]
        assert is_answered(await asked[0])
        assert night.people[0].outcome is NightOutcome.PROMOTED


async def test_a_training_that_fails_gives_the_gpu_back(start_bot: StartBot) -> None:
    backend = TeachableBackend(can_sleep=True)
    async with _taught(start_bot, "ann", backend=backend, gpu="sleep") as bot:
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
    async with _taught(start_bot, "ann", backend=backend, gpu="sleep") as bot:
        nights = nights_of(bot, Happening())
        await nights.start(["ann"])
        async with carried(nights), asyncio.timeout(20.0):
            await falls_asleep.wait()
        assert backend.state is BackendState.READY


async def test_who_is_due_depends_on_consent_news_and_the_hour(start_bot: StartBot) -> None:
    async with _taught(start_bot, "ann", "bob") as bot:
        await bot.store.people.change("bob", learning=False)
        nights = nights_of(bot, Happening())
        assert await nights.due() == ["ann"]
        started = await nights.tick()
        assert started is not None
        assert await nights.tick() is None
        async with carried(nights):
            await nights.wait(started)
        assert await nights.due() == []


async def test_unknown_people_are_refused_before_anything_begins(start_bot: StartBot) -> None:
    async with _taught(start_bot, "ann") as bot:
        with pytest.raises(LookupError, match="nobody-here"):
            await nights_of(bot, Happening()).start(["nobody-here"])
        assert not await bot.store.nights.running()


async def test_two_processes_never_train_the_same_person_at_once(start_bot: StartBot) -> None:
    async with _taught(start_bot, "ann") as bot:
        other = replace(bot.context, owner="another process")
        heard = Happening()
        mine = nights_of(bot, heard)
        theirs = Nights(
            other, model_path="none", listen=heard.listen, tell=heard.tell,
            may_learn=lambda known: True, trainer=ScriptedTrainer(), lease_s=0.3,
        )  # fmt: skip
        first, second = await mine.start(["ann"]), await mine.start(["ann"])
        async with carried(mine), carried(theirs):
            ended = [await mine.wait(first), await mine.wait(second)]
        outcomes = [night.people[0].outcome for night in ended]
        assert outcomes.count(NightOutcome.PROMOTED) == 1
        assert (
            len([version for version in await bot.store.loras.of_person("ann") if version.promoted_at]) == 1
        )


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
    async with _taught(start_bot, "ann", "bob") as bot:
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
            last = nights_of(bot, heard)
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
