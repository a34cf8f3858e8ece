"""What comes in over the web interface: every parameter and body, once.

The same models check what comes in and make the OpenAPI document. Knows no HTTP and no store.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from bot import ratings
from bot.events import ActionKind
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

# An emoji, one of its names, or a server's own between colons: what `ratings.is_emoji` takes.
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
