"""Whether a LoRA on disk is one that vLLM can serve. Reads its settings and its header, not its weights."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from engine.errors import LoraError
from engine.types import LoraRef

# What vLLM refuses, by the name in PEFT's adapter_config.json, with the words for it.
_REFUSED = {
    "use_dora": "DoRA",
    "modules_to_save": "fully trained modules",
    "alora_invocation_tokens": "an activated LoRA",
    "lora_bias": "LoRA biases",
}
_CONVERTIBLE = ("pissa", "olora", "loftq", "corda")
_OF_EMBEDDING = ".lora_embedding_"  # in the name of a tensor, as PEFT writes it


def check_lora(lora: LoraRef, *, max_rank: int) -> None:
    """Raises LoraError with the reason why this LoRA's folder cannot be served."""
    path = lora.path
    config = _config(path)
    names = _tensor_names(lora)
    if config.get("peft_type") != "LORA":
        raise LoraError(f"{path} holds {config.get('peft_type')}, not a LoRA.")
    for name, words in _REFUSED.items():
        if config.get(name):
            raise LoraError(f"The LoRA in {path} uses {words} ({name}), which vLLM does not serve.")
    if any(_OF_EMBEDDING in name for name in names):
        raise LoraError(f"The LoRA in {path} has a part for the embedding, which Nightloom does not serve.")
    if config.get("bias", "none") != "none":
        raise LoraError(f"The LoRA in {path} trains biases ({config['bias']}), which vLLM does not serve.")
    start = str(config.get("init_lora_weights", "")).lower()
    if start.startswith(_CONVERTIBLE):
        raise LoraError(f"The LoRA in {path} starts from {start}; convert it to a plain LoRA first.")
    rank = config.get("r")
    if not isinstance(rank, int) or not 1 <= rank <= max_rank:
        raise LoraError(
            f"The LoRA in {path} has rank {rank}; the setting `max_lora_rank` allows 1 to {max_rank}."
        )


def _config(path: Path) -> dict[str, object]:
    try:
        config = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoraError(f"The LoRA in {path} has no readable adapter_config.json: {error}") from error
    if not isinstance(config, dict):
        raise LoraError(f"adapter_config.json in {path} is not a table of settings.")
    return config


def _tensor_names(lora: LoraRef) -> list[str]:
    path = lora.path / "adapter_model.safetensors"
    if not path.is_file():
        raise LoraError(f"The LoRA in {lora.path} has no {path.name}.")
    try:
        with safe_open(path, framework="pt") as tensors:
            return list(tensors.keys())
    except (SafetensorError, OSError) as error:
        raise LoraError(
            f"The tensors of the LoRA {lora.name} in {lora.path} cannot be read: {error}"
        ) from error
