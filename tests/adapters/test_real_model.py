"""The service as it comes: no setting names a model, and the real model that comes along answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.running import Running

SETTINGS = {
    "NIGHTLOOM_BACKEND__KIND": "vllm",
    "NIGHTLOOM_LIMITS__MODE": "fast",
    "NIGHTLOOM_LIMITS__MAX_REPLY_TOKENS": "24",
    "NIGHTLOOM_LIMITS__DEADLINE_S": "240",
    # Its likeliest words: drawn more freely, a model of this size now and then says anything.
    "NIGHTLOOM_BACKEND__TEMPERATURE": "0.01",
    "NIGHTLOOM_BACKEND__REPETITION_PENALTY": "1",
}


@pytest.mark.real
@pytest.mark.timeout(900)
async def test_a_plain_request_is_answered(smollm2_folder: Path, tmp_path: Path) -> None:
    del smollm2_folder  # made by now, or the service would make it
    service = Running(tmp_path, SETTINGS)
    await service.start()
    try:
        async with service.client() as client:
            asked = {"person": "Ann", "conversation": "c", "text": "Write two sentences about the sea."}
            status, said = await client.call("POST", "/api/messages", asked)
            assert status == 202, said
            while not (found := (await client.call("GET", f"/api/messages/{said['message']}"))[1])["replies"]:
                await asyncio.sleep(0.5)
            assert "sea" in found["replies"][0]["text"].lower()
            card = (await client.call("GET", "/api/about"))[1]["card"]
            assert card["title"] == "SmolLM2 135M Instruct"
    finally:
        await service.kill()
