"""The `nightloom` command: its subcommands, and running the service until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Annotated

import typer

from adapters import wiring
from adapters.cli import (
    browser,
)
from adapters.cli import (
    check as checks,
)
from adapters.cli import (
    night as cli_night,
)
from adapters.cli import (
    person as cli_person,
)
from adapters.cli.terminal import (
    WRONG_CONFIGURATION,
    carry_out,
    console,
    leave,
    settings_or_exit,
)
from bot.ports import ChatError
from bot.settings import Settings
from bot.store.database import schema
from engine.errors import ModelError
from engine.models import smollm2

app = typer.Typer(
    name="nightloom",
    help="A bot that learns by night how each person likes to be answered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
database = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(database, name="db")


def main() -> None:
    """The command's entry."""
    code = 1
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
        raise
    finally:
        leave(code)


@app.command()
def run() -> None:
    """Run the platforms that the settings name."""
    settings = settings_or_exit()
    carry_out(lambda: _served(settings, is_demo=False))


@app.command()
def demo(
    opens_browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser, if there is one.")
    ] = True,
) -> None:
    """Chat in the browser: no token, no GPU. Without a network the practice model, a toy, answers."""
    settings = with_a_model(settings_or_exit())
    carry_out(lambda: _served(settings, is_demo=True, opens_browser=opens_browser))


@app.command()
def check() -> None:
    """Say everything that is wrong with settings, data folder, database, model and platforms.

    Starts nothing. Like every start it makes the data folder and brings the database up to date.
    """
    findings = asyncio.run(checks.all_findings())
    for finding in findings:
        mark = "[green]✓[/]" if finding.is_good else "[red]✗[/]"
        console.print(mark, finding.text, soft_wrap=True)
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(WRONG_CONFIGURATION)


@database.command("upgrade")
def upgrade() -> None:
    """Bring the database to this version's schema. Every start does it too."""

    settings = settings_or_exit()

    async def work() -> None:
        async with wiring.opened(settings):
            console.print(f"The database is at schema {schema.newest()}.")

    carry_out(work)


app.command()(cli_night.night)
app.command()(cli_person.people)
app.command()(cli_person.me)
app.command()(cli_person.export)
app.command("import")(cli_person.take_in)
app.command()(cli_person.forget)
app.command()(cli_person.undo)
app.command()(cli_person.block)
app.command()(cli_person.unblock)
app.command()(cli_night.compare)


def with_a_model(settings: Settings) -> Settings:
    """Make the real model that comes along, if it is wanted and missing; else take the practice model."""
    if settings.model != "smollm2" or settings.backend.kind != "vllm":
        return settings
    try:
        smollm2.make(lambda text: console.print(text, soft_wrap=True))
    except ModelError as error:
        console.print(f"{error} The practice model, a toy, answers instead.", soft_wrap=True)
        return settings_or_exit(model="practice")
    return settings


async def _served(settings: Settings, *, is_demo: bool, opens_browser: bool = False) -> None:
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
                browser.show(service.web.address)
        if not service.chats:
            raise ChatError("No platform is on: set NIGHTLOOM_WEB__ENABLED, or a token of Discord or Slack.")
        await service.run(report)


if __name__ == "__main__":
    main()
