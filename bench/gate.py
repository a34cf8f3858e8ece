"""Whole nights on the practice model with planted feedback: what the gate lets through, and what it costs.

Part of `make bench-night`. Planted ratings are truthful, or the same ones shuffled; the nights are the
product's own, from the store to the pointer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench.evaluator import evaluator
from bench.people import SimulatedPerson
from bench.planted import Answer, plant, pool_of
from bench.record import interval, outcomes
from bot import ratings
from bot.context import Context, new_id, now
from bot.events import NightProgress, Notice, Person
from bot.nights.evaluate import Evaluation
from bot.nights.material.prepare import Material, NothingToLearn, prepare
from bot.nights.material.teacher import LessonMix
from bot.nights.nights import Nights
from bot.settings import Settings
from bot.store import Store
from bot.store.nights import NightOutcome
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings
from engine.judging.rubric import load_rubric
from engine.learning.everyday_requests import EverydayRequests
from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Kind, Lesson, Recipe, Result, Trainee
from engine.models.catalogue import PRACTICE_RUBRIC, everyday_requests
from engine.training.runner import Trainer
from engine.types import LoraRef

RUBRIC: Final = PRACTICE_RUBRIC
CHEATS: Final = {
    "says_yes": "Yes, of course, you are right. Absolutely, yes.",
    "repeats_itself": "so it is and so it is and so it is and so it is and so it is and so it is",
}


async def gate(model: Path, data: Path, *, people: int, shuffled: int, seed: int) -> dict[str, Any]:
    """The figures of the gate, under the names that the documents quote."""
    settings = Settings(data=data, model="practice")
    store = await Store.open(settings.database_url, clock=now, new_id=new_id, rate=ratings.rating)
    backend = VllmLocalBackend(VllmSettings(model=str(model), max_context=1024))
    await backend.start(print)
    context = Context(
        settings=settings,
        store=store,
        backend=backend,
        rubric=load_rubric(RUBRIC),
        everyday=EverydayRequests(everyday_requests("practice")),
    )
    phases = Phases()
    nights = Nights(
        context,
        model_path=str(model),
        listen=phases.listen,
        tell=_nobody,
        may_learn=lambda known: True,
    )
    carrying = asyncio.create_task(nights.run(starts_due=False))
    try:
        pool = await pool_of(context, seed)
        print(f"{len(pool)} answers to rate", flush=True)
        truthful = await _truthful(nights, context, pool, people, seed)
        truthful["people_phase_s"] = phases.seconds()
        print(truthful, flush=True)
        by_chance = await _shuffled(nights, context, pool, shuffled, seed + 10_000)
        print(by_chance, flush=True)
        cheats = await _cheats(context, model, data)
        judged = await evaluator(context, model, data / "evaluator", pool, seed=seed + 20_000)
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        await backend.stop()
        await store.close()
    return {
        **truthful,
        **by_chance,
        **cheats,
        "evaluator": judged,
        "ci": {**truthful["ci"], **by_chance["ci"]},
        "model": backend.model,
    }


class Phases:
    """When a night of many people went on to its next step, which everybody takes before anybody goes on."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._last = 0.0

    def listen(self, person: str, progress: NightProgress) -> None:
        self._last = time.monotonic()
        if progress.phase != "done":  # some are through with the first step already
            self._began.setdefault(progress.phase, self._last)

    def seconds(self) -> dict[str, float]:
        edges = [*self._began.values(), self._last]
        return {
            phase: round(after - before, 1)
            for phase, (before, after) in zip(self._began, pairwise(edges), strict=True)
        }


async def _truthful(
    nights: Nights, context: Context, pool: Sequence[Answer], people: int, seed: int
) -> dict[str, Any]:
    """A night of silent people whose ratings mean something: how long, how many go live, what it costs."""
    names = [f"true{number}" for number in range(people)]
    for number, name in enumerate(names):
        await plant(context, pool, SimulatedPerson.draw(name, seed + number), is_shuffled=False)
    began = time.monotonic()
    night = await nights.wait(await nights.start(names))
    seconds = time.monotonic() - began
    live = [settled for settled in night.people if settled.outcome is NightOutcome.PROMOTED]
    figures = [settled.figures for settled in live if settled.figures is not None]
    points = [measured.gate.regression_points for measured in figures]
    return {
        "people": people,
        "people_s": round(seconds, 1),
        "people_100_s": round(seconds, 1) if people == 100 else None,
        "true_promotion_rate": round(len(live) / people, 4),
        "regression_points": round(sum(points) / len(points), 3) if points else None,
        "outcomes": outcomes((settled.outcome, settled.reason) for settled in night.people),
        "ci": {
            "true_promotion_rate": interval(
                [settled.outcome is NightOutcome.PROMOTED for settled in night.people]
            ),
            "regression_points": interval(points) if points else None,
        },
    }


async def _shuffled(
    nights: Nights, context: Context, pool: Sequence[Answer], people: int, seed: int
) -> dict[str, Any]:
    """The same with stars dealt out anew: whoever goes live does so by chance."""
    names = [f"shuffled{number}" for number in range(people)]
    for number, name in enumerate(names):
        await plant(context, pool, SimulatedPerson.draw(name, seed + number), is_shuffled=True)
    night = await nights.wait(await nights.start(names))
    are_live = [settled.outcome is NightOutcome.PROMOTED for settled in night.people]
    candidates = sum(settled.version is not None for settled in night.people)
    return {
        "shuffled_nights": people,
        "shuffled_candidates": candidates,
        "false_promotion_rate": round(sum(are_live) / people, 4),
        "false_promotion_rate_of_candidates": round(sum(are_live) / candidates, 4) if candidates else 0.0,
        "shuffled_outcomes": outcomes((settled.outcome, settled.reason) for settled in night.people),
        "ci": {"false_promotion_rate": interval(are_live)},
    }


async def _cheats(context: Context, model: Path, data: Path) -> dict[str, Any]:
    """Candidates that always say the same thing, in the name of a person with real feedback."""
    material = await _clear_enough(context)
    candidates = await _cheats_trained(context, model, data / "cheats", material)
    decisions, evaluation = {}, Evaluation(context)
    for number, (name, (result, path)) in enumerate(candidates.items()):
        candidate = LoraRef(name=f"cheat-{number}", id=900_000 + number, path=path)
        # As good a prior as there is, so that it is the witnesses who stop it.
        sure = replace(material.gate, prior=0.95)
        decisions[name], _ = await evaluation.decide(sure, result, candidate=candidate, current=None)
    return {
        "exploiter_rejected": not any(decision.is_promoted for decision in decisions.values()),
        "exploiters": {name: decision.reason for name, decision in decisions.items()},
    }


async def _clear_enough(context: Context) -> Material:
    """What is to be learned of the first truthful person of whom something is. Raises where there is none."""
    truthful = [person for person in await context.store.people.all() if person.key.startswith("true")]
    for person in truthful:
        with suppress(NothingToLearn):
            return await prepare(
                context, person, LessonMix(replies=40), seed=1, on_progress=lambda done, total: None
            )
    raise RuntimeError("nothing is clear enough in any of the truthful people: plant more of them")


async def _cheats_trained(
    context: Context, model: Path, folder: Path, material: Material
) -> dict[str, tuple[Result, Path]]:
    """A LoRA for each cheat, all in one job: it says its text to whatever is asked."""
    asked = [lesson for lesson in material.training.lessons if lesson.kind is Kind.DISTIL]
    lessons = {
        name: [
            Lesson(kind=Kind.SAY, prefix=lesson.prefix, reply=context.backend.encode_text(text))
            for lesson in asked
        ]
        for name, text in CHEATS.items()
    }
    recipe = Recipe(model=str(model), passes=6, end_ids=context.backend.encode_question("?")[:1])
    trainees = [Trainee(key=name, seed=1) for name in CHEATS]
    job = JobFolder.create(folder, recipe, trainees, lessons, dict.fromkeys(CHEATS, material.training.trials))
    await Trainer().run(folder, lambda step: None)
    made = {}
    for name in CHEATS:
        result = job.result(name)
        assert result is not None, "the job has ended"
        made[name] = (result, job.lora(name))
    return made


async def _nobody(person: Person, notice: Notice) -> bool:
    """Planted people read no morning notes."""
    return True
