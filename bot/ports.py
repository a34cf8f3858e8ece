"""What the bot asks of a chat platform, and the errors that a platform raises.

ChatError
├── Unreachable       the platform or the network failed; the same send may be tried again
├── RateLimited       wait `retry_after_s`, then try again
└── Undeliverable     it will never arrive: channel gone, permission missing, direct messages closed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.events import Notice, Outgoing, Person, Place, Platform, Progress, Ref


class ChatError(Exception):
    """A chat platform did not do what was asked. The text says why."""


class Unreachable(ChatError):
    """The platform could not be reached, or broke off."""


class RateLimited(ChatError):
    """Too much at once."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Undeliverable(ChatError):
    """It can never be delivered there."""


class Chat(Protocol):
    """A chat platform, as the bot sees it. Implemented by the adapters."""

    platform: Platform

    async def post(self, outgoing: Outgoing) -> Sequence[Ref]:
        """Post a reply, in as many pieces as it takes, and say where they stand.

        Called again with the same key after a crash or an error, it must not post twice. Where the
        platform keeps the key it is handed to it; where not, the adapter looks whether it is there.
        """

    async def working(self, place: Place, question: Ref, progress: Progress | None) -> None:
        """Show that an answer is being made (typing, a status). Never raises; may be ignored.

        Called at the start with None and then as the search moves; the adapter paces it.
        """

    async def idle(self, place: Place, question: Ref) -> None:
        """Take back what `working` showed: the answer was given up. Never raises."""

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> None:
        """Say something to one person alone: ephemerally in the place, else in a direct message."""
