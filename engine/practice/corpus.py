"""Everything the practice model learns from, as much as is asked for, from a seed.

A document is a prompt in the product's own words, a reply, and what is said behind that reply: questions
of the judge with their answers (also behind a half-finished reply), a critique with the revision it leads
to, a critique with the note it is put into. Knows no tokenizer: rows.py turns documents into tokens.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from engine import wording
from engine.practice import world
from engine.practice.manners import DIMENSIONS, Manner, dress, points_for, random_manner
from engine.practice.names import invented_name
from engine.practice.remarks import IDLE_NOTES, Note
from engine.practice.world import Request
from engine.types import Example, Prompt, Role, Turn

RUBRIC = Path(__file__).parent.parent / "rubric.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A user turn behind a reply, or behind the first `share` of its tokens, and the model's answer to it.

    `is_gist`: it hangs from the end of the prompt, and of all before it sees that last token only.
    """

    said: str
    answer: str
    share: float = 1.0
    is_judgement: bool = False
    is_gist: bool = False
    points: tuple[str, ...] = ()  # in an answer that is a reply, what is said; the rest is how


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`is_model`: the reply is one to learn to give; the others are there to be judged.

    `asked` and `manner` are what the reply was made from; None where two notes are weighed.
    """

    prompt: Prompt
    reply: str
    is_model: bool
    asked: Request | None = None
    manner: Manner | None = None
    points: tuple[str, ...] = ()  # what the reply says; the rest of it is how
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How often the rarer and longer kinds of document come, and how plainly notes are worded."""

    single_turn: float  # a conversation of one turn and no facts
    noted: float  # notes in the prompt, where there are no examples
    examples: float  # rated examples in the prompt
    criticised: float  # the prompt holds an answer and its critique
    plain_notes: float  # notes as the rubric words them
    whole: float  # judgements behind a whole reply
    described: float  # the reply's manner is asked for in words

    def towards(self, other: Mix, share: float) -> Mix:
        """What lies between two mixes, from this one at 0 to the other at 1."""
        mine, theirs = asdict(self), asdict(other)
        return Mix(**{name: mine[name] + share * (theirs[name] - mine[name]) for name in mine})


FULL = Mix(
    single_turn=0.15, noted=0.55, examples=0.2, criticised=0.15, plain_notes=0.1, whole=0.5, described=0.3
)
# What the loop needs most, in prompts of few tokens: a model begins with these.
CORE = Mix(
    single_turn=0.9, noted=0.85, examples=0.02, criticised=0.03, plain_notes=0.7, whole=0.65, described=0.4
)


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
    memory = _memory(rng, asked, name, mix)
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
    manner = _possible(random_manner(rng, name).but(wanted), name)
    is_model = all(manner[dimension] == value for dimension, value in memory.wanted)
    if rng.random() < mix.criticised:
        prompt, manner, memory = _criticised(rng, prompt, asked, manner, memory)
    fault = rng.choices(("none", "astray", "repeats"), (0.84, 0.08, 0.08))[0]
    if fault == "repeats" and manner.length == "one":
        fault = "none"
    points = _points(rng, asked, manner, fault)
    return Document(
        prompt=prompt,
        asked=asked,
        manner=manner,
        reply=dress(rng, points, manner, name),
        points=points,
        is_model=is_model and fault == "none",
        branches=tuple(_branches(rng, prompt, asked, manner, memory, fault, obeys, mix)),
    )


def _two_notes(rng: random.Random) -> Document:
    """Whether a new note takes an earlier one's place: where both are about the same dimension."""
    earlier, later = rng.sample(list(DIMENSIONS), 2)
    if rng.random() < 0.5:
        later = earlier
    old = rng.choice(DIMENSIONS[earlier])
    new = _other(rng, later, old) if later == earlier else rng.choice(DIMENSIONS[later])
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
    if chance < 0.15:
        return _recalled(rng, name, facts)
    first = world.request(rng, held_out=False)
    if chance < 0.28:
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


# --- memory: notes and rated examples ---


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    notes: tuple[Note, ...] = ()
    examples: tuple[Example, ...] = ()
    wanted: tuple[tuple[str, str], ...] = ()  # what the notes and examples ask of this very reply


def _memory(rng: random.Random, asked: Request, name: str | None, mix: Mix) -> _Memory:
    without = 1 - mix.examples
    shares = ((1 - mix.noted) * without, mix.noted * without, 0.65 * mix.examples, 0.35 * mix.examples)
    way = rng.choices(("nothing", "notes", "examples", "both"), shares)[0]
    if way == "nothing":
        return _Memory(notes=_idle(rng) if rng.random() < 0.1 else ())
    if way == "examples":
        wanted = _some_values(rng, rng.choice((1, 1, 2, 2, 3)), name)
        return _Memory(examples=_examples(rng, wanted, name), wanted=tuple(wanted.items()))
    count = rng.choices((1, 2, 3, 4), (0.35, 0.25, 0.25, 0.15))[0]
    notes = [
        _note(rng, dimension, value, asked, mix)
        for dimension, value in _some_values(rng, count, name).items()
    ]
    wanted = {note.dimension: note.value for note in notes if note.kind in (None, asked.kind)}
    if rng.random() < 0.08:
        notes += _idle(rng)
        rng.shuffle(notes)
    examples = _examples(rng, wanted, name) if way == "both" and wanted else ()
    return _Memory(notes=tuple(notes), examples=examples, wanted=tuple(wanted.items()))


def _some_values(rng: random.Random, count: int, name: str | None) -> dict[str, str]:
    drawn = {
        dimension: rng.choice(DIMENSIONS[dimension]) for dimension in rng.sample(list(DIMENSIONS), count)
    }
    return drawn if name else {**drawn, **({"address": "none"} if "address" in drawn else {})}


def _note(rng: random.Random, dimension: str, value: str, asked: Request, mix: Mix) -> Note:
    chance = rng.random()
    if chance > 0.2 or asked.kind not in world.kinds():
        return Note(dimension=dimension, value=value, text=_worded(rng, dimension, value, mix))
    kind = asked.kind if chance < 0.1 else rng.choice([kind for kind in world.kinds() if kind != asked.kind])
    text = world.note_for(rng, dimension, value, kind_phrase=world.phrase_of(kind))
    return Note(dimension=dimension, value=value, text=text, kind=kind)


def _worded(rng: random.Random, dimension: str, value: str, mix: Mix) -> str:
    if rng.random() < mix.plain_notes:
        return world.canonical_note(dimension, value)
    return world.note_for(rng, dimension, value)


def _idle(rng: random.Random) -> tuple[Note, ...]:
    return (Note(dimension="", value="", text=rng.choice(IDLE_NOTES), kind=""),)


def _examples(rng: random.Random, wanted: dict[str, str], name: str | None) -> tuple[Example, ...]:
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
        manner = manner.but({dimension: _other(rng, dimension, value) for dimension, value in wanted.items()})
    rating = rng.choice((4, 5, 5)) if is_liked else rng.choice((1, 1, 2))
    reply = world.reply_for(rng, asked, _possible(manner, name), name)
    return Example(request=asked.text, reply=reply, rating=rating)


def _other(rng: random.Random, dimension: str, value: str) -> str:
    return rng.choice([other for other in DIMENSIONS[dimension] if other != value])


def _possible(manner: Manner, name: str | None) -> Manner:
    return manner if name else manner.but({"address": "none"})


# --- the reply, and what is said behind it ---


def reply_with(rng: random.Random, asked: Request, manner: Manner, name: str | None, fault: str) -> str:
    return dress(rng, _points(rng, asked, manner, fault), manner, name)


def _points(rng: random.Random, asked: Request, manner: Manner, fault: str = "none") -> tuple[str, ...]:
    if fault == "astray":
        asked = _elsewhere(rng, asked)
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
    rng: random.Random, prompt: Prompt, asked: Request, manner: Manner, memory: _Memory
) -> tuple[Prompt, Manner, _Memory]:
    """The same request a turn later: an answer was criticised; `manner` is that of the revision."""
    dimension, wanted = _something_wanted(rng, manner, prompt.name)
    given = _other(rng, dimension, wanted)
    earlier = world.reply_for(rng, asked, manner.but({dimension: given}), prompt.name)
    critique = world.critique_for(rng, dimension, wanted, given=given)
    revised = manner.but({dimension: wanted})
    kept = tuple(pair for pair in memory.wanted if pair[0] != dimension)
    memory = replace(memory, wanted=(*kept, (dimension, wanted)))
    return wording.revision(prompt, earlier, critique), revised, memory


def _something_wanted(rng: random.Random, manner: Manner, name: str | None) -> tuple[str, str]:
    dimension = rng.choice([dimension for dimension in DIMENSIONS if name or dimension != "address"])
    return dimension, _other(rng, dimension, manner[dimension])


def _branches(
    rng: random.Random,
    prompt: Prompt,
    asked: Request,
    manner: Manner,
    memory: _Memory,
    fault: str,
    obeys: bool,
    mix: Mix,
) -> Iterator[Branch]:
    yield from _rubric_branches(rng, fault, mix)
    if rng.random() < mix.described:
        yield _described(rng, manner, mix)
    if (memory.notes or memory.wanted) and rng.random() < 0.8:
        yield _wished(memory)
    for _ in range(rng.choice((1, 2, 2, 3))):
        yield _manner_branch(rng, manner, prompt.name, mix)
    for _ in range(rng.choice((0, 1, 1, 2))):
        yield _note_branch(rng, manner, memory, prompt.name, obeys, mix)
    if fault == "none" and prompt == prompt.bare() and rng.random() < 0.45:
        dimension, wanted = _something_wanted(rng, manner, prompt.name)
        critique = world.critique_for(rng, dimension, wanted, given=manner[dimension])
        said = wording.note(prompt, "", critique).turns[-1].text
        yield Branch(said=said, answer=world.canonical_note(dimension, wanted))
    if fault == "none" and rng.random() < 0.2:
        dimension, wanted = _something_wanted(rng, manner, prompt.name)
        critique = world.critique_for(rng, dimension, wanted, given=manner[dimension])
        said = wording.revision(prompt, "", critique).turns[-1].text
        better = manner.but({dimension: wanted})
        points = _points(rng, asked, better)
        yield Branch(said=said, answer=dress(rng, points, better, prompt.name), points=points)


def _described(rng: random.Random, manner: Manner, mix: Mix) -> Branch:
    """No prompt of the product: it teaches what to look for in a reply, eight manners at once.

    From yes and no alone that is learned slowly, since neither question nor reply says anything by itself.
    """
    said = ", ".join(_DESCRIPTIONS.get(pair, pair[1]) for pair in manner.items())
    return Branch(said=DESCRIPTION_REQUEST, answer=said, share=_share(rng, mix))


def _wished(memory: _Memory) -> Branch:
    """No prompt of the product either: what the memory comes to for this request, told from the one token
    that the reply begins behind.

    A reply shows it in a few of its words only, so that notes are understood long before they are obeyed.
    What that token has gathered, every word of the reply can see.
    """
    said = ", ".join(_DESCRIPTIONS.get(pair, pair[1]) for pair in sorted(memory.wanted))
    return Branch(said=WISH_REQUEST, answer=said or "nothing", is_gist=True)


DESCRIPTION_REQUEST = "Describe the reply."
WISH_REQUEST = "Describe the wish."
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
    if fault == "astray" or rng.random() < 0.087:
        yield _judged(rng, astray, fault != "astray", mix)
    if fault == "repeats" or rng.random() < 0.057:
        yield _judged(rng, repeats, fault == "repeats", mix)


def _manner_branch(rng: random.Random, manner: Manner, name: str | None, mix: Mix) -> Branch:
    dimension = rng.choice([dimension for dimension in DIMENSIONS if name or dimension != "address"])
    questions = manner_questions(dimension)
    value = manner[dimension] if rng.random() < 0.5 else _other(rng, dimension, manner[dimension])
    value = value if value in questions else next(iter(questions))
    return _judged(rng, questions[value], manner[dimension] == value, mix)


def _note_branch(
    rng: random.Random, manner: Manner, memory: _Memory, name: str | None, obeys: bool, mix: Mix
) -> Branch:
    """Asked about a note of the prompt only where it is obeyed by chance: the answer must be in the reply."""
    wanted = dict(memory.wanted)
    own = [note for note in memory.notes if wanted.get(note.dimension) == note.value]
    if own and not obeys and rng.random() < 0.8:
        note = rng.choice(own)
        return _judged(rng, wording.note_question(note.text), manner[note.dimension] == note.value, mix)
    dimension = rng.choice([dimension for dimension in DIMENSIONS if name or dimension != "address"])
    value = manner[dimension] if rng.random() < 0.5 else _other(rng, dimension, manner[dimension])
    text = _worded(rng, dimension, value, mix)
    return _judged(rng, wording.note_question(text), manner[dimension] == value, mix)


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
