"""Whether vLLM serves a model of some architecture. vLLM is imported only for one that is not known here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from engine.errors import ModelError
from engine.models.gguf_file import read_header

# Importing vLLM takes many seconds, so the commonest are named: by transformers, and in GGUF files.
KNOWN: Final = frozenset(
    {
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Phi3ForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "SmolLM3ForCausalLM",
    }
)
KNOWN_GGUF: Final = frozenset({"gemma2", "gemma3", "llama", "mistral", "phi3", "qwen2", "qwen3"})


def check(model: str, architectures: Iterable[str]) -> None:
    """Refuse a model that vLLM does not serve, as far as vLLM is here to say so. Raises ModelError."""
    names = list(architectures)
    if not names or KNOWN.intersection(names):
        return
    served = _served()
    if served and not served.intersection(names):
        raise ModelError(
            f"{model} is of the architecture {', '.join(names)}, which vLLM does not serve. "
            "Choose another model."
        )


def check_gguf(file: Path) -> None:
    """Refuse a GGUF file that is not whole, or holds no chat model that can be served. Raises ModelError."""
    architecture = read_header(file).architecture
    if architecture in KNOWN_GGUF:
        return
    name = _model_class(file)
    if not name or ((served := _served()) and name not in served):
        raise ModelError(
            f"The model in {file} is of the architecture {architecture}, which cannot be converted for vLLM. "
            "Name the model by its folder of safetensors or its name on the hub, or choose another."
        )


def _served() -> frozenset[str]:
    """All that vLLM serves; nothing where vLLM is not installed."""
    try:
        from vllm import ModelRegistry
    except ImportError:
        return frozenset()
    # Any: vLLM's types are skipped.
    registry: Any = ModelRegistry
    return frozenset(registry.get_supported_archs())


def _model_class(file: Path) -> str:
    """The class of transformers that the file's model becomes; empty where there is none."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    try:
        config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
    except (ValueError, KeyError):  # of an architecture, or without a fact, that transformers does not know
        return ""
    return str(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type, ""))
