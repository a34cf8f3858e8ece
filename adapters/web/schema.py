"""What the web interface answers, once: for handlers and OpenAPI document. Knows no HTTP and no store."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.events import MessageState, TeachingKind
from engine.types import Mode

# A night's figures: numbers, and an example of before and after.
Metrics = dict[str, bool | int | float | str | dict[str, str]]


class Shown(BaseModel):
    """What the service answers."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Problem(Shown):
    code: str
    message: str


class ErrorAnswer(Shown):
    """Every refusal. `error.message` says what is wrong and what to do next."""

    error: Problem
    message: str | None = None  # the id of the message that failed


class Alternative(Shown):
    id: str
    text: str
    score: float


class Action(Shown):
    kind: str
    label: str
    target: str


class Teaching(Shown):
    """What the person said under a reply, what it was taken for, and how far that is."""

    message: str | None  # the thread reply; null: imported
    reply: str  # what was taught about
    revision: str | None  # the reply that was made under it
    text: str
    kind: TeachingKind | None  # null: not understood yet
    note: str | None
    holds: bool  # false: it was taken back, or the answer is never to be learned from
    state: MessageState
    problem: str | None = None


class Reply(Shown):
    id: str
    message: str | None
    conversation: str
    person: str
    text: str
    mode: Mode
    score: float | None
    lora: str | None
    seed: int
    revises: str | None
    rating: int | None
    alternatives: list[Alternative]
    at: datetime | None = None
    heading: str | None = None
    duel: str | None = None
    reactions: list[str] = Field(default_factory=list)


class MessageTaken(Shown):
    message: str


class MessageAnswered(Shown):
    message: str
    reply: Reply


class Message(Shown):
    message: str
    state: MessageState
    replies: list[Reply]
    text: str
    conversation: str
    problem: str | None = None


class ConversationLine(Shown):
    conversation: str
    title: str
    last: datetime


class ConversationMessage(Shown):
    id: str
    person: str
    text: str
    replies: list[Reply]
    state: MessageState
    at: datetime
    problem: str | None = None
    teachings: list[Teaching] = Field(default_factory=list)


class Conversation(Shown):
    messages: list[ConversationMessage]


class Rating(Shown):
    rating: Annotated[int, Field(ge=1, le=5)] | None


class ThreadOutcome(Shown):
    """`message` finds it again at /api/messages/ID. Before the outcome is known `kind` is null."""

    message: str
    kind: TeachingKind | None
    note: str | None
    note_id: str | None = None
    reply: Reply | None


class Note(Shown):
    id: str
    text: str
    source: str = Field(serialization_alias="from")
    kind: str = "note"


class Ratings(Shown):
    count: int
    mean: float | None


class Version(Shown):
    version: int
    state: str
    reason: str | None
    metrics: Metrics
    night: str | None
    at: datetime | None = None


class CurvePoint(Shown):
    """One night: how well answers were as wanted, 0 to 1, on requests held back from training."""

    at: datetime
    before: float
    after: float
    low: float
    high: float
    is_promoted: bool


class Person(Shown):
    person: str
    learning: bool | None  # null: not asked yet
    memory: bool
    lora: bool
    mode: Mode
    timezone: str
    notes: list[Note]
    ratings: Ratings
    live: int | None
    versions: list[Version]
    curve: list[CurvePoint]


class LiveVersion(Shown):
    live: int | None


class Forgotten(Shown):
    """How many of each kind were erased."""

    counts: dict[str, int]


class NoteDeleted(Shown):
    deleted: str


class Imported(Shown):
    taken: dict[str, int]
    left: dict[str, int]
    reasons: list[str]
    text: str


class NightPerson(Shown):
    person: str
    outcome: Literal["promoted", "kept", "skipped", "failed"] | None
    reason: str | None
    version: int | None
    used: dict[str, int]
    metrics: Metrics


class Night(Shown):
    id: str
    state: Literal["running", "done", "failed"]
    people: list[NightPerson]
    problem: str | None = None


class WhyPart(Shown):
    """A part of the prompt: the persona, a fact, a note, an example, a turn."""

    kind: str
    text: str


class WhyQuestion(Shown):
    """A question of the judge, and the probability of yes."""

    name: str
    text: str
    yes: float


class TreeNode(Shown):
    id: int
    parent: int | None
    text: str
    score: float
    is_finished: bool
    is_chosen: bool


class Why(Shown):
    reply: str
    model: str
    lora: str | None
    seed: int
    mode: Mode
    prompt: list[WhyPart]
    questions: list[WhyQuestion]
    tree: list[TreeNode]
    generated_tokens: int
    seconds: float
    learned_from: bool
    learned_why: str


class Comparison(Shown):
    base: str
    own: str
    lora: str | None
    notes: list[str]


class Notice(Shown):
    text: str
    actions: list[Action] = Field(default_factory=list)
    image_png: str | None = None  # base64
    file_name: str | None = None


class Progress(Shown):
    message: str
    conversation: str
    person: str
    done: int
    total: int
    phase: str


class NightProgress(Shown):
    night: str
    person: str
    phase: str
    done: int
    total: int


class Pressed(Shown):
    notice: Notice | None


class ModelCard(Shown):
    """What people are told of the model that answers."""

    id: str = Field(description="Its name and a fingerprint.")
    title: str
    nature: str = Field(description="What it is good for; empty where nobody said it.")
    licence: str
    parameters: int | None
    weight_bytes: int
    max_context: int
    sentence: str = Field(description="All of it in words.")


class About(Shown):
    """What a page needs to know of the service."""

    model: str = Field(description="As the settings name it.")
    card: ModelCard | None = Field(description="Of that model; null until it is found.")
    ratings: dict[str, int]
    never_learn: str
    max_text_chars: int = Field(
        description="The model may have room for less: such a question is refused with 409 `too_long`."
    )
    mode: Mode
