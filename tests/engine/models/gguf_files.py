"""GGUF files as llama.cpp writes them, of the tiny chat model: whole ones, and ones with something wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFWriter
from gguf.constants import TokenType
from safetensors.torch import load_file

from tests.engine.tiny_chat_model import TEMPLATE, save_tiny_chat_model

# The names of a Llama's weights in transformers and in GGUF.
LAYER_WEIGHTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def save_gguf(
    file: Path,
    folder: Path,
    *,
    architecture: str = "llama",
    template: str = TEMPLATE,
    without: str = "",
    parts: int = 1,
) -> Path:
    """Make the tiny chat model in the folder, and its GGUF file. `without`: a weight that is left out."""
    save_tiny_chat_model(folder)
    config = json.loads((folder / "config.json").read_text())
    writer = GGUFWriter(file, architecture)
    writer.add_name("Tiny chat")
    writer.add_license("cc0-1.0")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_float32("general.sampling.temp", 0.5)
    writer.add_int32("general.sampling.top_k", 40)
    if parts > 1:
        writer.add_uint16("split.count", parts)
    _add_tokenizer(writer, folder, config, template)
    for name, weight in _weights(folder, config).items():
        if name != without:
            writer.add_tensor(name, weight.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_tokenizer(writer: Any, folder: Path, config: dict[str, Any], template: str) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    specials = {token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [TokenType.CONTROL if i in specials else TokenType.NORMAL for i in range(len(tokens))]
    )
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    if template:
        writer.add_chat_template(template)


def _weights(folder: Path, config: dict[str, Any]) -> dict[str, torch.Tensor]:
    found = load_file(folder / "model.safetensors")
    weights = {
        "token_embd.weight": found["model.embed_tokens.weight"],
        "output_norm.weight": found["model.norm.weight"],
    }
    for layer in range(config["num_hidden_layers"]):
        for name, short in LAYER_WEIGHTS.items():
            weight = found[f"model.layers.{layer}.{name}.weight"]
            if short in ("attn_q", "attn_k"):
                weight = _interleaved(weight, config["num_attention_heads"])
            weights[f"blk.{layer}.{short}.weight"] = weight
    return weights


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The rows in llama.cpp's order, which turns neighbours where transformers turns halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
