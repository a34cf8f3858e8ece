"""What vLLM calls in each of its processes, as the entry point in pyproject.toml asks for."""

from __future__ import annotations

from engine.backends import vllm_cpu
from engine.backends.vllm_orphans import end_with_parent


def register() -> None:
    """Its processes end with the service, and on a CPU it is told the faster arithmetic."""
    end_with_parent()
    vllm_cpu.register()
