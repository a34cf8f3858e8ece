"""A real service process is killed while it works: what it acknowledged is answered, once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from bench.running import Client, Running

pytestmark = pytest.mark.real

MESSAGES = 200
PEOPLE = 20
KILLS = 10
SLOWLY = {
    "NIGHTLOOM_BACKEND__DELAY_S": "0.05",
    "NIGHTLOOM_LIMITS__MODE": "fast",
    "NIGHTLOOM_LIMITS__AT_ONCE": "4",
    "NIGHTLOOM_LOG__LEVEL": "warning",
}


async def test_every_acknowledged_message_is_answered_once_though_killed_at_ten_random_moments(
    tmp_path: Path,
) -> None:
    running = Running(tmp_path, SLOWLY)
    chance = random.Random(20)
    acknowledged: dict[str, str] = {}  # text → message id
    async with running.client() as client:
        asking = asyncio.create_task(_ask_all(client, acknowledged))
        for _ in range(KILLS):
            await running.start()
            await asyncio.sleep(chance.uniform(0.05, 1.0))
            await running.kill()
        await running.start()
        await asking
        outcomes = {text: await _settled(client, message) for text, message in acknowledged.items()}
        asked = await _texts_asked(client)
        assert await running.stop() == 0
    assert len(acknowledged) == MESSAGES
    assert outcomes == {text: [f"echo: {text}"] for text in acknowledged}
    assert asked == Counter(dict.fromkeys(acknowledged, 1))


async def test_a_stopped_service_ends_in_time_and_leaves_the_rest_for_the_next(tmp_path: Path) -> None:
    running = Running(tmp_path, {**SLOWLY, "NIGHTLOOM_BACKEND__DELAY_S": "2"})
    await running.start()
    async with running.client() as client:
        ids = [await client.ask(f"p{number}", "c", f"message {number}") for number in range(12)]
        async with asyncio.timeout(10):
            assert await running.stop() == 0
        await running.start()
        outcomes = [await _settled(client, message) for message in ids if message is not None]
        await running.stop()
    assert outcomes == [[f"echo: message {number}"] for number in range(12)]


async def _ask_all(client: Client, acknowledged: dict[str, str]) -> None:
    """Every message by its key, again and again until it is acknowledged."""

    async def insist(number: int) -> None:
        text, person = f"message {number}", f"p{number % PEOPLE}"
        await asyncio.sleep(number * 0.02)
        while text not in acknowledged:
            try:
                message = await client.ask(person, "c", text, key=f"k{number}")
            except aiohttp.ClientError:
                message = None
            if message is None:
                await asyncio.sleep(0.05)
            else:
                acknowledged[text] = message

    await asyncio.gather(*(insist(number) for number in range(MESSAGES)))


async def _settled(client: Client, message: str) -> list[str]:
    """The texts of the message's replies, once it is no longer waiting."""
    async with asyncio.timeout(60):
        while True:
            _, found = await client.call("GET", f"/api/messages/{message}")
            if found["state"] != "waiting":
                return [reply["text"] for reply in found["replies"]]
            await asyncio.sleep(0.05)


async def _texts_asked(client: Client) -> Counter[str]:
    texts: Counter[str] = Counter()
    for number in range(PEOPLE):
        _, conversation = await client.call("GET", f"/api/conversations/c?person=p{number}")
        texts.update(message["text"] for message in conversation["messages"])
    return texts
