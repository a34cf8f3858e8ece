"""`make bench-memory`: does what people say by day hold from the next answer on, and not after it is deleted?

Simulated people with three wishes each teach a real service (vLLM, the practice model) over HTTP: in three
turns they criticise what an answer lacks, one wish at a time. Then unseen requests are asked, in new
conversations, with memory on and no LoRA. The interval is a bootstrap over people, not over answers.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.people import FREE_DIMENSIONS, WAIT_S, Api, connected, together
from bench.record import interval, record
from bench.running import TOKEN, Running
from practice import world
from practice.world import Preference

WISHES: Final = 3
AT_ONCE: Final = 12
PATIENCE: Final = 30  # requests until an answer lacks what a person wants to criticise
SETTINGS: Final = {
    "NIGHTLOOM_BACKEND__KIND": "vllm",
    "NIGHTLOOM_LEARNING__MIN_FEEDBACK": "1000000",
    "NIGHTLOOM_LIMITS__MESSAGES_PER_MINUTE": "100000",
    "NIGHTLOOM_COMPARISON__ONE_IN": "0",
}


@dataclass(slots=True)
class Critic:
    """A person who says what is missing, one wish a turn, and nothing else."""

    name: str
    preference: Preference
    rng: random.Random
    asked: int = 0

    @classmethod
    def draw(cls, number: int, seed: int) -> Critic:
        rng = random.Random(seed * 1000 + number)
        wanted = {
            dimension: rng.choice(world.DIMENSIONS[dimension])
            for dimension in rng.sample(FREE_DIMENSIONS, WISHES)
        }
        return cls(f"critic{number}", Preference.of(**wanted), rng)

    async def criticise(self, api: Api, wish: int) -> bool:
        """Ask until an answer lacks this wish, and say so. False: none lacked it."""
        dimension, value = self.preference.wanted[wish]
        for _ in range(PATIENCE):
            self.asked += 1
            asked = world.request(self.rng, held_out=False)
            reply = await api.ask(self.name, f"teaching{self.asked}", asked.text, mode="fast")
            given = world.manner_of(reply["text"])[dimension]
            if given != value:
                text = world.critique_for(self.rng, dimension, value, given=given)
                body = {"person": self.name, "text": text}
                await api.call("POST", f"/api/replies/{reply['id']}/thread?wait={WAIT_S}", body)
                return True
        return False

    async def delete_notes(self, api: Api) -> None:
        person = await api.call("GET", f"/api/people/{self.name}")
        for note in person["notes"]:
            await api.call("DELETE", f"/api/people/{self.name}/notes/{note['id']}")


@dataclass(slots=True)
class Bench:
    people: Sequence[Critic]
    requests: int
    seed: int
    api: Api
    started: float

    async def measured(self, name: str, *, mode: str, wishes: int = WISHES) -> dict[str, Any]:  # Any: figures
        """How often unseen requests are answered with all of the first wishes met."""

        async def one(person: Critic) -> float:
            rng = random.Random(
                90_000 + self.seed * 100 + self.people.index(person)
            )  # the same in every phase
            wanted = Preference.of(**dict(person.preference.wanted[:wishes]))
            met = []
            for number in range(self.requests):
                asked = world.request(rng, held_out=True)
                reply = await self.api.ask(person.name, f"{name}-{number}", asked.text, mode=mode)
                met.append(world.complies(reply["text"], wanted))
            return statistics.fmean(met)

        shares = await together(self.people, one)
        low, high = interval(shares, seed=self.seed)
        self.say(f"{name}: {statistics.fmean(shares):.3f} [{low:.3f}, {high:.3f}]")
        return {"mean": round(statistics.fmean(shares), 4), "ci": [round(low, 4), round(high, 4)]}

    async def notes_understood(self) -> float:
        """The share of all wishes for which the right note stands."""
        right = []
        for person in self.people:
            known = await self.api.call("GET", f"/api/people/{person.name}")
            standing = {world.value_of_note(note["text"]) for note in known["notes"]}
            right += [wish in standing for wish in person.preference.wanted]
        return round(statistics.fmean(right), 4)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:7.0f} s  {text}", flush=True)


async def run(bench: Bench, mode: str) -> dict[str, Any]:
    people, api = bench.people, bench.api
    await together(people, lambda person: api.set(person.name, memory=True, lora=False))
    told = {"untaught": await bench.measured("untaught", mode=mode)}
    await together(people, lambda person: person.criticise(api, 0))
    told["after_1"] = await bench.measured("after_1", mode=mode)
    told["after_1_of_1"] = await bench.measured("after_1_of_1", mode=mode, wishes=1)
    for wish in range(1, WISHES):
        await together(people, lambda person, wish=wish: person.criticise(api, wish))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    told["after_3"] = await bench.measured("after_3", mode=mode)
    told["after_3_fast"] = await bench.measured("after_3_fast", mode="fast")
    notes = await bench.notes_understood()
    await together(people, lambda person: person.delete_notes(api))
    told["after_removal"] = await bench.measured("after_removal", mode=mode)
    figures: dict[str, Any] = {name: one["mean"] for name, one in told.items()}
    return {
        **figures,
        "ci": {name: one["ci"] for name, one in told.items()},
        "notes_understood": notes,
        "mode": mode,
        "requests_each": bench.requests,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="practice")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--requests", type=int, default=12)
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--name", default="memory", help="of the result")
    given = parser.parse_args(arguments)
    figures, model = asyncio.run(_served(given))
    record(given.name, figures, seed=given.seed, n=given.people, model=model)


async def _served(given: argparse.Namespace) -> tuple[Mapping[str, Any], str]:
    with tempfile.TemporaryDirectory() as data:
        service = Running(Path(data), {**SETTINGS, "NIGHTLOOM_MODEL": given.model})
        try:
            await service.start()
            async with connected(service.url, TOKEN, at_once=AT_ONCE) as api:
                people = [Critic.draw(number, given.seed) for number in range(given.people)]
                bench = Bench(people, given.requests, given.seed, api, time.monotonic())
                return await run(bench, given.mode), given.model
        finally:
            await service.stop()


if __name__ == "__main__":
    main()
