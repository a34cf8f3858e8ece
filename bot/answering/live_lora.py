"""Which LoRA answers for a person now, and which the judge is asked under, as the backend takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bot.context import Context
from bot.store.loras import LoraState, Version
from bot.store.people import KnownPerson
from engine.loras.library import JUDGE_FOLDER
from engine.types import LoraRef

FOLDER = "loras"
JUDGE_IDS: Final = 2**30  # above every number that the store gives


async def live_lora(context: Context, person: KnownPerson) -> LoraRef | None:
    """The person's live LoRA; None where there is none, it fits another base, or they switched it off."""
    if not person.lora or person.live_lora is None:
        return None
    version = await context.store.loras.live(person.key, model=context.backend.model)
    if version is None or version.state is LoraState.PRUNED:
        return None
    return reference(context, version)


def reference(context: Context, version: Version) -> LoraRef:
    return LoraRef(name=version.name, id=version.id, path=root(context) / version.path)


def judging(lora: LoraRef | None) -> LoraRef | None:
    """The LoRA that the judge is asked under when this one answers: its own if there is one, else the same.

    Under the same it finds what the answer left in the KV cache; its own has to read the answer anew.
    """
    if lora is None or not (lora.path / JUDGE_FOLDER).is_dir():
        return lora
    return LoraRef(name=_judges(lora.name), id=JUDGE_IDS + lora.id, path=lora.path / JUDGE_FOLDER)


async def load(context: Context, version: Version) -> LoraRef:
    """A version ready to answer and to be judged under. Raises LoraError."""
    lora = reference(context, version)
    for one in _with_its_judge(lora):
        await context.backend.load(one)
    return lora


async def unload(context: Context, version: Version) -> None:
    for one in reversed(_with_its_judge(reference(context, version))):
        await context.backend.unload(one)


async def unload_erased(context: Context, *, id: int, name: str) -> None:
    """A version whose files are gone, with the judge's own, if it had one."""
    path = root(context)
    await context.backend.unload(LoraRef(name=_judges(name), id=JUDGE_IDS + id, path=path))
    await context.backend.unload(LoraRef(name=name, id=id, path=path))


def _judges(name: str) -> str:
    return f"{name}-judge"


def _with_its_judge(lora: LoraRef) -> list[LoraRef]:
    judge = judging(lora)
    return [lora] if judge in (None, lora) else [lora, judge]


def root(context: Context) -> Path:
    """Where all LoRAs lie."""
    return context.settings.data.absolute() / FOLDER
