"""kill -9 of the training, of the service or of both in the middle of a night: it ends promoted or not."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from pathlib import Path

import pytest

from bench.running import Client, Running
from engine.loras.format import check
from engine.training import scripted

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
                return [person["outcome"] for person in told["people"]]
            await asyncio.sleep(0.2)


def kill_job(data: Path) -> None:
    """kill -9 of the training that works on this data, if one does."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            if scripted.MODULE.encode() in command and str(data).encode() in command:
                os.kill(int(entry.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended by itself


@pytest.mark.timeout(900)
async def test_nights_killed_at_twenty_random_moments_end_whole_and_train_nobody_twice(
    tmp_path: Path,
) -> None:
    """The job, the bot, or both at once; whatever dies, the night goes on with what is left."""
    settings = {"NIGHTLOOM_BACKEND__DELAY_S": "0.05", "NIGHTLOOM_LEARNING__MIN_FEEDBACK": "1000"}
    service, source, kills = Running(tmp_path, settings), random.Random(8), 0
    outcomes: dict[str, list[str]] = {}
    await service.start()
    async with service.client() as client:
        await asyncio.gather(*(teach(client, person) for person in PEOPLE))
    while kills < 20:
        async with service.client() as client:
            _, night = await client.call("POST", "/api/nights", {"people": list(PEOPLE)})
        for victim in source.sample(["job", "job", "bot", "bot", "both"], 5):
            await asyncio.sleep(source.uniform(0.0, 1.5))
            kills += 1
            if victim != "bot":
                kill_job(tmp_path)
            if victim != "job":
                await service.kill()
                await service.start()
        async with service.client() as client:
            outcomes[night["id"]] = await ended(client, night["id"])
    await service.stop()
    assert {outcome for told in outcomes.values() for outcome in told} <= {"promoted", "kept"}
    with sqlite3.connect(tmp_path / "nightloom.db") as database:
        versions = database.execute("SELECT id, person, night, path, state FROM loras").fetchall()
        live = database.execute("SELECT key, live_lora FROM people").fetchall()
    made = sorted((person, night) for _, person, night, _, _ in versions)
    assert made == sorted((person, night) for person in PEOPLE for night in outcomes)  # each once
    assert {state for *_, state in versions} <= {"ready", "rejected", "pruned"}
    ready = {number: (person, path) for number, person, _, path, state in versions if state == "ready"}
    for person, number in live:
        if number is not None:
            assert ready[number][0] == person
            check(tmp_path / "loras" / ready[number][1])
