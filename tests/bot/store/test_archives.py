"""A long archive comes in step by step: nobody waits for all of it, and what broke off goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.errors import Unknown
from bot.records import Archive, ReplyRecord, TeachingRecord
from bot.store import Store
from bot.store.archives.arrival import PER_STEP
from engine.types import Prompt, Role, Turn
from tests.bot.store.making import NOON, person, taken

REPLIES = 4 * PER_STEP


def _reply(number: int, *, revises: str | None = None) -> ReplyRecord:
    return ReplyRecord(
        id=f"r{number}",
        at=NOON + timedelta(seconds=number),
        conversation="c",
        prompt=Prompt(turns=(Turn(role=Role.USER, text=f"question {number}"),)),
        text=f"answer {number}",
        revises=revises,
        reactions=("👍🏽",),
    )


ARCHIVE = Archive(
    # The first revises the last, which comes in three steps later.
    replies=(_reply(0, revises=f"r{REPLIES - 1}"), *(_reply(number) for number in range(1, REPLIES))),
    teachings=(
        TeachingRecord(
            id="t1", at=NOON, reply=f"r{REPLIES - 1}", kind="critique", text="shorter", revision="r0"
        ),
        TeachingRecord(id="t2", at=NOON, reply="missing", kind="critique", text="longer"),
    ),
)


async def test_others_write_while_an_archive_comes_in(store: Store) -> None:
    await store.people.meet(person())
    steps: list[int] = []
    others: list[asyncio.Task[object]] = []

    def goes_on(done: int, total: int) -> None:
        steps.append(done)
        if not others:
            others.append(asyncio.create_task(taken(store, "e1", who="bob")))

    importing = asyncio.create_task(store.archives.take_in("ann", ARCHIVE, goes_on))
    while not others:
        await asyncio.sleep(0)
    await others[0]
    assert steps[-1] <= 2 * PER_STEP
    await importing
    assert steps[-1] == REPLIES + 3  # one of the replies twice, as it comes before what it revises


async def test_what_came_in_is_whole_and_in_order(store: Store) -> None:
    await store.people.meet(person())
    taken_in, left = await store.archives.take_in("ann", ARCHIVE)
    assert taken_in == {"replies": REPLIES, "teachings": 1}
    assert [(reason.what, reason.count) for reason in left] == [("teachings", 1)]
    kept = await store.archives.of_person("ann")
    assert kept.replies == ARCHIVE.replies
    assert [(teaching.reply, teaching.revision) for teaching in kept.teachings] == [(f"r{REPLIES - 1}", "r0")]


async def test_an_import_that_broke_off_goes_on_when_it_is_done_again(store: Store) -> None:
    await store.people.meet(person())

    def breaks(done: int, total: int) -> None:
        if done >= 2 * PER_STEP:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await store.archives.take_in("ann", ARCHIVE, breaks)
    taken_in, _ = await store.archives.take_in("ann", ARCHIVE)
    assert taken_in == {"replies": REPLIES - 2 * PER_STEP, "teachings": 1}
    assert (await store.archives.of_person("ann")).replies == ARCHIVE.replies


async def test_an_import_ends_where_its_person_is_forgotten(store: Store) -> None:
    await store.people.meet(person())
    forgetting: list[asyncio.Task[object]] = []

    def forget(done: int, total: int) -> None:
        if done == PER_STEP:
            forgetting.append(asyncio.create_task(store.people.erase("ann")))

    with pytest.raises(Unknown, match="forgotten"):
        await store.archives.take_in("ann", ARCHIVE, forget)
    await asyncio.gather(*forgetting)
    assert await store.people.get("ann") is None
