"""What goes over the web interface: every body, parameter and answer, once.

The same models validate what comes in and make the OpenAPI document. Knows no HTTP and no store.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from bot import ratings
from bot.events import ActionKind, MessageState, TeachingKind
from engine.types import Mode

MAX_TEXT_CHARS = 16_000
MAX_WAIT_S = 3_600
MAX_PEOPLE_OF_A_NIGHT = 1_000

TIMEZONES = tuple(sorted(available_timezones() | {"UTC"}))

# A bare name of the web chat, or a person of a platform. No colon in a bare name, so nobody can pose as one.
PERSON = (
    r"^(discord:[0-9]{1,20}|slack:[A-Za-z0-9]{1,32}:[A-Za-z0-9]{1,32}"
    r"|[^\s:/\\\x00-\x1f\x7f]([^:/\\\x00-\x1f\x7f]{0,62}[^\s:/\\\x00-\x1f\x7f])?)$"
)
LINE = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"  # something visible, in one line
TEXT = r"^[^\x00]*[^\s\x00][^\x00]*$"  # something visible; Postgres keeps no NUL

# An emoji, one of its names, or a server's own between colons: what `feedback.is_emoji` takes.
_NAMES = "|".join(re.escape(name) for name in ratings.ALIASES)
_TONE = r"(?:::?(?:skin-tone-[2-6]|tone[1-5]))?"
EMOJI = (
    rf"^(?:{ratings.EMOJI_PATTERN}|:?(?:{_NAMES}){_TONE}:?"
    rf"|:[A-Za-z0-9_'\-]{{2,40}}{_TONE}:|<?a?:[A-Za-z0-9_]{{2,32}}:[0-9]{{1,20}}>?)$"
)


def _known_timezone(name: str) -> str:
    if name not in TIMEZONES:
        raise ValueError("is no IANA time zone such as Europe/Lisbon")
    return name


PersonKey: TypeAlias = Annotated[str, StringConstraints(pattern=PERSON), Field(examples=["ana"])]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=LINE, min_length=1, max_length=120)]
Id: TypeAlias = Annotated[str, StringConstraints(pattern=LINE, min_length=1, max_length=64)]
Text: TypeAlias = Annotated[str, StringConstraints(pattern=TEXT, min_length=1, max_length=MAX_TEXT_CHARS)]
Emoji: TypeAlias = Annotated[str, StringConstraints(pattern=EMOJI, max_length=64), Field(examples=["👍"])]
Timezone: TypeAlias = Annotated[
    str, AfterValidator(_known_timezone), Field(json_schema_extra={"enum": list(TIMEZONES)})
]
Wait: TypeAlias = Annotated[
    float,
    Field(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="Seconds to wait for the outcome."),
]


class Given(BaseModel):
    """What a client sends. Whatever is not named here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What the service answers."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


# Parameters in the path and the query.


class NoParameters(Given):
    pass


class WaitParameters(Given):
    wait: Wait = 0.0


class OfPerson(Given):
    person: PersonKey


class OfConversation(Given):
    conversation: Name
    person: PersonKey


class OfId(Given):
    id: Id


class OfIdAndWait(Given):
    id: Id
    wait: Wait = 0.0


class OfIdAndPerson(Given):
    id: Id
    person: PersonKey


class OfPersonAndWait(Given):
    person: PersonKey
    wait: Wait = 0.0


class OfNote(Given):
    person: PersonKey
    id: Id


# Bodies.


class NewMessage(Given):
    person: PersonKey
    conversation: Name
    text: Text
    mode: Mode | None = None


class ChangedMessage(Given):
    person: PersonKey
    text: Text


class NewReaction(Given):
    person: PersonKey
    emoji: Emoji
    on: Annotated[bool, Field(strict=True)]


class NewThreadReply(Given):
    """`kind` says beforehand what it is; without it the text decides."""

    person: PersonKey
    text: Text
    kind: Literal["correction"] | None = None


class NewChoice(Given):
    person: PersonKey
    alternative: Id


class NewNight(Given):
    people: Annotated[list[PersonKey], Field(min_length=1, max_length=MAX_PEOPLE_OF_A_NIGHT)] | None = None


class PersonChange(Given):
    learning: Annotated[bool, Field(strict=True)] | None = None
    memory: Annotated[bool, Field(strict=True)] | None = None
    lora: Annotated[bool, Field(strict=True)] | None = None
    mode: Mode | None = None
    timezone: Timezone | None = None


class Press(Given):
    """A button under a message or a notice was pressed."""

    person: PersonKey
    conversation: Name
    kind: ActionKind
    target: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]


class NewComparison(Given):
    text: Text


# Answers.


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
    metrics: dict[str, Any]
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
    used: dict[str, Any]
    metrics: dict[str, Any]


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


class About(Shown):
    """What a page needs to know of the service."""

    model: str
    ratings: dict[str, int]
    never_learn: str
    max_text_chars: int = Field(
        description="The model may have room for less: such a question is refused with 409 `too_long`."
    )
    mode: Mode
