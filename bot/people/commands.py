"""The commands, on no platform in particular: what each takes, and the notice that answers it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from bot import permission
from bot.answering import why
from bot.context import Context
from bot.errors import Refused, Unknown
from bot.events import Action, ActionKind, Command, Notice, Person, Platform
from bot.nights.curve import Curve, draw
from bot.nights.nights import Nights
from bot.people import consent, forget, portability
from bot.people.forget import Forgetting
from bot.store.feedback.notes import Note
from bot.store.loras import Version
from bot.store.people import KnownPerson
from engine.types import Mode

HELP: Final = {
    "help": "this list",
    "me": "what I know and learned of you: notes, ratings, LoRAs, the curve so far",
    "why": "`why REPLY`: what an answer was made of (or the button under it)",
    "notes": "your standing notes; `notes delete 2` deletes the second",
    "undo": "take back the newest LoRA of yours",
    "learn": "`learn on` or `learn off`: may I learn from you by night?",
    "memory": "`memory on` or `memory off`: do notes and earlier answers go into my prompts?",
    "mode": "`mode fast`, `best`, `weave` or `auto`: how much search your answers get",
    "export": "everything you taught me as one archive",
    "import": "take in such an archive, ChatGPT's export, MiniHF's or MineTuning's files; a text is kept",
    "forget": "`forget everything` erases all that I have of you",
    "night": "run the night now (operators)",
}
SENTENCE: Final = "Mention me to talk. Reply to teach. React to rate."
ARCHIVE_NAME: Final = "nightloom-export.zip"


class Commands:
    def __init__(self, context: Context, *, nights: Nights, forgetting: Forgetting) -> None:
        self._context = context
        self._nights, self._forgetting = nights, forgetting

    async def run(self, command: Command) -> Notice:
        """What to show to that person alone. Raises BotError."""
        context, person = self._context, await self._met(command.person)
        words = [word for argument in command.arguments for word in argument.split()]
        match command.name.lower():
            case "help" | "":
                return Notice(text=_help())
            case "me":
                return await _me(context, person)
            case "why":
                return await _why(context, person, words)
            case "notes":
                return await _notes(context, person, words)
            case "undo":
                return undone(await self._nights.undo(person.key))
            case "learn":
                return await consent.decide(context, person.key, is_yes=_is_on("learn", words))
            case "memory":
                return await _memory(context, person, words)
            case "mode":
                return await _mode(context, person, words)
            case "export":
                data = await portability.export(context, person.key)
                return Notice(text="Everything you taught me.", file=data, file_name=ARCHIVE_NAME)
            case "import":
                return await _import(context, person, command)
            case "forget":
                return await self._forget(person, words)
            case "night":
                return await self._night(person, words, is_operator=command.is_operator)
        raise Unknown("unknown_command", f"I know no command {command.name[:40]!r}. `help` lists them.")

    async def _met(self, person: Person) -> KnownPerson:
        await self._context.store.people.meet(person)
        known = await self._context.store.people.get(person.key)
        if known is None:  # erased in this very moment
            raise Unknown("unknown_person", "I do not know you any more.")
        return known

    async def _forget(self, person: KnownPerson, words: Sequence[str]) -> Notice:
        if [word.lower() for word in words] not in (["everything"], ["yes"]):
            text = (
                "This erases your messages, answers, notes, ratings and LoRAs here, for good; `export` saves "
                "them first. Say `forget everything` to do it."
            )
            return Notice(text=text)
        return Notice(text=forget.told(await self._forgetting.forget(person.key)))

    async def _night(self, person: KnownPerson, words: Sequence[str], *, is_operator: bool) -> Notice:
        if not is_operator:
            raise Refused("operators_only", "Only operators start a night. Yours comes by itself.")
        people = None if words == ["all"] else list(words) or [person.key]
        night = await self._nights.get(await self._nights.start(people))
        if not night.people:
            return Notice(text="Nobody has enough new feedback and consent.")
        return Notice(text=f"The night begins: {night.id}, with {len(night.people)} people in it.")


def undone(version: Version | None) -> Notice:
    """What to say after a LoRA was taken back."""
    if version is None:
        return Notice(text="Taken back. I answer without a LoRA of yours now.")
    return Notice(text=f"Taken back. Version {version.version} answers now.")


def _help() -> str:
    return "\n".join([SENTENCE, "", *(f"`{name}`: {text}" for name, text in HELP.items())])


async def _me(context: Context, person: KnownPerson) -> Notice:
    """Notes, ratings, LoRAs, and whether nights learn from the person."""
    rated = [recorded.reply.rating for recorded in await context.store.replies.of_person(person.key)]
    ratings = [rating for rating in rated if rating is not None]
    teachings = await context.store.teachings.of_person(person.key)
    taught = [teaching for teaching in teachings if not teaching.never_learn]
    mean = f", {sum(ratings) / len(ratings):.1f} of 5 on the average" if ratings else ""
    lines = [
        f"{len(ratings)} rated answers{mean}; {len(taught)} critiques and corrections.",
        *_numbered(await context.store.notes.active(person.key)),
    ]
    versions = await context.store.loras.of_person(person.key)
    for version in versions[-5:]:
        mark = " (live)" if version.id == person.live_lora else ""
        lines.append(f"LoRA {version.version}: {version.state}{mark}{_because(version)}")
    if not versions:
        lines.append("No LoRA yet: the first is made in a night, from enough feedback.")
    obstacle = permission.why_not(context.settings, person)
    lines.append(obstacle or "I learn from you by night.")
    lines.append(f"Memory {'on' if person.memory else 'off'}, LoRA {'on' if person.lora else 'off'}.")
    undo = Action(kind=ActionKind.UNDO_LORA, label="Undo the LoRA", target=person.key)
    return Notice(
        text="\n".join(lines),
        actions=(undo,) if person.live_lora is not None else (),
        image_png=await _curve(context, person.key),
    )


async def _curve(context: Context, person: str) -> bytes | None:
    """The curve over the nights, once there is one."""
    curve = Curve.of(await context.store.nights.of_person(person))
    return await asyncio.to_thread(draw, curve) if curve.points else None


def _because(version: Version) -> str:
    return f": {version.reason}" if version.reason else ""


async def _why(context: Context, person: KnownPerson, words: Sequence[str]) -> Notice:
    """Of the named reply, or of the latest."""
    if words:
        return Notice(text=why.told(await why.why(context, words[0], person=person.key)))
    latest = await context.store.replies.of_person(person.key, limit=1)
    if not latest:
        raise Unknown("unknown_reply", "I have not answered you yet.")
    return Notice(text=why.told(await why.why(context, latest[0].reply.id, person=person.key)))


async def _notes(context: Context, person: KnownPerson, words: Sequence[str]) -> Notice:
    notes = await context.store.notes.active(person.key)
    if not words or words[0] == "list":
        return Notice(text="\n".join(_numbered(notes)))
    if words[0] not in ("delete", "remove") or len(words) != 2:
        raise Refused("bad_command", "Say `notes`, or `notes delete 2`.")
    which = words[1].lstrip("#")
    is_number = which.isdecimal() and 1 <= int(which) <= len(notes)
    note_id = notes[int(which) - 1].id if is_number else which
    deleted = await context.store.notes.delete(person.key, note_id)
    return Notice(text=f"Deleted: “{deleted.text}”")


def _numbered(notes: Sequence[Note]) -> list[str]:
    if not notes:
        return ["No standing notes: reply under an answer to make one."]
    return [f"{number}. {note.text} ({note.origin})" for number, note in enumerate(notes, start=1)]


async def _memory(context: Context, person: KnownPerson, words: Sequence[str]) -> Notice:
    is_on = _is_on("memory", words)
    await context.store.people.change(person.key, memory=is_on)
    if is_on:
        return Notice(text="Your notes and earlier answers go into my prompts.")
    return Notice(text="I answer without your notes and earlier answers. They are kept: `memory on`.")


async def _mode(context: Context, person: KnownPerson, words: Sequence[str]) -> Notice:
    modes = [str(mode) for mode in Mode]
    if len(words) != 1 or words[0].lower() not in modes:
        now = person.mode or context.settings.limits.mode
        raise Refused("bad_command", f"Your mode is {now}. Say `mode` and one of {', '.join(modes)}.")
    await context.store.people.change(person.key, mode=Mode(words[0].lower()))
    return Notice(text=f"Your answers are made in mode {words[0].lower()} from now on.")


async def _import(context: Context, person: KnownPerson, command: Command) -> Notice:
    if command.attachment is None and command.place.platform is Platform.SLACK:
        # Nothing can be attached to a command there.
        raise Refused("no_file", "Send me the file in a direct message, then `/nightloom import`.")
    if command.attachment is None:
        raise Refused("no_file", "Attach the archive or file that is to be imported.")
    return Notice(text=(await portability.take_in(context, person.key, command.attachment)).told())


def _is_on(name: str, words: Sequence[str]) -> bool:
    if len(words) != 1 or words[0].lower() not in ("on", "off"):
        raise Refused("bad_command", f"Say `{name} on` or `{name} off`.")
    return words[0].lower() == "on"
