"""Erases a person: their work, their LoRAs, their rows, every byte of their words in our files and caches."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from bot.context import Context
from bot.errors import Unknown
from bot.nights.nights import Nights
from engine.errors import EngineError

DropWork = Callable[[str], Awaitable[None]]  # what is being done for a person is not wanted any more


class Forgetting:
    def __init__(self, context: Context, nights: Nights, *, drop_work: DropWork) -> None:
        self._context = context
        self._nights = nights
        self._drop_work = drop_work

    async def forget(self, person: str) -> dict[str, int]:
        """How much of each kind there was. Interrupted, it is done again from the start. Raises Unknown.

        The LoRAs go first: as long as the rows are there, what is left on the disk can be found by them. A
        night that is under way may write until they are gone.
        """
        people = self._context.store.people
        if await people.get(person) is None:
            raise Unknown("unknown_person", "I know nothing of you: there is nothing to erase.")
        await self._drop_work(person)
        folders = await self._nights.erase(person)
        counts = await people.erase(person)
        await self._nights.erase(person)
        self._context.reliability.forget(person)
        self._context.duel_worths.forget(person)
        with contextlib.suppress(EngineError):  # an engine that is down has lost its memory by itself
            await self._context.backend.forget_prefixes()
        return {**counts, "loras": max(folders, counts.get("loras", 0))}


def told(counts: dict[str, int]) -> str:
    """What was erased, in words."""
    named = ", ".join(f"{count} {_NAMES.get(name, name)}" for name, count in counts.items() if count)
    return f"Erased: {named or 'nothing'}. I know nothing of you any more."


_NAMES = {"inbox": "messages", "loras": "LoRAs", "people": "person"}
