"""Adam for a bank: step, moments and clipping of each slot by itself. Knows no lessons and no people."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from engine.training.bank import Bank


class BankOptimizer:
    """AdamW over all slots at once, each with its own step, rate and clipping."""

    def __init__(self, bank: Bank, *, betas: tuple[float, float] = (0.9, 0.99), clip: float = 1.0) -> None:
        self._parts = bank.parameters()
        self._betas, self._clip = betas, clip
        self.first = [torch.zeros_like(part) for part in self._parts]
        self.second = [torch.zeros_like(part) for part in self._parts]
        self.steps = [0] * bank.slots

    def reset(self, slot: int) -> None:
        for moment in (*self.first, *self.second):
            moment[slot] = 0
        self.steps[slot] = 0

    @torch.no_grad()
    def step(self, rates: Mapping[int, float]) -> None:
        """One step of the slots in `rates`, at their learning rates. Clears the gradients."""
        slots = len(self.steps)
        for slot in rates:
            self.steps[slot] += 1
        gradients = [part.grad for part in self._parts]
        squares = torch.stack([gradient.square().sum(dim=(1, 2)) for gradient in gradients]).sum(0)
        shrink = (self._clip / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        device = squares.device
        beta_1, beta_2 = self._betas
        done = [max(1, step) for step in self.steps]
        unbias_1 = torch.tensor([1 - beta_1**step for step in done], device=device)
        unbias_2 = torch.tensor([1 - beta_2**step for step in done], device=device)
        rate = torch.tensor([rates.get(slot, 0.0) for slot in range(slots)], device=device) / unbias_1
        for part, gradient, first, second in zip(
            self._parts, gradients, self.first, self.second, strict=True
        ):
            gradient.mul_(shrink[:, None, None])
            first.lerp_(gradient, 1 - beta_1)
            second.mul_(beta_2).addcmul_(gradient, gradient, value=1 - beta_2)
            # The small constant is larger than usual: elements whose gradient is only rounding stay put,
            # which keeps a LoRA trained in company equal to the one trained alone.
            width = (second / unbias_2[:, None, None]).sqrt_().add_(1e-6)
            part.sub_(first / width * rate[:, None, None])
            gradient.zero_()
