"""A GGUF file is read as far as its header. What is wrong with it is said in one line, with what to do."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models import architectures
from engine.models.gguf_file import read_header
from tests.engine.models.gguf_files import save_gguf


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    return save_gguf(folder / "tiny.gguf", folder / "model")


def refusal(file: Path) -> str:
    with pytest.raises(ModelError) as refused:
        architectures.check_gguf(file)
    text = str(refused.value)
    assert str(file) in text
    assert "\n" not in text
    return text


def test_a_whole_file_says_what_it_holds(whole: Path) -> None:
    header = read_header(whole)
    assert header.architecture == "llama"
    assert header.facts["general.license"] == "cc0-1.0"
    assert header.has_chat_template
    assert header.parameters == sum(tensor.elements for tensor in header.tensors) > 50_000
    architectures.check_gguf(whole)


def test_wherever_a_file_is_cut_it_is_told(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    file = tmp_path / "cut.gguf"
    for length in [5, 30, 1000, *range(5000, len(content), 5000), len(content) - 40]:
        file.write_bytes(content[:length])
        assert "is cut short" in refusal(file), length
        assert refusal(file).endswith("Fetch it again.")


def test_an_empty_file_and_a_folder_are_no_models(tmp_path: Path) -> None:
    empty = tmp_path / "empty.gguf"
    empty.touch()
    assert "cannot be read" in refusal(empty)
    folder = tmp_path / "folder.gguf"
    folder.mkdir()
    assert "cannot be read" in refusal(folder)


def test_a_page_of_the_hub_saved_as_gguf_is_no_gguf(tmp_path: Path) -> None:
    file = tmp_path / "page.gguf"
    file.write_text("<!doctype html><html>...</html>")
    assert "is no GGUF file" in refusal(file)


@pytest.mark.parametrize("version", [struct.pack("<I", 1), struct.pack(">I", 3)])
def test_a_version_or_byte_order_that_is_not_read_is_named(
    whole: Path, tmp_path: Path, version: bytes
) -> None:
    file = tmp_path / "old.gguf"
    content = whole.read_bytes()
    file.write_bytes(content[:4] + version + content[8:])
    assert "current llama.cpp" in refusal(file)


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "base.gguf", tmp_path / "model", template="")
    assert "has no chat template" in refusal(file)


def test_a_part_of_a_model_is_refused_with_the_command_that_joins_it(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "part-00001-of-00003.gguf", tmp_path / "model", parts=3)
    assert "a part of 3" in refusal(file)
    assert "llama-gguf-split --merge" in refusal(file)


def test_an_architecture_that_nobody_converts_is_named(tmp_path: Path) -> None:
    file = save_gguf(tmp_path / "strange.gguf", tmp_path / "model", architecture="rwkv9")
    assert "architecture rwkv9" in refusal(file)


def test_weights_of_an_unknown_type_are_named(whole: Path, tmp_path: Path) -> None:
    content = bytearray(whole.read_bytes())
    name = b"output_norm.weight"
    at = content.index(name) + len(name) + 4 + 8  # behind the number of dimensions and the one of them
    content[at : at + 4] = struct.pack("<I", 250)
    file = tmp_path / "future.gguf"
    file.write_bytes(content)
    assert "a type (250)" in refusal(file)
