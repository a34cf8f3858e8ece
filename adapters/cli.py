"""The `nightloom` command. What it does is in the modules it calls; here are words and exit codes.

Whatever is wrong with the configuration is said in one line each, without a traceback, and ends with 2.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import webbrowser
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, NoReturn, TypeVar

import typer
from rich.console import Console

from adapters import checks, logs, wiring
from bot import settings as settings_module
from bot.errors import BotError, StoreError
from bot.ports import ChatError
from bot.settings import Settings, SettingsError
from bot.store import schema
from engine.judge import RubricError
from engine.ports import ModelError

T = TypeVar("T")

WRONG_CONFIGURATION: Final = 2

app = typer.Typer(
    name="nightloom",
    help="A bot that learns by night how each person likes to be answered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
database = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(database, name="db")
console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """The command's entry."""
    app()


@app.command()
def run() -> None:
    """Run the platforms that the settings name."""
    _serve(_settings(), is_demo=False)


@app.command()
def demo(
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, if there is one.")] = True,
) -> None:
    """Chat in the browser with the practice model: no token, no GPU, no network."""
    _serve(_settings(model="practice"), is_demo=True, opens_browser=browser)


@app.command()
def check() -> None:
    """Say everything that is wrong with settings, data folder, database, model and platforms."""
    findings = asyncio.run(checks.all_findings())
    for finding in findings:
        mark = "[green]✓[/]" if finding.is_good else "[red]✗[/]"
        console.print(mark, finding.text, soft_wrap=True)
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(WRONG_CONFIGURATION)


@database.command("upgrade")
def upgrade() -> None:
    """Bring the database to this version's schema. Every start does it too."""

    async def work(settings: Settings) -> None:
        async with wiring.opened(settings):
            console.print(f"The database is at schema {schema.newest()}.")

    _run(work)


def _run(work: Callable[[Settings], Awaitable[T]]) -> T:
    """Carry out a command that needs no service; refusals are words and exit code 2."""
    settings = _settings()
    logs.configure(settings.log)

    async def carried_out() -> T:
        return await work(settings)

    try:
        return asyncio.run(carried_out())
    except BotError as error:
        _complain(error.message)


def _serve(settings: Settings, *, is_demo: bool, opens_browser: bool = False) -> None:
    logs.configure(settings.log)
    try:
        asyncio.run(_served(settings, is_demo=is_demo, opens_browser=opens_browser))
    except* (StoreError, ChatError, ModelError, RubricError) as group:
        _complain(*(str(error) for error in _leaves(group)))


async def _served(settings: Settings, *, is_demo: bool, opens_browser: bool) -> None:
    """Run the service until a signal ends it."""
    said = ["The service starts."]

    def report(text: str) -> None:
        said.append(text)
        console.print(f"[dim]{text}[/]" if is_demo else text, soft_wrap=True)

    async with wiring.service(settings, lambda: said[-1]) as service:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.stop)
        if service.web is not None:
            await service.web.start()
            console.print(f"Nightloom is at {service.web.address}", soft_wrap=True)
            if opens_browser and sys.stdout.isatty():
                webbrowser.open(service.web.address)
        if not service.chats:
            raise ChatError("No platform is on: set NIGHTLOOM_WEB__ENABLED, or a token of Discord or Slack.")
        await service.run(report)


def _settings(**wishes: object) -> Settings:
    try:
        return settings_module.load(**wishes)
    except SettingsError as error:
        _complain(*error.problems)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _complain(*problems: str) -> NoReturn:
    for problem in problems:
        complaints.print(f"nightloom: {problem}", markup=False)
    raise typer.Exit(WRONG_CONFIGURATION)


if __name__ == "__main__":
    main()
