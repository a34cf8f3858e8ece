"""The values that pass between the parts of the engine. Knows no model and no chat."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

TokenIds: TypeAlias = tuple[int, ...]

# How freely replies are sampled where nobody says otherwise (docs/log); 1 is as a model was trained.
TEMPERATURE: Final = 0.7


class Role(StrEnum):
    """Who speaks in a turn."""

    USER = "user"
    ASSISTANT = "assistant"


class Mode(StrEnum):
    """How much search an answer gets."""

    FAST = "fast"  # one sample
    BEST = "best"  # n whole samples, judged
    WEAVE = "weave"  # the tree search
    AUTO = "auto"  # little first, more where the judge is not content


class NotesAt(StrEnum):
    """Where in a prompt the person's notes stand."""

    SYSTEM = "system"  # in the system message
    REQUEST = "request"  # right behind the request
    BOTH = "both"


class ExamplesAs(StrEnum):
    """How earlier answers that the person liked are shown."""

    TEXT = "text"  # in the system message, with their ratings
    TURNS = "turns"  # as a conversation that was had before


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a prompt is laid out for one model: as it follows best.

    `persona`: what the system message says where the operator sets nothing; empty leaves the template's own.
    `has_name`: the system message names the person. Small models answer worse for it.
    """

    notes: NotesAt = NotesAt.REQUEST
    examples: ExamplesAs = ExamplesAs.TURNS
    persona: str = ""
    has_name: bool = False

    def __str__(self) -> str:
        places = {
            NotesAt.SYSTEM: "in the system message",
            NotesAt.REQUEST: "behind the request",
            NotesAt.BOTH: "in the system message and behind the request",
        }
        return f"notes {places[self.notes]}, examples as {self.examples}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An earlier answer to this person and what they thought of it (1 to 5)."""

    request: str
    reply: str
    rating: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A conversation to be answered, and what is known of the person who asks. Ends with a user turn."""

    turns: tuple[Turn, ...]
    persona: str = ""
    name: str | None = None
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()

    def bare(self) -> Prompt:
        """The same conversation as a model sees it that has no memory of the person."""
        return replace(self, facts=(), notes=(), examples=())

    def then(self, reply: str, request: str) -> Prompt:
        """The conversation after a reply and a further turn of the person."""
        more = (Turn(role=Role.ASSISTANT, text=reply), Turn(role=Role.USER, text=request))
        return replace(self, turns=self.turns + more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    max_tokens: int
    temperature: float = TEMPERATURE
    top_p: float = 1.0
    top_k: int = 0  # of the likeliest tokens; 0: all
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a backend generated after a prefix, without the token that ends a turn.

    `finished`: the model ended it, not the token limit.
    """

    token_ids: TokenIds
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraRef:
    """One immutable version of a person's LoRA. Name and id are never used twice."""

    name: str
    id: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one answer may cost, and how freely its tokens are drawn."""

    max_reply_tokens: int = 256
    budget_tokens: int = 2304  # generated, over all branches
    deadline_s: float = 60.0
    samples: int = 8  # whole samples in mode `best`
    temperature: float = TEMPERATURE
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0

    def sampling(self, max_tokens: int, seed: int) -> Sampling:
        """How a piece of the answer is sampled, of so many tokens at most."""
        return Sampling(
            max_tokens=min(max_tokens, self.max_reply_tokens),
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            repetition_penalty=self.repetition_penalty,
            frequency_penalty=self.frequency_penalty,
            seed=seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A reply that the search found. `answers`: the probability of yes, by question.

    `is_cut`: time or tokens were up before the model ended it.
    """

    token_ids: TokenIds
    text: str
    score: float
    is_cut: bool = False
    answers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """One branch of the search as it is shown to people: what it added, how it was judged."""

    id: int
    parent: int | None
    text: str
    score: float
    is_finished: bool
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """What was made for one prompt: the best reply, the other finished ones (best first), the tree."""

    best: Candidate
    others: tuple[Candidate, ...]
    tree: tuple[TreeNode, ...]
    mode: Mode  # the one that was used; never `auto`
    seed: int
    generated_tokens: int
    seconds: float
