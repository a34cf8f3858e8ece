"""What a person likes, learned from their ratings: how probable it is that they like a reply, and why.

A rating is taken for a base, plus something for each manner that the person wants and the reply has,
plus noise. Which manners are wanted is not known: every set of up to three of them is a hypothesis,
weighed exactly against the others by how well it explains the ratings (Bayesian linear regression in
closed form). So few ratings go far where people want few things, and the taste knows what it does not
know. All it keeps of the ratings are sums: learning from one is an addition, and taking a rating back
is the exact subtraction. Choices between two replies are kept one by one and weigh the hypotheses by how
well each foretells them. Knows no person, no store and no model.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.judging.hypotheses import (
    PLAIN,
    Floats,
    Hypotheses,
    Population,
    Posterior,
    foretold,
    hypotheses_of,
    infer,
)
from engine.judging.judge import bounded, plain_features
from engine.judging.rubric import Manner

Answers: TypeAlias = Mapping[str, float]

LIKED_FROM = 3.5  # a rating of 4 or 5 is a like
WORTH_ASKING = 1e-3  # nats
AT_RANDOM, LIKED_AT_RANDOM = 0.1, 0.4  # how often a rating says nothing, and how often it is a like then
MEANT_NOISE = 0.6  # of a rating's noise, the share that is not due to those
CONFIDENT = 0.6  # a want is told from this probability on
CUTS = (6, 9, 12, 18, 27, 40, 60, 90, 135)  # so many things ago a change of mind is looked for
CHANGED = 0.1  # how probable it is that there was one


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Something that a person seems to want: a manner, or its contrary, in the words of a note."""

    manner: str
    note: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A reply, by what the judge finds in it, was rated from 1 to 5."""

    answers: Answers
    rating: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """One reply was chosen over another."""

    better: Answers
    worse: Answers


Liking: TypeAlias = Rated | Preferred


@dataclass(frozen=True, kw_only=True)
class Taste:
    """One person's taste. A value: learning gives a new one. Make the first with `blank`.

    `moments` are the sums of products over [1, plain…, answers…, rating], one row per rating. `choices` has
    one row per choice: [plain…, answers…] of the better reply less those of the worse. `earlier` is how
    probably each note was wanted before they changed their mind, where they did: most of it still holds.
    """

    manners: tuple[Manner, ...]
    population: Population
    moments: Floats
    choices: Floats
    ratings: float = 0.0  # how many it was learned from
    earlier: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def blank(cls, manners: Sequence[Manner], population: Population | None = None) -> Taste:
        width = len(PLAIN) + len(manners)
        return cls(
            manners=tuple(manners),
            population=population or Population(),
            moments=np.zeros((width + 2, width + 2)),
            choices=np.zeros((0, width)),
        )

    # --- learning ---

    def rated(self, answers: Answers, rating: int, *, weight: float = 1.0) -> Taste:
        """The taste after a rating from 1 to 5; a negative weight takes that rating back."""
        row = np.array([1.0, *self._features(answers), _scaled(rating)])
        return replace(
            self, moments=self.moments + weight * np.outer(row, row), ratings=self.ratings + weight
        )

    def preferred(self, better: Answers, worse: Answers) -> Taste:
        """The taste after one reply was chosen over another."""
        difference = self._features(better) - self._features(worse)
        return replace(self, choices=np.vstack([self.choices, difference]))

    def after(self, told: Sequence[Liking]) -> Taste:
        """The taste after all of these. Their order does not matter."""
        taste = self
        for liking in told:
            if isinstance(liking, Rated):
                taste = taste.rated(liking.answers, liking.rating)
            else:
                taste = taste.preferred(liking.better, liking.worse)
        return taste

    def following(self, told: Sequence[Liking]) -> Taste:
        """The taste after all of these, the newest first, by somebody who may have changed their mind.

        If a change explains them better than one mind does, it is the newer ones that count, and what was
        wanted before is where they start from.
        """
        cuts = [cut for cut in CUTS if cut <= len(told) - CUTS[0]]
        unchanged = self.after(told)
        best, newer, since = unchanged.log_evidence + math.log(1.0 - CHANGED), 0, self
        for cut in cuts:
            before = self.after(told[cut:])
            begun = replace(self, earlier={want.note: want.probability for want in before.all_wants()})
            explained = before.log_evidence + begun.after(told[:cut]).log_evidence
            if explained + math.log(CHANGED / len(cuts)) > best:
                best, newer, since = explained + math.log(CHANGED / len(cuts)), cut, begun
        return since.following(told[:newer]) if newer else unchanged

    @property
    def has_learned(self) -> bool:
        return self.ratings > 0 or len(self.choices) > 0

    # --- asking ---

    def probability(self, answers: Answers) -> float:
        """How probable it is that the person likes a reply that the judge describes so."""
        weights, means, spreads = self._prediction(self._features(answers))
        meant = float(weights @ _normal_cdf((means - _scaled(LIKED_FROM)) / spreads))
        return AT_RANDOM * LIKED_AT_RANDOM + (1.0 - AT_RANDOM) * meant

    def expected(self, answers: Answers) -> float:
        """The rating that is to be expected, on a scale from -1 to 1."""
        weights, means, _ = self._prediction(self._features(answers))
        return float(weights @ means)

    def opinion(self, answers: Answers, text: str) -> float:
        """The log-odds that the person likes a reply: what a judge adds to its score."""
        p = self.probability({**answers, **plain_features(text)})
        return bounded(math.log(p / (1.0 - p)))

    def wants(self, *, at_least: float = CONFIDENT) -> list[Want]:
        """What the person wants, as far as that is clear, the clearest first; of a group one at most."""
        clear = [want for want in self.all_wants() if want.probability >= at_least]
        return sorted(clear, key=lambda want: -want.probability)

    def worth_asking(self, *, at_least: float = 0.2) -> tuple[Manner, ...]:
        """The manners that a judge should ask about for this taste; none where it has no opinion yet."""
        wanted = {want.manner for want in self.all_wants() if want.probability >= at_least}
        return tuple(manner for manner in self.manners if manner.name in wanted)

    def all_wants(self) -> list[Want]:
        """Everything that can be wanted, with its probability."""
        hypotheses = hypotheses_of(self.manners)
        probabilities = self._posterior.weights @ hypotheses.has
        return [
            Want(manner=self.manners[number].name, note=note, probability=float(p))
            for (number, _, note), p in zip(hypotheses.atoms, probabilities, strict=True)
        ]

    @property
    def log_evidence(self) -> float:
        """How probable all that it learned from is, whatever is wanted: for comparing tastes of the same."""
        return self._posterior.log_evidence

    # --- its state as JSON ---

    def state(self) -> dict[str, object]:
        """What must be stored; `restored` makes the taste of it again."""
        return {
            "version": 1,
            "manners": [manner.name for manner in self.manners],
            "moments": self.moments.tolist(),
            "choices": self.choices.tolist(),
            "ratings": self.ratings,
            "earlier": dict(self.earlier),
        }

    @classmethod
    def restored(
        cls, state: Mapping[str, object], manners: Sequence[Manner], population: Population | None = None
    ) -> Taste | None:
        """The taste that was stored; None where the rubric has changed since and it must be learned anew."""
        blank = cls.blank(manners, population)
        names, ratings = state.get("manners"), state.get("ratings")
        if state.get("version") != 1 or names != [manner.name for manner in manners]:
            return None
        moments = _numbers(state.get("moments"), blank.moments.shape[1])
        choices = _numbers(state.get("choices"), blank.choices.shape[1])
        if moments is None or choices is None or moments.shape != blank.moments.shape:
            return None
        count = float(ratings) if isinstance(ratings, int | float) else 0.0
        earlier = _shares(state.get("earlier"))
        return replace(blank, moments=moments, choices=choices, ratings=count, earlier=earlier)

    # --- the posterior ---

    def _features(self, answers: Answers) -> Floats:
        """What was not asked about is taken for undecided."""
        names = (*PLAIN, *(manner.name for manner in self.manners))
        return np.array([min(max(answers.get(name, 0.5), 0.0), 1.0) for name in names])

    @cached_property
    def _posterior(self) -> Posterior:
        return infer(
            hypotheses_of(self.manners),
            self.population,
            moments=self.moments,
            choices=self.choices,
            ratings=self.ratings,
            earlier=self.earlier,
        )

    def _prediction(self, features: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights, means and standard deviations of the rating under the hypotheses that matter."""
        posterior = self._posterior
        rows = _rows(hypotheses_of(self.manners), np.concatenate(([1.0], features)), posterior.kept)
        means = np.einsum("hk,hk->h", rows, posterior.kept_means)
        doubt = np.einsum("hk,hkl,hl->h", rows, posterior.kept_covariances, rows)
        # The noise that a hypothesis was fitted with has swallowed the ratings at random.
        spreads = np.sqrt(doubt + (MEANT_NOISE * posterior.kept_noises) ** 2)
        return posterior.kept_weights, means, spreads


def population_of(tastes: Sequence[Taste], *, weight: float = 8.0) -> Population:
    """The population that these people come from; `weight` is how many people the default counts for."""
    if not tastes:
        return Population()
    default = Taste.blank(tastes[0].manners)
    sums = {want.note: weight * want.probability for want in default.all_wants()}
    for taste in tastes:
        for want in taste.all_wants():
            sums[want.note] = sums.get(want.note, 0.0) + want.probability
    count = weight + len(tastes)
    return Population(
        wanted={note: total / count for note, total in sums.items()}, wants=sum(sums.values()) / count
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two candidates, by their places, and what it would tell to know which one the person likes better."""

    first: int
    second: int
    information: float  # in nats; a coin that is all doubt and all worth knowing has 0.69


def most_informative_pair(
    taste: Taste, candidates: Sequence[Answers], *, within: float = 1.0, beside: int | None = None
) -> Pair | None:
    """Which two candidates to show side by side: the answer to "which is better?" teaches most (BALD).

    Only candidates that may well be the best are shown: those whose expected rating is less than
    `within` (of half the scale) below the best one's. `beside`: the candidate that is one of the two in
    any case. None where no question would teach anything.
    """
    expected = [taste.expected(answers) for answers in candidates]
    shown = [place for place, value in enumerate(expected) if value >= max(expected) - within]
    pairs = (
        Pair(first=a, second=b, information=information(taste, candidates[a], candidates[b]))
        for a, b in itertools.combinations(sorted({*shown, *(() if beside is None else (beside,))}), 2)
        if beside in (None, a, b)
    )
    best = max(pairs, key=lambda pair: pair.information, default=None)
    return best if best and best.information > WORTH_ASKING else None


def is_worth_showing(pair: Pair | None, earlier: Sequence[float], *, every: int) -> bool:
    """Whether to ask now, where at most one reply in `every` may ask (0: never).

    `earlier`: what the best questions of the last replies would have told. A question is asked when it
    is among the best that come up that often, so the rare chance is spent where it teaches most.
    """
    if pair is None or every < 1:
        return False
    better = sum(information >= pair.information for information in earlier)
    return better * every <= len(earlier)


def information(taste: Taste, first: Answers, second: Answers) -> float:
    """What the choice between two replies would tell about the taste, in nats."""
    posterior = taste._posterior
    hypotheses = hypotheses_of(taste.manners)
    difference = taste._features(first) - taste._features(second)
    rows = _rows(hypotheses, np.concatenate(([0.0], difference)), posterior.kept)
    means = np.einsum("hk,hk->h", rows, posterior.kept_means)
    chances = foretold(means / posterior.kept_noises)
    weights = posterior.kept_weights
    return float(_entropy(np.array([weights @ chances]))[0] - weights @ _entropy(chances))


def _rows(hypotheses: Hypotheses, features: Floats, kept: NDArray[np.int64]) -> Floats:
    """What each kept hypothesis sees of [1, plain…, answers…]."""
    return np.asarray((hypotheses.expand @ features)[hypotheses.columns[kept]])


def _numbers(rows: object, width: int) -> Floats | None:
    """Stored rows of finite numbers; None where they are anything else."""
    try:
        found = np.array(rows, dtype=np.float64).reshape(-1, width)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found).all() else None


def _shares(stored: object) -> Mapping[str, float]:
    """Stored probabilities of notes; none where they are anything else."""
    told = stored.items() if isinstance(stored, dict) else ()
    return {str(note): float(p) for note, p in told if isinstance(p, int | float) and 0.0 <= p <= 1.0}


def _scaled(rating: float) -> float:
    """A rating from 1 to 5 on the scale from -1 to 1."""
    return (rating - 3.0) / 2.0


def _normal_cdf(values: Floats) -> Floats:
    """To within 0.0003, for whole arrays."""
    return np.asarray(0.5 + 0.5 * np.tanh(math.sqrt(2.0 / math.pi) * (values + 0.044715 * values**3)))


def _entropy(chances: Floats) -> Floats:
    """Of coins that fall heads with these chances, in nats."""
    p = np.clip(chances, 1e-12, 1.0 - 1e-12)
    return np.asarray(-p * np.log(p) - (1.0 - p) * np.log(1.0 - p))
