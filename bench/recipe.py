"""Which lessons make a person's LoRA: an ablation, and how far one scoped critique spreads.

Simulated people whose notes are known, so that only the training is measured. The practice model answers
under the notes; each arm makes lessons of the same replies; unseen requests are asked without the notes, and
with them. Everybody's LoRAs of an arm are trained in one bank.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.people import SimulatedPerson
from bench.record import interval, record
from engine import wording
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings
from engine.judging.judge import probability
from engine.judging.scope import meant
from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Kind, Lesson, Recipe, Trainee
from engine.models.catalogue import PRACTICE
from engine.training.runner import Trainer
from engine.types import LoraRef, Prompt, Role, Sampling, TokenIds, Turn
from practice import world
from practice.world import Preference, Request

WEIGHTS: Final = PRACTICE
MAX_TOKENS: Final = 160
SCOPE_ITEMS: Final = 24


@dataclass(frozen=True, slots=True)
class Reply:
    request: Request
    tokens: TokenIds
    text: str


@dataclass(frozen=True, slots=True)
class Learner:
    """A person whose notes are known, and the replies that lessons are made of."""

    key: str
    preference: Preference
    notes: tuple[str, ...]
    noted: tuple[Reply, ...]
    bare: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to make lessons, and what the training is told besides."""

    lessons: Callable[[Lab, Learner], list[Lesson]]
    changes: Mapping[str, Any]  # Any: fields of Recipe


@dataclass(slots=True)
class Lab:
    """The model that everything is asked of, and numbers that no two LoRAs share."""

    backend: VllmLocalBackend
    model: Path
    folder: Path
    number: int = 0

    async def replies(
        self,
        requests: Sequence[Request],
        notes: Sequence[str] = (),
        *,
        lora: LoraRef | None = None,
        seed: int,
    ) -> tuple[Reply, ...]:
        """One whole reply to each request, as far as the model ends them."""

        async def reply(number: int, asked: Request) -> Reply | None:
            sampling = Sampling(max_tokens=MAX_TOKENS, seed=seed + number)
            prefix = self.backend.encode(prompt(asked.text, notes))
            (made,) = await self.backend.sample(prefix, n=1, sampling=sampling, lora=lora)
            text = self.backend.decode(made.token_ids)
            return Reply(asked, made.token_ids, text) if made.finished else None

        made = await asyncio.gather(*(reply(number, asked) for number, asked in enumerate(requests)))
        return tuple(reply for reply in made if reply is not None)

    async def trained(
        self, lessons: Mapping[str, list[Lesson]], changes: Mapping[str, Any]
    ) -> dict[str, LoraRef]:
        """Everybody's LoRA, by the product's own job."""
        self.number += 1
        end = self.backend.encode_question("?")[:1]
        recipe = replace(Recipe(model=str(self.model), end_ids=end), **changes)
        trainees = [Trainee(key=key, seed=seed) for seed, key in enumerate(lessons)]
        job = JobFolder.create(self.folder / str(self.number), recipe, trainees, lessons, {})
        await Trainer().run(job.path, lambda step: None)
        loras = {}
        for slot, key in enumerate(lessons):
            number = self.number * 1000 + slot
            loras[key] = LoraRef(name=f"recipe-{number}", id=number, path=job.lora(key))
        return loras


# --- the arms ---


def say(lab: Lab, learner: Learner) -> list[Lesson]:
    return [Lesson(kind=Kind.SAY, prefix=bare(lab, reply), reply=reply.tokens) for reply in learner.noted]


def distil(lab: Lab, learner: Learner) -> list[Lesson]:
    return [
        Lesson(
            kind=Kind.DISTIL,
            prefix=bare(lab, reply),
            teacher=lab.backend.encode(prompt(reply.request.text, learner.notes)),
            reply=reply.tokens,
        )
        for reply in learner.noted
    ]


def pairs(lab: Lab, learner: Learner) -> list[Lesson]:
    rejected = {reply.request.text: reply for reply in learner.bare}
    return [
        Lesson(
            kind=Kind.PAIR,
            prefix=bare(lab, reply),
            reply=reply.tokens,
            against=rejected[reply.request.text].tokens,
        )
        for reply in learner.noted
        if reply.request.text in rejected and reply.tokens != rejected[reply.request.text].tokens
    ]


def rated(lab: Lab, learner: Learner) -> list[Lesson]:
    good = [Lesson(kind=Kind.RATED, prefix=bare(lab, each), reply=each.tokens) for each in learner.noted]
    bad = [
        Lesson(kind=Kind.RATED, prefix=bare(lab, each), reply=each.tokens, wanted=0.0)
        for each in learner.bare
    ]
    return good + bad


def held(lab: Lab, learner: Learner) -> list[Lesson]:
    """Every fifth reply with the notes in sight."""
    return [
        Lesson(
            kind=Kind.HOLD,
            prefix=lab.backend.encode(prompt(reply.request.text, learner.notes)),
            reply=reply.tokens,
        )
        for reply in learner.noted[::5]
    ]


def half(lessons: Callable[[Lab, Learner], list[Lesson]]) -> Callable[[Lab, Learner], list[Lesson]]:
    return lambda lab, learner: lessons(lab, learner)[::2]


def both(*makers: Callable[[Lab, Learner], list[Lesson]]) -> Callable[[Lab, Learner], list[Lesson]]:
    return lambda lab, learner: [lesson for maker in makers for lesson in maker(lab, learner)]


ARMS: Final = {
    "say": Arm(say, {}),
    "distil": Arm(distil, {}),
    "distil reversed": Arm(distil, {"is_reverse_divergence": True}),
    "distil, three passes": Arm(distil, {"passes": 3}),
    "distil, four passes": Arm(distil, {"passes": 4}),
    "distil, batches of 16": Arm(distil, {"batch_lessons": 16}),
    "distil, half the replies": Arm(half(distil), {}),
    "distil, rate 1e-3": Arm(distil, {"learning_rate": 1e-3}),
    "distil + notes in sight": Arm(both(distil, held), {}),
    "pairs": Arm(pairs, {}),
    "pairs per token": Arm(pairs, {"is_pair_per_token": True, "pair_beta": 2.0}),
    "ratings": Arm(rated, {}),
    "distil + pairs": Arm(both(distil, pairs), {}),
}


# --- measuring ---


async def ablation(lab: Lab, *, people: int, replies: int, requests: int, seed: int) -> dict[str, Any]:
    learners = [await learner(lab, f"p{number}", replies, seed + number) for number in range(people)]
    table: dict[str, Any] = {"untaught": await measured(lab, learners, {}, requests, seed)}
    for name, arm in ARMS.items():
        lessons = {learner.key: arm.lessons(lab, learner) for learner in learners}
        began = time.monotonic()
        loras = await lab.trained(lessons, arm.changes)
        seconds = time.monotonic() - began
        table[name] = {**await measured(lab, learners, loras, requests, seed), "train_s": round(seconds, 1)}
        print(f"{name:28} {table[name]}", flush=True)
    return table


async def learner(lab: Lab, key: str, count: int, seed: int) -> Learner:
    who = SimulatedPerson.draw(key, seed)
    rng = random.Random(seed)
    notes = tuple(world.canonical_note(name, value) for name, value in who.preference.wanted)
    requests = [world.request(rng, held_out=False) for _ in range(count)]
    noted = await lab.replies(requests, notes, seed=seed)
    bare_replies = await lab.replies(requests, seed=seed + 500)
    return Learner(key, who.preference, notes, noted, bare_replies)


async def measured(
    lab: Lab, learners: Sequence[Learner], loras: Mapping[str, LoraRef], requests: int, seed: int
) -> dict[str, Any]:
    """Compliance on unseen requests without and with the notes, coherence, and how well the judge judges."""
    without: list[float] = []
    with_notes: list[bool] = []
    coherent: list[bool] = []
    right: list[bool] = []
    for number, learner in enumerate(learners):
        rng = random.Random(seed + 7000 + number)
        asked = [world.request(rng, held_out=True) for _ in range(requests)]
        lora = loras.get(learner.key)
        alone = await lab.replies(asked, lora=lora, seed=seed + 100)
        reminded = await lab.replies(asked, learner.notes, lora=lora, seed=seed + 200)
        without.append(sum(world.complies(each.text, learner.preference) for each in alone) / len(asked))
        with_notes += [world.complies(each.text, learner.preference) for each in reminded]
        coherent += [world.is_coherent(each.text, each.request) for each in alone]
        right += await judged(lab, learner, lora)
    return {
        "without_notes": share(without),
        "ci": interval(without, seed=seed),
        "with_notes": share(with_notes),
        "coherent": share(coherent),
        "judge_right": share(right),
    }


async def judged(lab: Lab, learner: Learner, lora: LoraRef | None) -> list[bool]:
    """Whether the judge under this LoRA answers rightly if a reply keeps to each note."""
    replies = [*learner.noted[:8], *learner.bare[:8]]
    prompts, truth = [], []
    for reply in replies:
        manner = world.manner_of(reply.text)
        for note, (dimension, value) in zip(learner.notes, learner.preference.wanted, strict=True):
            ending = lab.backend.encode_question(wording.question(wording.note_question(note)))
            prompts.append(
                lab.backend.encode(prompt(reply.request.text, learner.notes)) + reply.tokens + ending
            )
            truth.append(manner[dimension] == value)
    answers = await lab.backend.ask(prompts, lora=lora)
    return [(probability(odds) > 0.5) == is_so for odds, is_so in zip(answers, truth, strict=True)]


async def scope(lab: Lab, *, people: int, replies: int, requests: int, seed: int) -> dict[str, Any]:
    """One note for one kind of request. How far does its manner spread to the other kinds?"""
    plain: dict[str, list[Lesson]] = {}
    ours: dict[str, list[Lesson]] = {}
    wanted: dict[str, tuple[str, str, str]] = {}
    for number in range(people):
        rng, key = random.Random(seed + 300 + number), f"s{number}"
        dimension = rng.choice(["tone", "shape", "emoji", "ending", "hedging", "figure", "length"])
        value, kind = world.DIMENSIONS[dimension][-1], rng.choice(world.kinds())
        phrase = world.phrase_of(kind)
        note = world.note_for(rng, dimension, value, kind_phrase=phrase)
        wanted[key] = dimension, value, kind
        inside = [world.request(rng, held_out=False, kind=kind) for _ in range(SCOPE_ITEMS)]
        anything = [world.request(rng, held_out=False) for _ in range(replies)]
        revised = await lab.replies(inside, (note,), seed=seed)
        learner = Learner(key, Preference.of(**{dimension: value}), (note,), revised, ())
        plain[key] = say(lab, learner)
        ours[key] = await around(lab, learner, [*inside, *anything], seed + 50)
    told = {"base": await spread(lab, wanted, {}, requests, seed)}
    told["plain_sft"] = await spread(lab, wanted, await lab.trained(plain, {"passes": 6}), requests, seed)
    told["ours"] = await spread(lab, wanted, await lab.trained(ours, {}), requests, seed)
    return {
        **{name: {where: share(shares) for where, shares in told[name].items()} for name in told},
        "over_generalisation": {name: over(told, name, range(people)) for name in ("plain_sft", "ours")},
        "reduction": reduction(told, range(people)),
        "ci": {"reduction": interval(range(people), lambda chosen: reduction(told, chosen), seed=seed)},
    }


async def around(lab: Lab, learner: Learner, requests: Sequence[Request], seed: int) -> list[Lesson]:
    """A night's lessons on requests of every kind: the model teaches under the note where that is meant."""
    understood = await asyncio.gather(*(meant(lab.backend, learner.notes, asked.text) for asked in requests))
    lessons: list[Lesson] = []
    for notes in (learner.notes, ()):
        chosen = [asked for asked, those in zip(requests, understood, strict=True) if those == notes]
        noted = await lab.replies(chosen, notes, seed=seed)
        lessons += distil(lab, replace(learner, notes=notes, noted=noted))
    return lessons


def over(told: Mapping[str, Mapping[str, Sequence[float]]], name: str, chosen: Sequence[int]) -> float:
    """How much more often than before these people's answers of other kinds are in the noted manner."""
    before, after = told["base"]["outside"], told[name]["outside"]
    return share([after[number] - before[number] for number in chosen])


def reduction(told: Mapping[str, Mapping[str, Sequence[float]]], chosen: Sequence[int]) -> float:
    """By what share of plain training's spread ours is smaller; 0 where plain training spreads nothing."""
    plain = over(told, "plain_sft", chosen)
    return round(1 - max(0.0, over(told, "ours", chosen)) / plain, 4) if plain > 0 else 0.0


async def spread(
    lab: Lab,
    wanted: Mapping[str, tuple[str, str, str]],
    loras: Mapping[str, LoraRef],
    requests: int,
    seed: int,
) -> dict[str, list[float]]:
    """Each person's share of replies in the noted manner, inside and outside the note's kind of request."""
    inside: list[float] = []
    outside: list[float] = []
    for number, (key, (dimension, value, kind)) in enumerate(wanted.items()):
        rng = random.Random(seed + 9000 + number)
        within = [world.request(rng, held_out=True, kind=kind) for _ in range(requests)]
        others = [world.request(rng, held_out=True) for _ in range(2 * requests)]
        beyond = [asked for asked in others if asked.kind != kind]
        for asked, found in ((within, inside), (beyond, outside)):
            made = await lab.replies(asked, lora=loras.get(key), seed=seed)
            found.append(share([world.manner_of(each.text)[dimension] == value for each in made]))
    return {"inside": inside, "outside": outside}


def prompt(text: str, notes: Sequence[str] = ()) -> Prompt:
    return Prompt(turns=(Turn(role=Role.USER, text=text),), notes=tuple(notes))


def bare(lab: Lab, reply: Reply) -> TokenIds:
    return lab.backend.encode(prompt(reply.request.text))


def share(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


async def run(given: argparse.Namespace) -> dict[str, Any]:
    backend = VllmLocalBackend(VllmSettings(model=str(given.model), max_context=1024))
    await backend.start(print)
    try:
        with tempfile.TemporaryDirectory() as folder:
            lab = Lab(backend, given.model, Path(folder))
            sizes = {"people": given.people, "replies": given.replies, "requests": given.requests}
            table = await ablation(lab, **sizes, seed=given.seed)
            spreading = await scope(lab, **sizes, seed=given.seed)
    finally:
        await backend.stop()
    return {"model": backend.model, **sizes, "arms": table, "scope": spreading}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=WEIGHTS)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--replies", type=int, default=48)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--seed", type=int, default=40_000)
    parser.add_argument("--dry", action="store_true", help="print, do not record")
    given = parser.parse_args()
    figures = asyncio.run(run(given))
    print(figures["scope"])
    if not given.dry:
        print(f"written to {record('recipe', figures, seed=given.seed, n=given.people)}")


if __name__ == "__main__":
    main()
