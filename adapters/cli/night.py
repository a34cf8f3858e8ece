"""The commands that load the model themselves: a night by hand, and two answers side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

import typer
from rich.columns import Columns
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from adapters import wiring
from adapters.cli.terminal import carry_out, console, settings_or_exit
from bot.answering.with_and_without import compare as compared
from bot.context import Context
from bot.events import NightProgress, Notice, Person
from bot.nights.nights import run_night
from bot.store.nights import Night
from engine.judging.rubric import SHIPPED_RUBRIC, load_rubric
from engine.learning.everyday_requests import EverydayRequests
from engine.models.catalogue import everyday_requests, rubric_of


def night(
    person: Annotated[list[str] | None, typer.Option(help="Only these people; may be given again.")] = None,
) -> None:
    """Run the night now. While the service runs, use the page's "Learn now" instead."""
    bars = Progress(
        TextColumn("{task.fields[person]}"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}

    def listen(key: str, progress: NightProgress) -> None:
        if key not in tasks:
            tasks[key] = bars.add_task(progress.phase, person=key)
        bars.update(tasks[key], description=progress.phase, completed=progress.done, total=progress.total)

    async def work() -> Night:
        async with _context() as context:
            with bars:
                return await run_night(wiring.nights(context, listen=listen, tell=_not_connected), person)

    _tell(carry_out(work))


def compare(
    prompt: Annotated[str, typer.Argument(help="What is asked.")],
    person: Annotated[str, typer.Option(help="`discord:ID`, `slack:TEAM:ID`, or a web name.")],
) -> None:
    """Answer one request by the bare model and as a person has taught it, side by side."""

    async def work() -> None:
        async with _context() as context:
            both = await compared(context, person, prompt)
        under = ", ".join([*([f"LoRA {both.lora}"] if both.lora else []), f"{len(both.notes)} notes"])
        console.print(
            Columns(
                [Panel(both.base, title="base"), Panel(both.own, title=f"{person} ({under})")],
                equal=True,
                expand=True,
            )
        )

    carry_out(work)


@asynccontextmanager
async def _context() -> AsyncIterator[Context]:
    """The bot's parts with the model loaded, alone on the database."""
    settings = settings_or_exit()
    rubric = load_rubric(settings.rubric or rubric_of(settings.model) or SHIPPED_RUBRIC)
    async with wiring.opened(settings) as store:
        await store.serve_alone()
        context = Context(
            settings=settings,
            store=store,
            backend=wiring.backend(settings),
            rubric=rubric,
            everyday=EverydayRequests(everyday_requests(settings.model)),
        )
        try:
            await context.backend.start(lambda text: console.print(f"[dim]{text}[/]", soft_wrap=True))
            yield context
        finally:
            with suppress(asyncio.CancelledError):
                await context.backend.stop()


async def _not_connected(person: Person, notice: Notice) -> bool:
    """No platform is connected here: the service tells them later."""
    del person, notice
    return False


def _tell(ended: Night) -> None:
    for learner in ended.people:
        version = "" if learner.version is None else f", version {learner.version}"
        reason = f": {learner.reason}" if learner.reason else ""
        console.print(f"{learner.person}: {learner.outcome}{version}{reason}", markup=False, soft_wrap=True)
    if not ended.people:
        console.print("Nobody is due: nobody has enough new feedback, or nobody said yes to learning.")
    if ended.problem:
        console.print(f"The night failed: {ended.problem}", markup=False, soft_wrap=True)
        raise typer.Exit(1)
