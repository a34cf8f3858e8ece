"""Lets in what a person says, or says why not: too long, too fast, too much, blocked. Stores nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.context import Context
from bot.door.rate_limit import RateLimit
from bot.door.work import Work
from bot.errors import Refused, TooMany
from bot.events import Message, Person, ThreadReply


class Admission:
    def __init__(self, context: Context, work: Work) -> None:
        self._context = context
        self._workers, self._chats = work.workers, work.chats
        self._rate_limit = RateLimit(context.settings.limits.messages_per_minute, time.monotonic)
        self._coming: Counter[str] = Counter()  # of each person, what is admitted and not yet in the queue

    @asynccontextmanager
    async def admitted(self, said: Message | ThreadReply) -> AsyncIterator[str | None]:
        """The id of what is here already, where there is no room for more; None: it is to be taken in within.

        Raises Refused or TooMany. What is being taken in waits already, or a burst would pass the limit.
        """
        try:
            await self.check(said.person, said.text)
        except TooMany:
            known = await self._context.store.events.subject(said.ref.platform, said.event)
            if known is None:
                raise
            self._workers.put_again(said.person.key, known)
            yield known
            return
        self._coming[said.person.key] += 1
        try:
            yield None
        finally:
            self._coming[said.person.key] -= 1
            self._coming += Counter()  # keeps those above zero

    async def check(self, person: Person, text: str) -> None:
        """Raises Refused or TooMany before anything is kept."""
        limits = self._context.settings.limits
        if not text.strip():
            raise Refused("empty", "There is nothing in this message: write something.")
        if len(text) > limits.max_message_chars:
            most = limits.max_message_chars
            raise Refused("too_long", f"Write {most} characters at most; these are {len(text)}.")
        known = await self._context.store.people.get(person.key)
        if known is not None and known.is_blocked:
            raise Refused("blocked", "You are blocked here. Ask the operator.")
        wait_s = self._rate_limit.wait_s(person.key)
        if wait_s:
            raise TooMany("too_fast", "That was too much at once: wait a little.", retry_after_s=wait_s)
        if self._workers.waiting(person.key) + self._coming[person.key] >= limits.waiting_per_person:
            raise TooMany("too_many", "Too much of yours waits already: wait a little.", retry_after_s=5.0)
        # A platform may hand over questions faster than it takes answers: what is not sent yet waits too.
        unsent = self._chats.unsent(person.platform)
        if len(self._workers) + self._coming.total() + unsent >= limits.waiting:
            raise TooMany("busy", "I am very busy: ask again in a minute.", retry_after_s=60.0)
