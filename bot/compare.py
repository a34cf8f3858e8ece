"""One request, answered by the bare model and as the person has taught it. Records nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot import memory
from bot.errors import Refused, Unknown
from bot.kit import Kit
from bot.respond import QUESTION_TOKENS, limits_of, weave
from engine.types import Prompt, Role, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two answers to one request, and what the person's own one was made with."""

    base: str
    own: str
    lora: str | None
    notes: tuple[str, ...]


async def compare(kit: Kit, person: str, request: str) -> Comparison:
    """Ask both. Raises Unknown, Refused, EngineError."""
    if not request.strip():
        raise Refused("empty", "There is nothing to answer: write a request.")
    known = await kit.store.people.get(person)
    if known is None:
        raise Unknown("unknown_person", f"There is nobody called {person!r} here: see `nightloom people`.")
    mode = known.mode or kit.settings.limits.mode
    bare = Prompt(turns=(Turn(role=Role.USER, text=request),), persona=kit.settings.persona, name=known.name)
    room = kit.backend.max_context - limits_of(kit).max_reply_tokens - QUESTION_TOKENS
    left = room - len(kit.backend.encode(bare))
    taught = await memory.recall(kit, known, bare, budget_tokens=max(left, 0))
    base = await weave(kit, bare, replace(known, lora=False), mode, _unheard, place=None)
    own = await weave(kit, taught, known, mode, _unheard, place=None)
    return Comparison(
        base=base.composed.best.text,
        own=own.composed.best.text,
        lora=None if own.lora is None else own.lora.name,
        notes=taught.notes,
    )


def _unheard(done: int, total: int) -> None:
    """Nobody watches the progress."""
