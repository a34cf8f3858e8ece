"""The file from which a killed job goes on: the trainees in slots, their LoRAs and their optimizer's moments.

One safetensors file, renamed into place when it is whole. Knows no lessons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engine.loras.format import sync
from engine.training.bank import Bank
from engine.training.optimizer import BankOptimizer

Tensors = dict[str, torch.Tensor]


@dataclass(slots=True, kw_only=True)
class TraineeProgress:
    """How far a trainee is. `baseline`: how far their rated replies have moved on average (KTO)."""

    step: int = 0
    baseline: float = 0.0
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the file held, by trainee."""

    progress: Mapping[str, TraineeProgress]
    tensors: Mapping[str, Tensors]

    def restore(self, key: str, slot: int, bank: Bank, optimizer: BankOptimizer) -> TraineeProgress:
        """Puts a trainee's LoRA and moments into a slot; how far they are."""
        for name, target in _parts(bank, optimizer).items():
            target[slot] = self.tensors[key][name].to(target)
        optimizer.steps[slot] = self.progress[key].step
        return self.progress[key]


def write(
    path: Path, trainees: Mapping[int, tuple[str, TraineeProgress]], bank: Bank, optimizer: BankOptimizer
) -> None:
    """The trainees by slot, each with their key. The file is on the disk when this returns."""
    parts, tensors = _parts(bank, optimizer), {}
    for slot in trainees:
        for name, part in parts.items():
            tensors[f"{slot}.{name}"] = part[slot].detach().cpu().clone()
    state = {slot: {"key": key, "progress": asdict(progress)} for slot, (key, progress) in trainees.items()}
    unfinished = path.with_suffix(".part")
    save_file(tensors, unfinished, metadata={"state": json.dumps(state)})
    sync(unfinished)
    unfinished.replace(path)


def read(path: Path) -> Checkpoint | None:
    """None where there is no file or a damaged one: then everybody starts over, which costs time alone."""
    try:
        with safe_open(path, framework="pt") as saved:
            state = json.loads(saved.metadata()["state"])
            tensors = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118 (no mapping)
        progress = {entry["key"]: TraineeProgress(**entry["progress"]) for entry in state.values()}
    except Exception:  # noqa: BLE001 (missing or damaged in whatever way)
        return None
    own = {entry["key"]: f"{slot}." for slot, entry in state.items()}
    return Checkpoint(
        progress,
        {
            key: {name.removeprefix(start): part for name, part in tensors.items() if name.startswith(start)}
            for key, start in own.items()
        },
    )


def _parts(bank: Bank, optimizer: BankOptimizer) -> Tensors:
    """All that belongs to slots, by name."""
    parts: Tensors = {}
    for index, part in enumerate(bank.parameters()):
        parts[f"{index}.part"] = part.data
        parts[f"{index}.first"] = optimizer.first[index]
        parts[f"{index}.second"] = optimizer.second[index]
    return parts
