"""The job folder of a night: written whole before the training and read after it.

Beside the lessons lies a plan for each person: what the gate needs later, in whatever process that is. Trains
nothing and asks no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.answering import live_lora
from bot.context import Context
from bot.nights.material.prepare import GateMaterial, Material
from bot.store.loras import Version
from bot.store.recorded_replies import prompt_json, prompt_of
from engine.learning.job_folder import JobFolder, clean, write_whole
from engine.learning.lessons import Lesson, Recipe, Result, Trainee
from engine.loras.library import person_folder
from engine.training import runner


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedPerson:
    """What the training left of a person, and what the gate needs. `judge_lora`: the judge's own, if any."""

    person: str
    used: Mapping[str, int]
    gate: GateMaterial
    result: Result
    lora: Path
    judge_lora: Path | None


def write(
    path: Path,
    context: Context,
    model: str,
    materials: Sequence[Material],
    live: Mapping[str, Version | None],
) -> None:
    """`live`: each person's live version. The plans come first: when job.json is there, everything is."""
    settings = context.settings.learning
    trainees: list[Trainee] = []
    lessons: dict[str, Sequence[Lesson]] = {}
    _plan_path(path, "").parent.mkdir(parents=True, exist_ok=True)
    for material in sorted(materials, key=lambda material: material.person):
        person, training = material.person, material.training
        write_whole(_plan_path(path, person), json.dumps(_plan_json(material)))
        key, version = person_folder(person), live[person]
        current = None if version is None else str(live_lora.reference(context, version).path)
        trainees.append(Trainee(key=key, seed=seed_of("lora", person), current=current))
        lessons[key] = training.lessons
        if settings.evaluator == "shared":
            lessons[key] = (*training.lessons, *training.judge_lessons)
        elif training.judge_lessons:
            judge = _judge_key(person)
            trainees.append(Trainee(key=judge, seed=seed_of("judge", person)))
            lessons[judge] = training.judge_lessons
    trials = {person_folder(material.person): material.training.trials for material in materials}
    JobFolder.create(path, _recipe(context, model), trainees, lessons, trials)


def is_begun(path: Path, model: str) -> bool:
    """Whether a whole job for this base lies there. A job for another base is of no use any more."""
    return runner.is_begun(path) and JobFolder(path).job()[0].model == model


def read(path: Path, person: str) -> TrainedPerson | None:
    """None where the training left nothing of the person."""
    folder, plan = JobFolder(path), _plan_path(path, person)
    result = folder.result(person_folder(person))
    if result is None or not plan.is_file():
        return None
    data = json.loads(plan.read_text(encoding="utf-8"))
    judge = folder.result(_judge_key(person))
    return TrainedPerson(
        person=person,
        used=data["used"],
        gate=GateMaterial(
            notes=tuple(data["notes"]),
            prior=data["prior"],
            held_out=tuple(prompt_of(prompt) for prompt in data["held_out"]),
        ),
        result=result,
        lora=folder.lora(person_folder(person)),
        judge_lora=folder.lora(_judge_key(person)) if judge is not None and judge.is_trained else None,
    )


def erase(root: Path, person: str) -> None:
    """Deletes a person's words from the jobs of all running nights."""
    for folder in root.glob(f"*/people/{person_folder(person)}*"):
        clean(folder)
    for plan in root.glob(f"*/plans/{person_folder(person)}.json"):
        plan.unlink(missing_ok=True)


def seed_of(name: str, person: str) -> int:
    """The same for the same night and person, so that a resumed night goes on as it began."""
    return int(person_folder(f"{name}\n{person}")[:7], 16)


def _recipe(context: Context, model: str) -> Recipe:
    settings = context.settings.learning
    return Recipe(
        model=model,
        rank=settings.rank,
        alpha=2.0 * settings.rank,
        learning_rate=settings.rate,
        passes=settings.passes,
        memory_gib=settings.memory_gib,
        deadline_s=settings.deadline_hours * 3600,
        end_ids=context.backend.encode_question("?")[:1],
    )


def _judge_key(person: str) -> str:
    """The trainee that is a person's judge, where the judge has a LoRA of its own."""
    return f"{person_folder(person)}-judge"


def _plan_path(path: Path, person: str) -> Path:
    return path / "plans" / f"{person_folder(person)}.json"


def _plan_json(material: Material) -> dict[str, Any]:  # Any: what JSON holds
    return {
        "used": dict(material.used),
        "notes": material.gate.notes,
        "prior": material.gate.prior,
        "held_out": [prompt_json(prompt) for prompt in material.gate.held_out],
    }
