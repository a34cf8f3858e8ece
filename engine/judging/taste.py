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
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.judging.judge import bounded, plain_features
from engine.judging.rubric import Manner

Floats: TypeAlias = NDArray[np.float64]
Answers: TypeAlias = Mapping[str, float]

LIKED_FROM = 3.5  # a rating of 4 or 5 is a like
MAX_WANTS = 3
MAX_HYPOTHESES = 8000
NOISES = (0.25, 0.45, 0.7, 1.0)  # standard deviations of a rating, as a share of half the scale
ALL_MET = 0.9  # the usual rating, from -1 to 1, of a reply that has everything wanted
WORTH_ASKING = 1e-3  # nats
AT_RANDOM, LIKED_AT_RANDOM = 0.1, 0.4  # how often a rating says nothing, and how often it is a like then
MEANT_NOISE = 0.6  # of a rating's noise, the share that is not due to those
SLIP = 0.05  # how often somebody chooses the reply that they like less
MASS_THAT_MATTERS, MAX_KEPT = 0.999, 600
PLAIN = ("plain: words",)  # features that are read from the text, without a judge
CONFIDENT = 0.6  # a want is told from this probability on
CUTS = (6, 9, 12, 18, 27, 40, 60, 90, 135)  # so many things ago a change of mind is looked for
CHANGED = 0.1  # how probable it is that there was one
STILL_WANTED = 0.8  # how probably each thing that was wanted before it is wanted after


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What is known of a person before they have rated anything: what everybody else wants.

    `wanted` is the share of people who want each note; a note that is not in it is wanted by as many
    as any other. `base` is the usual rating of a reply that has nothing wanted, from -1 to 1.
    """

    wanted: Mapping[str, float] = field(default_factory=dict)
    wants: float = 2.0  # how many things a person wants, on the average
    base: float = -0.5

    @classmethod
    def of(cls, tastes: Sequence[Taste], *, weight: float = 8.0) -> Population:
        """The population that these people come from; `weight` is how many people the default counts for."""
        if not tastes:
            return cls()
        default = Taste.blank(tastes[0].manners)
        sums = {want.note: weight * want.probability for want in default.all_wants()}
        for taste in tastes:
            for want in taste.all_wants():
                sums[want.note] = sums.get(want.note, 0.0) + want.probability
        count = weight + len(tastes)
        return cls(
            wanted={note: total / count for note, total in sums.items()}, wants=sum(sums.values()) / count
        )


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
        hypotheses = _hypotheses(self.manners)
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
    def _posterior(self) -> _Posterior:
        return _infer(_hypotheses(self.manners), self)

    def _prediction(self, features: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights, means and standard deviations of the rating under the hypotheses that matter."""
        posterior = self._posterior
        rows = _rows(_hypotheses(self.manners), np.concatenate(([1.0], features)), posterior.kept)
        means = np.einsum("hk,hk->h", rows, posterior.kept_means)
        doubt = np.einsum("hk,hkl,hl->h", rows, posterior.kept_covariances, rows)
        # The noise that a hypothesis was fitted with has swallowed the ratings at random.
        spreads = np.sqrt(doubt + (MEANT_NOISE * posterior.kept_noises) ** 2)
        return posterior.kept_weights, means, spreads


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
    hypotheses = _hypotheses(taste.manners)
    difference = taste._features(first) - taste._features(second)
    rows = _rows(hypotheses, np.concatenate(([0.0], difference)), posterior.kept)
    means = np.einsum("hk,hk->h", rows, posterior.kept_means)
    chances = _foretold(means / posterior.kept_noises)
    weights = posterior.kept_weights
    return float(_entropy(np.array([weights @ chances]))[0] - weights @ _entropy(chances))


def _rows(hypotheses: _Hypotheses, features: Floats, kept: NDArray[np.int64]) -> Floats:
    """What each kept hypothesis sees of [1, plain…, answers…]."""
    return np.asarray((hypotheses.expand @ features)[hypotheses.columns[kept]])


# --- hypotheses: which manners are wanted ---


@dataclass(frozen=True, eq=False)
class _Hypotheses:
    """Every set of wants that a person may have.

    `atoms`: (manner, whether it is wanted or its contrary, note). `expand` makes [1, plain…, atoms…, 0]
    out of [1, plain…, answers…]; `columns` says which of these a hypothesis uses, the last where it has
    fewer wants than others. `has`: which hypothesis has which atom.
    """

    atoms: tuple[tuple[int, bool, str], ...]
    expand: Floats
    columns: NDArray[np.int64]
    has: Floats
    sizes: Floats


@lru_cache(maxsize=8)
def _hypotheses(manners: tuple[Manner, ...]) -> _Hypotheses:
    atoms = [(number, True, manner.note) for number, manner in enumerate(manners)]
    atoms += [(number, False, manner.opposite) for number, manner in enumerate(manners) if manner.opposite]
    groups = [manners[number].group for number, _, _ in atoms]
    fixed = 1 + len(PLAIN)
    expand = np.zeros((fixed + len(atoms) + 1, fixed + len(manners)))
    expand[:fixed, :fixed] = np.eye(fixed)
    for row, (number, is_wanted, _) in enumerate(atoms, start=fixed):
        expand[row, fixed + number] = 1.0 if is_wanted else -1.0
        expand[row, 0] = 0.0 if is_wanted else 1.0
    sets = _sets(groups)
    columns = np.full((len(sets), fixed + MAX_WANTS), len(expand) - 1, dtype=np.int64)
    columns[:, :fixed] = np.arange(fixed)
    has = np.zeros((len(sets), len(atoms)))
    for row, chosen in enumerate(sets):
        columns[row, fixed : fixed + len(chosen)] = [fixed + atom for atom in chosen]
        has[row, list(chosen)] = 1.0
    return _Hypotheses(tuple(atoms), expand, columns, has, has.sum(axis=1))


def _sets(groups: Sequence[str]) -> list[tuple[int, ...]]:
    """All sets of wants with at most one of a group, as large as there is time to weigh them all."""
    sets: list[tuple[int, ...]] = []
    for size in range(MAX_WANTS + 1):
        larger = [
            chosen
            for chosen in itertools.combinations(range(len(groups)), size)
            if len({groups[atom] for atom in chosen}) == size
        ]
        if len(sets) + len(larger) > MAX_HYPOTHESES:
            break
        sets.extend(larger)
    return sets


# --- the weight of each hypothesis ---


@dataclass(frozen=True, eq=False)
class _Posterior:
    """How probable each hypothesis is (`weights`), and what those that matter say about ratings."""

    log_evidence: float
    weights: Floats  # one for each hypothesis, over all noises
    kept: NDArray[np.int64]  # the hypotheses that matter, one row for each noise that matters
    kept_weights: Floats
    kept_means: Floats
    kept_covariances: Floats
    kept_noises: Floats


def _infer(hypotheses: _Hypotheses, taste: Taste) -> _Posterior:
    expand, columns = hypotheses.expand, hypotheses.columns
    moments, population = taste.moments, taste.population
    products = expand @ moments[:-1, :-1] @ expand.T
    with_rating = expand @ moments[:-1, -1]
    gram = products[columns[:, :, None], columns[:, None, :]]
    target = with_rating[columns]
    prior_means, prior_precisions = _prior(hypotheses, population)
    noises = np.array(NOISES)[:, None]
    squares = noises**2
    precision = gram / squares[..., None, None] + prior_precisions[:, :, None] * np.eye(columns.shape[1])
    pull = target / squares[..., None] + prior_precisions * prior_means
    covariances = np.linalg.inv(precision)
    means = np.einsum("shkl,shl->shk", covariances, pull)
    _, log_det = np.linalg.slogdet(precision)
    log_evidence = 0.5 * (
        np.log(prior_precisions).sum(axis=1)
        - log_det
        - (prior_precisions * prior_means**2).sum(axis=1)
        + np.einsum("shk,shk->sh", pull, means)
        - moments[-1, -1] / squares
        - max(taste.ratings, 0.0) * np.log(squares)
    )
    log_prior = _log_prior(hypotheses, population, taste.earlier)
    log_weights = log_evidence + log_prior + _log_foretold(hypotheses, taste.choices, means, noises)
    joint = np.exp(log_weights - log_weights.max())
    total = joint.sum()
    joint /= total
    order = np.argsort(joint, axis=None)[::-1]
    needed = 1 + int(np.searchsorted(np.cumsum(joint.ravel()[order]), MASS_THAT_MATTERS))
    noise_row, kept = np.unravel_index(order[: min(needed, MAX_KEPT)], joint.shape)
    kept_weights = joint[noise_row, kept]
    possible = len(NOISES) * np.exp(log_prior).sum()
    return _Posterior(
        log_evidence=float(log_weights.max() + np.log(total) - np.log(possible)),
        weights=joint.sum(axis=0),
        kept=kept,
        kept_weights=kept_weights / kept_weights.sum(),
        kept_means=means[noise_row, kept],
        kept_covariances=covariances[noise_row, kept],
        kept_noises=np.array(NOISES)[noise_row],
    )


def _prior(hypotheses: _Hypotheses, population: Population) -> tuple[Floats, Floats]:
    """Means and precisions of what a hypothesis adds up: the base, the plain features, each want.

    A reply that has everything wanted is rated well, so the more is wanted, the less each adds.
    """
    fixed = 1 + len(PLAIN)
    sizes = np.maximum(hypotheses.sizes, 1.0)[:, None]
    means = np.zeros(hypotheses.columns.shape)
    means[:, 0] = np.where(hypotheses.sizes > 0, population.base, 0.2)
    means[:, fixed:] = (ALL_MET - population.base) / sizes
    spreads = np.full(hypotheses.columns.shape, 0.3)
    spreads[:, 0] = 0.5
    spreads[:, fixed:] = 0.5 / np.sqrt(sizes)
    is_used = hypotheses.columns < len(hypotheses.expand) - 1
    return np.where(is_used, means, 0.0), np.where(is_used, spreads, 1.0) ** -2.0


def _log_foretold(hypotheses: _Hypotheses, choices: Floats, means: Floats, noises: Floats) -> Floats:
    """How well each hypothesis foretold the choices, for each noise. Anybody clicks wrongly now and then."""
    if not len(choices):
        return np.zeros(means.shape[:2])
    rows = choices @ hypotheses.expand[:, 1:].T
    seen = rows[:, hypotheses.columns]  # choice, hypothesis, column
    margins = np.einsum("chk,shk->shc", seen, means) / noises[..., None]
    return np.asarray(np.log(_foretold(margins)).sum(axis=-1))


def _foretold(margins: Floats) -> Floats:
    """The chance that of two replies the one is chosen whose rating is higher by so many noises."""
    # The logistic function is the normal one to within 0.01, and there is a vectorised one of it.
    certain = 1.0 / (1.0 + np.exp(-np.clip(1.702 / math.sqrt(2.0) * margins, -40.0, 40.0)))
    return np.asarray(SLIP + (1.0 - 2.0 * SLIP) * certain)


def _log_prior(hypotheses: _Hypotheses, population: Population, earlier: Mapping[str, float]) -> Floats:
    shares = np.array(
        [
            population.wanted.get(note, population.wants / len(hypotheses.atoms))
            for *_, note in hypotheses.atoms
        ]
    )
    if earlier:
        before = np.array([earlier.get(note, 0.0) for *_, note in hypotheses.atoms])
        shares = STILL_WANTED * before + (1.0 - STILL_WANTED) * shares
    shares = np.clip(shares, 0.005, 0.9)
    return np.asarray(hypotheses.has @ np.log(shares / (1.0 - shares)))


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
