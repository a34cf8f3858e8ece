"""The practice world as a whole: requests, replies to them, and checks that read a reply's text.

A simulated person draws requests here, words notes and critiques, and writes the reply they would have
wanted. The parts are things (what is spoken of), kinds (of request), manners (of reply) and remarks
(about manners). Knows no model and no prompt.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from practice.kinds import (
    KINDS,
    RECALL,
    TELL,
    UNTOLD,
    Kind,
)
from practice.manners import (
    DIMENSIONS,
    Manner,
    Preference,
    complies,
    dress,
    manner_of,
    points_for,
    random_manner,
    undress,
)
from practice.names import invented_name
from practice.remarks import (
    Note,
    canonical_note,
    critique_for,
    note_for,
    value_of_note,
)
from practice.things import OWNED, category_of, things

__all__ = [
    "DIMENSIONS",
    "Manner",
    "Note",
    "Preference",
    "Request",
    "another_kind",
    "canonical_note",
    "complies",
    "critique_for",
    "followup",
    "is_about",
    "is_coherent",
    "kinds",
    "manner_of",
    "note_for",
    "phrase_of",
    "random_manner",
    "recall",
    "reply_for",
    "request",
    "requests",
    "tell",
    "things",
    "value_of_note",
]

HELD_OUT_PERCENT = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asks. `text` is what they say; the rest is what a checker knows about it."""

    kind: str
    thing: str
    text: str
    held_out: bool
    other: str = ""  # the second thing of a comparison, the adjective to reword, or a given name
    facts: tuple[str, ...] = ()  # what the prompt must know for it to be answered


def kinds() -> tuple[str, ...]:
    """The kinds of request that stand alone."""
    return tuple(kind.name for kind in KINDS)


def another_kind(rng: random.Random, kind: str) -> str:
    return rng.choice([other for other in kinds() if other != kind])


def phrase_of(kind: str) -> str:
    """What a person calls a kind of request: "a poem"."""
    return _KINDS[kind].phrase


def is_held_out(kind: str, thing: str) -> bool:
    """Whether a combination never appears in training. Fixed for good by its hash."""
    digest = hashlib.sha256(f"{kind}|{thing}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def requests(rng: random.Random, *, held_out: bool) -> Iterator[Request]:
    """Requests without end, each standing alone."""
    while True:
        yield request(rng, held_out=held_out)


def request(
    rng: random.Random, *, held_out: bool, kind: str | None = None, thing: str | None = None
) -> Request:
    """One request of the training or the held-out combinations."""
    chosen, about = _combination(rng, KINDS, held_out, kind, thing)
    return _worded(rng, chosen, about, chosen.wordings, held_out)


def followup(rng: random.Random, earlier: Request, *, held_out: bool) -> Request | None:
    """A request that says "it" for the thing of an earlier one; None if that thing has none on this side."""
    open_kinds = [kind for kind in KINDS if kind.followups and kind.name != earlier.kind]
    fitting = [kind for kind in open_kinds if _allowed(kind, earlier.thing, held_out)]
    if earlier.kind not in kinds() or not fitting:
        return None
    chosen = rng.choice(fitting)
    return _worded(rng, chosen, earlier.thing, chosen.followups, held_out)


def tell(
    rng: random.Random, *, held_out: bool, owned: str | None = None, correction: bool = False
) -> Request:
    """A person states a fact ("My cat is called Miso."), or corrects one."""
    _, about = _combination(rng, (TELL,), held_out, None, owned)
    wordings = TELL.followups if correction else TELL.wordings
    name = invented_name(rng)
    text = rng.choice(wordings).format(t=about, v=name)
    return Request(kind=TELL.name, thing=about, text=text, held_out=held_out, other=name)


def recall(
    rng: random.Random, *, held_out: bool, owned: str | None = None, value: str | None = None
) -> Request:
    """A person asks for a fact; its `facts` tell it. With an empty value nobody ever told."""
    chosen, about = _combination(rng, (RECALL,), held_out, None, owned)
    name = invented_name(rng) if value is None else value
    facts = (f"My {about} is called {name}.",) if name else ()
    text = _as_typed(rng, rng.choice(chosen.wordings).format(t=about))
    return Request(kind=RECALL.name, thing=about, text=text, held_out=held_out, other=name, facts=facts)


def reply_for(rng: random.Random, asked: Request, manner: Manner, name: str | None = None) -> str:
    """A reply to a request in a manner: what a person writes who corrects an answer."""
    return dress(rng, points_to(rng, asked, points_for(rng, manner)), manner, name)


def points_to(rng: random.Random, asked: Request, count: int) -> list[str]:
    """So many different points in reply to a request, the first of which names the thing."""
    templates = rng.sample(_templates(asked), count)
    return [
        _fill(rng, template, asked, may_say_it=position > 0) for position, template in enumerate(templates)
    ]


def is_about(text: str, asked: Request) -> bool:
    """Whether a reply speaks of what was asked for, both things of a comparison."""
    subjects = [asked.thing]
    if asked.kind == "compare" or (asked.kind in ("recall", "tell") and asked.other):
        subjects.append(asked.other)
    return all(re.search(rf"\b{re.escape(subject.lower())}\b", text.lower()) for subject in subjects)


def is_coherent(text: str, asked: Request, name: str | None = None) -> bool:
    """Whether a reply parses in the world's grammar as an answer to this very request, in one tone."""
    cores = undress(text, name)
    if cores is None or len(cores) > 6:
        return False
    sayable = sayable_of(asked.kind, asked.thing, asked.other)
    return all(core in sayable for core in cores) and is_about(text, asked)


def repeats_itself(text: str, name: str | None = None) -> bool:
    """Whether a reply makes the same point twice, word for word."""
    cores = undress(text, name)
    return cores is not None and len(set(cores)) < len(cores)


# --- requests ---

_KINDS = {kind.name: kind for kind in (*KINDS, TELL, RECALL)}


def _combination(
    rng: random.Random, choices: tuple[Kind, ...], held_out: bool, kind: str | None, thing: str | None
) -> tuple[Kind, str]:
    for _ in range(10_000):
        chosen = _KINDS[kind] if kind else rng.choice(choices)
        about = thing or rng.choice(OWNED if chosen in (TELL, RECALL) else things())
        if _allowed(chosen, about, held_out):
            return chosen, about
    raise ValueError(f"No {'held-out' if held_out else 'training'} request of kind {kind} about {thing}.")


def _allowed(kind: Kind, thing: str, held_out: bool) -> bool:
    if kind.name == "care" and not category_of(thing).care:
        return False
    return is_held_out(kind.name, thing) == held_out


def _worded(rng: random.Random, kind: Kind, thing: str, wordings: tuple[str, ...], held_out: bool) -> Request:
    category = category_of(thing)
    other = ""
    if kind.name == "compare":
        other = rng.choice([neighbour for neighbour in category.things if neighbour != thing])
    elif kind.name == "rewrite":
        other = rng.choice(category.good)
    text = _as_typed(rng, rng.choice(wordings).format(t=_as_called(rng, thing), u=other, g=other))
    return Request(kind=kind.name, thing=thing, text=text, held_out=held_out, other=other)


def _as_called(rng: random.Random, thing: str) -> str:
    """A thing as people call it, who do not ask themselves how it stands in a list."""
    article, _, bare = thing.partition(" ")
    return f"the {bare}" if article in ("a", "an") and rng.random() < 0.15 else thing


def _as_typed(rng: random.Random, text: str) -> str:
    """The small differences between people who type: greetings, lower case, no full stop."""
    text = text[0].upper() + text[1:]
    chance = rng.random()
    if chance < 0.08:
        return rng.choice(("Hi! ", "Hello. ", "Hey, ", "Please: ", "Good morning. ")) + text
    if chance < 0.14:
        return text[0].lower() + text[1:]
    if chance < 0.2:
        return text[0].lower() + text[1:-1]
    return text


# --- replies ---


def _templates(asked: Request) -> tuple[str, ...]:
    if asked.kind == "recall" and not asked.other:
        return UNTOLD
    return _KINDS[asked.kind].points


def _fill(rng: random.Random, template: str, asked: Request, *, may_say_it: bool) -> str:
    says_it = may_say_it and asked.kind not in ("compare", "recall", "tell") and rng.random() < 0.5
    slots = {"t": "it" if says_it else asked.thing, "u": asked.other, "g": asked.other, "v": asked.other}
    if asked.kind not in ("recall", "tell"):
        category = category_of(asked.thing)
        for slot in _SLOTS:
            slots[slot] = rng.choice(getattr(category, slot) or ("",))
    return template.format(**slots)


_SLOTS = ("what", "good", "place", "beside", "do", "care", "risk")


@lru_cache(maxsize=4096)
def sayable_of(kind: str, thing: str, other: str) -> frozenset[str]:
    """Every point that may be made in reply to a request, in lower case."""
    asked = Request(kind=kind, thing=thing, text="", held_out=False, other=other)
    sayable: set[str] = set()
    for template in _templates(asked):
        slot = next((slot for slot in _SLOTS if f"{{{slot}}}" in template), None)
        second = next((more for more in _SLOTS if f"{{{more}}}" in template and more != slot), None)
        category = category_of(thing) if slot else None
        for said in (thing, "it"):
            for value in getattr(category, slot) if slot else ("",):
                for further in getattr(category, second) if second else ("",):
                    filled = {"t": said, "u": other, "g": other, "v": other}
                    filled |= {slot: value} if slot else {}
                    filled |= {second: further} if second else {}
                    sayable.add(template.format(**filled).lower())
    return frozenset(sayable)
