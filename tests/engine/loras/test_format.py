"""Which LoRAs are let in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import LoraError
from engine.loras.format import check_lora
from engine.types import LoraRef


def saved(path: Path, *, tensor: str = "base_model.model.q_proj.lora_A.weight", **changes: object) -> LoraRef:
    (path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, **changes}))
    save_file({tensor: torch.zeros(4, 8)}, path / "adapter_model.safetensors")
    return LoraRef(name="anns", id=1, path=path)


def test_a_plain_lora_is_let_in(tmp_path: Path) -> None:
    check_lora(saved(tmp_path), max_rank=8)


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
        check_lora(saved(tmp_path, **changes), max_rank=8)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_lora_that_is_not_whole_is_refused(tmp_path: Path, name: str) -> None:
    lora = saved(tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(LoraError, match="read"):
        check_lora(lora, max_rank=8)
    (tmp_path / name).unlink()
    with pytest.raises(LoraError, match="no "):
        check_lora(lora, max_rank=8)
