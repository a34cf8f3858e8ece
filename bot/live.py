"""Which LoRA answers for a person now, as the backend takes it. Loads and trains nothing."""

from __future__ import annotations

from pathlib import Path

from bot.kit import Kit
from bot.store.loras import LoraState, Version
from bot.store.people import Known
from engine.types import LoraRef

FOLDER = "loras"


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


def root(kit: Kit) -> Path:
    """Where all LoRAs lie."""
    return kit.settings.data.absolute() / FOLDER
