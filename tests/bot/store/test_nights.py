"""LoRA versions, the pointer, and nights in the store, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import Unknown
from bot.events import Person, Platform
from bot.store import Store
from bot.store.loras import LoraState, Version
from bot.store.nights import NightOutcome, NightPerson, NightState


async def meet(store: Store, *people: str) -> None:
    for person in people:
        await store.people.meet(Person(key=person, platform=Platform.WEB))


async def reserve(store: Store, person: str, night: str) -> Version:
    return await store.loras.reserve(person, folder=f"f-{person}", model="tiny@1", rank=8, night=night)


async def settle(store: Store, night: str, version: Version, outcome: NightOutcome) -> None:
    settled = NightPerson(
        person=version.person,
        outcome=outcome,
        reason="because",
        version=version.version,
        metrics={"wanted_after": 0.9},
    )
    await store.nights.settle(night, settled, lora=version.id)


async def promoted(store: Store, person: str, night: str) -> Version:
    await store.nights.start(night, [person], was_asked=True)
    version = await reserve(store, person, night)
    await settle(store, night, version, NightOutcome.PROMOTED)
    return version


async def test_a_version_is_reserved_once_a_night_and_counts_upwards(store: Store) -> None:
    await meet(store, "ann", "bob")
    first, again = await reserve(store, "ann", "n1"), await reserve(store, "ann", "n1")
    second, other = await reserve(store, "ann", "n2"), await reserve(store, "bob", "n1")
    assert first == again
    assert (first.version, second.version, other.version) == (1, 2, 1)
    assert len({one.id for one in (first, second, other)}) == 3
    assert len({one.name for one in (first, second, other)}) == 3


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
    assert (live.id, live.state, live.metrics) == (version.id, LoraState.READY, {"wanted_after": 0.9})
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
    assert (await store.loras.before("ann")) == await store.loras.get(first.id)
    back = await store.loras.undo("ann")
    assert back is not None
    assert back.id == first.id
    assert (await store.loras.get(second.id)).state is LoraState.UNDONE
    assert await store.loras.undo("ann") is None
    assert await store.loras.live("ann") is None
    with pytest.raises(Unknown):
        await store.loras.undo("ann")


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
    assert [one.person for one in (await store.nights.get("n1")).people] == ["bob"]


async def test_nothing_is_new_to_somebody_who_said_nothing(store: Store) -> None:
    await meet(store, "ann")
    fresh = await store.nights.freshness("ann")
    assert (fresh.last_night, fresh.feedback) == (None, 0)
    await store.nights.start("n1", ["ann"], was_asked=True)
    began = (await store.nights.freshness("ann")).last_night
    assert began == (await store.nights.get("n1")).started_at


async def test_two_who_reserve_at_once_get_two_versions(store: Store) -> None:
    await meet(store, "ann", "bob")
    made = await asyncio.gather(*(reserve(store, person, f"n-{person}") for person in ("ann", "bob")))
    assert len({one.id for one in made}) == 2


async def test_pruned_versions_say_so(store: Store) -> None:
    await meet(store, "ann")
    version = await promoted(store, "ann", "n1")
    await store.loras.pruned([version.id])
    assert (await store.loras.get(version.id)).state is LoraState.PRUNED
    with pytest.raises(Unknown):
        await store.loras.get(version.id + 1000)
