"""Discord's interactions: commands, buttons and the correction window. Hands them to the bot, shows results.

Discord waits three seconds for the first response to an interaction, so the response comes before any work.
Only the person who acted sees the result, except for a question asked by `/ask`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any  # modal payloads are JSON

import discord
import structlog

from adapters.discord import events
from adapters.discord.calls import files
from adapters.discord.gate import Gate
from adapters.discord.sending import LIMIT_CHARS, Sender
from adapters.discord.views import buttons
from adapters.shared.splitting import split
from bot import metrics
from bot.door.app import App
from bot.errors import BotError
from bot.events import (
    Action,
    ActionKind,
    Command,
    Message,
    MessageState,
    Notice,
    Outcome,
    Person,
    Place,
    Ref,
    Reply,
    ThreadReply,
)
from bot.people.archive import MAX_ARCHIVE_BYTES
from bot.ports import ChatError, Undeliverable
from bot.settings import DiscordSettings
from engine.types import Mode

LOOK_UP_S = 2.0
OUTCOME_S = 60.0
MAX_MODAL_CHARS = 4000
MODAL_S = 15 * 60.0
CORRECTION = "nl:correct_this"
_IN_PLACE = {ActionKind.SHOW_MORE, ActionKind.TAKE}

log = structlog.get_logger(__name__)


class Interactions:
    """Handles what a person does beside sending messages."""

    def __init__(self, settings: DiscordSettings, app: App, gate: Gate, sender: Sender) -> None:
        self._settings = settings
        self._app = app
        self._gate = gate
        self._sender = sender

    # Commands

    async def command(
        self,
        interaction: discord.Interaction,
        name: str,
        *arguments: str,
        file: discord.Attachment | None = None,
    ) -> None:
        """A command of the group `/nightloom`. Only the person sees its result."""
        if not await self._admitted(interaction):
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        person, place = events.person(interaction.user), _place(interaction)
        if file is not None and file.size > MAX_ARCHIVE_BYTES:
            too_large = f"This file is larger than {MAX_ARCHIVE_BYTES // 2**20} MiB."
            await interaction.edit_original_response(content=too_large)
            return

        async def result() -> Notice:
            return await self._app.command(
                Command(
                    person=person,
                    place=place,
                    name=name,
                    arguments=arguments,
                    attachment=await file.read() if file is not None else None,
                    is_operator=interaction.user.id in self._settings.operators,
                )
            )

        await self._show(interaction, result)

    async def ask(self, interaction: discord.Interaction, text: str, mode: Mode | None) -> None:
        """A question by slash command. Everybody sees the question. The answer is a reply to it."""
        if not await self._admitted(interaction):
            return
        deferred = await interaction.response.defer(thinking=True)
        person, place = events.person(interaction.user), _place(interaction)
        ref = _own_ref(interaction)
        message_id = deferred.message_id if deferred is not None else None
        self._sender.asked(ref, message_id or (await interaction.original_response()).id)
        message = Message(
            event=f"interaction:{interaction.id}",
            ref=ref,
            place=place,
            person=person,
            text=text,
            at=interaction.created_at,
            mode=mode or self._settings.channel_modes.get(int(place.channel)),
        )
        try:
            await self._app.message(message)
        except BotError as error:
            await interaction.delete_original_response()
            await interaction.followup.send(error.message, ephemeral=True)
            return
        shown = split(f"**{person.name}**: {text}", LIMIT_CHARS)[0]
        none = discord.AllowedMentions.none()
        await interaction.edit_original_response(content=shown, allowed_mentions=none)

    # Buttons

    async def pressed(self, interaction: discord.Interaction, kind: ActionKind, target: str) -> None:
        """A button. Only the person sees the result. A further page replaces the page before."""
        if not await self._admitted(interaction):
            return
        is_private = interaction.message is not None and interaction.message.flags.ephemeral
        if is_private and kind in _IN_PLACE:
            await interaction.response.defer()
        else:
            await interaction.response.defer(ephemeral=True, thinking=True)
        action = Action(kind=kind, label="", target=target)

        async def result() -> Notice:
            said = await self._app.press(events.person(interaction.user), action)
            return said or Notice(text="Done.")

        await self._show(interaction, result)

    # Correct this

    async def correct(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """The context menu on an answer opens a window with the answer's text, to be corrected."""
        if not await self._admitted(interaction):
            return
        ref = events.ref(message.channel.id, message.id)
        try:
            async with asyncio.timeout(LOOK_UP_S):
                reply = await self._app.reply_at(ref)
        except TimeoutError:
            await interaction.response.send_message("I am busy: try that again in a moment.", ephemeral=True)
            return
        refusal = _cannot_correct(reply, events.person(interaction.user))
        if reply is None or refusal:
            await interaction.response.send_message(refusal, ephemeral=True)
            return
        await interaction.response.send_modal(_modal(ref, reply.text))

    async def submitted(self, interaction: discord.Interaction) -> None:
        """The window was sent. Its custom id tells the answer, so a window outlives a restart."""
        data: Mapping[str, Any] = interaction.data or {}
        custom_id = str(data.get("custom_id", ""))
        if not custom_id.startswith(f"{CORRECTION}:") or not await self._admitted(interaction):
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        channel, message = custom_id.removeprefix(f"{CORRECTION}:").split(":")
        ref = _own_ref(interaction)
        self._sender.asked(ref, int(message))  # the revision is posted as a reply to the answer
        thread_reply = ThreadReply(
            event=f"interaction:{interaction.id}",
            ref=ref,
            place=_place(interaction),
            to=events.ref(int(channel), int(message)),
            person=events.person(interaction.user),
            text=next(_values(data.get("components") or []), ""),
            at=interaction.created_at,
            is_correction=True,
        )

        async def kept() -> Notice:
            item = await self._app.thread_reply(thread_reply)
            return Notice(text=_said_of(await self._app.outcome(item, wait_s=OUTCOME_S)))

        await self._show(interaction, kept)

    # Showing

    async def _show(self, interaction: discord.Interaction, result: Callable[[], Awaitable[Notice]]) -> None:
        """Show the result, after the deferral. An error of the bot's is shown in its own words."""
        try:
            notice = await result()
        except BotError as error:
            notice = Notice(text=error.message)
        except Exception as error:  # else the person would see a spinner that never ends
            metrics.ERRORS.labels("discord", type(error).__name__).inc()
            log.exception("an interaction failed", interaction=interaction.id)
            notice = Notice(text="That failed, and I have noted why. Try it again.")
        if notice.file is not None:
            notice = await self._send_file(interaction, notice)
        texts = split(notice.text, LIMIT_CHARS) or ["Done."]
        for index, text in enumerate(texts):
            is_last = index == len(texts) - 1
            view = buttons(notice.actions) if is_last else None
            attached = files(notice) if is_last else []
            none = discord.AllowedMentions.none()
            if index == 0:
                await interaction.edit_original_response(
                    content=text, view=view, attachments=attached, allowed_mentions=none
                )
            elif view is not None:
                await interaction.followup.send(
                    text, view=view, files=attached, ephemeral=True, allowed_mentions=none
                )
            else:
                await interaction.followup.send(text, files=attached, ephemeral=True, allowed_mentions=none)

    async def _send_file(self, interaction: discord.Interaction, notice: Notice) -> Notice:
        """A person's file goes to their direct messages, where they can find it later."""
        try:
            await self._sender.tell(events.person(interaction.user), None, notice)
        except Undeliverable as error:
            return Notice(
                text=f"I could not send you the file: {error} Open your direct messages, then again."
            )
        except ChatError as error:
            return Notice(text=f"I could not send you the file now: {error} Try again in a minute.")
        return Notice(text="I sent it to you as a direct message.", image_png=notice.image_png)

    async def _admitted(self, interaction: discord.Interaction) -> bool:
        channel, guild = interaction.channel, interaction.guild_id
        if await self._gate.admits(interaction.client, interaction.user, channel, guild):
            return True
        if interaction.type is not discord.InteractionType.autocomplete:
            await interaction.response.send_message("I do not answer you here.", ephemeral=True)
        return False


def _place(interaction: discord.Interaction) -> Place:
    channel = interaction.channel or interaction.client.get_partial_messageable(
        interaction.channel_id or 0, guild_id=interaction.guild_id
    )
    return events.place(channel)


def _own_ref(interaction: discord.Interaction) -> Ref:
    """The ref of an interaction, which cannot be mistaken for a message's."""
    ref = events.ref(interaction.channel_id or 0, interaction.id)
    return Ref(platform=ref.platform, channel=ref.channel, id=f"interaction:{ref.id}")


def _cannot_correct(reply: Reply | None, person: Person) -> str | None:
    if reply is None:
        return "This is no answer of mine."
    if reply.person != person.key:
        return "Only who asked can correct this answer."
    if len(reply.text) > MAX_MODAL_CHARS:
        return (
            f"This answer is longer than the {MAX_MODAL_CHARS} characters that a window holds. "
            "Reply to it instead, with the text you wanted after `better:`."
        )
    return None


def _modal(ref: Ref, text: str) -> discord.ui.Modal:
    modal = discord.ui.Modal(
        title="Correct this", custom_id=f"{CORRECTION}:{ref.channel}:{ref.id}", timeout=MODAL_S
    )
    field = discord.ui.TextInput[discord.ui.Modal](
        label="The answer you wanted",
        custom_id="text",
        style=discord.TextStyle.paragraph,
        default=text,
        max_length=MAX_MODAL_CHARS,
    )
    modal.add_item(field)
    return modal


def _values(components: list[Mapping[str, Any]]) -> Iterator[str]:
    """The texts of the fields, which stand in rows or in labels."""
    for component in components:
        if "value" in component:
            yield str(component["value"])
        if "component" in component:
            yield from _values([component["component"]])
        yield from _values(component.get("components") or [])


def _said_of(outcome: Outcome) -> str:
    if outcome.state is MessageState.FAILED:
        return outcome.problem or "That failed: try again."
    if outcome.state is MessageState.WAITING:
        return "I have it, and will come to it."
    return "Taken as a correction, word for word: this is the answer you wanted."
