"""LoRAs in a bank's slots compute what PEFT computes, and only those that fit get a slot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from engine.errors import LoraError
from engine.loras import format as lora_format
from engine.loras.format import Factors
from engine.training import bank
from tests.engine.training.tiny import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logging.disable_progress_bar()
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def test_a_lora_of_another_model_gets_no_slot(model: Path) -> None:
    shelf = bank.Bank(AutoModelForCausalLM.from_pretrained(model), slots=1, rank=8, alpha=16.0)
    with pytest.raises(LoraError, match="another model"):
        shelf.load_slot(0, {"some.layer": Factors(torch.zeros(8, 32), torch.zeros(32, 8))}, scale=2.0)


def test_a_lora_of_a_larger_rank_gets_no_slot(model: Path) -> None:
    shelf = bank.Bank(AutoModelForCausalLM.from_pretrained(model), slots=1, rank=2, alpha=16.0)
    name, layer = next(iter(shelf.layers.items()))
    large = Factors(torch.zeros(4, layer.base.in_features), torch.zeros(layer.base.out_features, 4))
    with pytest.raises(LoraError, match="rank 4"):
        shelf.load_slot(0, {name: large}, scale=2.0)


@pytest.mark.parametrize("is_rank_stabilized", [False, True])
def test_a_lora_made_elsewhere_counts_in_a_slot_as_peft_counts_it(
    tmp_path: Path, model: Path, is_rank_stabilized: bool
) -> None:
    config = LoraConfig(
        r=4, lora_alpha=32, target_modules=["up_proj"], init_lora_weights=False, use_rslora=is_rank_stabilized
    )
    tuned = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
    tuned.save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(model)
    shelf = bank.Bank(plain, slots=1, rank=8, alpha=16.0)
    shelf.load_slot(0, lora_format.read(tmp_path), scale=lora_format.read_config(tmp_path).scale)
    tokens = torch.tensor([[9, 10, 11, 12]])
    with torch.no_grad(), shelf.in_slots(torch.tensor([0])):
        mine = plain(input_ids=tokens).logits
    with torch.no_grad():
        theirs = tuned(input_ids=tokens).logits
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
