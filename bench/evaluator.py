"""The judge under the person's LoRA, or under one of its own: what each costs and what it brings.

Part of `make bench-night`. The same people, ratings and lessons both times. Judged are replies that nobody
rated; the truth is what the practice world says of them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

from bench.people import SimulatedPerson
from bench.planted import Answer, plant
from bench.record import interval
from bot.context import Context
from bot.nights.material.prepare import Material, NothingToLearn, prepare
from bot.nights.material.teacher import LessonMix
from engine.judging.judge import Judge
from engine.judging.rubric import note_questions
from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Lesson, Recipe, Trainee
from engine.search.compose import compose
from engine.training.runner import Trainer
from engine.types import Limits, LoraRef, Mode, Prompt, Role, Turn
from practice import world

PEOPLE: Final = 8
JUDGED: Final = 24  # unseen replies a person
SEARCHES: Final = 3  # a person
FIRST_NUMBER: Final = 950_000


@dataclass(frozen=True, slots=True)
class Pair:
    """Which LoRA answers, under which the judge is asked, and how long both took to train."""

    answering: LoraRef | None
    judging: LoraRef | None
    train_s: float


async def evaluator(
    context: Context, model: Path, folder: Path, pool: Sequence[Answer], *, seed: int, people: int = PEOPLE
) -> dict[str, Any]:
    """A row for no LoRA, one for both, and one for each."""
    prepared: list[tuple[SimulatedPerson, Material]] = []
    for number in range(people):
        who = SimulatedPerson.draw(f"judged{number}", seed + number)
        await plant(context, pool, who, is_shuffled=False)
        known = await context.store.people.get(who.name)
        assert known is not None, "planted"
        with suppress(NothingToLearn):
            material = await prepare(context, known, LessonMix(replies=40), seed=seed, on_progress=_unheard)
            prepared.append((who, material))
    if not prepared:
        return {"people": 0}
    trained = await _trained(context, model, folder, [material for _, material in prepared])
    rows = {}
    for name, pairs in trained.items():
        rights, seconds, complied = [], [], []  # rights and complied: a share for each person
        for number, (who, material) in enumerate(prepared):
            right = await _rights(context, who, pairs[number].judging, pool, seed=seed + number)
            took, met = await _searches(context, who, material, pairs[number], seed=seed + number)
            rights.append(fmean(right))
            seconds += took
            complied.append(fmean(met))
        rows[name] = {
            "judge_right": round(fmean(rights), 4),
            "best_of_8_complied": round(fmean(complied), 4),
            "search_s": round(median(seconds), 4),
            "train_s": round(fmean(pair.train_s for pair in pairs), 2),
            "ci": {"judge_right": interval(rights), "best_of_8_complied": interval(complied)},
        }
        print(name, rows[name], flush=True)
    return {"people": len(prepared), **rows}


async def _trained(
    context: Context, model: Path, folder: Path, materials: Sequence[Material]
) -> dict[str, list[Pair]]:
    """Everybody's LoRAs of both kinds, in one job."""
    lessons: dict[str, Sequence[Lesson]] = {}
    for material in materials:
        person, training = material.person, material.training
        lessons[f"{person}-shared"] = (*training.lessons, *training.judge_lessons)
        lessons[f"{person}-own"] = training.lessons
        lessons[f"{person}-judge"] = training.judge_lessons
    recipe = Recipe(model=str(model), end_ids=context.backend.encode_question("?")[:1])
    trainees = [Trainee(key=key, seed=seed) for seed, key in enumerate(lessons)]
    job = JobFolder.create(folder, recipe, trainees, lessons, {})
    await Trainer().run(folder, lambda step: None)
    loras, seconds = {}, {}
    for number, key in enumerate(lessons):
        result = job.result(key)
        if result is not None and result.is_trained:
            loras[key] = LoraRef(name=key, id=FIRST_NUMBER + number, path=job.lora(key))
            seconds[key] = result.seconds

    def pair(answering: str, judging: str) -> Pair:
        both = {answering, judging}
        return Pair(loras.get(answering), loras.get(judging), sum(seconds.get(key, 0.0) for key in both))

    keys = [material.person for material in materials]
    return {
        "none": [Pair(None, None, 0.0) for _ in keys],
        "shared": [pair(f"{key}-shared", f"{key}-shared") for key in keys],
        "own": [pair(f"{key}-own", f"{key}-judge") for key in keys],
    }


async def _rights(
    context: Context, who: SimulatedPerson, lora: LoraRef | None, pool: Sequence[Answer], *, seed: int
) -> list[bool]:
    """Whether the judge says rightly of unrated replies if they have what the person wants."""
    wanted = [(world.canonical_note(name, value), name, value) for name, value in who.preference.wanted]
    judge = Judge(context.backend, note_questions([note for note, _, _ in wanted]), lora)
    rights = []
    for answer in random.Random(seed).sample(pool, min(JUDGED, len(pool))):
        prefix, reply = context.backend.encode(answer.prompt), context.backend.encode_text(answer.text)
        (verdict,) = await judge.score(prefix, [reply])
        manner = world.manner_of(answer.text)
        rights += [
            (verdict.answers[f"note: {note}"] > 0.5) == (manner[name] == value)
            for note, name, value in wanted
        ]
    return rights


async def _searches(
    context: Context, who: SimulatedPerson, material: Material, pair: Pair, *, seed: int
) -> tuple[list[float], list[bool]]:
    """Best of eight on unseen requests: how long it takes, and whether the best is as wanted."""
    rng, seconds, complied = random.Random(seed + 500), [], []
    judge = Judge(context.backend, note_questions(material.gate.notes), pair.judging)
    for number in range(SEARCHES):
        asked = world.request(rng, held_out=True)
        prompt = Prompt(turns=(Turn(role=Role.USER, text=asked.text),))
        began = time.perf_counter()
        made = await compose(
            context.backend,
            prompt,
            judge=judge,
            mode=Mode.BEST,
            limits=Limits(max_reply_tokens=160),
            seed=seed + number,
            lora=pair.answering,
        )
        seconds.append(time.perf_counter() - began)
        complied.append(world.complies(made.best.text, who.preference))
    return seconds, complied


def _unheard(done: int, total: int) -> None:
    """Progress that nobody follows."""
