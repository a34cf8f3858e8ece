"""How much the web interface takes in, with nothing lost or doubled: `bench/results/load.json`.

Five hundred people at once, the scripted backend, one service process. First as fast as they can, for
the throughput; then at a steady 200 events a second, for the time until an event is acknowledged. In the
end everything that was acknowledged is looked up again.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.record import record
from bench.running import Client, Running

PEOPLE: Final = 500
FLOOD_S: Final = 10.0
STEADY_PER_S: Final = 200
STEADY_S: Final = 20.0
SHARE_OF_MESSAGES: Final = 0.1
EMOJI: Final = ("👍", "👎", "🎉", "😐")
ANSWERED_WITHIN_S: Final = 300.0


@dataclass(slots=True)
class Told:
    """What was sent and acknowledged."""

    replies: dict[str, str] = field(default_factory=dict)  # person → the reply that they react to
    messages: dict[str, str] = field(default_factory=dict)  # message id → text
    emoji: dict[str, set[str]] = field(default_factory=dict)  # person → what they have on their reply
    refused: int = 0


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="nightloom-load-") as folder:
        running = Running(Path(folder), {"NIGHTLOOM_LIMITS__MODE": "fast", "NIGHTLOOM_LOG__LEVEL": "warning"})
        await running.start()
        try:
            async with running.client(connections=PEOPLE) as client:
                figures = await _measure(client)
        finally:
            await running.stop()
    print(record("load", figures).read_text(encoding="utf-8"))


async def _measure(client: Client) -> dict[str, object]:
    told = Told()
    await asyncio.gather(*(_first_question(client, told, f"p{number}") for number in range(PEOPLE)))
    flood_s, reactions = await _flood(client, told)
    waits_s = await _steady(client, told)
    lost, duplicated = await _verify(client, told)
    return {
        "events_per_s": round(reactions / flood_s, 1),
        "ack_p99_ms": round(statistics.quantiles(waits_s, n=100)[98] * 1000, 1),
        "ack_p50_ms": round(statistics.median(waits_s) * 1000, 1),
        "lost": lost,
        "duplicated": duplicated,
        "refused": told.refused,
        "people": PEOPLE,
        "reactions": reactions,
        "steady_per_s": STEADY_PER_S,
        "steady_events": len(waits_s),
        "messages": len(told.messages),
    }


async def _first_question(client: Client, told: Told, person: str) -> None:
    body = {"person": person, "conversation": "load", "text": f"hello from {person}"}
    status, answer = await client.call("POST", f"/api/messages?wait={ANSWERED_WITHIN_S:.0f}", body)
    if status != 200:
        raise RuntimeError(f"{person} was not answered: {status} {answer}")
    told.replies[person] = answer["reply"]["id"]
    told.messages[answer["message"]] = body["text"]
    told.emoji[person] = set()


async def _flood(client: Client, told: Told) -> tuple[float, int]:
    """Everybody reacts as fast as they are acknowledged; seconds and reactions."""
    began = time.perf_counter()
    counts = await asyncio.gather(*(_react_until(client, told, person, began) for person in told.replies))
    return time.perf_counter() - began, sum(counts)


async def _react_until(client: Client, told: Told, person: str, began: float) -> int:
    count = 0
    chance = random.Random(person)
    while time.perf_counter() - began < FLOOD_S:
        await _react(client, told, person, chance)
        count += 1
    return count


async def _steady(client: Client, told: Told) -> list[float]:
    """Events at a fixed pace, whether the earlier ones were acknowledged or not; the waits."""
    waits_s: list[float] = []
    chance = random.Random(1)
    began = asyncio.get_running_loop().time()
    people = list(told.replies)
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(STEADY_PER_S * STEADY_S)):
            await asyncio.sleep(began + number / STEADY_PER_S - asyncio.get_running_loop().time())
            person = people[number % len(people)]
            if chance.random() < SHARE_OF_MESSAGES:
                event = _ask(client, told, person, f"question {number}")
            else:
                event = _react(client, told, person, chance)
            tasks.create_task(_timed(event, waits_s))
    return waits_s


async def _timed(event: Awaitable[None], waits_s: list[float]) -> None:
    began = time.perf_counter()
    await event
    waits_s.append(time.perf_counter() - began)


async def _react(client: Client, told: Told, person: str, chance: random.Random) -> None:
    emoji = chance.choice(EMOJI)
    on = emoji not in told.emoji[person]
    body = {"person": person, "emoji": emoji, "on": on}
    status, _ = await client.call("POST", f"/api/replies/{told.replies[person]}/reactions", body)
    if status != 200:
        told.refused += 1
    elif on:
        told.emoji[person].add(emoji)
    else:
        told.emoji[person].discard(emoji)


async def _ask(client: Client, told: Told, person: str, text: str) -> None:
    message = await client.ask(person, "load", text)
    if message is None:
        told.refused += 1
    else:
        told.messages[message] = text


async def _verify(client: Client, told: Told) -> tuple[int, int]:
    """What was acknowledged and is not there, and what is there more than once."""
    lost = duplicated = 0
    for check in (_answers, _reactions):
        missing, doubled = await check(client, told)
        lost, duplicated = lost + missing, duplicated + doubled
    return lost, duplicated


async def _answers(client: Client, told: Told) -> tuple[int, int]:
    async def look(message: str, text: str) -> int:
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            while True:
                _, found = await client.call("GET", f"/api/messages/{message}")
                if found["state"] != "waiting":
                    return sum(reply["text"] == f"echo: {text}" for reply in found["replies"])
                await asyncio.sleep(0.1)

    counts = await asyncio.gather(*(look(message, text) for message, text in told.messages.items()))
    asked: Counter[str] = Counter()
    for person in told.replies:
        _, conversation = await client.call("GET", f"/api/conversations/load?person={person}")
        asked.update(message["id"] for message in conversation["messages"])
    unknown = sum(number for message, number in asked.items() if message not in told.messages)
    return counts.count(0), sum(count > 1 for count in counts) + unknown


async def _reactions(client: Client, told: Told) -> tuple[int, int]:
    lost = 0
    for person, reply in told.replies.items():
        _, found = await client.call("GET", f"/api/replies/{reply}")
        lost += set(found["reactions"]) != told.emoji[person]
    return lost, 0


if __name__ == "__main__":
    asyncio.run(main())
