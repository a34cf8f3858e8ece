"""Every set of things that a person may want, and how probable each is after their ratings and choices.

Exact Bayesian linear regression, one for each set and each noise. Knows no person and no reply.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.judging.rubric import Manner

Floats: TypeAlias = NDArray[np.float64]

MAX_WANTS = 3
MAX_HYPOTHESES = 8000
NOISES = (0.25, 0.45, 0.7, 1.0)  # standard deviations of a rating, as a share of half the scale
ALL_MET = 0.9  # the usual rating, from -1 to 1, of a reply that has everything wanted
SLIP = 0.05  # how often somebody chooses the reply that they like less
MASS_THAT_MATTERS, MAX_KEPT = 0.999, 600
PLAIN = ("plain: words",)  # features that are read from the text, without a judge
STILL_WANTED = 0.8  # how probably each thing that was wanted before it is wanted after


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What is known of a person before they have rated anything: what everybody else wants.

    `wanted` is the share of people who want each note; a note that is not in it is wanted by as many
    as any other. `base` is the usual rating of a reply that has nothing wanted, from -1 to 1.
    """

    wanted: Mapping[str, float] = field(default_factory=dict)
    wants: float = 2.0  # how many things a person wants, on the average
    base: float = -0.5


@dataclass(frozen=True, eq=False)
class Hypotheses:
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
def hypotheses_of(manners: tuple[Manner, ...]) -> Hypotheses:
    """Every set of wants, of at most one manner of a group each."""
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
    return Hypotheses(tuple(atoms), expand, columns, has, has.sum(axis=1))


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


@dataclass(frozen=True, eq=False)
class Posterior:
    """How probable each hypothesis is (`weights`), and what those that matter say about ratings."""

    log_evidence: float
    weights: Floats  # one for each hypothesis, over all noises
    kept: NDArray[np.int64]  # the hypotheses that matter, one row for each noise that matters
    kept_weights: Floats
    kept_means: Floats
    kept_covariances: Floats
    kept_noises: Floats


def infer(
    hypotheses: Hypotheses,
    population: Population,
    *,
    moments: Floats,
    choices: Floats,
    ratings: float,
    earlier: Mapping[str, float],
) -> Posterior:
    """How probable each hypothesis is after these ratings and choices."""
    expand, columns = hypotheses.expand, hypotheses.columns
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
        - max(ratings, 0.0) * np.log(squares)
    )
    log_prior = _log_prior(hypotheses, population, earlier)
    log_weights = log_evidence + log_prior + _log_foretold(hypotheses, choices, means, noises)
    joint = np.exp(log_weights - log_weights.max())
    total = joint.sum()
    joint /= total
    order = np.argsort(joint, axis=None)[::-1]
    needed = 1 + int(np.searchsorted(np.cumsum(joint.ravel()[order]), MASS_THAT_MATTERS))
    noise_row, kept = np.unravel_index(order[: min(needed, MAX_KEPT)], joint.shape)
    kept_weights = joint[noise_row, kept]
    possible = len(NOISES) * np.exp(log_prior).sum()
    return Posterior(
        log_evidence=float(log_weights.max() + np.log(total) - np.log(possible)),
        weights=joint.sum(axis=0),
        kept=kept,
        kept_weights=kept_weights / kept_weights.sum(),
        kept_means=means[noise_row, kept],
        kept_covariances=covariances[noise_row, kept],
        kept_noises=np.array(NOISES)[noise_row],
    )


def _prior(hypotheses: Hypotheses, population: Population) -> tuple[Floats, Floats]:
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


def _log_foretold(hypotheses: Hypotheses, choices: Floats, means: Floats, noises: Floats) -> Floats:
    """How well each hypothesis foretold the choices, for each noise. Anybody clicks wrongly now and then."""
    if not len(choices):
        return np.zeros(means.shape[:2])
    rows = choices @ hypotheses.expand[:, 1:].T
    seen = rows[:, hypotheses.columns]  # choice, hypothesis, column
    margins = np.einsum("chk,shk->shc", seen, means) / noises[..., None]
    return np.asarray(np.log(foretold(margins)).sum(axis=-1))


def foretold(margins: Floats) -> Floats:
    """The chance that of two replies the one is chosen whose rating is higher by so many noises."""
    # The logistic function is the normal one to within 0.01, and there is a vectorised one of it.
    certain = 1.0 / (1.0 + np.exp(-np.clip(1.702 / math.sqrt(2.0) * margins, -40.0, 40.0)))
    return np.asarray(SLIP + (1.0 - 2.0 * SLIP) * certain)


def _log_prior(hypotheses: Hypotheses, population: Population, earlier: Mapping[str, float]) -> Floats:
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
