"""Listeners hear what is theirs; a slow one loses progress, and is ended before it loses anything else."""

from __future__ import annotations

import asyncio

from bot.events import Notice, Progress
from bot.hub import MAX_KEPT, Hub


def progress(done: int) -> Progress:
    return Progress(message="m", conversation="c", person="ann", done=done, total=9)


async def test_every_listener_of_a_person_hears_it_and_nobody_else() -> None:
    hub = Hub()
    async with hub.listen("ann") as one, hub.listen("ann") as two, hub.listen("bob") as other:
        hub.tell("ann", Notice(text="hello"))
        hub.tell("bob", Notice(text="hi"))
        assert await anext(one) == await anext(two) == Notice(text="hello")
        assert await anext(other) == Notice(text="hi")
    hub.tell("ann", Notice(text="nobody hears this"))


async def test_a_slow_listener_loses_progress_and_nothing_else() -> None:
    hub = Hub()
    async with hub.listen("ann") as events:
        hub.tell("ann", Notice(text="first"))
        for number in range(MAX_KEPT * 3):
            hub.tell("ann", progress(number))
        hub.tell("ann", Notice(text="last"))
        notices: list[str] = []
        while len(notices) < 2:
            event = await asyncio.wait_for(anext(events), 1)
            if isinstance(event, Notice):
                notices.append(event.text)
    assert notices == ["first", "last"]


async def test_a_listener_that_would_lose_a_notice_is_ended_instead() -> None:
    hub = Hub()
    async with hub.listen("ann") as events:
        for number in range(MAX_KEPT + 1):
            hub.tell("ann", Notice(text=str(number)))
        heard = [event async for event in events]
    assert len(heard) == MAX_KEPT


async def test_whoever_watches_an_item_is_woken_when_it_is_settled() -> None:
    hub = Hub()
    async with hub.watching("m") as event, hub.watching("other") as unmoved:
        hub.settled("m")
        assert event.is_set()
        assert not unmoved.is_set()
    hub.settled("m")
