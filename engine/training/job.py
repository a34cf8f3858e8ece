"""One training job in a process of its own: `python -m engine.training.job FOLDER`.

Reads a job folder, trains everybody in it in one bank, and writes each person's LoRA and result when that
person is done. Runs at low priority and prints its progress, one JSON object a line. Keeps a deadline and a
memory bound, and goes on from its checkpoint after a kill. Knows no chat and no database.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from engine.errors import EngineError, TrainingError
from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Recipe, Trainee

if TYPE_CHECKING:
    from collections.abc import Iterator

Say = Callable[[dict[str, object]], None]
Train = Callable[[JobFolder, Recipe, Sequence[Trainee], Say], None]


def main(arguments: list[str], train: Train | None = None) -> int:
    """0 when everybody in the job has a result; otherwise 2, and a line with the reason.

    `train`: what trains them instead of the bank.
    """
    if len(arguments) != 1:
        sys.stderr.write("Name one thing: the job's folder.\n")
        return 2
    os.nice(10)
    try:
        run(Path(arguments[0]), say=_say, train=train)
    except EngineError as error:
        _say({"phase": "failed", "reason": str(error)})
        return 2
    except BrokenPipeError:
        # The process that read the lines is gone. The checkpoint stays for the next job process. What is
        # left in the buffer is dropped, or Python would complain at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return 0


def run(path: Path, *, say: Say, train: Train | None = None) -> None:
    """Trains everybody in the folder who has no result yet."""
    folder = JobFolder(path)
    recipe, trainees = folder.job()
    with _alone(path):
        waiting = [trainee for trainee in trainees if folder.result(trainee.key) is None]
        if waiting:
            say({"phase": "loading", "people": len(trainees)})
            (train or _train_in_bank)(folder, recipe, trainees, say)
        folder.checkpoint.unlink(missing_ok=True)
    say({"phase": "done", "people": len(trainees)})


def _train_in_bank(folder: JobFolder, recipe: Recipe, trainees: Sequence[Trainee], say: Say) -> None:
    # torch and transformers take seconds to import: not before there is something to train.
    from engine.training.loop import TrainingLoop

    TrainingLoop(folder, recipe, say=say, started=time.monotonic()).run(trainees)


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@contextmanager
def _alone(path: Path, *, wait_s: float = 120.0) -> Iterator[IO[bytes]]:
    """One process per folder. A process that outlived its bot ends at its next line of progress."""
    with (path / "lock").open("wb") as lock:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise TrainingError(f"another process is training {path}") from error
                time.sleep(0.1)
        yield lock


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
