"""One person's data as values: what leaves the store as records and comes back. Knows no file format.

What comes in may be hostile, so each field says what it takes. The schema: docs/archive-format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

from engine.types import Mode, Prompt, Role

MAX_TEXT_CHARS: Final = 200_000
KINDS: Final = ("replies", "teachings", "notes", "choices", "documents")


def cleaned(text: str) -> str:
    """Text as every database keeps it: no NUL, no half characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _asks(prompt: Prompt) -> Prompt:
    if not prompt.turns or prompt.turns[-1].role is not Role.USER:
        raise ValueError("it must end with what the person said, a turn of the user")
    return prompt


Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(cleaned)]
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Emoji = Annotated[str, Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRecord:
    """How the person had set the bot."""

    name: Text | None = None
    memory: bool = True
    lora: bool = True
    mode: Mode | None = None
    timezone: Annotated[str, Field(max_length=64)] = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchRecord:
    """Another finished reply of the search."""

    id: Id
    text: Text
    score: Finite
    answers: dict[str, Finite] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRecord:
    """An answer, what it was asked by, and the person's reactions to it."""

    id: Id
    at: AwareDatetime
    conversation: Id
    prompt: Annotated[Prompt, AfterValidator(_asks)]
    text: Text
    model: Text = ""
    mode: Mode = Mode.FAST
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    score: Finite | None = None
    answers: dict[str, Finite] = field(default_factory=dict)
    alternatives: tuple[BranchRecord, ...] = ()
    revises: Id | None = None
    never_learn: bool = False
    reactions: tuple[Emoji, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingRecord:
    """What the person said under an answer."""

    id: Id
    at: AwareDatetime
    reply: Id
    kind: Annotated[str, Field(pattern="^(critique|correction|question)$")]
    text: Text
    wanted: Text | None = None
    note: Id | None = None
    revision: Id | None = None
    never_learn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRecord:
    """A standing note or a fact. One that was deleted stays known, so that it does not come back."""

    id: Id
    at: AwareDatetime
    kind: Annotated[str, Field(pattern="^(note|fact)$")]
    text: Text
    source: Text = ""
    origin: Annotated[str, Field(pattern="^(critique|message|reactions|import)$")] = "import"
    manner: Annotated[str, Field(max_length=64)] | None = None
    deleted_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRecord:
    """Two answers to one prompt, and the one that the person preferred."""

    id: Id
    at: AwareDatetime
    reply: Id
    kind: Annotated[str, Field(pattern="^(taken|duel)$")]
    alternative: Id
    chosen: Text
    rejected: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """A text of the person's own. It is kept and carried along; nothing learns from it."""

    id: Id
    at: AwareDatetime
    title: Text
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraRecord:
    """The live LoRA in PEFT's format. It fits the base model of that name and fingerprint only."""

    model: str
    version: int
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Everything of one person that goes out and comes in again."""

    person: PersonRecord | None = None
    replies: tuple[ReplyRecord, ...] = ()
    teachings: tuple[TeachingRecord, ...] = ()
    notes: tuple[NoteRecord, ...] = ()
    choices: tuple[ChoiceRecord, ...] = ()
    documents: tuple[DocumentRecord, ...] = ()
    lora: LoraRecord | None = None

    def counts(self) -> dict[str, int]:
        """How many records of each kind; kinds of which there are none are not named."""
        sizes = {name: len(getattr(self, name)) for name in KINDS}
        sizes["lora"] = int(self.lora is not None)
        return {name: size for name, size in sizes.items() if size}


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Something that was not taken in, and why."""

    what: str
    why: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What was understood of an archive, and what was not."""

    archive: Archive
    left: tuple[Left, ...] = ()
