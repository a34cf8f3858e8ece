"""Simulated people of the practice world, who act only through the HTTP interface.

Each has hidden preferences on two or three dimensions. They ask, react with one to five stars by how much
of what they want a reply has (one rating in ten is noise), say something about it now and then, and
seldom write the answer that they wanted. What they ask while they teach and what they are measured on
never overlap.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import aiohttp

from engine.models.chat_tokens import ChatTokens
from practice import world
from practice.world import Preference

WAIT_S: Final = 120
NOISE: Final = 0.1
CRITIQUES: Final = 0.35  # of the replies that do not have everything
CORRECTIONS: Final = 0.08
EMOJI: Final = {1: "👎", 2: "😕", 3: "😐", 4: "👍", 5: "❤️"}
# Nobody is called by name on the web chat, where a name is all that is known of a person.
FREE_DIMENSIONS: Final = tuple(name for name in world.DIMENSIONS if name != "address")

T = TypeVar("T")


class Refused(Exception):
    """The service answered with an error."""


@dataclass(frozen=True, slots=True)
class Api:
    """The web interface. At most `at_once` calls are under way."""

    session: aiohttp.ClientSession
    url: str
    gate: asyncio.Semaphore

    # Any: JSON.
    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        async with self.gate, self.session.request(method, self.url + path, json=body) as answer:
            told = await answer.json()
            if answer.status >= 400:
                raise Refused(f"{method} {path}: {answer.status} {told}")
            return told

    async def ask(self, person: str, conversation: str, text: str, *, mode: str) -> Mapping[str, Any]:
        """The Reply."""
        body = {"person": person, "conversation": conversation, "text": text, "mode": mode}
        for _ in range(10):
            told = await self.call("POST", f"/api/messages?wait={WAIT_S}", body)
            if told.get("reply"):
                found: Mapping[str, Any] = told["reply"]
                return found
        raise Refused(f"{person} got no answer to {text!r}")

    async def set(self, person: str, **wanted: Any) -> None:
        await self.call("PATCH", f"/api/people/{person}", wanted)

    async def night(self, people: Sequence[str]) -> Mapping[str, Any]:
        """A night for these people, to its end."""
        night: Mapping[str, Any] = await self.call("POST", "/api/nights", {"people": list(people)})
        while night["state"] == "running":
            await asyncio.sleep(1.0)
            night = await self.call("GET", f"/api/nights/{night['id']}")
        return night


@asynccontextmanager
async def connected(url: str, token: str, *, at_once: int) -> AsyncIterator[Api]:
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=WAIT_S * 3)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield Api(session, url, asyncio.Semaphore(at_once))


@dataclass(slots=True)
class SimulatedPerson:
    """One person. `is_silent`: only ever reacts."""

    name: str
    preference: Preference
    is_silent: bool
    rng: random.Random
    pieces: int = 0  # of feedback given so far
    asked: int = 0
    said: dict[str, int] = field(default_factory=dict)

    @classmethod
    def draw(cls, name: str, seed: int, *, is_silent: bool = False) -> SimulatedPerson:
        rng = random.Random(seed)
        chosen = rng.sample(FREE_DIMENSIONS, rng.choice((2, 3)))
        wanted = {dimension: rng.choice(world.DIMENSIONS[dimension]) for dimension in chosen}
        return cls(name, Preference.of(**wanted), is_silent, rng)

    def change_mind(self) -> tuple[str, str]:
        """Another value on one of their dimensions, from now on; the dimension and the value."""
        wanted = dict(self.preference.wanted)
        dimension = self.rng.choice(list(wanted))
        others = [value for value in world.DIMENSIONS[dimension] if value != wanted[dimension]]
        wanted[dimension] = self.rng.choice(others)
        self.preference = Preference.of(**wanted)
        return dimension, wanted[dimension]

    async def teach(self, api: Api, until: int, *, mode: str = "fast") -> None:
        """Go on asking, rating and remarking until so many pieces of feedback were given in all."""
        while self.pieces < until:
            asked = world.request(self.rng, held_out=False)
            self.asked += 1
            reply = await api.ask(self.name, f"c{self.asked}", asked.text, mode=mode)
            manner = world.manner_of(reply["text"])
            await self._rate(api, reply, self.preference.share_met(manner))
            unmet = [(name, value) for name, value in self.preference.wanted if manner[name] != value]
            if self.is_silent or not unmet or self.pieces >= until:
                continue
            chance = self.rng.random()
            if chance < CRITIQUES:
                dimension, value = self.rng.choice(unmet)
                text = world.critique_for(self.rng, dimension, value, given=manner[dimension])
                await self._say(api, reply, text, "critique")
            elif chance < CRITIQUES + CORRECTIONS:
                better = manner.but(dict(self.preference.wanted)).but({"address": "none"})
                text = "Better: " + world.reply_for(self.rng, asked, better)
                await self._say(api, reply, text, "correction")

    async def _rate(self, api: Api, reply: Mapping[str, Any], share: float) -> None:
        stars = 1 + round(4 * share)
        if self.rng.random() < NOISE:
            stars = self.rng.randint(1, 5)
        body = {"person": self.name, "emoji": EMOJI[stars], "on": True}
        await api.call("POST", f"/api/replies/{reply['id']}/reactions?wait=30", body)
        self.pieces += 1
        self.said["rating"] = self.said.get("rating", 0) + 1

    async def _say(self, api: Api, reply: Mapping[str, Any], text: str, kind: str) -> None:
        body = {"person": self.name, "text": text}
        await api.call("POST", f"/api/replies/{reply['id']}/thread?wait={WAIT_S}", body)
        self.pieces += 1
        self.said[kind] = self.said.get(kind, 0) + 1


@dataclass(frozen=True, slots=True)
class Measured:
    """What unseen requests were answered with: full compliance, and what the answers cost."""

    complied: tuple[bool, ...]
    coherent: tuple[bool, ...]
    seconds: tuple[float, ...]
    prompt_tokens: tuple[int, ...]


async def measure(
    api: Api,
    person: SimulatedPerson,
    name: str,
    *,
    count: int,
    seed: int,
    tokens: ChatTokens,
    mode: str = "fast",
) -> Measured:
    """Ask unseen requests, in conversations of their own, under whatever is switched on now."""
    rng = random.Random(seed)
    complied, coherent, seconds, sizes = [], [], [], []
    for number in range(count):
        asked = world.request(rng, held_out=True)
        reply = await api.ask(person.name, f"{name}-{number}", asked.text, mode=mode)
        complied.append(world.complies(reply["text"], person.preference))
        coherent.append(world.is_coherent(reply["text"], asked))
        why = await api.call("GET", f"/api/replies/{reply['id']}/why")
        seconds.append(float(why["seconds"]))
        sizes.append(sum(len(tokens.encode_text(part["text"])) for part in why["prompt"]))
    return Measured(tuple(complied), tuple(coherent), tuple(seconds), tuple(sizes))


async def together(people: Sequence[T], work: Callable[[T], Awaitable[Any]]) -> list[Any]:
    """Everybody at once; the gate in the Api bounds what is under way. Any: whatever the work gives."""
    return list(await asyncio.gather(*(work(person) for person in people)))
