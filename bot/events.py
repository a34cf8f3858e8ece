"""The neutral events that chat platforms are translated into, and the replies that go back.

Knows no platform: platform objects stop in the adapter that received them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engine.types import Mode


class Platform(StrEnum):
    WEB = "web"
    DISCORD = "discord"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who speaks. `key` names them everywhere: `discord:ID`, `slack:TEAM:ID`, or the bare web name."""

    key: str
    platform: Platform
    name: str | None = None  # how they are addressed


def person_of(key: str) -> Person:
    """Whom a key stands for: a person of the web, or of a platform who uses the web or the terminal too."""
    prefix, colon, _ = key.partition(":")
    platform = Platform(prefix) if colon and prefix in ("discord", "slack") else Platform.WEB
    return Person(key=key, platform=platform, name=key if platform is Platform.WEB else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where answers go: a channel and perhaps a thread in it. The web's channel is the conversation.

    `channel` says everything the adapter needs to find it again (on Slack `TEAM/CHANNEL`).
    """

    platform: Platform
    channel: str
    thread: str | None = None
    is_private: bool = True  # a direct message, or the web


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """One message on a platform: the question's, or one of the pieces of a posted reply."""

    platform: Platform
    channel: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A person asks. `event` is the platform's id of this delivery; a repeated one is dropped."""

    event: str
    ref: Ref
    place: Place
    person: Person
    text: str
    at: datetime
    mode: Mode | None = None  # None: the person's own
    reply_to: str | None = None  # the reply that this goes on from, where the platform knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The question's text changed: it is answered anew."""

    event: str
    ref: Ref
    person: Person
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What was said was withdrawn: what runs for it is cancelled, and it is not learned from."""

    event: str
    ref: Ref
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """A person put an emoji on a posted reply, or took it off. `ref` is the piece reacted to."""

    event: str
    ref: Ref
    person: Person
    emoji: str
    on: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionState:
    """All emoji that one person has on one reply now: what is read back after a reconnect."""

    ref: Ref
    person: Person
    emoji: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadReply:
    """A person answered under a reply without mentioning the bot: it teaches.

    `to` is the message replied to; None where the platform tells only the thread: then it is the
    latest answer to this person in that place.
    """

    event: str
    ref: Ref
    place: Place
    to: Ref | None
    person: Person
    text: str
    at: datetime
    is_correction: bool | None = None  # the platform's "Correct this" knows; None: decided from the text


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A person took another of a reply's finished branches."""

    event: str
    reply: str
    person: Person
    alternative: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A person asked for something by name, as `notes delete 3`."""

    person: Person
    place: Place
    name: str
    arguments: tuple[str, ...] = ()
    attachment: bytes | None = None  # the archive of an import
    is_operator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another finished branch of the search that made a reply."""

    id: str
    text: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One recorded answer, as people and platforms see it."""

    id: str
    message: str
    conversation: str
    person: str
    text: str
    mode: Mode
    score: float | None
    lora: str | None
    seed: int
    revises: str | None = None
    rating: int | None = None
    alternatives: tuple[Alternative, ...] = ()
    at: datetime | None = None
    heading: str | None = None  # a line above the text: what was understood, "Noted: …"
    duel: str | None = None  # the alternative shown beside it with "which is better?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the search for an answer is."""

    message: str
    conversation: str
    person: str
    done: int
    total: int
    phase: str = "weaving"


class ActionKind(StrEnum):
    """What a button under a message does. Adapters draw it; `app.press` carries it out."""

    OTHER_ANSWERS = "other_answers"
    WHY = "why"
    WAS_QUESTION = "was_question"
    UNDO_NOTE = "undo_note"
    LEARN_ON = "learn_on"
    LEARN_OFF = "learn_off"
    UNDO_LORA = "undo_lora"
    SHOW_MORE = "show_more"
    TAKE = "take"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button. `target` is the reply, note, alternative or night it acts on."""

    kind: ActionKind
    label: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something said to one person that is no answer: consent, a command's result, the morning note."""

    text: str
    actions: tuple[Action, ...] = ()
    image_png: bytes | None = None
    file: bytes | None = None
    file_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A reply on its way to a platform. `key` is the same at every try: it is posted once."""

    key: str
    reply: Reply
    place: Place
    question: Ref | None
    actions: tuple[Action, ...] = ()
    replaces: tuple[Ref, ...] = field(default=())  # after an edit: the messages whose text it replaces


class MessageState(StrEnum):
    """How far a question or a thread reply is."""

    WAITING = "waiting"  # in the inbox, or being worked on
    ANSWERED = "answered"  # its reply is stored, or it needed none
    CANCELLED = "cancelled"  # withdrawn
    FAILED = "failed"  # given up; `problem` says why


class TeachingKind(StrEnum):
    """What a reply under an answer was understood as."""

    CRITIQUE = "critique"
    CORRECTION = "correction"
    QUESTION = "question"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a question or a thread reply so far. `replies`: the current ones, oldest first."""

    message: str
    person: str
    conversation: str
    text: str
    state: MessageState
    replies: tuple[Reply, ...] = ()
    problem: str | None = None
    refused: str | None = None  # the refusal's code, where it failed because it cannot be done as asked
    kind: TeachingKind | None = None  # of a thread reply
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NightProgress:
    """How far a night is, for one of the people in it."""

    night: str
    person: str
    phase: str
    done: int
    total: int
