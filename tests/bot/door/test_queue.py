"""Everybody in turn, one thing of each at a time, nothing lost: whatever is put, taken and removed."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bot.door.queue import FairQueue


async def taken(queue: FairQueue[int], *, count: int) -> list[tuple[str, int]]:
    found = []
    for _ in range(count):
        key, thing = await asyncio.wait_for(queue.get(), 1)
        found.append((key, thing))
        queue.done(key)
    return found


async def test_people_take_turns() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(3):
        queue.put("flood", number)
    queue.put("ann", 0)
    queue.put("bob", 0)
    assert await taken(queue, count=5) == [("flood", 0), ("ann", 0), ("bob", 0), ("flood", 1), ("flood", 2)]


async def test_nothing_more_of_a_person_comes_while_they_are_busy() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.put("ann", 1)
    queue.put("ann", 2)
    key, _ = await queue.get()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(key)
    assert await waiting == ("ann", 2)


async def test_what_is_put_first_comes_before_what_waits() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.put("ann", 1)
    queue.put_first("ann", 0)
    assert await taken(queue, count=2) == [("ann", 0), ("ann", 1)]


async def test_what_was_removed_never_comes() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.put("ann", 1)
    queue.put("bob", 2)
    assert queue.remove("ann", 1)
    assert not queue.remove("ann", 1)
    assert (len(queue), queue.waiting("ann")) == (1, 0)
    assert await taken(queue, count=1) == [("bob", 2)]


Step = tuple[str, str]
steps = st.lists(
    st.tuples(st.sampled_from(["put", "first", "get", "done", "remove"]), st.sampled_from("abc"))
)


@given(steps)
async def test_nothing_is_lost_doubled_or_given_while_busy(drawn: list[Step]) -> None:
    queue: FairQueue[int] = FairQueue()
    lines: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    busy: Counter[str] = Counter()
    for number, (step, key) in enumerate(drawn):
        if step in ("put", "first"):
            (queue.put if step == "put" else queue.put_first)(key, number)
            lines[key].insert(len(lines[key]) if step == "put" else 0, number)
        elif step == "remove" and lines[key]:
            assert queue.remove(key, lines[key].pop())
        elif step == "done" and busy[key]:
            queue.done(key)
            busy[key] -= 1
        elif step == "get" and any(line and not busy[name] for name, line in lines.items()):
            name, thing = await asyncio.wait_for(queue.get(), 1)
            assert not busy[name]
            assert lines[name].pop(0) == thing
            busy[name] += 1
        assert len(queue) == sum(map(len, lines.values()))
