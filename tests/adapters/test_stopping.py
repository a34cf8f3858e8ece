"""A service that is told to end while its model loads ends in time, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.real


@pytest.fixture
def service(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    settings = {"NIGHTLOOM_DATA": str(tmp_path), "NIGHTLOOM_WEB__PORT": "0"}
    command = [sys.executable, "-u", "-m", "tests.adapters.slow_loading", "run"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True
    ) as started:
        yield started
        started.kill()


def test_a_service_that_loads_its_model_ends_in_time(service: subprocess.Popen[str]) -> None:
    assert service.stdout is not None
    assert any(line.startswith("loading") for line in service.stdout)
    began = time.monotonic()
    service.send_signal(signal.SIGTERM)
    service.stdout.read()  # to its end, which comes once nobody is left who could write
    assert service.wait() == 0
    assert time.monotonic() - began < 10
