"""Runs a training job in a process of its own, passes its progress on, and ends it when asked.

Knows job folders and processes; no torch, no chat, no database.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TrainingError
from engine.learning.job_folder import JobFolder

GRACE_S = 5.0
MAX_STARTS = 3  # a process may be killed when the machine is short of memory
# The cores are shared with the engine. Threads that spin while they wait for each other starve both.
SHARING_CORES = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
LINE_BYTES = 2**20
KEPT_ERROR_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a job is, in lessons over all people."""

    phase: str
    done: int = 0
    total: int = 0


class Trainer:
    """Runs job folders. Cancelling `run` ends the process; its checkpoint stays for the next process.

    `module`: the Python module that is run with the job's folder.
    """

    def __init__(
        self,
        *,
        module: str = "engine.training.job",
        python: str = sys.executable,
        silence_s: float = 1800.0,
    ) -> None:
        self._module = module
        self._python = python
        self._silence_s = silence_s

    async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
        """Trains what the folder asks for. Raises TrainingError when the process fails or falls silent.

        When the process is killed, another one goes on from its checkpoint.
        """
        for _ in range(MAX_STARTS):
            reason = await self._once(folder, on_progress)
            if reason is None:
                return
        raise TrainingError(reason)

    async def _once(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> str | None:
        """None when the job is done; else why the process was killed."""
        process = await asyncio.create_subprocess_exec(
            self._python,
            "-m",
            self._module,
            str(folder),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **SHARING_CORES},
            limit=LINE_BYTES,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                errors = tasks.create_task(_last_lines(process.stderr))
                reason = tasks.create_task(self._listen(process, on_progress))
            code = await process.wait()
        except* TrainingError as group:
            raise group.exceptions[0] from None
        finally:
            await _end(process)
        if code < 0:
            return f"the training process was killed again and again, last by signal {-code}"
        if code != 0:
            why = reason.result() or " / ".join(errors.result()) or "it gave no reason"
            raise TrainingError(f"the training process ended with {code}: {why}")
        return None

    async def _listen(
        self, process: asyncio.subprocess.Process, on_progress: Callable[[JobProgress], None]
    ) -> str | None:
        """Reads the job's lines to the end. The reason, if a line says that the job failed."""
        assert process.stdout is not None, "it was started with a pipe"
        reason = None
        while True:
            try:
                async with asyncio.timeout(self._silence_s):
                    line = await process.stdout.readline()
            except TimeoutError as error:
                silence = f"the training process has said nothing for {self._silence_s:.0f} s"
                raise TrainingError(silence) from error
            if not line:
                return reason
            try:
                report = json.loads(line)
            except ValueError:
                continue  # a library printed something of its own
            if not isinstance(report, dict) or "phase" not in report:
                continue
            if report["phase"] == "failed":
                reason = str(report.get("reason"))
            done, total = report.get("done", 0), report.get("total", 0)
            on_progress(JobProgress(phase=report["phase"], done=done, total=total))


def is_begun(folder: Path) -> bool:
    """Whether a whole job lies there, so that running it again goes on with it."""
    return (JobFolder(folder).path / "job.json").is_file()


async def _last_lines(stream: asyncio.StreamReader | None) -> list[str]:
    assert stream is not None, "it was started with a pipe"
    kept: list[str] = []
    while piece := await stream.read(LINE_BYTES):
        lines = [line for line in piece.decode(errors="replace").splitlines() if line.strip()]
        kept = [*kept, *lines][-KEPT_ERROR_LINES:]
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
