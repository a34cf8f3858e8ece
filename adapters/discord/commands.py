"""Registers the slash commands and the context menu. Knows no command's effect: see `interactions`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import discord
from discord import app_commands

from adapters.discord.interactions import Interactions
from engine.types import Mode

# discord.py reads a command's options from its signature: annotations are needed at run time.
Modes = Literal["fast", "best", "weave", "auto"]
Switch = Literal["on", "off"]
Confirmation = Literal["everything"]
Command: TypeAlias = app_commands.Command[Any, ..., None]  # Any: bound to no group class


def command_tree(client: discord.Client, does: Interactions) -> app_commands.CommandTree[discord.Client]:
    """Everything to register: `/ask`, `/nightloom …` and *Correct this*."""
    tree = app_commands.CommandTree(client, fallback_to_global=True)
    tree.add_command(_ask(does))
    tree.add_command(_group(does))
    tree.add_command(_correct(does))
    return tree


def _ask(does: Interactions) -> Command:
    @app_commands.command(name="ask", description="Ask; everybody here sees question and answer")
    @app_commands.describe(question="What you want to know", mode="How much search the answer gets")
    async def ask(interaction: discord.Interaction, question: str, mode: Modes | None = None) -> None:
        await does.ask(interaction, question, Mode(mode) if mode else None)

    return ask


def _correct(does: Interactions) -> app_commands.ContextMenu:
    async def correct_this(interaction: discord.Interaction, message: discord.Message) -> None:
        await does.correct(interaction, message)

    return app_commands.ContextMenu(name="Correct this", callback=correct_this)


def _group(does: Interactions) -> app_commands.Group:
    group = app_commands.Group(
        name="nightloom", description="What I know of you, and what you may do with it"
    )
    for name, description in _PLAIN.items():
        group.add_command(_plain(does, name, description))
    for build in (_notes, _learn, _memory, _mode, _import, _forget, _night):
        group.add_command(build(does))
    return group


_PLAIN = {
    "help": "How to ask, teach and rate",
    "me": "What is known of you, and what you have taught",
    "export": "Everything of yours, as one archive, by direct message",
    "why": "What the latest answer to you was made of",
    "undo": "Take back the newest LoRA of yours",
}


def _plain(does: Interactions, name: str, description: str) -> Command:
    @app_commands.command(name=name, description=description)
    async def plain(interaction: discord.Interaction) -> None:
        await does.command(interaction, name)

    return plain


def _notes(does: Interactions) -> Command:
    @app_commands.command(name="notes", description="Your standing notes; or delete one of them")
    @app_commands.describe(delete="The number of the note to delete")
    async def notes(interaction: discord.Interaction, delete: int | None = None) -> None:
        arguments = ("delete", str(delete)) if delete is not None else ()
        await does.command(interaction, "notes", *arguments)

    return notes


def _learn(does: Interactions) -> Command:
    @app_commands.command(name="learn", description="Whether I may learn from you by night")
    @app_commands.describe(switch="on or off")
    async def learn(interaction: discord.Interaction, switch: Switch) -> None:
        await does.command(interaction, "learn", switch)

    return learn


def _memory(does: Interactions) -> Command:
    @app_commands.command(name="memory", description="Whether notes and earlier answers go into your prompts")
    @app_commands.describe(switch="on or off")
    async def memory(interaction: discord.Interaction, switch: Switch) -> None:
        await does.command(interaction, "memory", switch)

    return memory


def _mode(does: Interactions) -> Command:
    @app_commands.command(name="mode", description="How much search your answers get")
    @app_commands.describe(mode="fast: one try; best: several, judged; weave: a tree; auto: as needed")
    async def mode_(interaction: discord.Interaction, mode: Modes) -> None:
        await does.command(interaction, "mode", mode)

    return mode_


def _import(does: Interactions) -> Command:
    @app_commands.command(name="import", description="Take in an archive of yours from elsewhere")
    @app_commands.describe(archive="What `export` gave you, here or on another server")
    async def import_(interaction: discord.Interaction, archive: discord.Attachment) -> None:
        await does.command(interaction, "import", file=archive)

    return import_


def _forget(does: Interactions) -> Command:
    @app_commands.command(name="forget", description="Erase everything of yours here, for good")
    @app_commands.describe(confirm="Without it I say what would be erased")
    async def forget(interaction: discord.Interaction, confirm: Confirmation | None = None) -> None:
        await does.command(interaction, "forget", *([confirm] if confirm else []))

    return forget


def _night(does: Interactions) -> Command:
    @app_commands.command(
        name="night", description="Operators: run the night now, for yourself or for others"
    )
    @app_commands.describe(person="For this person", everybody="For everybody who is due")
    async def night(
        interaction: discord.Interaction, person: discord.User | None = None, everybody: bool = False
    ) -> None:
        who = ["all"] if everybody else [f"discord:{person.id}"] if person else []
        await does.command(interaction, "night", *who)

    return night
