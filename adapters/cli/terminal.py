"""Words and exit codes of the command line. Whatever is wrong is said in one line each, and ends with 2."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NoReturn, TypeVar

import typer
from rich.console import Console

from adapters.cli import logs
from bot import settings as settings_module
from bot.errors import BotError
from bot.ports import ChatError
from bot.settings import Settings, SettingsError
from engine.errors import EngineError
from engine.judging.rubric import RubricError

T = TypeVar("T")

WRONG_CONFIGURATION: Final = 2
ENDING_MAY_TAKE_S: Final = 1.0
# What a person at the terminal can mend; anything else is a fault of ours and shows where.
MENDABLE: Final = (BotError, ChatError, EngineError, RubricError)

console = Console(highlight=False)
_complaints = Console(stderr=True, highlight=False, soft_wrap=True)


def settings_or_exit(**wishes: object) -> Settings:
    """The settings, with the log set up as they say; or what is wrong with them, and exit."""
    try:
        settings = settings_module.load(**wishes)
    except SettingsError as error:
        complain(*error.problems)
    logs.configure(settings.log)
    return settings


def carry_out(work: Callable[[], Awaitable[T]]) -> T:
    """Run it to its end; or say what is wrong, and exit."""

    async def carried_out() -> T:
        asyncio.get_running_loop().set_default_executor(_Unawaited())
        return await work()

    try:
        return asyncio.run(carried_out())
    except MENDABLE as error:
        complain(str(error))
    except BaseExceptionGroup as group:
        mendable, others = group.split(MENDABLE)
        if mendable is None or others is not None:
            raise
        complain(*(str(error) for error in _leaves(mendable)))


def leave(code: int) -> None:
    """End this process within a second, whatever of a model's loading still runs in threads and children."""

    def end_now() -> None:
        try:
            for child in multiprocessing.active_children():
                child.kill()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:  # nobody may read any more what is flushed
            os._exit(code)

    timer = threading.Timer(ENDING_MAY_TAKE_S, end_now)
    timer.daemon = True
    timer.start()


def complain(*problems: str) -> NoReturn:
    for problem in problems:
        _complaints.print(f"nightloom: {problem}", markup=False)
    raise typer.Exit(WRONG_CONFIGURATION)


class _Unawaited(ThreadPoolExecutor):
    """Threads that the loop's end does not wait for: nothing can stop one that loads a model."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        del wait, cancel_futures
        super().shutdown(wait=False, cancel_futures=True)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
