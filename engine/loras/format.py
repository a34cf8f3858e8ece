"""A LoRA's two files in PEFT's format: how they are named, checked, read and written.

The only place that knows them. A check reads the settings and the header of the weights, and needs no torch.
Knows no person, no version and no backend.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from engine.errors import LoraError
from engine.types import LoraRef

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE: Final = "adapter_config.json"
WEIGHTS_FILE: Final = "adapter_model.safetensors"
FILES: Final = (CONFIG_FILE, WEIGHTS_FILE)
MAX_HEADER_BYTES: Final = 2**24

# What vLLM refuses, by the name in adapter_config.json, with the words for it.
_REFUSED: Final = {
    "use_dora": "DoRA",
    "modules_to_save": "fully trained modules",
    "alora_invocation_tokens": "an activated LoRA",
    "lora_bias": "LoRA biases",
}
_CONVERTIBLE: Final = ("pissa", "olora", "loftq", "corda")
_OF_EMBEDDING: Final = ".lora_embedding_"  # in the name of a tensor
_BEFORE, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"  # around a layer's name


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """The settings of a LoRA that say how it is added to its base."""

    rank: int
    alpha: float
    is_rank_stabilized: bool = False

    @property
    def scale(self) -> float:
        """What the product of the two factors is multiplied by."""
        return self.alpha / (self.rank**0.5 if self.is_rank_stabilized else self.rank)


class Factors(NamedTuple):
    """What a LoRA adds to one linear layer, but for the scale: up @ down."""

    down: Tensor  # rank × in
    up: Tensor  # out × rank


LoraWeights: TypeAlias = Mapping[str, Factors]  # by the layer's name in the base


def exists(folder: Path) -> bool:
    """Whether the folder holds a LoRA's files, whole or not."""
    return all((folder / name).is_file() for name in FILES)


def read_config(folder: Path) -> LoraConfig:
    """Raises LoraError where the settings describe no LoRA."""
    return _config(folder, _settings(folder))


def parse_config(content: bytes, *, where: str) -> LoraConfig:
    """The same from the content of CONFIG_FILE. `where`: what holds the file, for the error."""
    return _config(where, _parsed(where, content))


def check(folder: Path) -> LoraConfig:
    """Raises LoraError unless the folder holds a LoRA whose files are whole; what its settings say."""
    config = read_config(folder)
    _header(folder)
    return config


def check_servable(lora: LoraRef, *, max_rank: int) -> None:
    """Raises LoraError with the reason why vLLM cannot serve this LoRA, or would serve it wrongly."""
    try:
        _check_served(lora.path, max_rank)
    except LoraError as error:
        raise LoraError(f"The LoRA {lora.name} cannot be served: {error}") from error


def _check_served(folder: Path, max_rank: int) -> None:
    settings = _settings(folder)
    rank = _config(folder, settings).rank
    for name, words in _REFUSED.items():
        if settings.get(name):
            raise LoraError(f"the LoRA in {folder} uses {words} ({name}), which vLLM does not serve")
    if settings.get("bias", "none") != "none":
        raise LoraError(f"the LoRA in {folder} trains biases ({settings['bias']}), which vLLM does not serve")
    start = str(settings.get("init_lora_weights", "")).lower()
    if start.startswith(_CONVERTIBLE):
        raise LoraError(f"the LoRA in {folder} starts from {start}; convert it to a plain LoRA first")
    if rank > max_rank:
        raise LoraError(
            f"the LoRA in {folder} has rank {rank}; the setting `max_lora_rank` allows 1 to {max_rank}"
        )
    if any(_OF_EMBEDDING in name for name in _header(folder)):
        raise LoraError(f"the LoRA in {folder} has a part for the embedding, which Nightloom does not serve")


def read(folder: Path) -> dict[str, Factors]:
    """The weights, by layer. Raises LoraError where they cannot be read or belong to no linear layer."""
    # torch takes seconds to import, and most of those who check a LoRA never read it.
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / WEIGHTS_FILE)
    except Exception as error:  # safetensors raises bare errors of its own for damaged files
        raise LoraError(f"the LoRA in {folder} cannot be read: {error}") from error
    layers = {name.removesuffix(_DOWN) for name in tensors if name.endswith(_DOWN)}
    if {name + end for name in layers for end in (_DOWN, _UP)} != set(tensors):
        raise LoraError(f"the LoRA in {folder} has other parts than two factors for each linear layer")
    return {
        name.removeprefix(_BEFORE): Factors(tensors[name + _DOWN], tensors[name + _UP]) for name in layers
    }


def write(folder: Path, weights: LoraWeights, *, rank: int, alpha: float, base_model: str) -> None:
    """A plain LoRA. The files are on the disk when this returns."""
    from safetensors.torch import save_file

    tensors = {}
    for name, factors in weights.items():
        tensors[_BEFORE + name + _DOWN] = factors.down.contiguous()
        tensors[_BEFORE + name + _UP] = factors.up.contiguous()
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": sorted({name.rpartition(".")[2] for name in weights}),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    (folder / CONFIG_FILE).write_text(json.dumps(settings, indent=1, sort_keys=True), encoding="utf-8")
    for name in FILES:
        sync(folder / name)


def write_blank(folder: Path, *, fill: int = 0) -> None:
    """Files that are whole and hold nothing that a model could use: for backends without a model."""
    header = json.dumps({"blank": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}}).encode()
    settings = {"peft_type": "LORA", "r": 8, "lora_alpha": 16}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(len(header).to_bytes(8, "little") + header + bytes([fill]) * 8)
    (folder / CONFIG_FILE).write_text(json.dumps(settings), encoding="utf-8")


def sync(path: Path) -> None:
    """A file's or a folder's entries are on the disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _settings(folder: Path) -> dict[str, object]:
    try:
        content = (folder / CONFIG_FILE).read_bytes()
    except OSError as error:
        raise LoraError(f"the LoRA in {folder} has no {CONFIG_FILE} that can be read: {error}") from error
    return _parsed(folder, content)


def _parsed(where: Path | str, content: bytes) -> dict[str, object]:
    try:
        settings = json.loads(content)
    except ValueError as error:
        raise LoraError(f"the {CONFIG_FILE} of the LoRA in {where} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise LoraError(f"the {CONFIG_FILE} of the LoRA in {where} is not a table of settings")
    return settings


def _config(where: Path | str, settings: Mapping[str, object]) -> LoraConfig:
    if settings.get("peft_type") != "LORA":
        raise LoraError(f"{where} holds {settings.get('peft_type')}, not a LoRA")
    rank, alpha = settings.get("r"), settings.get("lora_alpha", 8)  # 8 is PEFT's own default
    if not isinstance(rank, int) or rank < 1:
        raise LoraError(f"the LoRA in {where} has rank {rank}; a rank is a whole number from 1 on")
    if not isinstance(alpha, int | float):
        raise LoraError(f"the LoRA in {where} has lora_alpha {alpha}, which is no number")
    return LoraConfig(rank=rank, alpha=float(alpha), is_rank_stabilized=bool(settings.get("use_rslora")))


def _header(folder: Path) -> dict[str, object]:
    """The tensors by name. A safetensors file says how long it is, so a truncated one is found by that."""
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise LoraError(f"the LoRA in {folder} has no {WEIGHTS_FILE}")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            if not 0 < header_bytes <= min(size, MAX_HEADER_BYTES):
                raise LoraError(f"{path} is damaged: its header cannot be read")
            header = json.loads(file.read(header_bytes))
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        ends = [entry["data_offsets"][1] for entry in tensors.values()]
        if not ends or 8 + header_bytes + max(ends) != size:
            raise LoraError(f"{path} is damaged: it is not as long as it says")
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise LoraError(f"{path} is damaged, it cannot be read: {error}") from error
    return tensors
