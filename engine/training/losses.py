"""The losses that a night trains with. Knows tensors of log-probabilities; no model and no people.

Every function gives one value per item, so that each can be weighted and belongs to one person alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def token_log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    """The log-probability of each target token: (tokens, vocabulary), (tokens) → (tokens)."""
    return logits.log_softmax(-1).gather(-1, targets[:, None]).squeeze(-1)


def total(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """Sums per owner: token values become one value per row."""
    return values.new_zeros(count).index_add(0, owner, values)


def token_loss(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Of demonstrations: the negative log-probability of each whole reply, per token."""
    return -log_probs / lengths


def pair_loss(
    better: Tensor,
    worse: Tensor,
    reference_better: Tensor,
    reference_worse: Tensor,
    *,
    beta: float,
    lengths: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """DPO (Rafailov et al. 2023) on whole replies' log-probabilities.

    With `lengths` each side is taken per token, so that the longer reply does not weigh more for it.
    """
    gain_better, gain_worse = better - reference_better, worse - reference_worse
    if lengths is not None:
        gain_better, gain_worse = gain_better / lengths[0], gain_worse / lengths[1]
    return -functional.logsigmoid(beta * (gain_better - gain_worse))


def rating_loss(gain: Tensor, is_good: Tensor, baseline: Tensor, *, beta: float) -> Tensor:
    """KTO (Ethayarajh et al. 2024): a single good or bad reply against how far all have moved.

    `gain` is the reply's log-probability over the base's, `baseline` its average, without gradient.
    """
    direction = torch.where(is_good, 1.0, -1.0)
    return 1.0 - torch.sigmoid(beta * direction * (gain - baseline))


def divergence(teacher: Tensor, student: Tensor, *, is_reverse: bool = False) -> Tensor:
    """KL per token between two sets of logits: the teacher over the student, or the reverse."""
    first, second = teacher.log_softmax(-1), student.log_softmax(-1)
    if is_reverse:
        first, second = second, first
    return (first.exp() * (first - second)).sum(-1)


def answer_loss(logits: Tensor, yes: Tensor, no: Tensor, wanted: Tensor) -> Tensor:
    """The judge's side: how far P(yes) against P(no) of the next token is from the wanted probability."""
    odds = logits[:, yes].logsumexp(-1) - logits[:, no].logsumexp(-1)
    return functional.binary_cross_entropy_with_logits(odds, wanted, reduction="none")
