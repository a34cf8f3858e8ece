"""`nightloom` with a model that loads for an hour, as vLLM would: in a thread and in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable

from adapters import wiring
from adapters.cli import main
from bot.settings import Settings
from engine.backends.scripted import ScriptedBackend
from engine.ports import Backend

HOUR_S = 3600.0


class LoadsForAnHour(ScriptedBackend):
    async def start(self, report: Callable[[str], None]) -> None:
        child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(HOUR_S,))
        child.start()
        report("loading")
        await asyncio.to_thread(time.sleep, HOUR_S)


def _backend(settings: Settings) -> Backend:
    del settings
    return LoadsForAnHour()


if __name__ == "__main__":
    wiring.backend = _backend
    main.main()
