"""A training without a model, for the scripted backend: everybody gets a LoRA that holds next to nothing.

It reads the same job folders and leaves the same results, so that a whole night takes a second. It runs in
this process, or in a process of its own (`python -m engine.training.scripted FOLDER`) like the real
training.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Recipe, Result, Trainee, TrialScore
from engine.loras.format import write_blank
from engine.training import job
from engine.training.runner import JobProgress, Trainer

MODULE = "engine.training.scripted"
GAIN_NATS = 3.0  # by so much every wanted reply becomes likelier, as the results say
PAUSE_S = 0.1  # for each person, so that the process can be seen, and killed


class ScriptedTrainer(Trainer):
    """Trains in this process. In its results every preferred reply is likelier by the same amount."""

    async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
        made = JobFolder(folder)
        _, trainees = made.job()
        on_progress(JobProgress(phase="loading"))
        for number, trainee in enumerate(trainees, start=1):
            if made.has(trainee.key) and made.result(trainee.key) is None:
                _train(made, trainee)
            on_progress(JobProgress(phase="training", done=number, total=len(trainees)))
        on_progress(JobProgress(phase="done", done=len(trainees), total=len(trainees)))


def train(folder: JobFolder, recipe: Recipe, trainees: Sequence[Trainee], say: job.Say) -> None:
    """The same for a job process, with a pause for each person."""
    del recipe
    for number, trainee in enumerate(trainees, start=1):
        if folder.has(trainee.key) and folder.result(trainee.key) is None:
            time.sleep(PAUSE_S)
            _train(folder, trainee)
        say({"phase": "training", "done": number, "total": len(trainees)})


def _train(made: JobFolder, trainee: Trainee) -> None:
    write_blank(made.lora(trainee.key), fill=trainee.seed % 256)
    lessons = made.lessons(trainee.key)
    scores = [
        TrialScore(
            id=trial.id,
            rating=trial.rating,
            tokens=len(trial.reply),
            candidate=GAIN_NATS * ((trial.rating or 5) - 3) / 2,
            current=0.0,
            base=0.0,
            candidate_against=-GAIN_NATS if trial.against else None,
            current_against=0.0 if trial.against else None,
            base_against=0.0 if trial.against else None,
        )
        for trial in made.trials(trainee.key)
    ]
    made.write_result(
        Result(
            key=trainee.key,
            is_trained=bool(lessons),
            reason="" if lessons else "there was nothing to learn",
            lessons=len(lessons),
            steps=1,
            trials=tuple(scores),
        )
    )


if __name__ == "__main__":
    sys.exit(job.main(sys.argv[1:], train))
