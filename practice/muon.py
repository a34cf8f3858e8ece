"""Muon with all matrices of one shape in one go.

The same rule as `torch.optim.Muon` with rates matched to AdamW's. That one takes one matrix after the other,
and always in bfloat16, which a processor without such instructions imitates at a quarter of the speed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.processor import computes_in_bfloat16

MOMENTUM = 0.95
STEPS = 5
COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of the polynomial that pulls singular values towards 1


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(list(matrices), {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # Any: as the base class has it; never given
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for matrix in group["params"]:
                by_shape.setdefault(matrix.shape, []).append(matrix)
            for matrices in by_shape.values():
                self._step_together(matrices, group["lr"], group["weight_decay"])

    def _step_together(self, matrices: list[nn.Parameter], rate: float, weight_decay: float) -> None:
        wanted = []
        for matrix in matrices:
            assert matrix.grad is not None
            momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
            momentum.lerp_(matrix.grad, 1 - MOMENTUM)
            wanted.append(matrix.grad.lerp(momentum, MOMENTUM))
        size = 0.2 * max(matrices[0].shape) ** 0.5  # an update as large as one of AdamW's
        for matrix, update in zip(matrices, orthogonal(torch.stack(wanted)), strict=True):
            matrix.mul_(1 - rate * weight_decay).add_(update, alpha=-rate * size)


def orthogonal(matrices: Tensor) -> Tensor:
    """About the nearest matrices whose singular values are all one, by Newton's and Schulz's iteration."""
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    wide = matrices.mT if is_tall else matrices
    wide = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    wide = wide.bfloat16() if computes_in_bfloat16(wide.device) else wide
    first, second, third = COEFFICIENTS
    for _ in range(STEPS):
        square = wide @ wide.mT
        wide = first * wide + (second * square + third * square @ square) @ wide
    return (wide.mT if is_tall else wide).to(matrices.dtype)
