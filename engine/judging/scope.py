"""Which of a person's notes a request is answered under: one for poems stands aside for everything else.

A model that is told a note for one kind of request tends to follow it everywhere, and a night would train
that. Knows no person and no store.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from engine import wording
from engine.errors import EngineDownError, EngineError
from engine.judging.judge import probability
from engine.ports import Backend
from engine.types import Prompt, Role, Turn

# Only a note that begins like this is asked about: whatever else is wanted is wanted always.
_FOR_ONE_KIND: Final = re.compile(r"\A(?:please,? )?(?:when|whenever|if|for)\b", re.IGNORECASE)
_ALWAYS: Final = re.compile(r"\A(?:please,? )?for (?:all|any|every|now|me|the future)\b", re.IGNORECASE)
# In doubt a note counts: to be told for nothing costs less than not to be heeded.
MEANT_FROM: Final = 0.2
KIND: Final = "scope"  # as what a model's profile knows these questions
MAX_REQUEST_CHARS: Final = 1000  # its beginning says what kind it is


def is_for_one_kind(note: str) -> bool:
    """Whether a note says for which requests it is."""
    return bool(_FOR_ONE_KIND.search(note)) and not _ALWAYS.search(note)


async def meant(backend: Backend, notes: Sequence[str], request: str) -> tuple[str, ...]:
    """The notes without those that are for another kind of request, as the model understands them."""
    limited = [note for note in notes if is_for_one_kind(note)]
    if not limited or not backend.profile.tells(KIND):
        return tuple(notes)
    turn = Turn(role=Role.USER, text=request[:MAX_REQUEST_CHARS])
    prefix = backend.encode(Prompt(turns=(turn,)))
    questions = [wording.question(wording.is_meant(note)) for note in limited]
    asked = [prefix + backend.encode_question(text) for text in questions]
    try:
        log_odds = await backend.ask(asked)
    except EngineDownError:
        raise
    except EngineError:
        return tuple(notes)
    others = {note for note, odds in zip(limited, log_odds, strict=True) if probability(odds) < MEANT_FROM}
    return tuple(note for note in notes if note not in others)
