"""Shows on Discord that an answer is being made: typing, and after a while a message with its progress."""

from __future__ import annotations

import asyncio

import discord
import structlog

from adapters.discord.calls import call, make_nonce, post
from adapters.shared.splitting import Pacer
from bot.events import Progress
from bot.ports import ChatError

PROGRESS_MARK = "⏳"
TYPING_EVERY_S = 8.0  # Discord shows it for ten seconds
EDIT_EVERY_S = 5.0  # five edits in five seconds are allowed in a channel, and others want to post there

log = structlog.get_logger(__name__)


class Working:
    """One answer in the making: typing, and after a while a message that says how far it is."""

    def __init__(
        self,
        place: discord.PartialMessageable,
        reference: discord.MessageReference | None,
        *,
        progress_after_s: float,
    ) -> None:
        self._place = place
        self._reference = reference
        self._pacer = Pacer[Progress](self._show, interval_s=EDIT_EVERY_S, first_after_s=progress_after_s)
        self._shown: int | None = None
        self._stopped = asyncio.Event()

    def offer(self, progress: Progress) -> None:
        self._pacer.offer(progress)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pacer.run())
            while not self._stopped.is_set():
                await self._type()
                try:
                    await asyncio.wait_for(self._stopped.wait(), timeout=TYPING_EVERY_S)
                except TimeoutError:
                    continue

    async def stop(self) -> int | None:
        """Nothing is shown after this; the message that showed the progress, if there is one."""
        self._stopped.set()
        await self._pacer.stop()
        return self._shown

    async def _type(self) -> None:
        try:
            await call(self._place.typing())
        except ChatError as error:
            log.debug("typing could not be shown", error=str(error))

    async def _show(self, progress: Progress) -> None:
        text = f"{PROGRESS_MARK} *{progress.phase} {progress.done}/{progress.total}*"
        try:
            if self._shown is None:
                nonce = make_nonce(f"progress {progress.message}", 0)
                self._shown = (await call(post(self._place, text, None, self._reference, nonce))).id
            else:
                await call(self._place.get_partial_message(self._shown).edit(content=text))
        except ChatError as error:
            log.debug("progress could not be shown", error=str(error))
