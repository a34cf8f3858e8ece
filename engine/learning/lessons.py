"""What one training job works with, as values: lessons, trials, trainees, the recipe and the results.

Knows no files, no torch and no chat. The files are engine.learning.job_folder's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from engine.types import TokenIds

Row = TypeVar("Row", "Lesson", "Trial")


class Kind(StrEnum):
    """What a lesson teaches, and with which loss."""

    SAY = "say"  # a demonstration: say this
    DISTIL = "distil"  # answer without the notes as the base does with them
    PAIR = "pair"  # this rather than that
    RATED = "rated"  # a single good or bad reply
    HOLD = "hold"  # stay with the base on a reply of its own
    ASK = "ask"  # answer a judge's question about a reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One thing to learn. Which fields count depends on the kind."""

    kind: Kind
    prefix: TokenIds
    reply: TokenIds = ()  # none for ASK: its prefix ends where yes or no comes
    against: TokenIds = ()  # PAIR: the reply that is less wanted
    teacher: TokenIds = ()  # DISTIL: the prefix with the notes in it
    wanted: float = 1.0  # RATED: 1 good, 0 bad. ASK: the wanted probability of yes
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A piece of held-out feedback: a rated reply, or two replies of which one was preferred."""

    id: str
    prefix: TokenIds
    reply: TokenIds
    rating: int | None = None
    against: TokenIds = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainee:
    """One person in a job. `key` is fit for a folder name. `current` is the folder of the live LoRA."""

    key: str
    seed: int
    current: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a job trains. The figures come from docs/log."""

    model: str
    rank: int = 8
    alpha: float = 16.0
    learning_rate: float | None = None  # None: by the model's width
    passes: int = 2
    batch_lessons: int = 4
    pair_beta: float = 0.1
    is_pair_per_token: bool = False
    rating_beta: float = 0.1
    is_reverse_divergence: bool = False
    end_ids: TokenIds = ()  # what ends a reply; learned as part of it
    yes_ids: tuple[int, ...] = ()  # none: those that the tokenizer has
    no_ids: tuple[int, ...] = ()
    slots: int = 32
    tokens_per_step: int | None = None  # rows × longest row of one pass; None: as the device likes it
    memory_gib: float = 8.0
    deadline_s: float = 4 * 3600.0
    checkpoint_s: float = 30.0
    threads: int | None = None
    device: str | None = None  # None: a GPU where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialScore:
    """The log-probabilities of a trial's reply (and of the one it was preferred to)."""

    id: str
    rating: int | None
    tokens: int
    candidate: float
    current: float
    base: float
    candidate_against: float | None = None
    current_against: float | None = None
    base_against: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one person's training."""

    key: str
    is_trained: bool
    reason: str = ""
    steps: int = 0
    lessons: int = 0
    seconds: float = 0.0
    first_loss: float = 0.0
    last_loss: float = 0.0
    divergence: float = 0.0  # of the new LoRA from the base, nats per token, on what it learned to say
    trials: tuple[TrialScore, ...] = field(default=())
    set_aside: str = ""  # why the live LoRA was not compared with in the trials; the base stood in


def with_ends(row: Row, end_ids: TokenIds) -> Row:
    """The same with the end of each reply: it is learned as part of the reply."""
    against = row.against and row.against + end_ids
    return replace(row, reply=row.reply and row.reply + end_ids, against=against)
