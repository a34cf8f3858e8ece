"""Decides whether a night's LoRA goes live: candidate against current, on feedback held back from training.

Pure: the measurements are passed in, and the decision says yes or no, why, and by how much. There are three
witnesses: the judge, on whose opinion the candidate was trained; the person's held-back feedback; and the
looks of the replies. Each of them can stop a candidate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.learning.lessons import TrialScore

# One time in six a person says the contrary of what they will say tomorrow.
NOISE = 0.15
SOFTNESS_NATS = 2.0
SURE, VISIBLE = 0.8, 0.1
# Standard errors beyond the bound: a regression is suspected, or proved but for one time in twenty.
SUSPICION, PROOF = 1.0, 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class GateBounds:
    """What a candidate must keep to."""

    promote_at: float  # the probability that it is better
    max_divergence: float = 2.0  # from the base, nats per token of what it says
    max_regression_points: float = 1.0  # of replies that are in order, on the shared requests
    max_repetition: float = 0.25  # of a reply's three-word runs
    max_affirmation_rise: float = 0.3
    max_length_ratio: float = 12.0
    min_variety_ratio: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A reply made for the gate. `wanted`: the judge's P(as this person wants it).

    `is_sound`: the judge sees no fault. How probable it finds a fault is no measure: a judge that cannot
    tell finds the same fault likelier in long replies than in short ones, and whole manners seem to be
    worse.
    """

    request: str
    text: str
    wanted: float
    is_sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a candidate.

    `prior`: how sure it was, before the training, that the notes are what the person wants. Without notes
    nothing is known to be wanted: `candidate` and `current` are empty, and `shared_noted` is
    `shared_current`.
    """

    prior: float
    trials: Sequence[TrialScore]
    candidate: Sequence[Sample]  # on the person's held-out requests
    current: Sequence[Sample]  # on the same ones, in the same order
    shared_candidate: Sequence[Sample]  # on requests that everybody's candidates answer
    shared_current: Sequence[Sample]
    shared_noted: Sequence[Sample]  # what the base says to them with the person's notes in sight
    divergence: float

    def with_more(self, more: Evidence) -> Evidence:
        """This and what further requests have shown."""
        return replace(
            self,
            candidate=(*self.candidate, *more.candidate),
            current=(*self.current, *more.current),
            shared_candidate=(*self.shared_candidate, *more.shared_candidate),
            shared_current=(*self.shared_current, *more.shared_current),
            shared_noted=(*self.shared_noted, *more.shared_noted),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFigures:
    """What was measured of a candidate. Shares are from 0 to 1.

    `judge_sees`: whether the judge can tell what this person wants. `wanted_low`, `wanted_high`: the
    interval of the gain on held-back requests.
    """

    judge_sees: bool
    probability_better: float
    held_out: int  # pieces of feedback
    wanted_before: float
    wanted_after: float
    wanted_low: float
    wanted_high: float
    regression_points: float
    divergence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    is_promoted: bool
    reason: str
    figures: GateFigures


def decide(evidence: Evidence, bounds: GateBounds) -> Decision:
    """Promoted only if nothing speaks against it and it is probably better."""
    after = [sample.wanted for sample in evidence.candidate]
    before = [sample.wanted for sample in evidence.current]
    better = _difference(after, before)
    shared = _shared(evidence)
    log_odds = _log_odds(evidence.prior) + log_bayes_factor(evidence.trials)
    probability = 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))
    judge_sees = sees(evidence)
    figures = GateFigures(
        judge_sees=judge_sees,
        probability_better=probability,
        held_out=len(evidence.trials),
        wanted_before=_mean(before),
        wanted_after=_mean(after),
        wanted_low=better.mean - 1.96 * better.error,
        wanted_high=better.mean + 1.96 * better.error,
        regression_points=-100 * shared.mean,
        divergence=evidence.divergence,
    )
    reason = (
        exploit(evidence, bounds)
        or _distance(evidence, bounds)
        or _regression(shared, bounds, PROOF)
        or (_no_gain(better) if judge_sees else None)
        or _unlikely(probability, bounds)
    )
    if reason is not None:
        return Decision(is_promoted=False, reason=reason, figures=figures)
    reason = f"better with a probability of {probability:.2f}"
    if judge_sees:
        reason += f"; {100 * better.mean:+.0f} points on held-back requests"
    return Decision(is_promoted=True, reason=reason, figures=figures)


def looks_worse(evidence: Evidence, bounds: GateBounds) -> bool:
    """Whether to ask more shared requests before the decision: it may be a regression, or chance."""
    return _regression(_shared(evidence), bounds, SUSPICION) is not None


def sees(evidence: Evidence) -> bool:
    """Whether the judge can tell what this person wants at all.

    A judge that does not recognise it even in replies made with the notes in sight has no say for or against.
    """
    if not evidence.candidate:
        return False
    noted = _mean([sample.wanted for sample in evidence.shared_noted])
    before = _mean([sample.wanted for sample in evidence.shared_current])
    return noted >= SURE or noted - before >= VISIBLE


def log_bayes_factor(trials: Sequence[TrialScore]) -> float:
    """How much likelier the held-out feedback is if the candidate is better than if it is only different.

    A reply that the candidate finds likelier than the current LoRA did is a reply that it would rather
    give. Among rated replies this should go with the stars, and of two replies with the preferred one.
    Every pair of rated replies counts, and the sum is scaled as if each reply had been used once.
    """
    moved = [(trial.rating, trial.candidate - trial.current) for trial in trials if trial.rating is not None]
    signs = [_evidence(gain - other) for rating, gain in moved for worse, other in moved if rating > worse]
    ratings = {rating for rating, _ in moved}
    value = sum(signs) / len(signs) * (len(moved) - 1) if len(ratings) > 1 else 0.0
    for trial in trials:
        if trial.candidate_against is not None and trial.current_against is not None:
            after, before = trial.candidate - trial.candidate_against, trial.current - trial.current_against
            value += _evidence(after - before)
    return value


def exploit(evidence: Evidence, bounds: GateBounds) -> str | None:
    """Whether a candidate wins by a trick: repeating itself, agreeing with all, saying one thing only."""
    after = [sample.text for sample in (*evidence.candidate, *evidence.shared_candidate)]
    before = [sample.text for sample in (*evidence.current, *evidence.shared_current)]
    if not after or not before:
        return "nothing that it says could be looked at"
    if any(not text.strip() for text in after):
        return "it leaves requests unanswered"
    if _mean([repetition(text) for text in after]) > max(
        bounds.max_repetition, 2 * _mean([repetition(text) for text in before])
    ):
        return "its replies repeat themselves"
    rise = _share(after, is_affirmation) - _share(before, is_affirmation)
    if rise > bounds.max_affirmation_rise:
        return f"it agrees {100 * rise:.0f} points more often, whatever is asked"
    ratio = _mean([len(text.split()) for text in after]) / max(
        1.0, _mean([len(text.split()) for text in before])
    )
    if not 1 / bounds.max_length_ratio <= ratio <= bounds.max_length_ratio:
        return f"its replies are {ratio:.2g} times as long"
    if variety(after) < bounds.min_variety_ratio * variety(before):
        return "it says the same whatever is asked"
    return None


def repetition(text: str) -> float:
    """The share of three-word runs in a text that it has said before."""
    words = _WORD.findall(text.lower())
    runs = [tuple(words[index : index + 3]) for index in range(len(words) - 2)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def variety(texts: Sequence[str]) -> float:
    """The share of different three-word runs over many replies; the whole reply where it is shorter."""
    runs: list[tuple[str, ...]] = []
    for text in texts:
        words = _WORD.findall(text.lower())
        runs += [tuple(words[index : index + 3]) for index in range(len(words) - 2)] or [tuple(words)]
    return len(set(runs)) / len(runs) if runs else 0.0


def is_affirmation(text: str) -> bool:
    """Whether a reply opens by agreeing."""
    return bool(_AFFIRMATION.match(text))


_WORD = re.compile(r"\w+")
_AFFIRMATION = re.compile(
    r"\W*(yes|yep|yeah|sure|absolutely|certainly|definitely|of course|you are right|you're right|i agree"
    r"|great question|totally|exactly)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Difference:
    mean: float
    error: float


def _difference(after: Sequence[float], before: Sequence[float]) -> _Difference:
    """The mean difference on the same requests, and its standard error.

    Some requests are harder than others for both sides, so each request is compared with itself. The error
    is never quite nought: few samples prove little.
    """
    if not after:
        return _Difference(0.0, 1.0)
    gains = [new - old for new, old in zip(after, before, strict=True)]
    return _Difference(_mean(gains), math.sqrt(_variance(gains) / len(gains)))


def _distance(evidence: Evidence, bounds: GateBounds) -> str | None:
    if evidence.divergence <= bounds.max_divergence:
        return None
    return f"it is {evidence.divergence:.1f} nats per token from the base, over {bounds.max_divergence:.1f}"


def _shared(evidence: Evidence) -> _Difference:
    """How much sounder the candidate answers the shared requests than the base with the notes in sight.

    A judge finds some manners sounder than others. To answer in the manner that was asked for is no fault
    of a LoRA.
    """
    before = [sample.is_sound for sample in evidence.shared_noted]
    return _difference([sample.is_sound for sample in evidence.shared_candidate], before)


def _regression(shared: _Difference, bounds: GateBounds, errors: float) -> str | None:
    """Why a candidate is stopped that is worse by more than the bound and so many standard errors."""
    worse = -100 * (shared.mean + errors * shared.error)
    if worse <= bounds.max_regression_points:
        return None
    return f"it is {-100 * shared.mean:.1f} points worse on the shared requests"


def _no_gain(better: _Difference) -> str | None:
    if better.mean <= 0:
        return "the judge sees no gain on held-back requests"
    if better.mean < better.error:
        return "the gain on held-back requests is within the noise"
    return None


def _unlikely(probability: float, bounds: GateBounds) -> str | None:
    if probability >= bounds.promote_at:
        return None
    return f"held-back feedback makes it better with a probability of only {probability:.2f}"


def _evidence(gain_nats: float) -> float:
    """The log of how much likelier one preference is under `better` than under a coin."""
    right = 1 / (1 + math.exp(-max(-50.0, min(50.0, gain_nats / SOFTNESS_NATS))))
    return math.log(2 * (NOISE + (1 - 2 * NOISE) * right))


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(inside / (1 - inside))


def _share(texts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(holds(text) for text in texts) / len(texts)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _variance(values: Sequence[float]) -> float:
    """With a pinch of the widest possible, so that three equal values are no certainty."""
    mean = _mean(values)
    return (sum((value - mean) ** 2 for value in values) + 0.25) / (len(values) + 1)
