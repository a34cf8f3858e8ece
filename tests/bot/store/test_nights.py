"""LoRA versions, the pointer, and nights in the store, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from bot.errors import Unknown
from bot.events import Person, Platform
from bot.figures import NightFigures
from bot.store import Store
from bot.store.database import DatabaseConnection
from bot.store.loras import LoraState, Version
from bot.store.nights import NightOutcome, NightPerson, NightState
from engine.learning.gate import GateFigures
from tests.bot.store.conftest import Clock
from tests.bot.store.making import answered, posted, reaction

MODEL = "tiny@1"
FIGURES = NightFigures(
    gate=GateFigures(
        judge_sees=True,
        probability_better=0.9,
        held_out=3,
        wanted_before=0.2,
        wanted_after=0.9,
        wanted_low=0.6,
        wanted_high=0.8,
        regression_points=0.0,
        divergence=0.3,
    )
)
_events = count(1)


async def meet(store: Store, *people: str) -> None:
    for person in people:
        await store.people.meet(Person(key=person, platform=Platform.WEB))


async def reserve(store: Store, person: str, night: str, *, model: str = MODEL) -> Version:
    return await store.loras.reserve(person, folder=f"f-{person}", model=model, rank=8, night=night)


async def settle(store: Store, night: str, version: Version, outcome: NightOutcome) -> None:
    settled = NightPerson(
        person=version.person,
        outcome=outcome,
        reason="because",
        version=version.version,
        figures=FIGURES,
    )
    await store.nights.settle(night, settled, lora=version.id)


async def promoted(store: Store, person: str, night: str, *, model: str = MODEL) -> Version:
    await store.nights.start(night, [person], was_asked=True)
    version = await reserve(store, person, night, model=model)
    await settle(store, night, version, NightOutcome.PROMOTED)
    return version


async def test_a_version_is_reserved_once_a_night_and_counts_upwards(store: Store) -> None:
    await meet(store, "ann", "bob")
    first, again = await reserve(store, "ann", "n1"), await reserve(store, "ann", "n1")
    second, other = await reserve(store, "ann", "n2"), await reserve(store, "bob", "n1")
    assert first == again
    assert (first.version, second.version, other.version) == (1, 2, 1)
    assert len({version.id for version in (first, second, other)}) == 3
    assert len({version.name for version in (first, second, other)}) == 3


async def test_numbers_are_never_used_again_after_an_erasure(store: Store) -> None:
    await meet(store, "ann")
    gone = await reserve(store, "ann", "n1")
    await store.people.erase("ann")
    await meet(store, "ann")
    new = await reserve(store, "ann", "n2")
    assert new.id > gone.id
    assert new.name != gone.name


async def test_going_live_and_the_outcome_are_one_and_happen_once(store: Store) -> None:
    await meet(store, "ann")
    version = await promoted(store, "ann", "n1")
    live = await store.loras.live("ann")
    assert live is not None
    assert (live.id, live.state, live.figures) == (version.id, LoraState.READY, FIGURES)
    await settle(store, "n1", version, NightOutcome.KEPT)  # as after a crash: it stands already
    assert (await store.nights.get("n1")).people[0].outcome is NightOutcome.PROMOTED
    assert await store.loras.live("ann") == live


async def test_a_version_that_was_kept_out_says_why_and_is_not_live(store: Store) -> None:
    await meet(store, "ann")
    await store.nights.start("n1", ["ann"], was_asked=False)
    version = await reserve(store, "ann", "n1")
    await settle(store, "n1", version, NightOutcome.KEPT)
    kept = await store.loras.get(version.id)
    assert (kept.state, kept.reason) == (LoraState.REJECTED, "because")
    assert await store.loras.live("ann") is None


async def test_undo_goes_back_version_by_version_to_the_bare_base(store: Store) -> None:
    await meet(store, "ann")
    first, second = await promoted(store, "ann", "n1"), await promoted(store, "ann", "n2")
    assert (await store.loras.before("ann", model=MODEL)) == await store.loras.get(first.id)
    back = await store.loras.undo("ann", model=MODEL)
    assert back is not None
    assert back.id == first.id
    assert (await store.loras.get(second.id)).state is LoraState.UNDONE
    assert await store.loras.undo("ann", model=MODEL) is None
    assert await store.loras.live("ann") is None
    with pytest.raises(Unknown):
        await store.loras.undo("ann", model=MODEL)


async def test_undo_goes_to_the_version_before_on_this_base_and_never_to_another_bases(store: Store) -> None:
    await meet(store, "ann")
    first = await promoted(store, "ann", "n1")
    await promoted(store, "ann", "n2", model="tiny@2")
    with pytest.raises(Unknown):  # what is live does not answer on this base
        await store.loras.undo("ann", model=MODEL)
    third = await promoted(store, "ann", "n3")
    assert await store.loras.before("ann", model="tiny@2") is not None
    back = await store.loras.undo("ann", model=MODEL)
    assert back is not None
    assert back.id == first.id
    assert (await store.loras.get(third.id)).state is LoraState.UNDONE


async def test_what_was_trained_on_another_base_does_not_answer(store: Store) -> None:
    await meet(store, "ann")
    await promoted(store, "ann", "n1")
    assert await store.loras.live("ann", model="tiny@1") is not None
    assert await store.loras.live("ann", model="tiny@2") is None


async def test_a_night_runs_until_it_is_ended_and_is_found_again(store: Store) -> None:
    await meet(store, "ann", "bob")
    await store.nights.start("n1", ["ann", "bob"], was_asked=True)
    await store.nights.start("n1", ["ann"], was_asked=True)
    (running,) = await store.nights.running()
    assert (running.id, running.was_asked, len(running.people)) == ("n1", True, 2)
    await store.nights.end("n1")
    await store.nights.end("n1", problem="too late to fail")
    ended = await store.nights.get("n1")
    assert (ended.state, ended.problem) == (NightState.DONE, None)
    assert not await store.nights.running()


async def test_an_erased_person_leaves_no_line_in_a_night(store: Store) -> None:
    await meet(store, "ann", "bob")
    await store.nights.start("n1", ["ann", "bob"], was_asked=True)
    await store.people.erase("ann")
    assert [line.person for line in (await store.nights.get("n1")).people] == ["bob"]


async def test_nothing_is_new_to_somebody_who_said_nothing(store: Store) -> None:
    await meet(store, "ann")
    await store.people.change("ann", learning=True)
    (fresh,) = await store.nights.freshness(at_least=0)
    assert (fresh.person.key, fresh.last_night, fresh.feedback) == ("ann", None, 0)
    assert not await store.nights.freshness(at_least=1)
    await store.nights.start("n1", ["ann"], was_asked=True)
    (fresh,) = await store.nights.freshness(at_least=0)
    assert fresh.last_night == (await store.nights.get("n1")).started_at


async def _rate(store: Store, person: str, clock: Clock, *, times: int) -> None:
    for event in (f"e{next(_events)}" for _ in range(times)):
        await posted(store, await answered(store, event, who=person), f"m-{event}")
        await store.reactions.put(
            reaction("👍", f"m-{event}", event=f"r-{event}", who=person, at=clock()), "👍"
        )


async def _new(store: Store) -> dict[str, int]:
    return {fresh.person.key: fresh.feedback for fresh in await store.nights.freshness(at_least=1)}


async def test_new_is_what_was_said_since_the_last_night_that_did_not_fail(
    store: Store, clock: Clock
) -> None:
    await meet(store, "ann", "bob", "cid")
    for person in ("ann", "bob"):
        await store.people.change(person, learning=True)
        await _rate(store, person, clock, times=2)
    await _rate(store, "cid", clock, times=2)  # never agreed
    assert await _new(store) == {"ann": 2, "bob": 2}
    clock.pass_s(60)
    await store.nights.start("n1", ["ann", "bob"], was_asked=True)
    failed = NightPerson(person="bob", outcome=NightOutcome.FAILED, reason="the disk is full")
    await store.nights.settle("n1", failed)
    clock.pass_s(60)
    await _rate(store, "ann", clock, times=1)
    assert await _new(store) == {"ann": 1, "bob": 2}


async def test_who_has_news_is_one_query_however_many_people(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [f"p{number}" for number in range(20)]
    await meet(store, *people)
    for person in people:
        await store.people.change(person, learning=True)
    reading, queries = store.database.reading, 0

    @asynccontextmanager
    async def counting() -> AsyncIterator[DatabaseConnection]:
        nonlocal queries
        queries += 1
        async with reading() as connection:
            yield connection

    monkeypatch.setattr(store.database, "reading", counting)
    assert len(await store.nights.freshness(at_least=0)) == 20
    assert queries == 1


async def test_two_who_reserve_at_once_get_two_versions(store: Store) -> None:
    await meet(store, "ann", "bob")
    made = await asyncio.gather(*(reserve(store, person, f"n-{person}") for person in ("ann", "bob")))
    assert len({version.id for version in made}) == 2


async def test_pruned_versions_say_so(store: Store) -> None:
    await meet(store, "ann")
    version = await promoted(store, "ann", "n1")
    await store.loras.pruned([version.id])
    assert (await store.loras.get(version.id)).state is LoraState.PRUNED
    with pytest.raises(Unknown):
        await store.loras.get(version.id + 1000)
