"""What one batch adds to a training step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.processor import computes_in_bfloat16
from practice.llama import Llama
from practice.rows import JUDGEMENT_WEIGHT, Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    gradients: tuple[Tensor, ...]
    weight: float
    seen: dict[str, float]


def gradients(model: Llama, batch: Batch) -> Part:
    device = device_of_training()
    is_learned = (batch.weights != 0).to(device)
    labels, weights = batch.labels.to(device)[is_learned], batch.weights.to(device)[is_learned]
    with quick(device):
        hidden = model(
            batch.tokens.to(device),
            batch.positions.to(device),
            batch.visible.to(device),
            batch.wanted.to(device),
        )
        logits = model.logits(hidden[is_learned])
    losses = functional.cross_entropy(logits.float(), labels, reduction="none")
    slopes = torch.autograd.grad((losses * weights).sum(), list(model.parameters()))
    judged = weights == JUDGEMENT_WEIGHT
    seen = {
        "reply loss": losses[~judged].mean().item(),
        "judge loss": losses[judged].mean().item(),
        "judge right": (logits[judged].argmax(-1) == labels[judged]).float().mean().item(),
    }
    known = {name: value for name, value in seen.items() if not math.isnan(value)}
    return Part(gradients=slopes, weight=weights.sum().item(), seen=known)


def quick(device: torch.device) -> torch.autocast:
    """bfloat16 where the machine has it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bfloat16(device))


def device_of_training() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
