"""The training process as its bot sees it: progress, failure, cancelling, and kill -9 in the middle."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest
from torch.testing import assert_close

from engine.errors import TrainingError
from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Kind, Lesson, Recipe, Trainee
from engine.loras import format as lora_format
from engine.training.runner import JobProgress, Trainer
from tests.engine.training.tiny import VOCABULARY, save_tiny_model

pytestmark = pytest.mark.real


def make_job(folder: Path, model: Path, *, passes: int = 2) -> JobFolder:
    source = random.Random(2)
    lessons = [
        Lesson(kind=Kind.SAY, prefix=(9, 10), reply=tuple(source.randrange(8, VOCABULARY) for _ in range(6)))
        for _ in range(24)
    ]
    recipe = Recipe(
        model=str(model), threads=1, passes=passes, batch_lessons=4, slots=2, checkpoint_s=0.0, end_ids=(2,)
    )
    trainees = [Trainee(key=f"p{index}", seed=index) for index in range(3)]
    return JobFolder.create(folder, recipe, trainees, {trainee.key: lessons for trainee in trainees}, {})


async def test_a_job_reports_its_progress_and_leaves_everybody_a_lora(tmp_path: Path) -> None:
    made = make_job(tmp_path / "job", save_tiny_model(tmp_path / "model"))
    steps: list[JobProgress] = []
    await Trainer().run(made.path, steps.append)
    assert steps[-1].phase == "done"
    assert max(step.done for step in steps) == 144
    assert all(lora_format.exists(made.lora(f"p{index}")) for index in range(3))


async def test_killed_at_random_moments_it_ends_with_the_same_loras_as_undisturbed(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model")
    calm = make_job(tmp_path / "calm", model, passes=12)
    await Trainer().run(calm.path, lambda step: None)
    shaken = make_job(tmp_path / "shaken", model, passes=12)
    source, kills = random.Random(4), 0
    for _ in range(2):
        if await _killed_while_training(shaken.path, after_lines=source.randrange(1, 6)):
            kills += 1
    await Trainer().run(shaken.path, lambda step: None)
    assert kills
    for index in range(3):
        undisturbed, resumed = (lora_format.read(folder.lora(f"p{index}")) for folder in (calm, shaken))
        # To the rounding: killed between two results, whoever is left goes on alone, in narrower passes.
        assert_close(resumed, undisturbed, atol=1e-6, rtol=0)


async def test_a_second_process_waits_for_the_folder_to_be_free(tmp_path: Path) -> None:
    made = make_job(tmp_path / "job", save_tiny_model(tmp_path / "model"))
    lines: list[JobProgress] = []
    await asyncio.gather(Trainer().run(made.path, lines.append), Trainer().run(made.path, lines.append))
    assert [step.phase for step in lines].count("done") == 2
    assert [step.phase for step in lines].count("loading") == 1


async def test_a_failure_comes_with_its_reason(tmp_path: Path) -> None:
    made = make_job(tmp_path / "job", tmp_path / "no-such-model")
    with pytest.raises(TrainingError, match="no-such-model"):
        await Trainer().run(made.path, lambda step: None)


async def test_cancelling_ends_the_process(tmp_path: Path) -> None:
    made = make_job(tmp_path / "job", save_tiny_model(tmp_path / "model"), passes=10_000)
    begun = asyncio.Event()
    work = asyncio.create_task(Trainer().run(made.path, lambda step: begun.set()))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    free = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"import fcntl; fcntl.flock(open({str(made.path / 'lock')!r}, 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)",
    )
    assert await free.wait() == 0


async def test_a_process_that_falls_silent_is_ended(tmp_path: Path) -> None:
    made = make_job(tmp_path / "job", save_tiny_model(tmp_path / "model"))
    with pytest.raises(TrainingError, match="has said nothing"):
        await Trainer(silence_s=0.05).run(made.path, lambda step: None)


async def _killed_while_training(folder: Path, *, after_lines: int) -> bool:
    """Runs the job and kills it -9 after some lines of training; False: it was through before."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine.training.job", str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    while after_lines and (line := await process.stdout.readline()):
        after_lines -= b"training" in line
    if process.returncode is None and not after_lines:
        os.kill(process.pid, signal.SIGKILL)
    return await process.wait() == -signal.SIGKILL
