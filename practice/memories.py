"""A prompt's memory in the corpus: standing notes and rated examples, and what they ask of a reply."""

from __future__ import annotations

import random
from dataclasses import dataclass

from engine.types import Example
from practice import world
from practice.manners import DIMENSIONS, Manner, random_manner
from practice.mix import Mix
from practice.remarks import IDLE_NOTES, Note
from practice.world import Request

SCOPED = 0.25  # of the notes are for one kind of request, half of them for the one that is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    notes: tuple[Note, ...] = ()
    examples: tuple[Example, ...] = ()
    wanted: tuple[tuple[str, str], ...] = ()  # what the notes and examples ask of this very reply


def memory_of(rng: random.Random, asked: Request, name: str | None, mix: Mix) -> Memory:
    without = 1 - mix.examples
    shares = ((1 - mix.noted) * without, mix.noted * without, 0.65 * mix.examples, 0.35 * mix.examples)
    way = rng.choices(("nothing", "notes", "examples", "both"), shares)[0]
    if way == "nothing":
        return Memory(notes=_idle_notes(rng) if rng.random() < 0.1 else ())
    if way == "examples":
        wanted = _some_values(rng, rng.choice((1, 1, 2, 2, 3)), name)
        return Memory(examples=_examples_of(rng, wanted, name), wanted=tuple(wanted.items()))
    count = rng.choices((1, 2, 3, 4), (0.35, 0.25, 0.25, 0.15))[0]
    notes = [
        _note(rng, dimension, value, asked, mix)
        for dimension, value in _some_values(rng, count, name).items()
    ]
    wanted = {note.dimension: note.value for note in notes if note.kind in (None, asked.kind)}
    if rng.random() < 0.08:
        notes += _idle_notes(rng)
        rng.shuffle(notes)
    examples = _examples_of(rng, wanted, name) if way == "both" and wanted else ()
    return Memory(notes=tuple(notes), examples=examples, wanted=tuple(wanted.items()))


def _some_values(rng: random.Random, count: int, name: str | None) -> dict[str, str]:
    drawn = {
        dimension: rng.choice(DIMENSIONS[dimension]) for dimension in rng.sample(list(DIMENSIONS), count)
    }
    return drawn if name else {**drawn, **({"address": "none"} if "address" in drawn else {})}


def _note(rng: random.Random, dimension: str, value: str, asked: Request, mix: Mix) -> Note:
    chance = rng.random()
    if chance > SCOPED or asked.kind not in world.kinds():
        return Note(dimension=dimension, value=value, text=worded(rng, dimension, value, mix))
    kind = asked.kind if chance < SCOPED / 2 else world.another_kind(rng, asked.kind)
    text = world.note_for(rng, dimension, value, kind_phrase=world.phrase_of(kind))
    return Note(dimension=dimension, value=value, text=text, kind=kind)


def worded(rng: random.Random, dimension: str, value: str, mix: Mix) -> str:
    if rng.random() < mix.plain_notes:
        return world.canonical_note(dimension, value)
    return world.note_for(rng, dimension, value)


def _idle_notes(rng: random.Random) -> tuple[Note, ...]:
    return (Note(dimension="", value="", text=rng.choice(IDLE_NOTES), kind=""),)


def _examples_of(rng: random.Random, wanted: dict[str, str], name: str | None) -> tuple[Example, ...]:
    """Mostly answers the person liked, all of which have what they want; the disliked ones lack it."""
    count = rng.choices((1, 2, 3, 4), (0.25, 0.35, 0.25, 0.15))[0]
    return tuple(example(rng, wanted, name, is_liked=rng.random() < 0.8) for _ in range(count))


def example(rng: random.Random, wanted: dict[str, str], name: str | None, *, is_liked: bool) -> Example:
    asked = world.request(rng, held_out=False)
    manner = random_manner(rng, name)
    if manner.length == "long" and wanted.get("length") != "long":
        manner = manner.but({"length": rng.choice(DIMENSIONS["length"])})  # a prompt is no place for much
    if is_liked:
        manner = manner.but(wanted)
    else:
        manner = manner.but({dimension: other(rng, dimension, value) for dimension, value in wanted.items()})
    rating = rng.choice((4, 5, 5)) if is_liked else rng.choice((1, 1, 2))
    reply = world.reply_for(rng, asked, possible(manner, name), name)
    return Example(request=asked.text, reply=reply, rating=rating)


def other(rng: random.Random, dimension: str, value: str) -> str:
    return rng.choice([other for other in DIMENSIONS[dimension] if other != value])


def possible(manner: Manner, name: str | None) -> Manner:
    return manner if name else manner.but({"address": "none"})
