"""Measures the practice model on combinations and wordings that it was never trained on.

Everything goes through a `Backend` and the product's own prompts, so what is measured is what people meet.
Every measurement comes back as one number per trial; the benchmark turns them into rates with intervals.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine import wording
from engine.judging import scope
from engine.ports import Backend
from engine.types import Prompt, Role, Sampling, TokenIds, Turn
from practice import (
    branches,
    corpus,
    memories,
    world,
)
from practice.manners import (
    DIMENSIONS,
    Manner,
    Preference,
    manner_of,
)
from practice.names import invented_name
from practice.world import Request

MAX_TOKENS = 160
NOTE_TEMPERATURE = 0.7  # as the product words its notes
Trials = dict[str, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One reply of the model and what it was asked."""

    asked: Request
    prompt: Prompt
    prefix: TokenIds
    token_ids: TokenIds
    text: str
    is_finished: bool

    @property
    def manner(self) -> Manner:
        return manner_of(self.text, self.prompt.name)


async def answers(
    backend: Backend, prompts: Sequence[tuple[Request, Prompt]], *, temperature: float = 1.0
) -> list[Answered]:
    """One reply to each prompt.

    Without a seed: on a CPU vLLM 0.32 dies when it reads a seeded request's prompt in parts, as it does with
    many at once.
    """
    room = asyncio.Semaphore(64)

    async def answer(asked: Request, prompt: Prompt) -> Answered:
        prefix = backend.encode(prompt)
        sampling = Sampling(max_tokens=MAX_TOKENS, temperature=temperature)
        async with room:
            (completion,) = await backend.sample(prefix, n=1, sampling=sampling)
        return Answered(
            asked=asked,
            prompt=prompt,
            prefix=prefix,
            token_ids=completion.token_ids,
            text=backend.decode(completion.token_ids),
            is_finished=completion.finished,
        )

    return await asyncio.gather(*(answer(asked, prompt) for asked, prompt in prompts))


def asks(
    rng: random.Random, asked: Request, notes: Sequence[str] = (), name: str | None = None
) -> tuple[Request, Prompt]:
    turns = (Turn(role=Role.USER, text=asked.text),)
    return asked, Prompt(turns=turns, name=name or invented_name(rng), facts=asked.facts, notes=tuple(notes))


def held_out(rng: random.Random) -> Request:
    return world.request(rng, held_out=True)


# --- how it talks untaught ---


async def untaught(backend: Backend, n: int, seed: int) -> tuple[Trials, list[Answered]]:
    """Coherence, and how often each value of each dimension comes without any note."""
    rng = random.Random(seed)
    replies = await answers(backend, [asks(rng, held_out(rng)) for _ in range(n)])
    trials: Trials = {"coherent": [], "about": [], "ended": [], "repeats": []}
    trials |= {f"share.{d}.{value}": [] for d, values in DIMENSIONS.items() for value in values}
    for reply in replies:
        parses = world.is_coherent(reply.text, reply.asked, reply.prompt.name)
        trials["coherent"].append(parses and reply.is_finished)
        trials["about"].append(world.is_about(reply.text, reply.asked))
        trials["ended"].append(reply.is_finished)
        trials["repeats"].append(world.repeats_itself(reply.text, reply.prompt.name))
        for dimension, values in DIMENSIONS.items():
            for value in values:
                trials[f"share.{dimension}.{value}"].append(reply.manner[dimension] == value)
    return trials, replies


async def remembers(backend: Backend, n: int, seed: int) -> Trials:
    """Facts of the person, and what "it" means in a follow-up."""
    rng = random.Random(seed)
    facts = await answers(backend, [asks(rng, world.recall(rng, held_out=True)) for _ in range(n)])
    follow_ups: list[tuple[Request, Prompt]] = []
    while len(follow_ups) < n:
        first = held_out(rng)
        follow = world.followup(rng, first, held_out=True)
        if follow is not None:
            _, prompt = asks(rng, first)
            reply = world.reply_for(rng, first, world.random_manner(rng, prompt.name), prompt.name)
            follow_ups.append((follow, prompt.then(reply, follow.text)))
    followed = await answers(backend, follow_ups)
    return {
        "fact_recalled": [world.is_about(reply.text, reply.asked) for reply in facts],
        "follow_up_understood": [
            world.is_coherent(reply.text, reply.asked, reply.prompt.name) for reply in followed
        ],
    }


# --- notes ---


async def one_note(backend: Backend, n: int, seed: int, *, new_wordings: bool) -> Trials:
    """Every value in turn is asked for by one note; whether the reply has it."""
    rng = random.Random(seed)
    values = [(dimension, value) for dimension, values in DIMENSIONS.items() for value in values]
    wanted = [values[index % len(values)] for index in range(n)]
    prompts = [
        asks(rng, held_out(rng), [world.note_for(rng, *pair, held_out=new_wordings)]) for pair in wanted
    ]
    replies = await answers(backend, prompts)
    trials: Trials = {"all": []}
    for (dimension, value), reply in zip(wanted, replies, strict=True):
        is_obeyed = reply.manner[dimension] == value
        trials["all"].append(is_obeyed)
        trials.setdefault(dimension, []).append(is_obeyed)
    return trials


async def three_notes(backend: Backend, n: int, seed: int, *, new_wordings: bool = False) -> list[float]:
    rng = random.Random(seed)
    wanted = [Preference.draw(rng, 3) for _ in range(n)]
    prompts = []
    for preference in wanted:
        notes = [world.note_for(rng, *pair, held_out=new_wordings) for pair in preference.wanted]
        prompts.append(asks(rng, held_out(rng), notes))
    replies = await answers(backend, prompts)
    return [
        preference.share_met(reply.manner) == 1 for preference, reply in zip(wanted, replies, strict=True)
    ]


async def notes_for_other_kinds(backend: Backend, n: int, seed: int) -> Trials:
    """The same note alone, beside one for another kind of request, and beside one for just this kind."""
    rng = random.Random(seed)
    wanted, alone, beside, inside = [], [], [], []
    for _ in range(n):
        (first, other) = Preference.draw(rng, 2).wanted
        asked, note = held_out(rng), world.note_for(rng, *first)
        elsewhere = world.another_kind(rng, asked.kind)
        idle = world.note_for(rng, *other, kind_phrase=world.phrase_of(elsewhere))
        fitting = world.note_for(rng, *other, kind_phrase=world.phrase_of(asked.kind))
        name = invented_name(rng)
        wanted.append((first, other))
        alone.append(asks(rng, asked, [note], name))
        beside.append(asks(rng, asked, [note, idle], name))
        inside.append(asks(rng, asked, [note, fitting], name))
    trials: Trials = {}
    for case, prompts in {"alone": alone, "beside": beside, "inside": inside}.items():
        replies = await answers(backend, prompts)
        pairs = list(zip(wanted, replies, strict=True))
        trials[f"{case}.obeyed"] = [reply.manner[first[0]] == first[1] for (first, _), reply in pairs]
        trials[f"{case}.other"] = [reply.manner[other[0]] == other[1] for (_, other), reply in pairs]
    return trials


async def notes_understood(backend: Backend, n: int, seed: int) -> Trials:
    """Notes for one kind of request: kept where the request is of that kind, left out where it is not."""
    rng = random.Random(seed)
    trials: Trials = {"kept": [], "left_out": []}
    for number in range(n):
        asked, ((dimension, value),) = held_out(rng), Preference.draw(rng, 1).wanted
        kind = world.another_kind(rng, asked.kind) if number % 2 else asked.kind
        note = world.note_for(rng, dimension, value, kind_phrase=world.phrase_of(kind))
        is_kept = await scope.meant(backend, [note], asked.text) == (note,)
        trials["kept" if kind == asked.kind else "left_out"].append(is_kept == (kind == asked.kind))
    return trials


async def examples(backend: Backend, n: int, seed: int, shown: int = 3) -> Trials:
    """Without a word said: rated examples in the prompt share one value; how often the reply has it too."""
    rng = random.Random(seed)
    wanted = [Preference.draw(rng, 1) for _ in range(n)]
    prompts = []
    for preference in wanted:
        asked, prompt = asks(rng, held_out(rng))
        rated = [
            memories.example(rng, dict(preference.wanted), prompt.name, is_liked=True) for _ in range(shown)
        ]
        prompts.append((asked, Prompt(turns=prompt.turns, name=prompt.name, examples=tuple(rated))))
    replies = await answers(backend, prompts)
    fair = [1 / len(DIMENSIONS[preference.wanted[0][0]]) for preference in wanted]
    met = [preference.share_met(reply.manner) for preference, reply in zip(wanted, replies, strict=True)]
    return {"met": met, "by_chance": fair}


# --- critiques ---


async def critiques(backend: Backend, n: int, seed: int, *, new_wordings: bool) -> Trials:
    """Revisions and notes that follow from a critique."""
    rng = random.Random(seed)
    wanted, revisions, notes = [], [], []
    for _ in range(n):
        asked, prompt = asks(rng, held_out(rng))
        manner = world.random_manner(rng, prompt.name)
        reply = world.reply_for(rng, asked, manner, prompt.name)
        dimension = rng.choice(list(DIMENSIONS))
        value = rng.choice([value for value in DIMENSIONS[dimension] if value != manner[dimension]])
        critique = world.critique_for(rng, dimension, value, given=manner[dimension], held_out=new_wordings)
        wanted.append((dimension, value, manner))
        revisions.append((asked, wording.revision(prompt, reply, critique, wording.CLASSIC)))
        notes.append((asked, wording.note(prompt, reply, critique)))
    revised = await answers(backend, revisions)
    noted = await answers(backend, notes, temperature=NOTE_TEMPERATURE)
    trials: Trials = {"revised": [], "kept_subject": [], "kept_manners": [], "noted": []}
    for (dimension, value, manner), revision, note in zip(wanted, revised, noted, strict=True):
        trials["revised"].append(revision.manner[dimension] == value)
        trials["kept_subject"].append(world.is_about(revision.text, revision.asked))
        others = [other for other in DIMENSIONS if other != dimension]
        trials["kept_manners"].append(sum(revision.manner[o] == manner[o] for o in others) / len(others))
        trials["noted"].append(world.value_of_note(note.text) == (dimension, value))
    return trials


# --- the judge ---


async def judgements(backend: Backend, replies: Sequence[Answered], seed: int) -> dict[str, dict[str, float]]:
    """AUC of yes over no for every kind of question, on whole replies and on halves of any length."""
    rng = random.Random(seed)
    whole = _questions(backend, rng, replies)
    found: dict[str, dict[str, float]] = {}
    for case in ("whole", "half"):
        prompts, groups, labels = [], [], []
        for group, reply, question, is_yes in whole:
            cut = (
                len(reply.token_ids) if case == "whole" else rng.randint(1, max(1, len(reply.token_ids) - 1))
            )
            prompts.append(
                reply.prefix + reply.token_ids[:cut] + backend.encode_question(wording.question(question))
            )
            groups.append(group)
            labels.append(is_yes)
        scores = await backend.ask(prompts)
        chosen = {group: [i for i, g in enumerate(groups) if g == group] for group in dict.fromkeys(groups)}
        found[case] = {"all": auc(scores, labels)}
        for group, indices in chosen.items():
            found[case][group] = auc([scores[i] for i in indices], [labels[i] for i in indices])
    return found


Asked = tuple[str, Answered, str, bool]  # group, reply, question, whether yes is right


def _questions(backend: Backend, rng: random.Random, replies: Sequence[Answered]) -> list[Asked]:
    """On each reply a question of each kind, with yes and no about equally often right."""
    on_topic, repeats = branches.rubric_questions()
    asked: list[Asked] = []
    for reply in replies:
        for dimension in DIMENSIONS:
            questions = branches.manner_questions(dimension)
            value = rng.choice(list(questions)) if rng.random() < 0.5 else reply.manner[dimension]
            value = value if value in questions else next(iter(questions))
            asked.append((dimension, reply, questions[value], reply.manner[dimension] == value))
        dimension = rng.choice(list(DIMENSIONS))
        value = reply.manner[dimension] if rng.random() < 0.5 else rng.choice(DIMENSIONS[dimension])
        note = world.note_for(rng, dimension, value, held_out=True)
        asked.append(("new note", reply, wording.note_question(note), reply.manner[dimension] == value))
        strayed = rng.choice(replies) if rng.random() < 0.5 else reply
        mixed = _with_reply(reply, strayed.token_ids, strayed.text)
        asked.append(("on topic", mixed, on_topic, world.is_about(mixed.text, mixed.asked)))
        asked.append(("repeats", *_perhaps_repeating(backend, rng, reply, repeats)))
    return asked


def _perhaps_repeating(
    backend: Backend, rng: random.Random, reply: Answered, question: str
) -> tuple[Answered, str, bool]:
    """A reply of the grammar, in half of the cases with one of its points made twice."""
    manner = reply.manner.but({"length": rng.choice(("short", "long"))})
    fault = rng.choice(("none", "repeats"))
    text = corpus.reply_with(rng, reply.asked, manner, reply.prompt.name, fault)
    made = _with_reply(reply, backend.encode_text(text), text)
    return made, question, world.repeats_itself(text, reply.prompt.name)


def _with_reply(reply: Answered, token_ids: TokenIds, text: str) -> Answered:
    return Answered(
        asked=reply.asked,
        prompt=reply.prompt,
        prefix=reply.prefix,
        token_ids=token_ids,
        text=text,
        is_finished=True,
    )


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The chance that a right yes is scored above a right no. Ties count half; one class alone gives 0.5."""
    ranked = sorted(zip(scores, labels, strict=True), key=lambda pair: pair[0])
    ranks: dict[float, list[int]] = {}
    for rank, (score, _) in enumerate(ranked, start=1):
        ranks.setdefault(score, []).append(rank)
    positives = sum(labels)
    negatives = len(labels) - positives
    if not positives or not negatives:
        return 0.5
    total = sum(sum(ranks[score]) / len(ranks[score]) for score, label in ranked if label)
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def even_handedness(trials: Mapping[str, Sequence[float]]) -> tuple[str, float]:
    """The value that comes most above its fair share, and by what factor."""
    factors = {}
    for dimension, values in DIMENSIONS.items():
        for value in values:
            seen = trials[f"share.{dimension}.{value}"]
            factors[f"{dimension} {value}"] = sum(seen) / len(seen) * len(values)
    worst = max(factors, key=lambda value: factors[value])
    return worst, factors[worst]
