"""A GGUF file becomes the same model as a folder, once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from safetensors.torch import load_file

from engine.errors import ModelError
from engine.models import conversion
from engine.models.catalogue import located, look_at, open_model
from engine.models.chat_tokens import ChatTokens
from engine.models.sampling import SamplingDefaults
from tests.engine.models.gguf_files import save_gguf


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_CACHE", str(tmp_path / "cache"))


@pytest.mark.real
def test_the_folder_holds_the_files_model_and_is_made_once(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "Tiny.gguf", tmp_path / "model")
    assert look_at(str(file)) is None
    said: list[str] = []
    folder = open_model(str(file), said.append)
    assert folder.card.title == "Tiny chat"
    assert folder.card.licence == "cc0-1.0"
    assert folder.max_context == 1024
    assert folder.sampling == SamplingDefaults(temperature=0.5, top_k=40)
    given, made = (
        load_file(tmp_path / "model" / "model.safetensors"),
        load_file(folder.path / "model.safetensors"),
    )
    assert made.keys() == given.keys()
    assert all(made[name].equal(given[name].bfloat16()) for name in given)
    text = "Tell me about the otter.<|end|>"
    assert ChatTokens(folder.path).encode_text(text) == ChatTokens(tmp_path / "model").encode_text(text)
    assert len(said) == 1
    assert str(folder.path) in said[0]
    assert open_model(str(file), said.append) == look_at(str(file)) == folder
    assert len(said) == 1


@pytest.mark.real
def test_a_file_that_lacks_weights_makes_no_model_of_chance(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "tiny.gguf", tmp_path / "model", without="blk.1.ffn_up.weight")
    with pytest.raises(ModelError, match=r"lacks 1 of its weights, model\.layers\.1\.mlp\.up_proj\.weight"):
        open_model(str(file), print)
    assert look_at(str(file)) is None


def test_another_content_is_another_model_whatever_the_file_is_called(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(os.urandom(3_000_000))
    before = located(str(file))
    assert located(str(file)) == before
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert located(str(file)) != before


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model file"):
        conversion.folder_of(tmp_path / "nowhere.gguf")
