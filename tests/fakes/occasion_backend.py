"""A scripted backend that understands one note for one kind of request."""

from __future__ import annotations

from collections.abc import Sequence

from engine import wording
from engine.backends.scripted import ScriptedBackend
from engine.types import LoraRef, TokenIds

POEMS = "When I ask for a poem, be formal."
_ASKED = wording.is_meant(POEMS)


class OccasionBackend(ScriptedBackend):
    """Takes that note to be for requests that speak of a poem; all else is answered as scripted."""

    def __init__(self, sure: float = 5.0) -> None:
        super().__init__()
        self.sure, self.asked = sure, 0

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        scripted = await super().ask(prompts, lora=lora)
        return [self._read(self.decode(prompt), odds) for prompt, odds in zip(prompts, scripted, strict=True)]

    def _read(self, asked: str, otherwise: float) -> float:
        if _ASKED not in asked:
            return otherwise
        self.asked += 1
        return self.sure if "poem" in asked.partition(_ASKED)[0] else -self.sure
