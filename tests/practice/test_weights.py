"""The weights that ship: they load without a word, speak in the template, and can be tuned."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from practice import WEIGHTS, tokenizer

pytestmark = pytest.mark.real

LOAD = """
import sys, warnings
warnings.simplefilter("error")
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
words = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
get_peft_model(model, LoraConfig(r=8, target_modules=["q_proj", "down_proj"]))
print(type(words).__name__, type(model).__name__, words.is_fast)
"""


def test_transformers_and_peft_load_it_without_a_warning() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(WEIGHTS)], capture_output=True, text=True, timeout=200, check=True
    )
    assert done.stdout.split()[1:] == ["LlamaForCausalLM", "True"]
    assert "warn" not in done.stderr.lower()


def test_its_tokenizer_is_the_one_it_was_trained_with(caplog: pytest.LogCaptureFixture) -> None:
    from transformers import AutoTokenizer

    with caplog.at_level(logging.WARNING):
        words = AutoTokenizer.from_pretrained(WEIGHTS)
    assert not caplog.records
    assert words.eos_token == tokenizer.END
    assert words.chat_template == tokenizer.CHAT_TEMPLATE
    for word in ("yes", "no", "Yes", "No"):
        assert len(words.encode(word, add_special_tokens=False)) == 1


def test_it_is_small_and_says_what_it_is() -> None:
    config = json.loads((WEIGHTS / "config.json").read_text("utf-8"))
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["max_position_embeddings"] >= 2048
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 20_000_000
    assert "What it is not" in (WEIGHTS / "README.md").read_text("utf-8")
