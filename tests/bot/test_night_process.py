"""kill -9 of a whole service in the middle of a night: it ends promoted or not, nobody is trained twice."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest

from bench.running import Client, Running
from engine.loras import check

pytestmark = pytest.mark.real

PEOPLE = ("ann", "bob", "cid")


async def teach(client: Client, person: str) -> None:
    await client.call("PATCH", f"/api/people/{person}", {"learning": True})
    for number in range(6):
        body = {"person": person, "conversation": f"c{number}", "text": f"Question {number}"}
        status, answer = await client.call("POST", "/api/messages?wait=30", body)
        assert status == 200
        reply = answer["reply"]["id"]
        emoji = {"person": person, "emoji": "👍" if number % 2 else "👎", "on": True}
        await client.call("POST", f"/api/replies/{reply}/reactions", emoji)
    remark = {"person": person, "text": "Shorter, please"}
    status, _ = await client.call("POST", f"/api/replies/{reply}/thread?wait=30", remark)
    assert status == 200


async def ended(client: Client, night: str) -> list[str]:
    """The outcomes, when the night is over."""
    async with asyncio.timeout(150):
        while True:
            _, told = await client.call("GET", f"/api/nights/{night}")
            if told["state"] != "running":
                return [one["outcome"] for one in told["people"]]
            await asyncio.sleep(0.2)


@pytest.mark.timeout(600)
async def test_a_service_that_is_killed_again_and_again_carries_its_night_through(tmp_path: Path) -> None:
    settings = {"NIGHTLOOM_BACKEND__DELAY_S": "0.05", "NIGHTLOOM_LEARNING__MIN_FEEDBACK": "1000"}
    service, source = Running(tmp_path, settings), random.Random(8)
    await service.start()
    async with service.client() as client:
        await asyncio.gather(*(teach(client, person) for person in PEOPLE))
        _, night = await client.call("POST", "/api/nights", {"people": list(PEOPLE)})
    for _ in range(4):
        await asyncio.sleep(source.uniform(0.0, 1.0))
        await service.kill()
        await service.start()
    async with service.client() as client:
        outcomes = await ended(client, night["id"])
    await service.stop()
    assert set(outcomes) <= {"promoted", "kept"}
    with sqlite3.connect(tmp_path / "nightloom.db") as database:
        versions = database.execute("SELECT person, path, state FROM loras").fetchall()
        live = database.execute("SELECT live_lora FROM people").fetchall()
    assert sorted(person for person, _, _ in versions) == sorted(PEOPLE)
    assert {state for _, _, state in versions} <= {"ready", "rejected"}
    assert len([one for (one,) in live if one is not None]) == outcomes.count("promoted")
    for _, path, _ in versions:
        check(tmp_path / "loras" / path)
