"""Sends what is recorded: in order for each place, again after a failure, once.

A reply is posted with a key that stays the same at every try, also after a crash, so that the platform
or its adapter knows it again. Knows no platform and no model.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import structlog

from bot import conversation, metrics
from bot.events import Notice, Outgoing, Person, Place
from bot.hub import Hub
from bot.kit import Kit
from bot.ports import Chat, ChatError, RateLimited, Undeliverable
from bot.queue import FairQueue

log = structlog.get_logger(__name__)

SENDERS: Final = 16  # of one platform, at the same time
SEND_TIMEOUT_S: Final = 120.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 60.0
FAULTS: Final = 8  # errors that no adapter should raise, until a reply is given up
SETTLES_S: Final = 10.0  # what is not recorded by then is tried again and again: nothing waits for it


@dataclass(slots=True, kw_only=True, eq=False)
class Sending:
    """A reply on its way. `over` is done when it is noted where it stands, or that it never will."""

    reply: str
    place: Place
    tries: int = 0
    began: float = math.inf  # on the monotonic clock; until then it waits for its turn
    over: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Outbox:
    """The replies on their way to one platform."""

    def __init__(self, kit: Kit, chat: Chat, hub: Hub) -> None:
        self._kit = kit
        self._chat = chat
        self._hub = hub
        self._queue: FairQueue[Sending] = FairQueue()
        self._on_their_way: set[Sending] = set()
        self._begun: set[Sending] = set()  # of those, what may stand there already
        self._sending = 0
        self._is_idle = asyncio.Event()
        self._is_stopping = False

    def put(self, place: Place, reply_id: str) -> None:
        """To be sent, after what is on its way to the same place."""
        sending = Sending(reply=reply_id, place=place)
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
                pause_s = await self._try(sending)
            finally:
                self._sending -= 1
                self._is_idle.set()
            if pause_s is None:
                self._on_their_way.discard(sending)
                self._begun.discard(sending)
                sending.over.set_result(None)
                metrics.UNSENT.dec()
                self._queue.done(place)
            else:
                tasks.create_task(self._again(place, sending, pause_s))

    async def _again(self, place: str, sending: Sending, pause_s: float) -> None:
        """After the pause; until then nothing else goes to that place."""
        await asyncio.sleep(pause_s)
        self._queue.put_first(place, sending)
        self._queue.done(place)

    async def _try(self, sending: Sending) -> float | None:
        """Send it now. The seconds to wait before the next try; None: it is dealt with."""
        sending.tries += 1
        if sending not in self._begun:
            sending.began = time.monotonic()
            self._begun.add(sending)
        reply_id, tries = sending.reply, sending.tries
        platform = self._chat.platform
        outgoing = None
        try:
            found = await self._kit.store.replies.outgoing(reply_id, owner=self._kit.owner)
            if found is None:
                return None
            outgoing, person = found
            await self._send(outgoing, person)
        except Undeliverable as error:
            await self._give_up(reply_id, outgoing, str(error))
            return None
        except RateLimited as error:
            metrics.DELIVERIES.labels(platform, "rate_limited").inc()
            return error.retry_after_s
        except (ChatError, TimeoutError) as error:
            metrics.DELIVERIES.labels(platform, "unreachable").inc()
            log.warning("not sent, will be tried again", reply=reply_id, tries=tries, error=str(error))
        except Exception as error:  # one reply's fault, in an adapter or the store, must not stop the others
            metrics.ERRORS.labels("send", type(error).__name__).inc()
            log.exception("sending failed", reply=reply_id, tries=tries)
            if tries >= FAULTS and outgoing is not None:
                await self._give_up(reply_id, outgoing, "sending it failed again and again")
                return None
        else:
            return None
        return min(FIRST_PAUSE_S * 2.0 ** (tries - 1), LONGEST_PAUSE_S) * random.uniform(0.8, 1.2)

    async def _send(self, outgoing: Outgoing, person: Person) -> None:
        with metrics.PHASES.labels("send").time():
            async with asyncio.timeout(SEND_TIMEOUT_S):
                pieces = await self._chat.post(outgoing)
            await self._kit.store.replies.sent(outgoing, pieces)
        metrics.DELIVERIES.labels(self._chat.platform, "sent").inc()
        log.info("reply sent", reply=outgoing.reply.id, message=outgoing.reply.message, pieces=len(pieces))
        self._hub.tell(person.key, outgoing.reply)

    async def _give_up(self, reply_id: str, outgoing: Outgoing | None, problem: str) -> None:
        metrics.DELIVERIES.labels(self._chat.platform, "undeliverable").inc()
        log.warning("reply cannot be delivered", reply=reply_id, problem=problem)
        await self._kit.store.replies.undeliverable(reply_id, problem)
        if outgoing is None:
            return
        person = Person(key=outgoing.reply.person, platform=outgoing.place.platform)
        said = Notice(text=f"My answer could not be posted: {problem}")
        try:
            await self._chat.tell(person, None, said)
        except ChatError as error:
            log.info("person could not be told", reply=reply_id, error=str(error))
