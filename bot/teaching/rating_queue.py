"""What follows from a rating, in the background: the taste is thought through again, consent is asked for.

A rating is stored before it comes here, so what is lost with the process is caught up at the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bot import metrics
from bot.context import Context
from bot.events import Action, ActionKind, Notice, Person, Place
from bot.teaching import inferred_notes
from engine.errors import EngineError

log = structlog.get_logger(__name__)

SETTLES_IN_S: Final = 0.2  # who rates often in a row is thought about once
LEFT_TO_OTHERS: Final = 9.0  # seconds of pause for each second of work

Tell = Callable[[Person, Place | None, Notice], Awaitable[bool]]  # False: it may arrive another time
ConsentQuestion = Callable[[str], Awaitable[Notice | None]]  # what a person is to be asked now, if anything


class RatingQueue:
    """A line of people whose ratings have changed; each stands in it once."""

    def __init__(self, context: Context, tell: Tell, *, consent_question: ConsentQuestion) -> None:
        self._context = context
        self._tell = tell
        self._consent_question = consent_question
        self._people: dict[str, Person] = {}  # however much they rate, no longer than there are people
        self._arrived = asyncio.Event()

    def put(self, person: Person) -> None:
        self._people[person.key] = person
        self._arrived.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(SETTLES_IN_S)
            self._arrived.clear()
            while self._people:
                person = self._people.pop(next(iter(self._people)))
                began_s = time.thread_time()
                try:
                    await self._rethink(person)
                except EngineError as error:  # it restarts by itself; the next rating comes here again
                    log.info("ratings are thought about later", person=person.key, error=str(error))
                except Exception as error:  # the store is away, or they are forgotten now: the others go on
                    metrics.ERRORS.labels("rethink", type(error).__name__).inc()
                    log.exception("ratings could not be thought about", person=person.key)
                # In a flood of ratings most of the time is left to those who wait for something.
                await asyncio.sleep(LEFT_TO_OTHERS * (time.thread_time() - began_s))

    async def _rethink(self, person: Person) -> None:
        asked = await self._consent_question(person.key)
        if asked is not None and not await self._tell(person, None, asked):
            await self._context.store.people.not_asked(person.key)
        for note in await inferred_notes.rethink(self._context, person.key):
            undo = Action(kind=ActionKind.UNDO_NOTE, label="Undo", target=note.id)
            text = f"Your ratings seem to say: “{note.text}” I keep it as a note."
            await self._tell(person, None, Notice(text=text, actions=(undo,)))
