"""A trained LoRA's way into the library, through the evaluation, and live or out; and how old versions go.

Every step can be done again after a crash. Starts no night and trains nothing.
"""

from __future__ import annotations

import asyncio

import structlog

from bot.answering import live_lora
from bot.context import Context
from bot.figures import BeforeAndAfter, NightFigures
from bot.nights.evaluate import Evaluation
from bot.nights.job_files import TrainedPerson
from bot.store.loras import LoraState, Version
from bot.store.nights import NightOutcome, NightPerson
from engine.errors import EngineError
from engine.learning.gate import Decision, Evidence
from engine.learning.lessons import Result
from engine.loras.library import Library, person_folder

log = structlog.get_logger(__name__)


class Promotion:
    """Makes versions of trained LoRAs, and moves people's pointers to them and back.

    Where the judge has a LoRA of its own, it lies in the folder of the version that it belongs to. So both
    are loaded, go live, are undone, pruned, exported and erased together.
    """

    def __init__(self, context: Context) -> None:
        self.library = Library(live_lora.root(context))
        self._context = context
        self._evaluation = Evaluation(context)

    async def settle(self, night: str, trained: TrainedPerson) -> None:
        """A person's trained LoRA becomes a version, and the version goes live or is kept out."""
        context, key = self._context, trained.person
        version = await context.store.loras.reserve(
            key,
            folder=person_folder(key),
            model=context.backend.model,
            rank=context.settings.learning.rank,
            night=night,
        )
        await asyncio.to_thread(
            self.library.put, key, version.version, trained.lora, judge=trained.judge_lora
        )
        live = await self.live(key)
        # Loaded, so that it answers without delay from the moment at which the pointer moves.
        candidate = await live_lora.load(context, version)
        is_promoted = False
        try:
            decision, evidence = await self._evaluation.decide(
                trained.gate,
                trained.result,
                candidate=candidate,
                current=None if live is None else live_lora.reference(context, live),
            )
            settled = NightPerson(
                person=key,
                outcome=NightOutcome.PROMOTED if decision.is_promoted else NightOutcome.KEPT,
                reason=decision.reason,
                version=version.version,
                used=trained.used,
                figures=_figures(decision, evidence, trained.result),
            )
            await context.store.nights.settle(night, settled, lora=version.id)
            is_promoted = decision.is_promoted
        finally:
            if not is_promoted:
                await self._unload(version)
        await self._prune(key)

    async def live(self, person: str) -> Version | None:
        """The version that a candidate has to beat, whether or not the person has it switched on."""
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
        """Deletes all of a person's LoRAs; how many there were."""
        for version in await self._context.store.loras.of_person(person):
            await self._unload(version)
        return await asyncio.to_thread(self.library.erase, person)

    async def _prune(self, person: str) -> None:
        """Deletes old versions, but never the live one and the one before it."""
        loras = self._context.store.loras
        versions, pointed = await loras.of_person(person), await loras.live(person)
        before = None if pointed is None else await loras.before(person, model=pointed.model)
        spared = {version.version for version in (pointed, before) if version is not None}
        spared |= {version.version for version in versions[-self._context.settings.learning.keep :]}
        pruned = [
            version
            for version in versions
            if version.version not in spared and version.state is not LoraState.PRUNED
        ]
        for version in pruned:
            await self._unload(version)
        await asyncio.to_thread(self.library.prune, person, spared)
        await loras.pruned([version.id for version in pruned])

    async def _unload(self, version: Version) -> None:
        try:
            await live_lora.unload(self._context, version)
        except EngineError:
            log.info("a LoRA could not be unloaded; the engine drops it when it restarts", lora=version.name)


def _figures(decision: Decision, evidence: Evidence, result: Result) -> NightFigures:
    """With the request whose reply has changed most for the better."""
    example = None
    pairs = list(zip(evidence.candidate, evidence.current, strict=False))
    if pairs:
        after, before = max(pairs, key=lambda pair: pair[0].wanted - pair[1].wanted)
        example = BeforeAndAfter(request=after.request, before=before.text, after=after.text)
    return NightFigures(
        gate=decision.figures,
        steps=result.steps,
        train_s=result.seconds,
        first_loss=result.first_loss,
        last_loss=result.last_loss,
        set_aside=result.set_aside,
        example=example,
    )
