"""Many LoRAs side by side over one frozen base: each row of a batch under the LoRA of its slot.

A person trained in company gets the LoRA that they would have got alone: nothing in here mixes slots. Knows
no losses and no files.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from engine.errors import LoraError
from engine.loras.format import Factors, LoraWeights


class Bank:
    """Puts a slot bank on every linear layer of the model except its output layer, and freezes the rest."""

    def __init__(self, model: PreTrainedModel, *, slots: int, rank: int, alpha: float) -> None:
        model.requires_grad_(False)
        self.model = model
        self.rank, self.alpha, self.slots = rank, alpha, slots
        self._switch = _Switch()
        self.layers: dict[str, BankLinear] = {}
        for name, linear in _trained_linears(model):
            layer = BankLinear(linear, self._switch, slots=slots, rank=rank, scale=alpha / rank)
            parent_name, _, child_name = name.rpartition(".")
            setattr(model.get_submodule(parent_name), child_name, layer)
            self.layers[name] = layer
        for part in self.parameters():
            part.grad = torch.zeros_like(part)

    @contextmanager
    def in_slots(self, rows: Tensor | None) -> Iterator[None]:
        """While inside, row i of a batch runs under the LoRA in slot rows[i]; with None, on the bare base."""
        before, self._switch.rows = self._switch.rows, rows
        try:
            yield
        finally:
            self._switch.rows = before

    def parameters(self) -> list[nn.Parameter]:
        return [part for layer in self.layers.values() for part in (layer.down, layer.up)]

    @torch.no_grad()
    def start_slot(self, slot: int, seed: int) -> None:
        """Puts a new LoRA into a slot. It changes nothing yet, and its start depends on the seed alone."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.layers.values():
            bound = 1 / math.sqrt(layer.down.shape[-1])
            start = torch.empty(layer.down.shape[1:]).uniform_(-bound, bound, generator=generator)
            layer.down[slot] = start.to(layer.down)
            layer.up[slot] = 0

    @torch.no_grad()
    def load_slot(self, slot: int, weights: LoraWeights, *, scale: float) -> None:
        """Puts a finished LoRA into a slot. Where it has nothing for a layer, it changes nothing there.

        Raises LoraError where it does not fit; the slot is empty then.
        """
        for layer in self.layers.values():
            layer.down[slot] = 0
            layer.up[slot] = 0
        for name, factors in weights.items():
            self._check(name, factors)
        for name, factors in weights.items():
            layer, rank = self.layers[name], len(factors.down)
            layer.down[slot, :rank] = factors.down.to(layer.down)
            layer.up[slot, :, :rank] = factors.up.to(layer.up) * (scale / layer.scale)

    @torch.no_grad()
    def clear_gradients(self) -> None:
        for part in self.parameters():
            part.grad.zero_()

    def copy_slot(self, slot: int) -> dict[str, Factors]:
        """A slot's LoRA as it is now."""
        return {
            name: Factors(layer.down[slot].detach().cpu().clone(), layer.up[slot].detach().cpu().clone())
            for name, layer in self.layers.items()
        }

    def _check(self, name: str, factors: Factors) -> None:
        """Raises LoraError unless a LoRA's part fits a layer and a slot."""
        layer, rank = self.layers.get(name), len(factors.down)
        if layer is None:
            raise LoraError(f"the LoRA has a part for {name}: it was made for another model")
        shapes = (tuple(factors.down.shape), tuple(factors.up.shape))
        if shapes != ((rank, layer.base.in_features), (layer.base.out_features, rank)):
            raise LoraError(f"the LoRA does not fit {name}: it was made for another model")
        if rank > self.rank:
            raise LoraError(f"the LoRA has rank {rank} at {name}, and a slot has room for {self.rank}")


class BankLinear(nn.Module):
    """One frozen linear layer with a low-rank update for every slot."""

    def __init__(self, base: nn.Linear, switch: _Switch, *, slots: int, rank: int, scale: float) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        self._switch = switch
        device = base.weight.device
        self.down = nn.Parameter(torch.zeros(slots, rank, base.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(slots, base.out_features, rank, device=device))

    def forward(self, inputs: Tensor) -> Tensor:
        rows = self._switch.rows
        if rows is None:
            output: Tensor = self.base(inputs)
            return output
        in_slots: Tensor = _InSlots.apply(inputs, self.down, self.up, self.base, rows, self.scale)
        return in_slots


class _InSlots(torch.autograd.Function):
    """The layer with each row's own update. Gradients are computed by hand, straight into the rows' slots.

    Autograd alone would fill gradients of all slots with zeros in every pass, add them up, and keep tensors
    that no backward pass needs. On a CPU that takes longer than the products.
    """

    # Any: autograd's context, which takes any attribute.
    @staticmethod
    def forward(
        context: Any, inputs: Tensor, down: Tensor, up: Tensor, base: nn.Linear, rows: Tensor, scale: float
    ) -> Tensor:
        mine = down.index_select(0, rows).to(inputs.dtype)
        back = up.index_select(0, rows).to(inputs.dtype)
        narrow = torch.bmm(inputs, mine.transpose(1, 2))
        output: Tensor = base(inputs)
        output.baddbmm_(narrow, back.transpose(1, 2), alpha=scale)
        context.save_for_backward(inputs, narrow, mine, back, rows)
        context.down, context.up, context.base, context.scale = down, up, base, scale
        return output

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, narrow, mine, back, rows = context.saved_tensors
        scale = context.scale
        narrowed = torch.bmm(gradient, back).mul_(scale)
        _add_to_slots(context.down, rows, torch.bmm(narrowed.transpose(1, 2), inputs))
        _add_to_slots(context.up, rows, torch.bmm(gradient.transpose(1, 2), narrow).mul_(scale))
        if not context.needs_input_grad[0]:
            return (None,) * 6
        passed = torch.matmul(gradient, context.base.weight)
        passed.baddbmm_(narrowed, mine)
        return passed, None, None, None, None, None


def _add_to_slots(part: nn.Parameter, rows: Tensor, gradients: Tensor) -> None:
    assert part.grad is not None, "the bank allocates gradients"
    part.grad.index_add_(0, rows, gradients.to(part.dtype))


class _Switch(threading.local):
    """The slot of each row in this thread's batch. All layers share it."""

    rows: Tensor | None = None


def _trained_linears(model: PreTrainedModel) -> Iterable[tuple[str, nn.Linear]]:
    output = model.get_output_embeddings()
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not output
    ]
