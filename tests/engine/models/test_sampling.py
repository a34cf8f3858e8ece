"""A model is sampled as its own files advise, else as its family is, else as anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.models.catalogue import open_model
from engine.models.sampling import FAMILIES, SamplingDefaults, advised
from engine.types import TEMPERATURE, Limits, Sampling
from tests.engine.tiny_chat_model import save_tiny_chat_model


def test_the_models_own_file_goes_before_its_family(tmp_path: Path) -> None:
    folder = save_tiny_chat_model(tmp_path)
    file = folder / "generation_config.json"
    file.write_text(json.dumps({"do_sample": True, "temperature": 0.2, "top_k": 7, "eos_token_id": [1, 2]}))
    assert open_model(str(folder), print).sampling == SamplingDefaults(temperature=0.2, top_k=7)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "qwen2"}))
    assert open_model(str(folder), print).sampling.top_k == 7
    file.unlink()
    assert open_model(str(folder), print).sampling == FAMILIES["qwen2"]


@pytest.mark.parametrize(
    "useless",
    [
        {"temperature": 0},
        {"temperature": True},
        {"temperature": "warm"},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"top_k": -1},
        {"top_k": 2.5},
        {"repetition_penalty": None},
        {"max_length": 20},
    ],
)
def test_what_cannot_be_sampled_by_is_as_if_it_were_not_there(useless: dict[str, object]) -> None:
    assert advised("llama", useless) == SamplingDefaults()
    assert advised("qwen3", useless) == FAMILIES["qwen3"]


def test_the_practice_model_keeps_its_temperature() -> None:
    assert open_model("practice", print).sampling == SamplingDefaults(temperature=TEMPERATURE)


def test_a_piece_of_an_answer_is_sampled_as_the_whole() -> None:
    limits = Limits(temperature=0.2, top_p=0.9, top_k=20, repetition_penalty=1.1)
    assert limits.sampling(10, 3) == Sampling(
        max_tokens=10, temperature=0.2, top_p=0.9, top_k=20, repetition_penalty=1.1, seed=3
    )
