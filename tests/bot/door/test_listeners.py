"""Listeners hear what is theirs; a slow one loses progress, and is ended before it loses anything else."""

from __future__ import annotations

import asyncio

from bot.door.listeners import MAX_KEPT, Listeners
from bot.events import Notice, Progress


def progress(done: int) -> Progress:
    return Progress(message="m", conversation="c", person="ann", done=done, total=9)


async def test_every_listener_of_a_person_hears_it_and_nobody_else() -> None:
    listeners = Listeners()
    async with (
        listeners.listen("ann") as one,
        listeners.listen("ann") as two,
        listeners.listen("bob") as other,
    ):
        listeners.tell("ann", Notice(text="hello"))
        listeners.tell("bob", Notice(text="hi"))
        assert await anext(one) == await anext(two) == Notice(text="hello")
        assert await anext(other) == Notice(text="hi")
    listeners.tell("ann", Notice(text="nobody hears this"))


async def test_a_slow_listener_loses_progress_and_nothing_else() -> None:
    listeners = Listeners()
    async with listeners.listen("ann") as events:
        listeners.tell("ann", Notice(text="first"))
        for number in range(MAX_KEPT * 3):
            listeners.tell("ann", progress(number))
        listeners.tell("ann", Notice(text="last"))
        notices: list[str] = []
        while len(notices) < 2:
            event = await asyncio.wait_for(anext(events), 1)
            if isinstance(event, Notice):
                notices.append(event.text)
    assert notices == ["first", "last"]


async def test_a_listener_that_would_lose_a_notice_is_ended_instead() -> None:
    listeners = Listeners()
    async with listeners.listen("ann") as events:
        for number in range(MAX_KEPT + 1):
            listeners.tell("ann", Notice(text=str(number)))
        heard = [event async for event in events]
    assert len(heard) == MAX_KEPT


async def test_whoever_watches_an_item_is_woken_when_it_is_settled() -> None:
    listeners = Listeners()
    async with listeners.watching("m") as event, listeners.watching("other") as unmoved:
        listeners.settled("m")
        assert event.is_set()
        assert not unmoved.is_set()
    listeners.settled("m")
