"""Measures the judge and what a taste learns from it: `python -m bench.judge`.

The practice model answers held-out requests without knowing any wish; its judge describes every reply,
whole and cut short. People with hidden preferences then rate replies, one rating in ten at random, and
choose between two; what the taste makes of it is checked against ratings of replies that it has not seen.
Whether a reply has a manner is read by the world's own checker. Results: bench/results/judge.json.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from bench.record import interval, record, show
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings
from engine.judging.hypotheses import Floats
from engine.judging.judge import Judge, combined, plain_features
from engine.judging.rubric import Manner as AskedManner
from engine.judging.rubric import Question, load_rubric, manner_questions, note_questions
from engine.judging.taste import Taste, most_informative_pair
from engine.models.catalogue import PRACTICE, PRACTICE_RUBRIC
from engine.ports import Backend
from engine.types import Prompt, Role, Sampling, TokenIds, Turn
from practice import world
from practice.manners import (
    DIMENSIONS,
    Manner,
    Preference,
    manner_of,
)
from practice.world import canonical_note

ROOT = Path(__file__).parent.parent
WEIGHTS = PRACTICE
RUBRIC = PRACTICE_RUBRIC

NAME = "Robin"
PER_PROMPT = 8  # candidates of one request
CUTS = (0.25, 0.5, 0.75, 1.0)
NOISE = 0.1
POOLS = 8  # replies among which one question may be asked
LABELS, REACHED = 32, 0.8

# What the rubric's manners ask about, in the world's own values.
VALUES = {
    "one_sentence": ("length", "one"),
    "short": ("length", "short"),
    "long": ("length", "long"),
    "plain": ("tone", "plain"),
    "warm": ("tone", "warm"),
    "formal": ("tone", "formal"),
    "pirate": ("tone", "pirate"),
    "prose": ("shape", "prose"),
    "bullets": ("shape", "list"),
    "numbered": ("shape", "numbered"),
    "emoji": ("emoji", "some"),
    "asks": ("ending", "question"),
    "by_name": ("address", "name"),
    "hedged": ("hedging", "hedged"),
    "comparison": ("figure", "comparison"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply, its true manner, and what the judge says of it at each length and about each note."""

    manner: Manner
    at: Mapping[float, Mapping[str, float]]
    notes: Mapping[str, float]

    @property
    def answers(self) -> Mapping[str, float]:
        return self.at[1.0]


async def replies_to(backend: Backend, prompts: int, seed: int) -> list[list[Reply]]:
    """Candidates for so many held-out requests, described by the judge."""
    requests = world.requests(random.Random(seed), held_out=True)
    asked = load_rubric(RUBRIC).manners
    pools = []
    for number in track(range(prompts), description=f"{prompts} requests"):
        prompt = Prompt(turns=(Turn(role=Role.USER, text=next(requests).text),), name=NAME)
        prompt_ids = backend.encode(prompt)
        sampling = Sampling(max_tokens=160, seed=seed + number)
        completions = await backend.sample(prompt_ids, n=PER_PROMPT, sampling=sampling)
        whole = [one.token_ids for one in completions if one.finished]
        pools.append(await _described(backend, prompt_ids, whole, asked))
    return [pool for pool in pools if len(pool) > 1]


async def _described(
    backend: Backend, prompt_ids: TokenIds, whole: Sequence[TokenIds], asked: Sequence[AskedManner]
) -> list[Reply]:
    judge = Judge(backend, manner_questions(asked))
    notes = [canonical_note(dimension, value) for dimension, values in DIMENSIONS.items() for value in values]
    on_notes = await Judge(backend, note_questions(notes)).score(prompt_ids, whole)
    by_cut = {
        cut: await judge.score(prompt_ids, [reply[: max(1, round(cut * len(reply)))] for reply in whole])
        for cut in CUTS
    }
    return [
        Reply(
            manner=manner_of(backend.decode(reply), NAME),
            at={
                cut: verdicts[place].answers | plain_features(backend.decode(reply))
                for cut, verdicts in by_cut.items()
            },
            notes=on_notes[place].answers,
        )
        for place, reply in enumerate(whole)
    ]


# --- what the judge knows ---


def prefix_reliability(pools: Sequence[Sequence[Reply]]) -> dict[str, dict[str, float]]:
    """How well the judge foretells the whole from its beginning: AUC by share seen and dimension."""
    found: dict[str, dict[str, float]] = {}
    replies = [reply for pool in pools for reply in pool]
    for cut in CUTS:
        by_dimension: dict[str, list[float]] = {}
        for name, (dimension, value) in VALUES.items():
            scores = [reply.at[cut][name] for reply in replies]
            area = auc(scores, [reply.manner[dimension] == value for reply in replies])
            if area is not None:
                by_dimension.setdefault(dimension, []).append(area)
        means = {dimension: statistics.fmean(areas) for dimension, areas in by_dimension.items()}
        found[f"{cut:.0%}"] = means | {"all": statistics.fmean(means.values())}
    return found


def zero_shot(pools: Sequence[Sequence[Reply]], people: Sequence[Preference]) -> list[float]:
    """Before any rating: how well questions made of the person's notes order replies by compliance."""
    areas = []
    for person in people:
        notes = [canonical_note(dimension, value) for dimension, value in person.wanted]
        questions = note_questions(notes)
        replies = [reply for pool in pools for reply in pool]
        scores = [combined(questions, _of(questions, reply)) for reply in replies]
        area = auc(scores, [person.share_met(reply.manner) == 1.0 for reply in replies])
        areas.extend([] if area is None else [area])
    return areas


def _of(questions: Sequence[Question], reply: Reply) -> dict[str, float]:
    return {question.name: reply.notes[question.name] for question in questions}


# --- what a taste learns ---


@dataclass(slots=True)
class Learned:
    """What tastes foretold of ratings they had not seen, person by person."""

    areas: list[float]
    accuracies: list[float]
    foretold: list[float]
    liked: list[bool]
    right: int = 0
    wrong: int = 0
    missed: int = 0


def after_ratings(
    count: int, pools: Sequence[Sequence[Reply]], people: Sequence[Preference], seed: int
) -> Learned:
    """Tastes after so many ratings, each of one reply to another request; the other half is for checking."""
    manners = load_rubric(RUBRIC).manners
    learned = Learned([], [], [], [])
    for number, person in enumerate(people):
        rng = random.Random(f"{seed} ratings {number}")
        taught, held_out = _halves(pools, rng)
        taste = Taste.blank(manners)
        for pool in (taught * (count // len(taught) + 1))[:count]:
            reply = rng.choice(pool)
            taste = taste.rated(reply.answers, _rating(rng, person, reply))
        checked = [reply for pool in held_out for reply in pool]
        foretold = [taste.probability(reply.answers) for reply in checked]
        liked = [_rating(rng, person, reply) >= 4 for reply in checked]
        area = auc(foretold, liked)
        learned.areas.extend([] if area is None else [area])
        learned.accuracies.append(
            statistics.fmean((p > 0.5) == is_liked for p, is_liked in zip(foretold, liked, strict=True))
        )
        learned.foretold.extend(foretold)
        learned.liked.extend(liked)
        told, true = {want.note for want in taste.wants()}, _notes_of(person, manners)
        learned.right += len(told & true)
        learned.wrong += len(told - true)
        learned.missed += len(true - told)
    return learned


def _rating(rng: random.Random, person: Preference, reply: Reply) -> int:
    """By the share of the wishes that are met; one in ten at random."""
    if rng.random() < NOISE:
        return rng.randint(1, 5)
    return round(1 + 4 * person.share_met(reply.manner))


def _notes_of(person: Preference, manners: Sequence[AskedManner]) -> set[str]:
    notes = set()
    for manner in manners:
        dimension, value = VALUES[manner.name]
        for wanted_dimension, wanted in person.wanted:
            if wanted_dimension == dimension and (wanted == value or manner.opposite):
                notes.add(manner.note if wanted == value else manner.opposite)
    return notes


def _halves(
    pools: Sequence[Sequence[Reply]], rng: random.Random
) -> tuple[list[Sequence[Reply]], list[Sequence[Reply]]]:
    shuffled = rng.sample(list(pools), len(pools))
    return shuffled[: len(pools) // 2], shuffled[len(pools) // 2 :]


def labels_needed(curves: Floats) -> float:
    """How many choices between two replies tastes need to order unseen pairs right at the rate REACHED.

    One curve for each person; what counts is where their mean gets there.
    """
    mean = curves.mean(axis=0)
    for labels in range(1, len(mean)):
        if mean[labels] >= REACHED:
            before = mean[labels - 1]
            return float(labels - 1 + (REACHED - before) / (mean[labels] - before))
    return float("inf")


def _curves(
    pools: Sequence[Sequence[Reply]], people: Sequence[Preference], seed: int, *, is_active: bool
) -> Floats:
    told = "chosen questions" if is_active else "random questions"
    numbered = track(list(enumerate(people)), told)
    return np.array([_curve(pools, person, f"{seed} {number}", is_active) for number, person in numbered])


def _curve(pools: Sequence[Sequence[Reply]], person: Preference, seed: str, is_active: bool) -> list[float]:
    rng = random.Random(f"{seed} choices")
    taught, held_out = _halves(pools, rng)
    checks = _checks(held_out, person, random.Random(f"{seed} checks"))
    taste = Taste.blank(load_rubric(RUBRIC).manners)
    curve = []
    for _ in range(LABELS + 1):
        curve.append(_ordered_right(taste, checks))
        one, other = _question(taste, taught, rng, is_active)
        difference = person.share_met(one.manner) - person.share_met(other.manner)
        is_first = difference > 0 if difference else rng.random() < 0.5
        if is_first == (rng.random() >= NOISE):
            taste = taste.preferred(one.answers, other.answers)
        else:
            taste = taste.preferred(other.answers, one.answers)
    return curve


def _question(
    taste: Taste, pools: Sequence[Sequence[Reply]], rng: random.Random, is_active: bool
) -> tuple[Reply, Reply]:
    """One question in POOLS replies: about any of them, or about the one whose answer tells most."""
    offered = [rng.choice(pools) for _ in range(POOLS)]
    if not is_active:
        one, other = rng.sample(list(offered[0]), 2)
        return one, other
    found = [(most_informative_pair(taste, [r.answers for r in pool], within=9.0), pool) for pool in offered]
    pair, pool = max(found, key=lambda entry: entry[0].information if entry[0] else 0.0)
    return (pool[pair.first], pool[pair.second]) if pair else (pool[0], pool[1])


def _checks(
    pools: Sequence[Sequence[Reply]], person: Preference, rng: random.Random
) -> list[tuple[Reply, Reply]]:
    """Pairs of unseen replies of which the person likes the first better."""
    replies = [reply for pool in pools for reply in pool]
    pairs = []
    for _ in range(2000):
        one, other = rng.sample(replies, 2)
        if person.share_met(one.manner) > person.share_met(other.manner):
            pairs.append((one, other))
    return pairs[:80]


def _ordered_right(taste: Taste, pairs: Sequence[tuple[Reply, Reply]]) -> float:
    expected = {id(reply): taste.expected(reply.answers) for pair in pairs for reply in pair}
    return statistics.fmean(
        0.5 if expected[id(one)] == expected[id(other)] else float(expected[id(one)] > expected[id(other)])
        for one, other in pairs
    )


# --- statistics ---


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """The chance that a positive has the higher score than a negative; None where one kind is missing."""
    positive = sum(labels)
    negative = len(labels) - positive
    if not positive or not negative:
        return None
    order = sorted(range(len(scores)), key=lambda place: scores[place])
    total, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        total += sum(labels[place] for place in order[start:end]) * (start + 1 + end) / 2
        start = end
    return (total - positive * (positive + 1) / 2) / (positive * negative)


def calibration_error(foretold: Sequence[float], happened: Sequence[bool], bins: int = 10) -> float:
    """The mean distance between what was foretold and what happened, over bins of equal width."""
    error = 0.0
    for number in range(bins):
        inside = [place for place, p in enumerate(foretold) if min(int(p * bins), bins - 1) == number]
        if inside:
            gap = sum(foretold[place] - happened[place] for place in inside)
            error += abs(gap) / len(foretold)
    return error


def _error_of(learned: Learned, drawn: Sequence[int]) -> float:
    """The calibration error over these people. All were asked about as many replies."""
    each = len(learned.foretold) // len(learned.accuracies)
    places = [number * each + nth for number in drawn for nth in range(each)]
    return calibration_error([learned.foretold[n] for n in places], [learned.liked[n] for n in places])


async def _pools(model: Path, prompts: int, seed: int) -> list[list[Reply]]:
    backend = VllmLocalBackend(VllmSettings(model=str(model), max_context=1024))
    await backend.start(lambda said: print(said, flush=True))
    try:
        return await replies_to(backend, prompts, seed)
    finally:
        await backend.stop()


def figures(pools: Sequence[Sequence[Reply]], people_count: int, seed: int) -> dict[str, object]:
    rng = random.Random(seed)
    people = [Preference.draw(rng, rng.choice((2, 3))) for _ in range(people_count)]
    at_20, at_36 = (after_ratings(count, pools, people, seed) for count in (20, 36))
    active, chance = (_curves(pools, people, seed, is_active=is_active) for is_active in (True, False))

    def ratio(drawn: Sequence[int]) -> float:
        return labels_needed(active[list(drawn)]) / labels_needed(chance[list(drawn)])

    areas = zero_shot(pools, people)
    return {
        "auc_zero_shot": statistics.fmean(areas),
        "auc_20_ratings": statistics.fmean(at_20.areas),
        "accuracy_20_ratings": statistics.fmean(at_20.accuracies),
        "ece_20_ratings": calibration_error(at_20.foretold, at_20.liked),
        "active_vs_random_labels": ratio(range(people_count)),
        "labels_active": labels_needed(active),
        "labels_random": labels_needed(chance),
        "labels_reach": REACHED,
        "wants_36_ratings": {
            "precision": at_36.right / max(at_36.right + at_36.wrong, 1),
            "recall": at_36.right / max(at_36.right + at_36.missed, 1),
        },
        "prefix_reliability": prefix_reliability(pools),
        "curves": {
            "active": active.mean(axis=0).round(4).tolist(),
            "random": chance.mean(axis=0).round(4).tolist(),
        },
        "replies": sum(len(pool) for pool in pools),
        "noise": NOISE,
        "ci": {
            "auc_zero_shot": interval(areas),
            "auc_20_ratings": interval(at_20.areas),
            "accuracy_20_ratings": interval(at_20.accuracies),
            "ece_20_ratings": interval(range(people_count), partial(_error_of, at_20), draws=400),
            "active_vs_random_labels": interval(range(people_count), ratio),
        },
    }


def main(
    model: Annotated[Path, typer.Option(help="folder of the model")] = WEIGHTS,
    prompts: Annotated[int, typer.Option(help="how many requests")] = 48,
    people: Annotated[int, typer.Option(help="how many simulated people")] = 100,
    seed: int = 4,
    write: Annotated[bool, typer.Option(help="write bench/results/judge.json")] = True,
) -> None:
    """What the judge knows of replies, and what a taste learns from ratings."""
    found = figures(asyncio.run(_pools(model, prompts, seed)), people, seed)
    if write:
        record("judge", found, seed=seed, n=people, model=model.name)
    else:
        show("judge", found)


if __name__ == "__main__":
    typer.run(main)
