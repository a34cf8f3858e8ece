"""Which LoRAs are let in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import LoraError
from engine.loras.format import LoraConfig, check_servable, read, read_config
from engine.types import LoraRef


def saved(path: Path, *, tensor: str = "base_model.model.q_proj.lora_A.weight", **changes: object) -> LoraRef:
    (path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, **changes}))
    save_file({tensor: torch.zeros(4, 8)}, path / "adapter_model.safetensors")
    return LoraRef(name="anns", id=1, path=path)


def test_a_plain_lora_is_let_in(tmp_path: Path) -> None:
    check_servable(saved(tmp_path), max_rank=8)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"r": 16}, "allows 1 to 8"),
        ({"peft_type": "IA3"}, "not a LoRA"),
        ({"init_lora_weights": "pissa"}, "convert it"),
        ({"tensor": "base_model.model.model.embed_tokens.lora_embedding_A"}, "embedding"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(
    tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(LoraError, match=reason):
        check_servable(saved(tmp_path, **changes), max_rank=8)


def test_the_settings_say_how_much_a_lora_counts(tmp_path: Path) -> None:
    saved(tmp_path, lora_alpha=32)
    assert read_config(tmp_path) == LoraConfig(rank=4, alpha=32.0)
    assert read_config(tmp_path).scale == 8.0
    saved(tmp_path, lora_alpha=32, use_rslora=True)
    assert read_config(tmp_path).scale == 16.0


def test_parts_that_belong_to_no_linear_layer_are_not_read(tmp_path: Path) -> None:
    saved(tmp_path, tensor="base_model.model.q_proj.lora_magnitude_vector")
    with pytest.raises(LoraError, match="two factors"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_lora_that_is_not_whole_is_refused(tmp_path: Path, name: str) -> None:
    lora = saved(tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(LoraError, match="read"):
        check_servable(lora, max_rank=8)
    (tmp_path / name).unlink()
    with pytest.raises(LoraError, match="no "):
        check_servable(lora, max_rank=8)
