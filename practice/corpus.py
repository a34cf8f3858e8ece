"""Everything the practice model learns from, as much as is asked for, from a seed.

A document is a prompt in the product's own words, a reply, and what is said behind that reply: questions
of the judge with their answers (also behind a half-finished reply), a critique with the revision it leads
to, a critique with the note it is put into. Knows no tokenizer: rows.py turns documents into tokens.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from engine import wording
from engine.types import Prompt, Role, Turn
from practice import world
from practice.branches import (
    Branch,
    branches,
    readings,
    something_wanted,
)
from practice.manners import (
    DIMENSIONS,
    Manner,
    Preference,
    dress,
    points_for,
    random_manner,
)
from practice.memories import (
    Memory,
    memory_of,
    other,
    possible,
)
from practice.mix import FULL, Mix
from practice.names import invented_name
from practice.world import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`is_model`: the reply is one to learn to give; the others are there to be judged.

    `asked` and `manner` are what the reply was made from; None where two notes are weighed. `wanted` is what
    the prompt asks of any reply to it.
    """

    prompt: Prompt
    reply: str
    is_model: bool
    asked: Request | None = None
    manner: Manner | None = None
    wanted: Preference = field(default_factory=Preference)
    points: tuple[str, ...] = ()  # what the reply says; the rest of it is how
    branches: tuple[Branch, ...] = ()


def documents(seed: int, mix: Mix = FULL) -> Iterator[Document]:
    """Training documents without end. No held-out combination and no held-out wording is among them."""
    rng = random.Random(seed)
    while True:
        yield document(rng, mix)


def document(rng: random.Random, mix: Mix = FULL) -> Document:
    return _two_notes(rng) if rng.random() < 0.06 else _answered(rng, mix)


def _answered(rng: random.Random, mix: Mix) -> Document:
    name = invented_name(rng) if rng.random() < 0.75 else None
    asked, turns, facts = _conversation(rng, name, mix)
    memory = memory_of(rng, asked, name, mix)
    prompt = Prompt(
        turns=turns,
        persona=_persona(rng),
        name=name,
        facts=facts,
        notes=tuple(note.text for note in memory.notes),
        examples=memory.examples,
    )
    obeys = not memory.wanted or rng.random() < 0.82
    wanted = {dimension: value for dimension, value in memory.wanted if obeys or rng.random() < 0.5}
    manner = possible(random_manner(rng, name).but(wanted), name)
    is_model = all(manner[dimension] == value for dimension, value in memory.wanted)
    if rng.random() < mix.criticised:
        prompt, manner, memory = _criticised(rng, prompt, asked, manner, memory)
    fault = rng.choices(("none", "astray", "repeats"), (0.76, 0.12, 0.12))[0]
    if fault == "repeats" and manner.length == "one":
        fault = "none"
    about = _elsewhere(rng, asked) if fault == "astray" else asked
    points = _points(rng, about, manner, fault)
    return Document(
        prompt=prompt,
        asked=asked,
        manner=manner,
        wanted=Preference(wanted=memory.wanted),
        reply=dress(rng, points, manner, name),
        points=points,
        is_model=is_model and fault == "none",
        branches=(
            *readings(rng, about, points, fault),
            *branches(rng, prompt, asked, manner, memory, fault, obeys, mix),
        ),
    )


def _two_notes(rng: random.Random) -> Document:
    """Whether a new note takes an earlier one's place: where both are about the same dimension."""
    earlier, later = rng.sample(list(DIMENSIONS), 2)
    if rng.random() < 0.5:
        later = earlier
    old = rng.choice(DIMENSIONS[earlier])
    new = other(rng, later, old) if later == earlier else rng.choice(DIMENSIONS[later])
    prompt = wording.takes_the_place(_any_wording(rng, later, new), _any_wording(rng, earlier, old))
    return Document(prompt=prompt, reply="yes" if later == earlier else "no", is_model=True)


def _any_wording(rng: random.Random, dimension: str, value: str) -> str:
    """The rubric's wording half of the time, since that is how the model words a note itself."""
    if rng.random() < 0.5:
        return world.canonical_note(dimension, value)
    return world.note_for(rng, dimension, value)


# --- the conversation ---


def _conversation(
    rng: random.Random, name: str | None, mix: Mix
) -> tuple[Request, tuple[Turn, ...], tuple[str, ...]]:
    """What is asked last, the turns up to it, and the facts that are known."""
    if rng.random() < mix.single_turn:
        only = world.request(rng, held_out=False)
        return only, (_user(only),), ()
    facts = _facts(rng) if rng.random() < 0.2 else ()
    chance = rng.random()
    if chance < 0.05:
        asked = world.tell(rng, held_out=False)
        return asked, (*_earlier(rng, name, 0.2), _user(asked)), facts
    if chance < 0.23:
        return _recalled(rng, name, facts)
    first = world.request(rng, held_out=False)
    if chance < 0.38:
        follow = world.followup(rng, first, held_out=False)
        if follow is not None:
            return follow, (*_earlier(rng, name, 0.2), *_exchange(rng, first, name), _user(follow)), facts
    return first, (*_earlier(rng, name, 0.08), _user(first)), facts


def _recalled(
    rng: random.Random, name: str | None, facts: tuple[str, ...]
) -> tuple[Request, tuple[Turn, ...], tuple[str, ...]]:
    """A question for a fact: known from memory, told in this conversation, corrected in it, or never told."""
    way = rng.choice(("memory", "told", "corrected", "untold"))
    if way in ("memory", "untold"):
        asked = world.recall(rng, held_out=False, value=None if way == "memory" else "")
        known = [fact for fact in facts if f"My {asked.thing} " not in fact]
        known[rng.randint(0, len(known)) : 0] = asked.facts
        return asked, (*_earlier(rng, name, 0.2), _user(asked)), tuple(known)
    told = world.tell(rng, held_out=False, correction=way == "corrected" and bool(facts))
    if world.is_held_out("recall", told.thing):
        return told, (_user(told),), facts
    asked = world.recall(rng, held_out=False, owned=told.thing, value=told.other)
    turns = list(_exchange(rng, told, name))
    if way == "corrected":
        first = world.tell(rng, held_out=False, owned=told.thing)
        told = world.tell(rng, held_out=False, owned=told.thing, correction=True)
        turns = [*_exchange(rng, first, name), *_exchange(rng, told, name)]
        asked = replace(asked, other=told.other)
    known = [fact for fact in facts if f"My {asked.thing} " not in fact]
    return asked, (*turns, *_earlier(rng, name, 0.3), _user(asked)), tuple(known)


def _facts(rng: random.Random) -> tuple[str, ...]:
    recalled = [world.recall(rng, held_out=rng.random() < 0.15) for _ in range(rng.randint(1, 3))]
    return tuple({asked.thing: asked.facts[0] for asked in recalled}.values())


def _earlier(rng: random.Random, name: str | None, chance: float) -> tuple[Turn, ...]:
    """Exchanges about something else."""
    turns: tuple[Turn, ...] = ()
    while rng.random() < chance:
        turns += _exchange(rng, world.request(rng, held_out=False), name)
    return turns


def _exchange(rng: random.Random, asked: Request, name: str | None) -> tuple[Turn, Turn]:
    manner = random_manner(rng, name)
    if rng.random() < 0.5:
        manner = manner.but({"length": "one"})
    return _user(asked), Turn(role=Role.ASSISTANT, text=world.reply_for(rng, asked, manner, name))


def _user(asked: Request) -> Turn:
    return Turn(role=Role.USER, text=asked.text)


def _persona(rng: random.Random) -> str:
    if rng.random() < 0.85:
        return ""
    bot, kind = invented_name(rng), rng.choice(("helpful", "small", "quiet", "patient", "curious"))
    return rng.choice(
        (
            f"You are {bot}.",
            f"You are {bot}, a {kind} bot.",
            f"You are a {kind} assistant.",
            f"You are a {kind} assistant called {bot}. You live on a small server.",
            "You answer the questions of a team.",
        )
    )


# --- the reply, and what is said behind it ---


def reply_with(rng: random.Random, asked: Request, manner: Manner, name: str | None, fault: str) -> str:
    return dress(rng, _points(rng, asked, manner, fault), manner, name)


def _points(rng: random.Random, asked: Request, manner: Manner, fault: str = "none") -> tuple[str, ...]:
    points = world.points_to(rng, asked, points_for(rng, manner))
    if fault == "repeats" and len(points) > 1:
        first, second = sorted(rng.sample(range(len(points)), 2))
        points[second] = points[first]
    return tuple(points)


def _elsewhere(rng: random.Random, asked: Request) -> Request:
    same_kind = asked.kind if rng.random() < 0.5 and asked.kind in world.kinds() else None
    while True:
        other = world.request(rng, held_out=False, kind=same_kind)
        if other.thing not in (asked.thing, asked.other) and asked.thing not in (other.other, other.thing):
            return other


def _criticised(
    rng: random.Random, prompt: Prompt, asked: Request, manner: Manner, memory: Memory
) -> tuple[Prompt, Manner, Memory]:
    """The same request a turn later: an answer was criticised; `manner` is that of the revision."""
    dimension, wanted = something_wanted(rng, manner, prompt.name)
    given = other(rng, dimension, wanted)
    earlier = world.reply_for(rng, asked, manner.but({dimension: given}), prompt.name)
    critique = world.critique_for(rng, dimension, wanted, given=given)
    revised = manner.but({dimension: wanted})
    kept = tuple(pair for pair in memory.wanted if pair[0] != dimension)
    memory = replace(memory, wanted=(*kept, (dimension, wanted)))
    return wording.revision(prompt, earlier, critique, wording.CLASSIC), revised, memory
