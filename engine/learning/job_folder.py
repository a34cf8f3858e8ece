"""The files of a training job: the recipe, each person's lessons and trials, and the results.

    job.json                     the recipe and who is trained
    people/KEY/lessons.jsonl     what is learned, as token ids
    people/KEY/trials.jsonl      held-out feedback, never trained on
    people/KEY/lora/             the LoRA that came of it, in PEFT's format
    people/KEY/result.json       written last: whoever has one is done
    checkpoint.safetensors       where a killed job goes on

Knows no torch and no chat. A job folder holds people's words and is deleted when its night is over.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from engine.errors import TrainingError
from engine.learning.lessons import Kind, Lesson, Recipe, Result, Trainee, Trial, TrialScore

CHECKPOINT_FILE = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The paths in a job folder, and how its files are read and written."""

    path: Path

    @classmethod
    def create(
        cls,
        path: Path,
        recipe: Recipe,
        trainees: Sequence[Trainee],
        lessons: Mapping[str, Iterable[Lesson]],
        trials: Mapping[str, Iterable[Trial]],
    ) -> JobFolder:
        """Writes a whole job. job.json comes last: a folder without it was never begun."""
        folder = cls(path)
        for trainee in trainees:
            folder.person(trainee.key).mkdir(parents=True, exist_ok=True)
            _write_lines(folder.person(trainee.key) / "lessons.jsonl", lessons[trainee.key])
            _write_lines(folder.person(trainee.key) / "trials.jsonl", trials.get(trainee.key, ()))
        job = {"recipe": asdict(recipe), "trainees": [asdict(trainee) for trainee in trainees]}
        write_whole(path / "job.json", json.dumps(job))
        return folder

    def person(self, key: str) -> Path:
        return self.path / "people" / key

    def has(self, key: str) -> bool:
        """Whether a person's files are there. They vanish when the person is forgotten, even half-way."""
        return (self.person(key) / "trials.jsonl").is_file()

    def lora(self, key: str) -> Path:
        return self.person(key) / "lora"

    @property
    def checkpoint(self) -> Path:
        return self.path / CHECKPOINT_FILE

    def job(self) -> tuple[Recipe, tuple[Trainee, ...]]:
        try:
            job = json.loads((self.path / "job.json").read_text(encoding="utf-8"))
            recipe, trainees = (
                _known(Recipe, job["recipe"]),
                [_known(Trainee, trainee) for trainee in job["trainees"]],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"the job folder {self.path} cannot be read: {error}") from error
        return Recipe(**_tuples(recipe)), tuple(Trainee(**trainee) for trainee in trainees)

    def lessons(self, key: str) -> list[Lesson]:
        """In the order in which they were given."""
        rows = _read_lines(self.person(key) / "lessons.jsonl")
        return [Lesson(**{**_tuples(_known(Lesson, row)), "kind": Kind(row["kind"])}) for row in rows]

    def trials(self, key: str) -> list[Trial]:
        return [
            Trial(**_tuples(_known(Trial, row))) for row in _read_lines(self.person(key) / "trials.jsonl")
        ]

    def result(self, key: str) -> Result | None:
        """A person's result, or None while there is none."""
        try:
            row = json.loads((self.person(key) / "result.json").read_text(encoding="utf-8"))
        except OSError:
            return None
        scores = tuple(TrialScore(**_known(TrialScore, score)) for score in row.get("trials", ()))
        return Result(**{**_known(Result, row), "trials": scores})

    def write_result(self, result: Result) -> None:
        self.person(result.key).mkdir(parents=True, exist_ok=True)
        write_whole(self.person(result.key) / "result.json", json.dumps(asdict(result)))


def clean(path: Path) -> None:
    """Deletes a job folder, which holds people's words. Also a folder of a single person in it."""
    shutil.rmtree(path, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Writes the file so that it is there whole or not at all, whenever the machine dies."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _write_lines(path: Path, rows: Iterable[Lesson] | Iterable[Trial]) -> None:
    write_whole(path, "".join(json.dumps(asdict(row)) + "\n" for row in rows))


def _read_lines(path: Path) -> list[dict[str, Any]]:  # Any: what JSON holds
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error


def _known(shape: type, row: dict[str, Any]) -> dict[str, Any]:  # Any: what JSON holds
    names = {part.name for part in fields(shape)}
    return {name: value for name, value in row.items() if name in names}


def _tuples(row: dict[str, Any]) -> dict[str, Any]:  # Any: what JSON holds
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
