"""Whole nights on the practice model with planted feedback: what the gate lets through, and what it costs.

Part of `make bench-night`. Ratings are planted in the store as if they had been given by day, truthful ones
and the same ones shuffled; the nights are the product's own, from the store to the pointer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bench.people import EMOJI, NOISE, SimulatedPerson
from bot import feedback
from bot.events import Notice, Person, Platform
from bot.exam import examine
from bot.kit import Kit, new_id, now
from bot.night import Nights
from bot.settings import Settings
from bot.store import Store, tables
from bot.store.nights import Night, NightOutcome
from bot.store.snapshots import prompt_json
from bot.study import Recipe as StudyRecipe
from bot.study import Study, study
from engine import judge as engine_judge
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings
from engine.gate import Bounds, Decision, decide
from engine.judge import Judge, load_rubric, manner_questions
from engine.practice import world
from engine.training.lessons import JobFolder, Kind, Lesson, Pupil, Recipe
from engine.training.runner import Trainer
from engine.types import LoraRef, Prompt, Role, Sampling, Turn

RUBRIC: Final = Path(engine_judge.__file__).with_name("rubric.toml")
RATINGS: Final = 36
POOL: Final = 240
CHEATS: Final = {
    "says_yes": "Yes, of course, you are right. Absolutely, yes.",
    "repeats_itself": "so it is and so it is and so it is and so it is and so it is and so it is",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the base's own replies, with what the judge found in it."""

    prompt: Prompt
    text: str
    manners: dict[str, float]


async def gate(model: Path, data: Path, *, people: int, shuffled: int, seed: int) -> dict[str, Any]:
    """The figures of the gate, under the names that the documents quote."""
    settings = Settings(data=data, model="practice")
    store = await Store.open(settings.database_url, clock=now, new_id=new_id, rate=feedback.rating)
    backend = VllmLocalBackend(VllmSettings(model=str(model), max_context=1024))
    await backend.start(print)
    kit = Kit(settings=settings, store=store, backend=backend, rubric=load_rubric(RUBRIC))
    nights = Nights(
        kit,
        model_path=str(model),
        hear=lambda person, progress: None,
        tell=_nobody,
        may_learn=lambda known: True,
    )
    carrying = asyncio.create_task(nights.run())
    try:
        pool = await _pool(kit, seed)
        print(f"{len(pool)} answers to rate", flush=True)
        told = await _truthful(nights, kit, pool, people, seed)
        told |= await _shuffled(nights, kit, pool, shuffled, seed + 10_000)
        told |= await _cheats(kit, model, data)
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        await backend.stop()
        await store.close()
    return {**told, "model": backend.model}


async def _truthful(
    nights: Nights, kit: Kit, pool: Sequence[Answer], people: int, seed: int
) -> dict[str, Any]:
    """A night of silent people whose ratings mean something: how long, how many go live, what it costs."""
    names = [f"true{number}" for number in range(people)]
    for number, name in enumerate(names):
        await _plant(kit, pool, SimulatedPerson.draw(name, seed + number), is_shuffled=False)
    began = time.monotonic()
    night = await nights.wait(await nights.start(names))
    seconds = time.monotonic() - began
    live = [one for one in night.people if one.outcome is NightOutcome.PROMOTED]
    points = [one.metrics["regression_points"] for one in live]
    return {
        "people": people,
        "people_s": round(seconds, 1),
        "people_100_s": round(seconds, 1) if people == 100 else None,
        "true_promotion_rate": round(len(live) / people, 4),
        "regression_points": round(sum(points) / len(points), 3) if points else None,
        "outcomes": _counted(night),
    }


async def _shuffled(
    nights: Nights, kit: Kit, pool: Sequence[Answer], people: int, seed: int
) -> dict[str, Any]:
    """The same with stars dealt out anew: whoever goes live does so by chance."""
    names = [f"shuffled{number}" for number in range(people)]
    for number, name in enumerate(names):
        await _plant(kit, pool, SimulatedPerson.draw(name, seed + number), is_shuffled=True)
    night = await nights.wait(await nights.start(names))
    live = sum(one.outcome is NightOutcome.PROMOTED for one in night.people)
    candidates = sum(one.version is not None for one in night.people)
    return {
        "shuffled_nights": people,
        "shuffled_candidates": candidates,
        "false_promotion_rate": round(live / people, 4),
        "false_promotion_rate_of_candidates": round(live / candidates, 4) if candidates else 0.0,
        "shuffled_outcomes": _counted(night),
    }


async def _cheats(kit: Kit, model: Path, data: Path) -> dict[str, Any]:
    """Candidates that always say the same thing, in the name of a person with real feedback."""
    person = await kit.store.people.get("true0")
    assert person is not None, "planted above"
    studied = await study(kit, person, StudyRecipe(replies=40), seed=1, on_progress=lambda done, total: None)
    if isinstance(studied, str):
        return {"exploiter_rejected": None, "exploiters": studied}
    decisions = {
        name: await _cheat(kit, model, data / "cheats" / name, studied, text, number)
        for number, (name, text) in enumerate(CHEATS.items())
    }
    return {
        "exploiter_rejected": not any(decision.is_promoted for decision in decisions.values()),
        "exploiters": {name: decision.reason for name, decision in decisions.items()},
    }


async def _cheat(kit: Kit, model: Path, folder: Path, studied: Study, text: str, number: int) -> Decision:
    reply = kit.backend.encode_text(text)
    lessons = [
        Lesson(kind=Kind.SAY, prefix=lesson.prefix, reply=reply)
        for lesson in studied.lessons
        if lesson.kind is Kind.DISTIL
    ]
    recipe = Recipe(model=str(model), passes=6, end_ids=kit.backend.encode_question("?")[:1])
    job = JobFolder.create(
        folder, recipe, [Pupil(key="cheat", seed=1)], {"cheat": lessons}, {"cheat": studied.trials}
    )
    await Trainer().run(folder, lambda step: None)
    result = job.result("cheat")
    assert result is not None, "the job has ended"
    candidate = LoraRef(name=f"cheat-{number}", id=900_000 + number, path=job.lora("cheat"))
    # As good a prior as there is, so that it is the witnesses who stop it.
    evidence = await examine(kit, replace(studied, prior=0.95), result, candidate=candidate, current=None)
    return decide(evidence, Bounds())


async def _pool(kit: Kit, seed: int) -> list[Answer]:
    """The base's own replies to everyday requests, each described once."""
    judge = Judge(kit.backend, manner_questions(kit.rubric.manners))

    async def one(number: int) -> Answer | None:
        asked = world.request(random.Random(seed + number), held_out=False)
        prompt = Prompt(turns=(Turn(role=Role.USER, text=asked.text),))
        prefix = kit.backend.encode(prompt)
        sampling = Sampling(max_tokens=160, seed=seed + number)
        (made,) = await kit.backend.sample(prefix, n=1, sampling=sampling)
        if not made.finished:
            return None
        (verdict,) = await judge.score(prefix, [made.token_ids])
        return Answer(prompt, kit.backend.decode(made.token_ids), verdict.answers)

    made: list[Answer] = []
    for start in range(0, POOL, 40):
        found = await asyncio.gather(*(one(number) for number in range(start, start + 40)))
        made += [answer for answer in found if answer is not None]
    return made


async def _plant(kit: Kit, pool: Sequence[Answer], who: SimulatedPerson, *, is_shuffled: bool) -> None:
    """Rated answers in the store, as a day would have left them."""
    answers = who.rng.sample(pool, min(RATINGS, len(pool)))
    stars = []
    for answer in answers:
        met = who.preference.share_met(world.manner_of(answer.text))
        stars.append(who.rng.randint(1, 5) if who.rng.random() < NOISE else 1 + round(4 * met))
    if is_shuffled:
        who.rng.shuffle(stars)
    await kit.store.people.meet(Person(key=who.name, platform=Platform.WEB))
    await kit.store.people.change(who.name, learning=True)
    rows, reactions = [], []
    for number, (answer, rating) in enumerate(zip(answers, stars, strict=True)):
        row, at = f"{who.name}-{number}", kit.clock() - timedelta(minutes=RATINGS - number)
        rows.append(_row(kit, who.name, row, number, answer, at))
        reactions.append(
            {
                "reply": row,
                "person": who.name,
                "emoji": feedback.normal(EMOJI[rating]),
                "is_on": True,
                "at": at,
            }
        )

    async def work(connection: Any) -> None:  # Any: the store's connection
        await connection.execute(tables.replies.insert(), rows)
        await connection.execute(tables.reactions.insert(), reactions)

    await kit.store.database.write(work)


def _row(kit: Kit, person: str, row: str, number: int, answer: Answer, at: Any) -> dict[str, Any]:
    return {
        "id": row,
        "person": person,
        "conversation": f"c{number}",
        "text": answer.text,
        "prompt": prompt_json(answer.prompt),
        "model": kit.backend.model,
        "seed": number,
        "mode": "fast",
        "answers": {},
        "manners": answer.manners,
        "alternatives": [],
        "tree": [],
        "actions": [],
        "delivery": "imported",
        "at": at,
    }


def _counted(night: Night) -> dict[str, int]:
    """How often each outcome came about, and each reason why a candidate was not taken."""
    told: dict[str, int] = {}
    for one in night.people:
        reason = "" if one.outcome is NightOutcome.PROMOTED else f": {one.reason}"
        words = f"{one.outcome}{reason}"
        # Figures in a reason would make each of them a reason of its own.
        words = "".join("#" if letter.isdigit() else letter for letter in words)
        told[words] = told.get(words, 0) + 1
    return told


async def _nobody(person: Person, notice: Notice) -> None:
    """Planted people read no morning notes."""
