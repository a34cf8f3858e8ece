"""What becomes of a trained LoRA: put into the library, examined, live or kept out; and how old ones go.

Does each step so that it can be done again after a crash. Starts no night and trains nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from bot.answering import live_lora
from bot.context import Context
from bot.nights.evaluate import Evaluation
from bot.nights.job_files import Taught
from bot.store.loras import LoraState, Version
from bot.store.nights import NightOutcome, NightPerson
from engine.errors import EngineError
from engine.learning.gate import Decision, Evidence
from engine.learning.lessons import Result
from engine.loras.library import Library, person_folder

log = structlog.get_logger(__name__)


class Candidates:
    """The versions of people's LoRAs, from the training to the pointer and out of the library again.

    Where the judge has a LoRA of its own it lies in its version's folder, so it is loaded, goes live, is
    undone, pruned, exported and erased together with the one that answers.
    """

    def __init__(self, context: Context) -> None:
        self.library = Library(live_lora.root(context))
        self._context = context
        self._exam = Evaluation(context)

    async def settle(self, night: str, taught: Taught) -> None:
        """A person's trained LoRA becomes a version, and the version goes live or is kept out."""
        context, key = self._context, taught.studied.person
        version = await context.store.loras.reserve(
            key,
            folder=person_folder(key),
            model=context.backend.model,
            rank=context.settings.learning.rank,
            night=night,
        )
        await asyncio.to_thread(self.library.put, key, version.version, taught.lora, judge=taught.judge)
        current = await self.current(key)
        # Loaded, so that it answers without delay from the moment at which the pointer moves.
        candidate = await live_lora.load(context, version)
        is_live = False
        try:
            decision, evidence = await self._exam.decision(
                taught.studied,
                taught.result,
                candidate=candidate,
                current=None if current is None else live_lora.reference(context, current),
            )
            settled = NightPerson(
                person=key,
                outcome=NightOutcome.PROMOTED if decision.is_promoted else NightOutcome.KEPT,
                reason=decision.reason,
                version=version.version,
                used=taught.studied.used,
                metrics=_metrics(decision, evidence, taught.result),
            )
            await context.store.nights.settle(night, settled, lora=version.id)
            is_live = decision.is_promoted
        finally:
            if not is_live:
                await self._unload(version)
        await self._prune(key)

    async def current(self, person: str) -> Version | None:
        """What a candidate has to beat, whether or not the person has it switched on."""
        found = await self._context.store.loras.live(person, model=self._context.backend.model)
        return None if found is None or found.state is LoraState.PRUNED else found

    async def undo(self, person: str) -> Version | None:
        """The version before on this base goes live again; None: the bare base answers now.

        It is loaded before the pointer moves. Raises Unknown when nothing is live.
        """
        model = self._context.backend.model
        before = await self._context.store.loras.before(person, model=model)
        if before is not None:
            await live_lora.load(self._context, before)
        return await self._context.store.loras.undo(person, model=model)

    async def erase(self, person: str) -> int:
        """Deletes all of a person's LoRAs; how many."""
        for version in await self._context.store.loras.of_person(person):
            await self._unload(version)
        return await asyncio.to_thread(self.library.erase, person)

    async def _prune(self, person: str) -> None:
        """Old versions go; never the live one nor the one before it."""
        versions = await self._context.store.loras.of_person(person)
        pointed = await self._context.store.loras.live(person)
        before = (
            None if pointed is None else await self._context.store.loras.before(person, model=pointed.model)
        )
        spared = {one.version for one in (pointed, before) if one is not None}
        spared |= {one.version for one in versions[-self._context.settings.learning.keep :]}
        gone = [one for one in versions if one.version not in spared and one.state is not LoraState.PRUNED]
        for version in gone:
            await self._unload(version)
        await asyncio.to_thread(self.library.prune, person, spared)
        await self._context.store.loras.pruned([one.id for one in gone])

    async def _unload(self, version: Version) -> None:
        try:
            await live_lora.unload(self._context, version)
        except EngineError:
            log.info("a LoRA could not be unloaded; the engine drops it when it restarts", lora=version.name)


# Any: what JSON holds.
def _metrics(decision: Decision, evidence: Evidence, result: Result) -> dict[str, Any]:
    """What is kept of a decision: the figures, and one example of before and after."""
    example: dict[str, Any] = {}
    pairs = list(zip(evidence.candidate, evidence.current, strict=False))
    if pairs:
        after, before = max(pairs, key=lambda pair: pair[0].wanted - pair[1].wanted)
        example = {"request": after.request, "before": before.text, "after": after.text}
    return {
        **{name: round(value, 4) for name, value in decision.metrics.items()},
        "steps": result.steps,
        "train_s": result.seconds,
        "first_loss": round(result.first_loss, 4),
        "last_loss": round(result.last_loss, 4),
        **({"example": example} if example else {}),
    }
