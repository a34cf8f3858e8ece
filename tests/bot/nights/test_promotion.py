"""Versions on their way: evaluated, live, undone, erased; the judge's own LoRA with them."""

from __future__ import annotations

import pytest

from bot.nights.nights import run_night
from bot.people import portability
from bot.store.loras import LoraState
from engine.errors import RequestError
from engine.loras.format import check
from engine.loras.library import JUDGE_FOLDER
from engine.training.scripted import ScriptedTrainer
from engine.types import Mode
from tests.bot.conftest import StartBot, message
from tests.bot.nights.night import Happening, TeachableBackend, nights_of, taught

pytestmark = pytest.mark.usefixtures("quick_picture")


async def test_an_evaluation_that_fails_leaves_no_version_that_is_never_judged_and_none_loaded(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*given: object, **more: object) -> None:
        raise RequestError("the judge is silent")

    monkeypatch.setattr("bot.nights.evaluate.Evaluation.decide", fail)
    backend = TeachableBackend()
    async with taught(start_bot, "ann", backend=backend) as bot:
        await run_night(nights_of(bot, Happening()), ["ann"])
        assert not backend.loaded
        (version,) = await bot.store.loras.of_person("ann")
        assert (version.state, version.reason) == (LoraState.REJECTED, "the judge is silent")


async def test_undo_brings_back_the_one_before_and_then_the_base(start_bot: StartBot) -> None:
    async with taught(start_bot, "ann") as bot:
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
    async with taught(start_bot, "ann") as bot:
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
    async with taught(start_bot, "ann") as bot:
        nights = nights_of(bot, Happening())
        await run_night(nights, ["ann"])
        assert await nights.erase("ann") == 1
        await bot.store.people.erase("ann")
        assert not any(path.is_file() for path in (bot.context.settings.data / "loras").rglob("*"))


async def test_a_judge_with_a_lora_of_its_own_shares_all_that_becomes_of_its_persons(
    start_bot: StartBot,
) -> None:
    backend = TeachableBackend()
    async with taught(start_bot, "ann", backend=backend, evaluator="own") as bot:
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
