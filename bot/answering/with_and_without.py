"""One request, answered by the bare model and as the person has taught it. Records nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.answering import memory
from bot.answering.respond import QUESTION_TOKENS, limits_of, weave
from bot.context import Context
from bot.errors import Refused, Unknown
from engine.types import Prompt, Role, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two answers to one request, and what the person's own one was made with."""

    base: str
    own: str
    lora: str | None
    notes: tuple[str, ...]


async def compare(context: Context, person: str, request: str) -> Comparison:
    """Ask both. Raises Unknown, Refused, EngineError."""
    if not request.strip():
        raise Refused("empty", "There is nothing to answer: write a request.")
    known = await context.store.people.get(person)
    if known is None:
        raise Unknown("unknown_person", f"There is nobody called {person!r} here: see `nightloom people`.")
    mode = known.mode or context.settings.limits.mode
    bare = Prompt(
        turns=(Turn(role=Role.USER, text=request),), persona=context.settings.persona, name=known.name
    )
    room = context.backend.max_context - limits_of(context).max_reply_tokens - QUESTION_TOKENS
    left = room - len(context.backend.encode(bare))
    taught = await memory.recall(context, known, bare, budget_tokens=max(left, 0))
    base = await weave(context, bare, replace(known, lora=False), mode, _unheard, place=None)
    own = await weave(context, taught, known, mode, _unheard, place=None)
    return Comparison(
        base=base.composed.best.text,
        own=own.composed.best.text,
        lora=None if own.lora is None else own.lora.name,
        notes=taught.notes,
    )


def _unheard(done: int, total: int) -> None:
    """Nobody watches the progress."""
