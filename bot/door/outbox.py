"""Sends what is recorded: in order for each place, again after a failure, once.

A reply is posted with a key that stays the same at every try, also after a crash, so that the platform
or its adapter knows it again. Knows no platform and no model.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import structlog

from bot import metrics
from bot.answering import conversation
from bot.context import Context
from bot.door.backoff import pause_s
from bot.door.listeners import Listeners
from bot.door.queue import FairQueue
from bot.events import Notice, Outgoing, Person, Place
from bot.ports import Chat, ChatError, RateLimited, Undeliverable

log = structlog.get_logger(__name__)

SENDERS: Final = 16  # of one platform, at the same time
SEND_TIMEOUT_S: Final = 120.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 60.0
FAULTS: Final = 8  # errors that no adapter should raise, until a reply is given up
SETTLES_S: Final = 10.0  # what is not recorded by then is tried again and again: nothing waits for it


@dataclass(slots=True, kw_only=True, eq=False)
class Sending:
    """A reply on its way. `over` is done when it is noted where it stands, or that it never will.

    `message`: what it was made for, as the log names it.
    """

    reply: str
    message: str
    place: Place
    tries: int = 0
    faults: int = 0
    began: float = math.inf  # on the monotonic clock; until then it waits for its turn
    over: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Outbox:
    """The replies on their way to one platform."""

    def __init__(self, context: Context, chat: Chat, listeners: Listeners) -> None:
        self._context = context
        self._chat = chat
        self._listeners = listeners
        self._queue: FairQueue[Sending] = FairQueue()
        self._on_their_way: set[Sending] = set()
        self._begun: set[Sending] = set()  # of those, what may stand there already
        self._sending = 0
        self._is_idle = asyncio.Event()
        self._is_stopping = False

    @property
    def unsent(self) -> int:
        """How much is to be sent, here."""
        return len(self._on_their_way)

    def put(self, place: Place, reply_id: str, *, message: str) -> None:
        """To be sent, after what is on its way to the same place."""
        sending = Sending(reply=reply_id, message=message, place=place)
        self._on_their_way.add(sending)
        self._queue.put(conversation.name_of(place), sending)
        metrics.UNSENT.inc()

    def on_their_way(self) -> Collection[asyncio.Future[None]]:
        """Done one by one, as it is noted where each reply stands."""
        return [sending.over for sending in self._on_their_way]

    def begun_in(self, channel: str) -> Collection[asyncio.Future[None]]:
        """The same of the replies that may stand in this channel already, under an id not noted yet."""
        lately = time.monotonic() - SETTLES_S
        return [
            sending.over
            for sending in self._begun
            # On Discord a thread is a channel of its own.
            if channel in (sending.place.channel, sending.place.thread) and sending.began > lately
        ]

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SENDERS):
                tasks.create_task(self._send_for_ever(tasks))

    async def drain(self, timeout_s: float) -> None:
        """Begin nothing more, and wait for what is being sent now; the rest stays stored."""
        self._is_stopping = True
        try:
            async with asyncio.timeout(timeout_s):
                while self._sending:
                    self._is_idle.clear()
                    await self._is_idle.wait()
        except TimeoutError:
            log.warning("sending broken off", platform=self._chat.platform, replies=self._sending)

    async def _send_for_ever(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            place, sending = await self._queue.get()
            if self._is_stopping:
                return
            self._sending += 1
            try:
                wait_s = await self._try(sending)
            finally:
                self._sending -= 1
                self._is_idle.set()
            if wait_s is None:
                self._on_their_way.discard(sending)
                self._begun.discard(sending)
                sending.over.set_result(None)
                metrics.UNSENT.dec()
                self._queue.done(place)
            else:
                tasks.create_task(self._again(place, sending, wait_s))

    async def _again(self, place: str, sending: Sending, wait_s: float) -> None:
        """After the wait; until then nothing else goes to that place."""
        await asyncio.sleep(wait_s)
        self._queue.put_first(place, sending)
        self._queue.done(place)

    async def _try(self, sending: Sending) -> float | None:
        """Send it now. The seconds to wait before the next try; None: it is dealt with. Never raises."""
        sending.tries += 1
        if sending not in self._begun:
            sending.began = time.monotonic()
            self._begun.add(sending)
        platform, tries = self._chat.platform, sending.tries
        with structlog.contextvars.bound_contextvars(message=sending.message, reply=sending.reply):
            try:
                await self._deal_with(sending)
            except RateLimited as error:
                metrics.DELIVERIES.labels(platform, "rate_limited").inc()
                return error.retry_after_s
            except (ChatError, TimeoutError) as error:
                metrics.DELIVERIES.labels(platform, "unreachable").inc()
                log.warning("not sent, will be tried again", tries=tries, error=str(error))
            except Exception as error:  # one reply's fault, or a store that is away, must not stop the others
                metrics.ERRORS.labels("send", type(error).__name__).inc()
                log.exception("sending failed", tries=tries)
            else:
                return None
        return pause_s(tries, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)

    async def _deal_with(self, sending: Sending) -> None:
        """Post it and note where it stands, or give it up. Raises whatever chat and store raise."""
        found = await self._context.store.deliveries.outgoing(sending.reply, owner=self._context.owner)
        if found is None:
            return
        outgoing, person = found
        if sending.faults >= FAULTS:
            await self._give_up(outgoing, "sending it failed again and again")
            return
        with metrics.PHASES.labels("send").time():
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    pieces = await self._chat.post(outgoing)
            except Undeliverable as error:
                await self._give_up(outgoing, str(error))
                return
            except (ChatError, TimeoutError):
                raise
            except Exception:  # a fault of ours, not of the platform: only so many are tried again
                sending.faults += 1
                raise
            await self._context.store.deliveries.sent(outgoing, pieces)
        metrics.DELIVERIES.labels(self._chat.platform, "sent").inc()
        log.info("reply sent", pieces=len(pieces))
        self._listeners.tell(person.key, outgoing.reply)

    async def _give_up(self, outgoing: Outgoing, problem: str) -> None:
        await self._context.store.deliveries.undeliverable(outgoing.reply.id, problem)
        metrics.DELIVERIES.labels(self._chat.platform, "undeliverable").inc()
        log.warning("reply cannot be delivered", problem=problem)
        person = Person(key=outgoing.reply.person, platform=outgoing.place.platform)
        said = Notice(text=f"My answer could not be posted: {problem}")
        for place in (None, outgoing.place):  # alone first; where that is closed the place may say so
            try:
                await self._chat.tell(person, place, said)
            except ChatError as error:
                log.info("person could not be told", error=str(error))
            else:
                return
