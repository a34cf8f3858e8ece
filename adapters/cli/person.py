"""The commands about one person, or all, that need the store alone. They work while the service runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.table import Table

from adapters import wiring
from adapters.cli.store_only import UnloadedBackend
from adapters.cli.terminal import (
    carry_out,
    complain,
    console,
    settings_or_exit,
)
from bot.context import Context
from bot.door.app import App
from bot.door.chats import Chats
from bot.door.listeners import Listeners
from bot.errors import Unknown
from bot.events import Command, Notice, Place, person_of

Whom: TypeAlias = Annotated[
    str, typer.Option("--person", help="`discord:ID`, `slack:TEAM:ID`, or a web name.")
]


def people() -> None:
    """List everybody: what is known of them, and what is live."""

    async def work() -> None:
        async with _app() as app:
            table = Table("person", "name", "learning", "ratings", "notes", "live LoRA", box=None)
            for known in await app.store.people.all():
                live = await app.store.loras.live(known.key)
                table.add_row(
                    known.key,
                    (known.name or "") + (" (blocked)" if known.is_blocked else ""),
                    {None: "not asked", True: "on", False: "off"}[known.learning],
                    str(len(await app.store.reactions.of_person(known.key))),
                    str(len(await app.store.notes.active(known.key))),
                    "" if live is None else str(live.version),
                )
            console.print(table)

    carry_out(work)


def me(person: Whom) -> None:
    """Show what is known and learned of a person."""
    _say(carry_out(lambda: _commanded(person, "me")))


def undo(person: Whom) -> None:
    """Take back a person's newest LoRA."""
    _say(carry_out(lambda: _commanded(person, "undo")))


def export(
    person: Whom,
    out: Annotated[Path, typer.Option(help="Where the archive goes.")] = Path("nightloom-export.zip"),
) -> None:
    """Save everything that a person taught as one archive."""
    if out.exists():
        complain(f"{out} is there already: name another file with --out.")
    notice = carry_out(lambda: _commanded(person, "export"))
    try:
        out.write_bytes(notice.file or b"")
    except OSError as error:
        complain(f"{out} cannot be written: {error.strerror}.")
    console.print(f"{notice.text} {out}", soft_wrap=True)


def take_in(
    person: Whom, file: Annotated[Path, typer.Argument(help="An archive, or a file of another program.")]
) -> None:
    """Take in what was taught elsewhere. Done twice, it doubles nothing."""
    try:
        data = file.read_bytes()
    except OSError as error:
        complain(f"{file} cannot be read: {error.strerror}.")
    _say(carry_out(lambda: _commanded(person, "import", attachment=data, is_known=False)))


def forget(
    person: Whom, yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False
) -> None:
    """Erase all that is stored of a person, for good."""
    if not yes:
        typer.confirm(f"Erase everything of {person}, for good?", abort=True)
    _say(carry_out(lambda: _commanded(person, "forget", "everything")))


def block(person: Whom) -> None:
    """Answer a person no more, and take no remarks of theirs. What they taught stays."""
    carry_out(lambda: _blocked(person, is_blocked=True))
    console.print(f"{person} is blocked: `nightloom unblock` takes that back.", soft_wrap=True)


def unblock(person: Whom) -> None:
    """Answer a person again."""
    carry_out(lambda: _blocked(person, is_blocked=False))
    console.print(f"{person} is answered again.", soft_wrap=True)


async def _blocked(key: str, *, is_blocked: bool) -> None:
    async with _app() as app:
        if not await app.store.people.change(key, is_blocked=is_blocked):
            raise _nobody(key)


async def _commanded(
    key: str, name: str, *arguments: str, attachment: bytes | None = None, is_known: bool = True
) -> Notice:
    async with _app() as app:
        who = person_of(key)
        if is_known and await app.store.people.get(key) is None:
            raise _nobody(key)
        place = Place(platform=who.platform, channel="terminal")
        return await app.command(
            Command(person=who, place=place, name=name, arguments=arguments, attachment=attachment)
        )


def _nobody(key: str) -> Unknown:
    return Unknown("unknown_person", f"There is nobody called {key!r} here: see `nightloom people`.")


@asynccontextmanager
async def _app() -> AsyncIterator[App]:
    """The app on its store, with nothing loaded and nothing running."""
    settings = settings_or_exit()
    async with wiring.opened(settings) as store:
        context = Context(settings=settings, store=store, backend=UnloadedBackend(settings))
        yield wiring.assembled(context, Chats(context, Listeners()))


def _say(notice: Notice) -> None:
    console.print(notice.text, markup=False, soft_wrap=True)
