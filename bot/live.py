"""Which LoRA answers for a person now, and which the judge is asked under, as the backend takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bot.kit import Kit
from bot.store.loras import LoraState, Version
from bot.store.people import Known
from engine.loras import JUDGE_FOLDER
from engine.types import LoraRef

FOLDER = "loras"
JUDGE_IDS: Final = 2**30  # above every number that the store gives


async def live_lora(kit: Kit, person: Known) -> LoraRef | None:
    """The person's live LoRA; None where there is none, it fits another base, or they switched it off."""
    if not person.lora or person.live_lora is None:
        return None
    version = await kit.store.loras.live(person.key, model=kit.backend.model)
    if version is None or version.state is LoraState.PRUNED:
        return None
    return reference(kit, version)


def reference(kit: Kit, version: Version) -> LoraRef:
    return LoraRef(name=version.name, id=version.id, path=root(kit) / version.path)


def judging(lora: LoraRef | None) -> LoraRef | None:
    """The LoRA that the judge is asked under when this one answers: its own if there is one, else the same.

    Under the same it finds what the answer left in the KV cache; its own has to read the answer anew.
    """
    if lora is None or not (lora.path / JUDGE_FOLDER).is_dir():
        return lora
    return LoraRef(name=f"{lora.name}-judge", id=JUDGE_IDS + lora.id, path=lora.path / JUDGE_FOLDER)


async def load(kit: Kit, version: Version) -> LoraRef:
    """A version ready to answer and to be judged under. Raises LoraError."""
    lora = reference(kit, version)
    for one in _with_its_judge(lora):
        await kit.backend.load(one)
    return lora


async def unload(kit: Kit, version: Version) -> None:
    for one in reversed(_with_its_judge(reference(kit, version))):
        await kit.backend.unload(one)


def _with_its_judge(lora: LoraRef) -> list[LoraRef]:
    judge = judging(lora)
    return [lora] if judge in (None, lora) else [lora, judge]


def root(kit: Kit) -> Path:
    """Where all LoRAs lie."""
    return kit.settings.data.absolute() / FOLDER
