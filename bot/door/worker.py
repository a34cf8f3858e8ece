"""Works on what is in the inbox: one task for each thing, each person's in their order, all safe to lose.

Whatever goes wrong with one message, the others are answered. Knows no platform and no SQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from bot import metrics
from bot.answering.respond import respond
from bot.context import Context
from bot.door.backoff import pause_s
from bot.door.chats import Chats
from bot.door.queue import FairQueue
from bot.door.typing import Typing
from bot.errors import BotError
from bot.events import Notice
from bot.store.inbox import Item, ItemKind
from bot.store.recorded_replies import Draft
from bot.teaching import notes_in_passing
from bot.teaching.teach import teach
from engine.errors import EngineDownError

log = structlog.get_logger(__name__)

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 15.0
DROPPING_MAY_TAKE_S: Final = 5.0
ADOPTED_AT_ONCE: Final = 500
MAX_BEGINNINGS: Final = 30  # by as many processes, one after the other; then it is what kills them
SORRY: Final = "Something went wrong while I was answering, again and again. Ask me once more later."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """What is being worked on, and for whom."""

    person: str
    task: asyncio.Task[None]


class Workers:
    def __init__(
        self,
        context: Context,
        chats: Chats,
    ) -> None:
        self._context = context
        self._chats = chats
        self._listeners = chats.listeners
        self._queue: FairQueue[str] = FairQueue()
        self._running: dict[str, _Running] = {}
        self._stops: dict[str, asyncio.Event] = {}  # by what is being worked on: set, the search ends
        self._recording: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def __len__(self) -> int:
        """How much waits to be worked on, here."""
        return len(self._queue)

    def waiting(self, person: str) -> int:
        return self._queue.waiting(person)

    def put(self, person: str, item_id: str) -> None:
        """To be worked on, after what else is the person's."""
        self._queue.put(person, item_id)
        metrics.WAITING.set(len(self._queue))

    def put_again(self, person: str, item_id: str) -> None:
        """It was told once more: stored the first time, it was not put if its connection dropped then."""
        if item_id not in self._running and not self._queue.holds(person, item_id):
            self.put(person, item_id)

    def cancel(self, person: str, item_id: str) -> None:
        """The work is no longer wanted: stop it, or do not begin it."""
        self._queue.remove(person, item_id)
        running = self._running.get(item_id)
        if running is not None:
            running.task.cancel()

    def stop_search(self, item_id: str) -> None:
        """The best reply found so far is to be the answer."""
        if (stop := self._stops.get(item_id)) is not None:
            stop.set()

    async def drop(self, is_theirs: Callable[[str], bool]) -> None:
        """Nothing of this person's is wanted any more. Once it returns, nothing of theirs is worked on."""
        self._queue.remove_all(is_theirs)
        running = [work.task for work in self._running.values() if is_theirs(work.person)]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=DROPPING_MAY_TAKE_S)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._context.settings.limits.at_once):
                tasks.create_task(self._work_for_ever(tasks))

    async def stop(self, timeout_s: float) -> None:
        """Break off all work; it stays in the inbox. What is being recorded is recorded, if there is time."""
        self._is_stopping = True
        running = [work.task for work in self._running.values()]
        for task in running:
            task.cancel()
        unfinished = [*running, *self._recording]
        if unfinished:
            await asyncio.wait(unfinished, timeout=timeout_s)

    async def adopt(self) -> None:
        """Take up what is to be worked on or sent and belongs to no process that lives."""
        store, owner = self._context.store, self._context.owner
        for item in await store.inbox.adopt(owner, limit=ADOPTED_AT_ONCE):
            log.info("taken up again", message=item.id, person=item.person.key)
            self.put(item.person.key, item.id)
        for unsent in await store.deliveries.adopt(owner, limit=ADOPTED_AT_ONCE):
            self._chats.send(unsent.reply, unsent.place, message=unsent.cause)

    async def _work_for_ever(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            person, item_id = await self._queue.get()
            metrics.WAITING.set(len(self._queue))
            if self._is_stopping:
                return
            self._stops[item_id] = asyncio.Event()
            task = tasks.create_task(self._work(item_id))
            self._running[item_id] = _Running(person=person, task=task)
            with metrics.WORKING.track_inprogress():
                await asyncio.wait([task])
            del self._running[item_id], self._stops[item_id]
            self._queue.done(person)

    async def _work(self, item_id: str) -> None:
        """Work on one thing until it is settled. Never raises, but for being cancelled."""
        with structlog.contextvars.bound_contextvars(message=item_id):
            failures = pauses = 0
            while True:
                try:
                    if await self._attempt(item_id, is_first=pauses == 0):
                        break
                except EngineDownError as error:  # it restarts by itself, and the message waits for it
                    log.warning("the engine is down, the message waits", error=str(error))
                except Exception as error:  # whatever it is, the other messages are answered
                    metrics.ERRORS.labels("work", type(error).__name__).inc()
                    log.exception("work failed")
                    failures += 1
                    if failures >= self._context.settings.limits.tries and await self._gave_up(item_id):
                        break
                pauses += 1
                await asyncio.sleep(pause_s(pauses, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S))
            self._listeners.settled(item_id)

    async def _attempt(self, item_id: str, *, is_first: bool) -> bool:
        """Answer or learn once; whether that settled it.

        What the person can mend themselves is told to them, and settles it too.
        """
        inbox, owner = self._context.store.inbox, self._context.owner
        item = await (inbox.begin(item_id, owner=owner) if is_first else inbox.get(item_id))
        if item is None:
            return True
        if item.attempts > MAX_BEGINNINGS:
            await self._fail(item, SORRY)
            return True
        typing = Typing(self._chats.of(item.place.platform), self._listeners, item)
        async with typing.shown():
            try:
                draft = await self._made(item, typing)
            except BotError as error:
                await self._fail(item, error.message, refused=error.code)
                return True
            await typing.end()
            # An edit may cancel us here: what is being recorded is recorded, and then sent.
            recording = asyncio.create_task(self._record(item, draft))
            self._recording.add(recording)
            recording.add_done_callback(self._recording.discard)
            await asyncio.shield(recording)
        return True

    async def _made(self, item: Item, typing: Typing) -> Draft:
        if item.kind is ItemKind.THREAD_REPLY:
            with metrics.PHASES.labels("teach").time():
                draft = await teach(self._context, item, typing.progress)
            if draft is not None:
                return draft
        with metrics.PHASES.labels("answer").time():
            noted = await notes_in_passing.keep(self._context, item)
            draft = await respond(self._context, item, typing.progress, self._stops[item.id])
            return await notes_in_passing.shown(self._context, draft, noted)

    async def _record(self, item: Item, draft: Draft) -> None:
        with metrics.PHASES.labels("record").time():
            is_recorded = await self._context.store.replies.record(draft, owner=self._context.owner)
        if not is_recorded:
            log.info("answer dropped: no longer wanted")
            return
        metrics.REPLIES.labels(item.place.platform, draft.mode).inc()
        metrics.TOKENS.labels(draft.mode).inc(draft.generated_tokens)
        log.info(
            "answered",
            reply=draft.id,
            mode=draft.mode,
            tokens=draft.generated_tokens,
            seconds=round(draft.seconds, 2),
        )
        self._listeners.settled(item.id)
        self._chats.send(draft.id, item.place, message=item.id)

    async def _gave_up(self, item_id: str) -> bool:
        """After too many tries the person is told, and may ask again. False: not even that worked."""
        try:
            item = await self._context.store.inbox.get(item_id)
            if item is not None:
                await self._fail(item, SORRY)
        except Exception:  # the database is away too: the next try will find out
            log.exception("giving up failed")
            return False
        return True

    async def _fail(self, item: Item, problem: str, *, refused: str | None = None) -> None:
        if await self._context.store.inbox.fail(item.id, problem, refused=refused, owner=self._context.owner):
            log.info("given up", kind=item.kind)
            await self._chats.tell(item.person, item.place, Notice(text=problem))
