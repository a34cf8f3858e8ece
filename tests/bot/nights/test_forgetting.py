"""Who is forgotten while a night runs leaves nothing in it, and takes nobody with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.context import Context
from bot.nights.material.prepare import Material, prepare
from bot.nights.nights import Nights, run_night
from bot.people.forget import Forgetting
from bot.store.nights import NightOutcome
from bot.store.people import KnownPerson
from engine.loras.library import person_folder
from engine.training.runner import JobProgress
from engine.training.scripted import ScriptedTrainer
from tests.bot.conftest import Bot, StartBot
from tests.bot.nights.night import Happening, nights_of, taught

pytestmark = pytest.mark.usefixtures("quick_picture")


async def test_who_is_forgotten_while_a_training_runs_takes_nobody_with_them(start_bot: StartBot) -> None:
    class ForgettingTrainer(ScriptedTrainer):
        async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
            await nights.erase("ann")
            await bot.store.people.erase("ann")
            await super().run(folder, on_progress)

    async with taught(start_bot, "ann", "bob") as bot:
        nights = nights_of(bot, Happening(), trainer=ForgettingTrainer())
        night = await run_night(nights, ["ann", "bob"])
        assert [(settled.person, settled.outcome) for settled in night.people] == [
            ("bob", NightOutcome.PROMOTED)
        ]


async def test_who_is_forgotten_while_they_are_prepared_is_not_written_down_after_it(
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
    async with taught(start_bot, "ann", "bob") as bot:
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

    async def nothing(is_theirs: Callable[[str], bool]) -> None:
        del is_theirs

    await bot.ask("Hello", person="ann")
    was_there: list[bool] = []
    heard = Happening()
    nights = Watched(
        bot.context, model_path="none", listen=heard.listen, tell=heard.tell, may_learn=lambda known: True
    )
    await Forgetting(bot.context, nights, drop_work=nothing).forget("ann")
    assert was_there == [True, False]
