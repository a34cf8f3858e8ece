"""The job folder of a night: who is taught what, written whole before the training and read after it.

Beside the lessons lies a plan for each person: what the gate will need of their study, in whatever process
that is. Trains nothing, asks no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.answering import live_lora
from bot.context import Context
from bot.nights.prepare import Material
from bot.store.loras import Version
from bot.store.recorded_replies import prompt_json, prompt_of
from engine.learning.job_folder import JobFolder, clean, write_whole
from engine.learning.lessons import Lesson, Recipe, Result, Trainee
from engine.loras.library import person_folder
from engine.training import runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What the training left of one person. `judge`: the judge's own LoRA, if it was to have one."""

    studied: Material
    result: Result
    lora: Path
    judge: Path | None


def write(
    path: Path,
    context: Context,
    model: str,
    studies: Sequence[Material],
    currents: Mapping[str, Version | None],
) -> None:
    """The plans first: when job.json is there, everything is."""
    settings = context.settings.learning
    trainees: list[Trainee] = []
    lessons: dict[str, Sequence[Lesson]] = {}
    _plan_path(path, "").parent.mkdir(parents=True, exist_ok=True)
    for one in sorted(studies, key=lambda one: one.person):
        write_whole(_plan_path(path, one.person), json.dumps(_plan_json(one)))
        key, current = person_folder(one.person), currents[one.person]
        answering = None if current is None else str(live_lora.reference(context, current).path)
        trainees.append(Trainee(key=key, seed=seed_of("lora", one.person), current=answering))
        lessons[key] = one.lessons
        if settings.evaluator == "shared":
            lessons[key] = (*one.lessons, *one.asked)
        elif one.asked:
            judge = _judge_key(one.person)
            trainees.append(Trainee(key=judge, seed=seed_of("judge", one.person)))
            lessons[judge] = one.asked
    recipe = Recipe(
        model=model,
        rank=settings.rank,
        alpha=2.0 * settings.rank,
        learning_rate=settings.rate,
        passes=settings.passes,
        memory_gib=settings.memory_gib,
        deadline_s=settings.deadline_hours * 3600,
        end_ids=context.backend.encode_question("?")[:1],
    )
    trials = {person_folder(one.person): one.trials for one in studies}
    JobFolder.create(path, recipe, trainees, lessons, trials)


def is_begun(path: Path, model: str) -> bool:
    """Whether a job for this base lies there whole. One for another base is of no use any more."""
    return runner.is_begun(path) and JobFolder(path).job()[0].model == model


def read(path: Path, person: str) -> Taught | None:
    """What the training left of a person; None: nothing."""
    folder, plan = JobFolder(path), _plan_path(path, person)
    result = folder.result(person_folder(person))
    if result is None or not plan.is_file():
        return None
    judged = folder.result(_judge_key(person))
    return Taught(
        studied=_plan_of(json.loads(plan.read_text(encoding="utf-8"))),
        result=result,
        lora=folder.lora(person_folder(person)),
        judge=folder.lora(_judge_key(person)) if judged is not None and judged.is_trained else None,
    )


def erase(root: Path, person: str) -> None:
    """Deletes what the jobs of all running nights hold of a person's words."""
    for folder in root.glob(f"*/people/{person_folder(person)}*"):
        clean(folder)
    for plan in root.glob(f"*/plans/{person_folder(person)}.json"):
        plan.unlink(missing_ok=True)


def seed_of(name: str, person: str) -> int:
    """The same for the same night and person, so that a night that is taken up goes on as it began."""
    return int(person_folder(f"{name}\n{person}")[:7], 16)


def _judge_key(person: str) -> str:
    """The trainee that is a person's judge, where it learns for itself."""
    return f"{person_folder(person)}-judge"


def _plan_path(path: Path, person: str) -> Path:
    return path / "plans" / f"{person_folder(person)}.json"


# Any: what JSON holds.
def _plan_json(studied: Material) -> dict[str, Any]:
    return {
        "person": studied.person,
        "notes": studied.notes,
        "prior": studied.prior,
        "used": dict(studied.used),
        "held_out": [prompt_json(prompt) for prompt in studied.held_out],
    }


def _plan_of(data: Mapping[str, Any]) -> Material:
    return Material(
        person=data["person"],
        notes=tuple(data["notes"]),
        prior=data["prior"],
        used=data["used"],
        lessons=(),
        asked=(),
        trials=(),
        held_out=tuple(prompt_of(prompt) for prompt in data["held_out"]),
    )
