"""Shows on Discord that an answer is being made. Knows no answers.

First the bot is seen typing. After a while a message says how far the answer is.
"""

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
EDIT_EVERY_S = 5.0  # Discord allows five edits in five seconds in a channel, for all answers together
MAX_S = 900.0  # longer than any answer takes; a display that nobody ends must not type for ever

log = structlog.get_logger(__name__)


class ProgressDisplay:
    """The progress of one answer. `message_id` is the message that shows it, once there is such a message."""

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
        self.message_id: int | None = None
        self._stopped = asyncio.Event()

    def offer(self, progress: Progress) -> None:
        self._pacer.offer(progress)

    async def run(self) -> None:
        """Show the progress until stopped, or until it has lasted longer than any answer takes."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pacer.run())
            try:
                async with asyncio.timeout(MAX_S):
                    await self._keep_typing()
            except TimeoutError:
                log.warning("progress was shown for too long", channel=self._place.id)
            await self._pacer.stop()

    async def stop(self) -> None:
        """Nothing is shown after this returns."""
        self._stopped.set()
        await self._pacer.stop()

    async def _keep_typing(self) -> None:
        while not self._stopped.is_set():
            await self._type()
            try:
                await asyncio.wait_for(self._stopped.wait(), timeout=TYPING_EVERY_S)
            except TimeoutError:
                continue

    async def _type(self) -> None:
        try:
            await call(self._place.typing())
        except ChatError as error:
            log.debug("typing could not be shown", error=str(error))

    async def _show(self, progress: Progress) -> None:
        text = f"{PROGRESS_MARK} *{progress.phase} {progress.done}/{progress.total}*"
        try:
            if self.message_id is None:
                nonce = make_nonce(f"progress {progress.message}", 0)
                self.message_id = (await call(post(self._place, text, None, self._reference, nonce))).id
            else:
                await call(self._place.get_partial_message(self.message_id).edit(content=text))
        except ChatError as error:
            log.debug("progress could not be shown", error=str(error))
