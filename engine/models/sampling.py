"""How a model is sampled where nobody says otherwise: as its makers advise, else as its family is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final  # Any: what a JSON file holds

from engine.types import TEMPERATURE


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingDefaults:
    """`top_k`: how many of the likeliest tokens are drawn from; 0 is all of them.

    `repetition_penalty`: above 1, tokens that are there already become less likely, those of the prompt too.
    `frequency_penalty`: above 0, tokens become less likely the more often the reply holds them.
    """

    temperature: float = TEMPERATURE
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0


# By `model_type` in config.json, as the makers of each family advise for plain chat. A model whose own files
# advise something is not looked up here.
FAMILIES: Final[Mapping[str, SamplingDefaults]] = {
    "gemma2": SamplingDefaults(temperature=1.0, top_p=0.95, top_k=64),
    "gemma3_text": SamplingDefaults(temperature=1.0, top_p=0.95, top_k=64),
    "qwen2": SamplingDefaults(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05),
    "qwen3": SamplingDefaults(temperature=0.7, top_p=0.8, top_k=20),
    "smollm3": SamplingDefaults(temperature=0.6, top_p=0.95),
}
# What values can be used: above the first number, up to the second.
_RANGES: Final = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "repetition_penalty": (0.0, 2.0),
    "frequency_penalty": (0.0, 2.0),
}
_MAX_TOP_K: Final = 1_000_000


def advised(family: object, generation_config: Mapping[str, object]) -> SamplingDefaults:
    """What generation_config.json says, as far as it can be used; where it says nothing, the family's way."""
    own: dict[str, Any] = {key: value for key, value in generation_config.items() if _is_usable(key, value)}
    if own:
        return replace(SamplingDefaults(), **own)
    return FAMILIES.get(str(family), SamplingDefaults())


def _is_usable(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return False
    if key == "top_k":
        return isinstance(value, int) and 0 <= value <= _MAX_TOP_K
    low, high = _RANGES.get(key, (0.0, 0.0))
    return isinstance(value, (int, float)) and low < value <= high
