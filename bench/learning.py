"""`make bench-learning`: do nights make the bot answer people their way without being reminded?

Simulated people teach a real service (vLLM, the practice model) over HTTP; then unseen requests are asked
with memory and LoRA switched on and off, in mode `auto`, as the service answers who sets nothing, and in
mode `fast`, one sample each, where that differs. While they teach they ask in mode `fast`, to save an hour.
Everything is counted over whole people: the interval is a bootstrap over people, not over answers.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import pictures
from bench.people import Api, Measured, SimulatedPerson, connected, measure, together
from bench.record import outcomes, record
from bench.running import TOKEN, Running
from engine.models.catalogue import PRACTICE, open_model
from engine.models.chat_tokens import ChatTokens

WEIGHTS: Final = PRACTICE


@dataclass(frozen=True, slots=True)
class Condition:
    """What is switched on while unseen requests are asked. Without memory `auto` knows no wish."""

    memory: bool
    lora: bool
    mode: str = "auto"


CONDITIONS: Final = {
    "untaught": Condition(memory=False, lora=False),
    "memory_only": Condition(memory=True, lora=False),
    "memory_only_fast": Condition(memory=True, lora=False, mode="fast"),
    "lora_only": Condition(memory=False, lora=True),
    "both": Condition(memory=True, lora=True),
    "both_fast": Condition(memory=True, lora=True, mode="fast"),
}
PROMPTED: Final = {
    "all_feedback_in_prompt": Condition(memory=True, lora=False),
    "all_feedback_in_prompt_fast": Condition(memory=True, lora=False, mode="fast"),
}
ALL_IN_PROMPT: Final = {"NIGHTLOOM_MEMORY__MAX_EXAMPLES": "60", "NIGHTLOOM_MEMORY__BUDGET_TOKENS": "100000"}
AT_ONCE: Final = 12  # so few that a search among them meets its deadline
EVALUATION_SEED: Final = 90_000


@dataclass(slots=True)
class Bench:
    """What a run is told, and the figures so far: it takes an hour, and one broken off has told something."""

    model: str
    talkers: int
    silent: int
    requests: int
    seed: int
    data: Path
    tokens: ChatTokens  # counts what prompts cost
    model_id: str
    backend: str = "vllm"
    is_dry: bool = False
    figures: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def settings(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "NIGHTLOOM_BACKEND__KIND": self.backend,
            "NIGHTLOOM_MODEL": self.model,
            # The clock starts no night here, and nobody is slowed for asking fast.
            "NIGHTLOOM_LEARNING__MIN_FEEDBACK": "1000000",
            "NIGHTLOOM_LIMITS__MESSAGES_PER_MINUTE": "100000",
            "NIGHTLOOM_COMPARISON__ONE_IN": "0",
            "NIGHTLOOM_LIMITS__AT_ONCE": str(AT_ONCE),
            **more,
        }

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:7.0f} s  {text}", flush=True)

    def keep(self, *, is_whole: bool = False) -> dict[str, Any]:
        """The figures so far, on disk as well."""
        told = {
            "people": self.talkers,
            "silent_people": self.silent,
            **flat(self.figures),
            "seed": self.seed,
            "model": self.model_id,
            "modes": {"teaching": "fast", "measured": "auto, and fast where a key says so"},
            "seconds": round(time.monotonic() - self.started),
            "is_whole": is_whole,
        }
        if not self.is_dry:
            self.say(f"written to {record('learning', told)}")
        return told


async def run(bench: Bench) -> None:
    talkers = [SimulatedPerson.draw(f"talker{n}", bench.seed + n) for n in range(bench.talkers)]
    silent = [
        SimulatedPerson.draw(f"silent{n}", bench.seed + 500 + n, is_silent=True) for n in range(bench.silent)
    ]
    service = Running(bench.data, bench.settings({}))
    await service.start()
    try:
        async with connected(service.url, TOKEN, at_once=AT_ONCE) as api:
            everybody = [*talkers, *silent]
            await together(everybody, lambda person: api.set(person.name, learning=True))
            await _nights(bench, api, talkers, silent)
            bench.figures["flipped"] = await _flipped(bench, api, talkers[: max(2, bench.talkers // 4)])
    finally:
        await service.stop()


async def _nights(
    bench: Bench, api: Api, talkers: Sequence[SimulatedPerson], silent: Sequence[SimulatedPerson]
) -> None:
    """After 18 pieces and a night; silent people after 36 and two; after 54 and three."""
    for number, pieces in enumerate((18, 36, 54), start=1):
        quiet = silent if pieces <= 36 else ()
        people = [*talkers, *quiet]
        await together(people, partial(SimulatedPerson.teach, api=api, until=pieces))
        bench.say(f"{pieces} pieces of feedback each")
        began = time.monotonic()
        night = await api.night([person.name for person in people])
        told = _outcomes(bench, night)
        bench.say(f"night {number}: {told}")
        seconds = round(time.monotonic() - began, 1)
        bench.figures.setdefault("nights", []).append(
            {"people": len(people), "outcomes": told, "seconds": seconds}
        )
        if pieces in (18, 54):
            bench.figures[f"after_{pieces}"] = await _conditions(bench, api, talkers, f"t{pieces}")
            await asyncio.to_thread(snapshot, bench.data, bench.data / f"after_{pieces}")
        if pieces == 36 and silent:
            bench.figures["silent_after_36"] = await _conditions(bench, api, silent, "s36")
        bench.keep()


def _outcomes(bench: Bench, night: Mapping[str, Any]) -> dict[str, int]:
    for person in night["people"]:
        if person["outcome"] != "promoted":
            bench.say(f"   {person['person']}: {person['outcome']}, {person['reason']}")
    return outcomes((person["outcome"], person["reason"]) for person in night["people"])


async def _conditions(
    bench: Bench,
    api: Api,
    people: Sequence[SimulatedPerson],
    name: str,
    conditions: Mapping[str, Condition] = CONDITIONS,
) -> dict[str, Any]:
    """Compliance with all preferences under each condition, the same requests in all of them."""
    told: dict[str, Any] = {}
    for condition, switched in conditions.items():
        measured = await _measured(bench, api, people, f"{name}-{condition}", switched)
        told[condition], told[f"{condition}_cost"] = summed(measured), cost(measured)
        bench.say(f"{name} {condition}: {told[condition]} {told[f'{condition}_cost']}")
    await together(people, lambda person: api.set(person.name, memory=True, lora=True))
    return told


async def _measured(
    bench: Bench, api: Api, people: Sequence[SimulatedPerson], label: str, switched: Condition
) -> list[Measured]:
    """Everybody on unseen requests under this condition; for one person always the same requests."""

    async def measure_person(person: SimulatedPerson) -> Measured:
        await api.set(person.name, memory=switched.memory, lora=switched.lora)
        seed = EVALUATION_SEED + bench.seed + _number(person.name)
        count, tokens, mode = bench.requests, bench.tokens, switched.mode
        return await measure(api, person, label, count=count, seed=seed, tokens=tokens, mode=mode)

    return await together(people, measure_person)


def snapshot(data: Path, copy: Path) -> None:
    """The store as it is now, to be looked at when people have gone on."""
    copy.mkdir()
    with (
        closing(sqlite3.connect(data / "nightloom.db")) as now,
        closing(sqlite3.connect(copy / "nightloom.db")) as then,
    ):
        now.backup(then)


async def all_in_prompt(bench: Bench, people: Sequence[SimulatedPerson], name: str) -> None:
    """The same people on a service whose prompts hold all that they had said by then, without a LoRA."""
    service = Running(bench.data / name, bench.settings(ALL_IN_PROMPT))
    await service.start()
    try:
        async with connected(service.url, TOKEN, at_once=AT_ONCE) as api:
            bench.figures[name] |= await _conditions(bench, api, people, name, PROMPTED)
    finally:
        await service.stop()


async def _flipped(bench: Bench, api: Api, people: Sequence[SimulatedPerson]) -> dict[str, Any]:
    """Each changes their mind about one thing; how far it is followed after one and after two nights."""
    for person in people:
        person.change_mind()
    before = await _measured(bench, api, people, "flip0", CONDITIONS["lora_only"])
    told: dict[str, Any] = {"people": len(people), "before": summed(before)}
    await together(people, lambda person: api.set(person.name, memory=True, lora=True))
    for number in (1, 2):
        await together(people, lambda person: person.teach(api, person.pieces + 18))
        night = await api.night([person.name for person in people])
        bench.say(f"flipped, night {number}: {_outcomes(bench, night)}")
        for name in ("lora_only", "both"):
            measured = await _measured(bench, api, people, f"flip{number}-{name}", CONDITIONS[name])
            told[f"{name}_after_{number}"] = summed(measured)
            bench.say(f"flipped, night {number}, {name}: {told[f'{name}_after_{number}']}")
    return told


def summed(measured: Sequence[Measured]) -> dict[str, float]:
    """The share of answers that comply with everything, with a bootstrap interval over people."""
    shares = [sum(person.complied) / len(person.complied) for person in measured]
    rng = random.Random(0)
    means = sorted(sum(rng.choices(shares, k=len(shares))) / len(shares) for _ in range(2000))
    coherent = [value for person in measured for value in person.coherent]
    return {
        "share": round(sum(shares) / len(shares), 4),
        "low": round(means[50], 4),
        "high": round(means[1949], 4),
        "coherent": round(sum(coherent) / len(coherent), 4),
    }


def cost(measured: Sequence[Measured]) -> dict[str, float]:
    seconds = sorted(value for person in measured for value in person.seconds)
    tokens = [value for person in measured for value in person.prompt_tokens]
    return {
        "seconds_median": round(seconds[len(seconds) // 2], 3),
        "prompt_tokens_mean": round(sum(tokens) / len(tokens), 1),
    }


def flat(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures under the names that the documents quote: shares, with the intervals beside them."""
    told: dict[str, Any] = {"ci": {}, "cost": {}}
    for name, group in figures.items():
        if not isinstance(group, Mapping) or "untaught" not in group:
            told[name] = group
            continue
        told[name] = {key: group[key]["share"] for key in group if not key.endswith("_cost")}
        told["ci"][name] = {
            key: [group[key]["low"], group[key]["high"]] for key in group if not key.endswith("_cost")
        }
        told["cost"][name] = {key.removesuffix("_cost"): group[key] for key in group if key.endswith("_cost")}
        told.setdefault("coherent", {})[name] = {
            key: group[key]["coherent"] for key in group if not key.endswith("_cost")
        }
    return told


def _number(name: str) -> int:
    return int("".join(letter for letter in name if letter.isdigit()) or 0)


async def whole(bench: Bench) -> None:
    await run(bench)
    bench.keep()
    # Drawn anew: nobody has changed their mind yet, as in the copies of the store that are asked here.
    talkers = [SimulatedPerson.draw(f"talker{n}", bench.seed + n) for n in range(bench.talkers)]
    for name in ("after_18", "after_54"):
        await all_in_prompt(bench, talkers, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="practice", help="`practice` or a folder")
    parser.add_argument("--people", type=int, default=24, help="people who talk")
    parser.add_argument("--silent", type=int, default=24, help="people who only react")
    parser.add_argument("--requests", type=int, default=10, help="unseen requests for each and condition")
    parser.add_argument("--seed", type=int, default=7000)
    parser.add_argument("--backend", default="vllm", help="`scripted` only rehearses the way through")
    parser.add_argument("--keep", action="store_true", help="keep the data folder")
    parser.add_argument("--dry", action="store_true", help="print, do not record")
    given = parser.parse_args()
    data = Path(tempfile.mkdtemp(prefix="nightloom-learning-"))
    folder = open_model(str(WEIGHTS) if given.model == "practice" else given.model, print)
    bench = Bench(
        given.model,
        given.people,
        given.silent,
        given.requests,
        given.seed,
        data,
        ChatTokens(folder.path),
        folder.id,
        given.backend,
        given.dry,
    )
    try:
        asyncio.run(whole(bench))
    finally:
        bench.say(f"figures so far: {bench.figures}")
        if not given.keep:
            shutil.rmtree(data, ignore_errors=True)
    figures = bench.keep(is_whole=True)
    if given.dry:
        sys.stdout.write(f"{figures}\n")
        return
    for path in pictures.draw(figures):
        bench.say(f"drawn: {path}")


if __name__ == "__main__":
    main()
