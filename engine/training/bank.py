"""Many LoRAs side by side over one frozen base: each row of a batch under the LoRA of its slot.

A person trained in company gets the LoRA they would have got alone: nothing in here mixes slots. The
optimiser keeps its step, its moments and its clipping per slot. Knows no losses, no files but a LoRA's.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from engine.errors import LoraError

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
LoraTensors = dict[str, Tensor]


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
        """Inside, row i of a batch runs under the LoRA in slot rows[i]; with None, on the bare base."""
        before, self._switch.rows = self._switch.rows, rows
        try:
            yield
        finally:
            self._switch.rows = before

    def parameters(self) -> list[nn.Parameter]:
        return [part for layer in self.layers.values() for part in (layer.down, layer.up)]

    @torch.no_grad()
    def start_slot(self, slot: int, seed: int) -> None:
        """A new LoRA in a slot: it changes nothing yet, and its seed alone says where it starts from."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.layers.values():
            bound = 1 / math.sqrt(layer.down.shape[-1])
            start = torch.empty(layer.down.shape[1:]).uniform_(-bound, bound, generator=generator)
            layer.down[slot] = start.to(layer.down)
            layer.up[slot] = 0

    @torch.no_grad()
    def seat_saved(self, slot: int, tensors: Mapping[str, Tensor]) -> None:
        """A LoRA as `read` returns it. A smaller rank is filled up with zeros."""
        for layer in self.layers.values():
            layer.down[slot] = 0
            layer.up[slot] = 0
        for name, layer in self.layers.items():
            try:
                down, up = tensors[f"{name}.lora_A"], tensors[f"{name}.lora_B"]
            except KeyError as error:
                raise LoraError(f"the LoRA has nothing for {name}: it was made for another model") from error
            if down.shape[0] > self.rank or down.shape[1:] != layer.down.shape[2:]:
                raise LoraError(f"the LoRA does not fit {name}: it was made for another model")
            layer.down[slot, : down.shape[0]] = down.to(layer.down)
            layer.up[slot, :, : up.shape[1]] = up.to(layer.up)

    def taken(self, slot: int) -> LoraTensors:
        """A slot's LoRA as it is now, copied."""
        tensors: LoraTensors = {}
        for name, layer in self.layers.items():
            tensors[f"{name}.lora_A"] = layer.down[slot].detach().cpu().clone()
            tensors[f"{name}.lora_B"] = layer.up[slot].detach().cpu().clone()
        return tensors


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
    """The layer with each row's own update, by hand: the gradients go straight to the rows' own slots.

    Left to autograd every pass would fill gradients for all slots with zeros and add them up, and keep
    what no backward pass needs; on a CPU that takes longer than the products.
    """

    # Any: autograd's context, whose type has no names for what is put there.
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
        _add_to_seats(context.down, rows, torch.bmm(narrowed.transpose(1, 2), inputs))
        _add_to_seats(context.up, rows, torch.bmm(gradient.transpose(1, 2), narrow).mul_(scale))
        if not context.needs_input_grad[0]:
            return (None,) * 6
        passed = torch.matmul(gradient, context.base.weight)
        passed.baddbmm_(narrowed, mine)
        return passed, None, None, None, None, None


def _add_to_seats(part: nn.Parameter, rows: Tensor, gradients: Tensor) -> None:
    assert part.grad is not None, "the bank makes room for them"
    part.grad.index_add_(0, rows, gradients.to(part.dtype))


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


def write(folder: Path, tensors: Mapping[str, Tensor], *, rank: int, alpha: float, base_model: str) -> None:
    """The LoRA in PEFT's format, which vLLM loads too. The files are on the disk when this returns."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = {f"base_model.model.{name}.weight": tensor.contiguous() for name, tensor in tensors.items()}
    save_file(saved, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    targets = sorted({name.rpartition(".lora_")[0].rpartition(".")[2] for name in tensors})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": targets,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())


def read(folder: Path) -> LoraTensors:
    """A LoRA in PEFT's format. What its config scales otherwise than this bank is left to the caller."""
    try:
        saved = load_file(folder / WEIGHTS_FILE)
    except Exception as error:  # safetensors raises bare errors of its own for damaged files
        raise LoraError(f"the LoRA in {folder} cannot be read: {error}") from error
    return {name.removeprefix("base_model.model.").removesuffix(".weight"): saved[name] for name in saved}


class _Switch(threading.local):
    """Which slot each row of the batch under way belongs to; shared by all layers, each thread's own."""

    rows: Tensor | None = None


def _trained_linears(model: PreTrainedModel) -> Iterable[tuple[str, nn.Linear]]:
    output = model.get_output_embeddings()
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not output
    ]
