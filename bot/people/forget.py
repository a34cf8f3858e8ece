"""Erases a person: their work, their LoRAs, their rows, every byte of their words in our files and caches."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import structlog

from bot.answering import live_lora
from bot.context import Context
from bot.errors import Unknown
from bot.nights.nights import Nights
from bot.per_person import IsTheirs
from engine.errors import EngineDownError, EngineError
from engine.loras.library import person_folder

log = structlog.get_logger(__name__)

# What is being done for a person is not wanted any more; once it returns, nothing of theirs goes on.
DropWork = Callable[[IsTheirs], Awaitable[None]]


class Forgetting:
    """`drop_work`: of this process. Each process hears by `hear` whom another has forgotten."""

    def __init__(self, context: Context, nights: Nights, *, drop_work: DropWork) -> None:
        self._context = context
        self._nights = nights
        self._drop_work = drop_work
        self._heard: set[str] = set()  # erasures by other processes, that are forgotten here too

    async def forget(self, person: str) -> dict[str, int]:
        """How much of each kind there was. Interrupted, it is done again from the start. Raises Unknown.

        The LoRAs go first: as long as the rows are there, what is left on the disk can be found by them. A
        night that is under way may write until they are gone.
        """
        people = self._context.store.people
        if await people.get(person) is None:
            raise Unknown("unknown_person", "I know nothing of you: there is nothing to erase.")
        await self._drop_work(lambda key: key == person)
        folders = await self._nights.erase(person)
        counts = await people.erase(person, owner=self._context.owner)
        await self._nights.erase(person)
        self._context.caches.forget(lambda key: key == person)
        with contextlib.suppress(EngineError):  # an engine that is down has lost its memory by itself
            await self._context.backend.forget_prefixes()
        return {**counts, "loras": max(folders, counts.get("loras", 0))}

    async def hear(self) -> None:
        """Whom another process has forgotten is forgotten here too."""
        erasures = await self._context.store.erasures.by_others(self._context.owner)
        new = [erasure for erasure in erasures if erasure.id not in self._heard]
        self._heard &= {erasure.id for erasure in erasures}
        if not new:
            return
        erased = {erasure.person for erasure in new}

        def is_theirs(key: str) -> bool:
            return person_folder(key) in erased

        await self._drop_work(is_theirs)
        self._context.caches.forget(is_theirs)
        try:
            for id, name in (lora for erasure in new for lora in erasure.loras.items()):
                await live_lora.unload_erased(self._context, id=id, name=name)
            await self._context.backend.forget_prefixes()
        except EngineDownError:
            return  # while it loads, or its servers are away: it is told at the next look
        self._heard |= {erasure.id for erasure in new}
        log.info("forgotten here too", people=len(erased))


def told(counts: dict[str, int]) -> str:
    """What was erased, in words."""
    named = ", ".join(f"{count} {_NAMES.get(name, name)}" for name, count in counts.items() if count)
    return f"Erased: {named or 'nothing'}. I know nothing of you any more."


_NAMES = {"inbox": "messages", "loras": "LoRAs", "people": "person"}
