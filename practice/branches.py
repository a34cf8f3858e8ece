"""What the corpus has said behind a reply: the judge's questions, critiques and what they lead to, and five
requests that no product makes, which teach to read replies and notes.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from engine import wording
from engine.models.catalogue import PRACTICE_RUBRIC
from engine.types import Prompt
from practice import world
from practice.manners import (
    DIMENSIONS,
    Manner,
    dress,
    points_for,
)
from practice.memories import Memory, other, worded
from practice.mix import Mix
from practice.world import Request

RUBRIC = PRACTICE_RUBRIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A user turn behind a reply, or behind the first `share` of its tokens, and the model's answer to it.

    With a share of 0 nothing has been said yet.
    `is_gist`: it hangs from the end of the prompt, and of all before it sees that last token only.
    """

    said: str
    answer: str
    share: float = 1.0
    is_judgement: bool = False
    is_gist: bool = False
    points: tuple[str, ...] = ()  # in an answer that is a reply, what is said; the rest is how


def branches(
    rng: random.Random,
    prompt: Prompt,
    asked: Request,
    manner: Manner,
    memory: Memory,
    fault: str,
    obeys: bool,
    mix: Mix,
) -> Iterator[Branch]:
    yield from _rubric_branches(rng, fault, mix)
    if rng.random() < mix.described:
        yield _described(rng, manner, mix)
    if (memory.notes or memory.wanted) and rng.random() < 0.8:
        yield _wished(memory)
    if asked.kind in world.kinds() and rng.random() < 0.4:
        yield Branch(said=KIND_REQUEST, answer=world.phrase_of(asked.kind), is_gist=True)
    if asked.kind in world.kinds():
        yield _meant_branch(rng, asked.kind)
        yield _meant_branch(rng, asked.kind)
    for _ in range(rng.choice((1, 2, 2, 3))):
        yield _manner_branch(rng, manner, prompt.name, mix)
    for _ in range(rng.choice((0, 1, 1, 2))):
        yield _note_branch(rng, manner, memory, prompt.name, obeys, mix)
    if fault == "none" and prompt == prompt.bare() and rng.random() < 0.45:
        dimension, wanted, critique = _critique(rng, manner, prompt.name)
        said = wording.note(prompt, "", critique).turns[-1].text
        yield Branch(said=said, answer=world.canonical_note(dimension, wanted))
    if fault == "none" and rng.random() < 0.2:
        dimension, wanted, critique = _critique(rng, manner, prompt.name)
        said = wording.revision(prompt, "", critique, wording.CLASSIC).turns[-1].text
        better = manner.but({dimension: wanted})
        points = tuple(world.points_to(rng, asked, points_for(rng, better)))
        yield Branch(said=said, answer=dress(rng, points, better, prompt.name), points=points)


def readings(rng: random.Random, about: Request, points: Sequence[str], fault: str) -> Iterator[Branch]:
    """What the rubric's questions rest on, in words: what the reply is about, and which point it makes twice.

    A yes or no about two places that lie far apart is learned late; whoever can quote them can answer.
    """
    if rng.random() < (0.8 if fault == "astray" else 0.25):
        yield Branch(said=SUBJECT_REQUEST, answer=about.thing)
    if rng.random() < (0.8 if fault == "repeats" else 0.1):
        twice = [point for place, point in enumerate(points) if point in points[:place]]
        yield Branch(said=TWICE_REQUEST, answer=twice[0] if twice else "nothing")


SUBJECT_REQUEST = "Name the subject."
TWICE_REQUEST = "Quote what is said twice."


def _meant_branch(rng: random.Random, kind: str) -> Branch:
    """Whether a note for one kind of request is for this one."""
    is_meant = rng.random() < 0.5
    its_kind = kind if is_meant else world.another_kind(rng, kind)
    dimension = rng.choice(list(DIMENSIONS))
    value = rng.choice(DIMENSIONS[dimension])
    note = world.note_for(rng, dimension, value, kind_phrase=world.phrase_of(its_kind))
    said = wording.question(wording.is_meant(note))
    return Branch(said=said, answer="yes" if is_meant else "no", share=0.0, is_judgement=True)


def _described(rng: random.Random, manner: Manner, mix: Mix) -> Branch:
    """No prompt of the product: it teaches what to look for in a reply, eight manners at once.

    From yes and no alone that is learned slowly, since neither question nor reply says anything by itself.
    """
    said = ", ".join(_DESCRIPTIONS.get(pair, pair[1]) for pair in manner.items())
    return Branch(said=DESCRIPTION_REQUEST, answer=said, share=_share(rng, mix))


def _wished(memory: Memory) -> Branch:
    """No prompt of the product either: what the memory comes to for this request, told from the one token
    that the reply begins behind.

    A reply shows it in a few of its words only, so that notes are understood long before they are obeyed.
    What that token has gathered, every word of the reply can see.
    """
    said = ", ".join(_DESCRIPTIONS.get(pair, pair[1]) for pair in sorted(memory.wanted))
    return Branch(said=WISH_REQUEST, answer=said or "nothing", is_gist=True)


DESCRIPTION_REQUEST = "Describe the reply."
WISH_REQUEST = "Describe the wish."
# In the words that a note for one kind of request has for it, or the two are never compared.
KIND_REQUEST = "Name the kind of request."
_DESCRIPTIONS = {
    ("length", "one"): "one sentence",
    ("shape", "list"): "bullet points",
    ("shape", "numbered"): "numbered list",
    ("emoji", "none"): "no emoji",
    ("emoji", "some"): "emoji",
    ("ending", "statement"): "no question",
    ("address", "none"): "no name",
    ("hedging", "sure"): "no hedge",
    ("hedging", "hedged"): "hedge",
    ("figure", "literal"): "no comparison",
}


def _share(rng: random.Random, mix: Mix) -> float:
    """How much of the reply is there when it is judged."""
    return 1.0 if rng.random() < mix.whole else rng.uniform(0.05, 0.95)


def _judged(rng: random.Random, text: str, is_yes: bool, mix: Mix) -> Branch:
    answer = "yes" if is_yes else "no"
    return Branch(said=wording.question(text), answer=answer, share=_share(rng, mix), is_judgement=True)


def _rubric_branches(rng: random.Random, fault: str, mix: Mix) -> Iterator[Branch]:
    """Faulty replies are few, so sound ones are asked about seldom: yes and no come out equally often."""
    astray, repeats = rubric_questions()
    for _ in range(2):
        if fault == "astray" or rng.random() < 0.13:
            yield _judged(rng, astray, fault != "astray", mix)
        if fault == "repeats" or rng.random() < 0.085:
            yield _judged(rng, repeats, fault == "repeats", mix)


def _manner_branch(rng: random.Random, manner: Manner, name: str | None, mix: Mix) -> Branch:
    dimension, value = _something_asked(rng, manner, name)
    questions = manner_questions(dimension)
    value = value if value in questions else next(iter(questions))
    return _judged(rng, questions[value], manner[dimension] == value, mix)


def _note_branch(
    rng: random.Random, manner: Manner, memory: Memory, name: str | None, obeys: bool, mix: Mix
) -> Branch:
    """Asked about a note of the prompt only where it is obeyed by chance: the answer must be in the reply."""
    wanted = dict(memory.wanted)
    own = [note for note in memory.notes if wanted.get(note.dimension) == note.value]
    if own and not obeys and rng.random() < 0.8:
        note = rng.choice(own)
        return _judged(rng, wording.note_question(note.text), manner[note.dimension] == note.value, mix)
    return note_branch(rng, manner, name, mix)


def note_branch(rng: random.Random, manner: Manner, name: str | None, mix: Mix) -> Branch:
    """Asked about a note that the prompt need not have."""
    dimension, value = _something_asked(rng, manner, name)
    note = worded(rng, dimension, value, mix)
    return _judged(rng, wording.note_question(note), manner[dimension] == value, mix)


def something_wanted(rng: random.Random, manner: Manner, name: str | None) -> tuple[str, str]:
    dimension = _dimension(rng, name)
    return dimension, other(rng, dimension, manner[dimension])


def _critique(rng: random.Random, manner: Manner, name: str | None) -> tuple[str, str, str]:
    """What a reply in this manner lacks, and how somebody says so."""
    dimension, wanted = something_wanted(rng, manner, name)
    return dimension, wanted, world.critique_for(rng, dimension, wanted, given=manner[dimension])


def _something_asked(rng: random.Random, manner: Manner, name: str | None) -> tuple[str, str]:
    """A value to ask about, which the manner has half of the time."""
    dimension = _dimension(rng, name)
    value = manner[dimension] if rng.random() < 0.5 else other(rng, dimension, manner[dimension])
    return dimension, value


def _dimension(rng: random.Random, name: str | None) -> str:
    """Of a person without a name nobody can say that they are addressed."""
    return rng.choice([dimension for dimension in DIMENSIONS if name or dimension != "address"])


# --- the rubric ---


@cache
def rubric_questions() -> tuple[str, str]:
    """The judge's standing questions: is it on topic, does it repeat itself."""
    texts: Sequence[str] = [question["text"] for question in _rubric()["question"]]
    return texts[0], texts[1]


@cache
def manner_questions(dimension: str) -> dict[str, str]:
    """The rubric's questions about one dimension, by the value that makes the answer yes."""
    asked = {}
    for manner in _rubric()["manner"]:
        value_of = world.value_of_note(manner["note"])
        if value_of and value_of[0] == dimension:
            asked[value_of[1]] = manner["text"]
    return asked


@cache
def _rubric() -> dict[str, list[dict[str, str]]]:
    return tomllib.loads(RUBRIC.read_text("utf-8"))
