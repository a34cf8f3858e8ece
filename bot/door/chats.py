"""The chat platforms that are on, and what goes out to them: answers, and words for one person alone.

A chat hands events to the app, and the app answers through the chat. So this is made first, empty, and the
chats are added once the app is there. Knows no platform.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from bot import metrics
from bot.context import Context
from bot.door.listeners import Listeners
from bot.door.outbox import Outbox
from bot.events import Notice, Person, Place, Platform, Ref
from bot.ports import Chat, ChatError, Undeliverable

log = structlog.get_logger(__name__)


class Chats:
    def __init__(self, context: Context, listeners: Listeners) -> None:
        self.listeners = listeners
        self._context = context
        self._chats: dict[Platform, Chat] = {}
        self._outboxes: dict[Platform, Outbox] = {}

    def add(self, chat: Chat) -> None:
        """Answers to this platform go through `chat` from now on. Before `run`."""
        self._chats[chat.platform] = chat
        self._outboxes[chat.platform] = Outbox(self._context, chat, self.listeners)

    def of(self, platform: Platform) -> Chat | None:
        """The platform's chat; None: it is off here."""
        return self._chats.get(platform)

    def send(self, reply_id: str, place: Place, *, message: str) -> None:
        """A recorded reply, made for `message`, is to be sent. Where its platform is off it stays stored."""
        outbox = self._outboxes.get(place.platform)
        if outbox is not None:
            outbox.put(place, reply_id, message=message)

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> bool:
        """Say something to one person alone, if they can be reached. False: another time it may arrive."""
        self.listeners.tell(person.key, notice)
        chat = self.of(place.platform if place is not None else person.platform)
        if chat is None:
            return False
        try:
            await chat.tell(person, place, notice)
        except ChatError as error:
            metrics.ERRORS.labels("tell", type(error).__name__).inc()
            log.info("person could not be told", person=person.key, error=str(error))
            return isinstance(error, Undeliverable)
        return True

    def unsent(self, platform: Platform) -> int:
        """How many replies wait to be sent there."""
        outbox = self._outboxes.get(platform)
        return outbox.unsent if outbox else 0

    def on_their_way(self, platform: Platform) -> Collection[asyncio.Future[None]]:
        """Done one by one, as it is noted where each reply stands."""
        outbox = self._outboxes.get(platform)
        return outbox.on_their_way() if outbox else ()

    def begun_at(self, ref: Ref) -> Collection[asyncio.Future[None]]:
        """The same of the replies that may stand in that channel already, under an id not noted yet."""
        outbox = self._outboxes.get(ref.platform)
        return outbox.begun_in(ref.channel) if outbox else ()

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for outbox in self._outboxes.values():
                tasks.create_task(outbox.run())

    async def drain(self, timeout_s: float) -> None:
        """Begin nothing more, and wait for what is being sent now; the rest stays stored."""
        await asyncio.gather(*(outbox.drain(timeout_s) for outbox in self._outboxes.values()))
