"""A process that another one started does not outlive it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import multiprocessing, time
from engine.backends.vllm_orphans import end_with_parent

def child():
    end_with_parent()
    time.sleep(60)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    print(process.pid, flush=True)
    time.sleep(60)
"""


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT, encoding="utf-8")
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(1.0)  # the child has begun to wait by then
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        end = time.monotonic() + 10.0
        while _is_there(child):
            assert time.monotonic() < end, "the child outlived its parent"
            time.sleep(0.05)


def _is_there(pid: int) -> bool:
    """A process that nobody waits for any more stays as a zombie: that one has ended."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii").partition(")")[2][:4]
    except OSError:
        return False
