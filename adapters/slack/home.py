"""Draws the Home tab: what the bot knows of a person, with controls to change, export and erase it.

Reads the store. Does not know what a control does: see `controls`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final  # Block Kit is nested JSON

import structlog

from adapters.shared.bounded import BoundedDict
from adapters.slack.blocks import (
    HOME,
    Block,
    button,
    context,
    plain,
    section,
)
from adapters.slack.connection import call, pages, upload
from adapters.slack.teams import Team, Teams
from adapters.slack.text import escape
from bot import permission
from bot.door.app import App
from bot.errors import Unknown
from bot.events import ActionKind, Person
from bot.nights.curve import Curve, draw
from bot.ports import ChatError
from bot.store.feedback.notes import Note
from bot.store.loras import Version
from bot.store.people import KnownPerson
from engine.types import Mode

NOTES_SHOWN: Final = 40
VERSIONS_SHOWN: Final = 5
NOTE_CHARS: Final = 600
MAX_CURVES: Final = 1_000
MAX_MESSAGES: Final = 2_000
SENTENCE: Final = "*Mention me to talk. Reply to teach. React to rate.*"

log = structlog.get_logger(__name__)


class Home:
    """Draws a person's tab from the store."""

    def __init__(self, app: App, teams: Teams) -> None:
        self._app = app
        self._teams = teams
        self._curves: BoundedDict[tuple[str, int], str]  # person and number of nights → Slack's file
        self._curves = BoundedDict(MAX_CURVES)

    async def view(self, person: Person) -> Block:
        """The tab as Slack takes it. Raises ChatError."""
        store = self._app.store
        await store.people.meet(person)
        known = await store.people.get(person.key)
        if known is None:  # the person was erased meanwhile
            raise Unknown("unknown_person", "I do not know you any more.")
        recorded = await store.replies.of_person(person.key)
        ratings = [entry.reply.rating for entry in recorded if entry.reply.rating is not None]
        notes = await store.notes.active(person.key)
        versions = await store.loras.of_person(person.key)
        blocks = [
            section(SENTENCE),
            section(_rated(ratings)),
            *_notes(notes),
            *_versions(versions, known),
            *await self._curve(person),
            *_switches(known, permission.why_not(self._app.context.settings, known)),
            *_yours(),
        ]
        return {"type": "home", "blocks": blocks}

    async def newest_file(self, team: Team, person: Person) -> str | None:
        """The address of the last file that the person sent in their direct messages. Raises ChatError."""
        user = person.key.rsplit(":", 1)[1]
        channel = (await call(team.client, "conversations.open", users=user))["channel"]["id"]
        read = 0
        async for message in pages(team.client, "conversations.history", "messages", channel=channel):
            if message.get("user") == user and message.get("files"):  # Slack lists the newest first
                return str(message["files"][-1]["url_private_download"])
            read += 1
            if read == MAX_MESSAGES:
                break
        return None

    async def _curve(self, person: Person) -> list[Block]:
        """The curve of all nights. After each night the picture is uploaded once."""
        curve = Curve.of(await self._app.store.nights.of_person(person.key))
        if not curve.points:
            return []
        key = person.key, len(curve.points)
        if key not in self._curves:
            picture = await asyncio.to_thread(draw, curve)
            team = await self._teams.of(person.key.split(":")[1])
            try:
                self._curves[key] = await upload(team.client, None, picture, "curve.png")
            except ChatError as error:
                log.info("slack.no_curve", why=str(error))
                return []
        alt = "How well answers were as wanted, night by night"
        return [{"type": "image", "slack_file": {"id": self._curves[key]}, "alt_text": alt}]


def _rated(ratings: Sequence[int]) -> str:
    if not ratings:
        return "You have rated no answer yet: react to one with :+1: or :-1:."
    return f"*{len(ratings)} rated answers*, {sum(ratings) / len(ratings):.1f} of 5 on the average."


def _notes(notes: Sequence[Note]) -> list[Block]:
    """Every note with a button that deletes it."""
    blocks: list[Block] = [_header("What I keep in mind")]
    if not notes:
        blocks.append(section("No notes yet. Reply under an answer: “shorter, please”."))
    for note in notes[:NOTES_SHOWN]:
        line = section(escape(note.text[:NOTE_CHARS]))
        line["accessory"] = button("Delete", f"{HOME}:notes:{note.id}", f"delete {note.id}")
        blocks.append(line)
    if len(notes) > NOTES_SHOWN:
        blocks.append(context(f"and {len(notes) - NOTES_SHOWN} more: `/nightloom notes`"))
    return blocks


def _versions(versions: Sequence[Version], known: KnownPerson) -> list[Block]:
    """The newest LoRAs, with a mark at the live LoRA and a button to undo it."""
    blocks: list[Block] = [_header("Your LoRA")]
    if not versions:
        blocks.append(section("None yet: the first is made in a night, from enough feedback."))
    for version in versions[-VERSIONS_SHOWN:]:
        mark = " · *answers now*" if version.id == known.live_lora else ""
        because = f": {version.reason}" if version.reason else ""
        blocks.append(section(f"Version {version.version}, {version.state}{mark}{escape(because)[:1000]}"))
    if known.live_lora is not None:
        undo = button("Undo", f"{HOME}:{ActionKind.UNDO_LORA}", known.key)
        blocks.append({"type": "actions", "elements": [undo]})
    return blocks


def _switches(known: KnownPerson, obstacle: str | None) -> list[Block]:
    """Learning, memory and mode."""
    learning = "off" if known.learning else "on"
    memory = "off" if known.memory else "on"
    elements = [
        button(f"Turn learning {learning}", f"{HOME}:learn", learning),
        button(f"Turn memory {memory}", f"{HOME}:memory", memory),
        _modes(known.mode),
    ]
    said = obstacle or "I learn from you by night."
    return [_header("Switches"), section(escape(said)), {"type": "actions", "elements": elements}]


def _modes(mode: Mode | None) -> Block:
    options = [{"text": plain(f"Mode: {choice}"), "value": choice.value} for choice in Mode]
    element: dict[str, Any] = {
        "type": "static_select",
        "action_id": f"{HOME}:mode",
        "placeholder": plain("Mode"),
        "options": options,
    }
    if mode is not None:
        element["initial_option"] = next(option for option in options if option["value"] == mode)
    return element


def _yours() -> list[Block]:
    """The buttons that export or erase everything."""
    forget = button("Forget me", f"{HOME}:forget", "everything")
    forget["style"] = "danger"
    forget["confirm"] = {
        "title": plain("Forget you?"),
        "text": plain("Every answer, note, rating and LoRA of yours is erased. This cannot be undone."),
        "confirm": plain("Erase everything"),
        "deny": plain("Keep it"),
    }
    export = button("Export", f"{HOME}:export", "")
    del export["value"]
    return [_header("Yours"), {"type": "actions", "elements": [export, forget]}]


def _header(text: str) -> Block:
    return {"type": "header", "text": plain(text)}
