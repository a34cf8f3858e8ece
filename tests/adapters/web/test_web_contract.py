"""The behaviour that all platforms share, on the web chat: where it was taken from."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.chat_contract import Asked, ChatContract, Driver
from tests.adapters.web.service import Service, serving


class WebDriver(Driver):
    """People who use the page, each with a conversation of their own and an open event stream."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.app = service.app
        self.told: dict[str, list[dict[str, Any]]] = defaultdict(list)  # notices as JSON

    def key(self, name: str) -> str:
        return name

    async def ask(self, name: str, text: str) -> Asked:
        reply = await self.service.ask(name, text)
        return Asked(question=reply["message"], answer=reply["id"], reply=reply["id"], text=reply["text"])

    async def shown(self, name: str) -> list[str]:
        _, shown = await self.service.call("GET", f"/api/conversations/c?person={name}")
        return [reply["text"] for message in shown["messages"] for reply in message["replies"]]

    async def react(self, name: str, asked: Asked, emoji: str, *, on: bool = True) -> None:
        await self._post(f"/api/replies/{asked.reply}/reactions", person=name, emoji=emoji, on=on)

    async def teach(self, name: str, asked: Asked, text: str) -> None:
        await self._post(f"/api/replies/{asked.reply}/thread?wait=10", person=name, text=text)

    async def edit(self, name: str, asked: Asked, text: str) -> None:
        body = {"person": name, "text": text}
        await self.service.call("PATCH", f"/api/messages/{asked.question}", body)

    async def withdraw(self, name: str, asked: Asked) -> None:
        await self.service.call("DELETE", f"/api/messages/{asked.question}?person={name}")

    async def take_other(self, name: str, asked: Asked) -> str:
        _, reply = await self.service.call("GET", f"/api/replies/{asked.reply}")
        other = reply["alternatives"][0]
        await self._post(f"/api/replies/{asked.reply}/choose", person=name, alternative=other["id"])
        return str(other["text"])

    async def why(self, name: str, asked: Asked) -> str:
        return json.dumps((await self.service.call("GET", f"/api/replies/{asked.reply}/why"))[1])

    async def told_privately(self, name: str) -> list[str]:
        return [notice["text"] for notice in self.told[name]]

    async def agree(self, name: str) -> None:
        action = self.told[name][-1]["actions"][0]
        given = {"kind": action["kind"], "target": action["target"]}
        await self._post("/api/actions", person=name, conversation="c", **given)

    async def notes(self, name: str) -> list[str]:
        _, person = await self.service.call("GET", f"/api/people/{name}")
        return [note["text"] for note in person["notes"]]

    async def delete_note(self, name: str, number: int) -> None:
        _, person = await self.service.call("GET", f"/api/people/{name}")
        note = person["notes"][number - 1]["id"]
        await self.service.call("DELETE", f"/api/people/{name}/notes/{note}")

    async def set_mode(self, name: str, mode: str) -> None:
        await self.service.call("PATCH", f"/api/people/{name}", {"mode": mode})

    async def export(self, name: str) -> bytes:
        async with self.service.client.get(f"/api/people/{name}/export") as response:
            return await response.read()

    async def import_(self, name: str, archive: bytes) -> None:
        headers = {"Content-Type": "application/zip"}
        path = f"/api/people/{name}/import"
        async with self.service.client.post(path, data=archive, headers=headers) as response:
            assert response.status == 200, await response.text()

    async def forget(self, name: str) -> None:
        await self.service.call("DELETE", f"/api/people/{name}")

    async def listen(self, name: str) -> None:
        """Hear what the page would hear, until cancelled."""
        kind = ""
        async with self.service.client.get(f"/api/events?person={name}") as stream:
            async for line in stream.content:
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    kind = text.removeprefix("event: ")
                elif text.startswith("data: ") and kind == "notice":
                    self.told[name].append(json.loads(text.removeprefix("data: ")))

    async def _post(self, path: str, **body: Any) -> None:  # Any: JSON
        status, said = await self.service.call("POST", path, body)
        assert status < 300, said


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[WebDriver]:
    limits = {"mode": "best", "samples": 3}
    async with serving(tmp_path, limits=limits, comparison={"one_in": 0}) as service:
        driver = WebDriver(service)
        listening = [asyncio.create_task(driver.listen(name)) for name in ("ann", "bob")]
        yield driver
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


class TestWeb(ChatContract):
    """The web chat keeps the contract."""
