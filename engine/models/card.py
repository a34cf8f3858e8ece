"""What people are told of a model: its name, how large it is, what it is good for, its licence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """`id` is its name and a fingerprint: what a LoRA was trained on.

    `nature` says in one sentence what it is good for; it and `licence` are empty where nobody said it.
    """

    id: str
    title: str
    nature: str
    licence: str
    parameters: int | None
    weight_bytes: int
    max_context: int

    def sentence(self) -> str:
        """All of it in words, for a line of its own."""
        size = [] if self.parameters is None else [f"{in_words(self.parameters)} parameters"]
        parts = [*size, f"{self.weight_bytes / 1e6:,.0f} MB", f"reads {self.max_context:,} tokens"]
        told = "; ".join(text for text in (", ".join(parts), self.nature, self.licence) if text)
        return f"{self.title}: {told}"


def in_words(count: int) -> str:
    """A number of parameters as people say it."""
    for size, word in ((10**9, "billion"), (10**6, "million")):
        if count >= size:
            digits = count / size
            return f"{digits:.1f} {word}" if digits < 10 else f"{digits:.0f} {word}"
    return f"{count:,}"
