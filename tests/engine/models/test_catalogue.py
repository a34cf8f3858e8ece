"""A model's folder says what it is, and our own file in it what the model's files do not."""

import json
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models.catalogue import PRACTICE, everyday_requests, located, look_at, open_model, rubric_of
from tests.engine.tiny_chat_model import save_tiny_chat_model


def test_the_practice_model_gets_no_more_context_than_it_learned_with() -> None:
    folder = open_model("practice", print)
    assert folder.path == PRACTICE
    assert folder.id.startswith("practice@")
    assert folder.max_context == 768


def test_what_may_be_asked_of_the_practice_model_comes_with_it() -> None:
    requests = everyday_requests("practice")
    assert len(requests) == len(set(requests)) > 1000
    assert all(requests)


def test_any_other_name_is_left_as_it_is(tmp_path: Path) -> None:
    assert located("somebody/model") == "somebody/model"
    assert everyday_requests(str(tmp_path)) == ()


def test_a_model_that_is_not_there_brings_nothing_along() -> None:
    for model in ("nowhere.gguf", "./nowhere", "somebody/model"):
        assert everyday_requests(model) == ()
        assert rubric_of(model) is None


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        look_at(str(folder))
    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_folder_that_is_not_whole_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    folder = save_tiny_chat_model(tmp_path / "tiny")
    card = open_model(str(folder), print).card
    assert (card.title, card.nature, card.max_context) == ("tiny", "", 1024)
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    assert card.weight_bytes == len(content)
    weights.write_bytes(content[:-100])
    assert "cut short" in refusal(folder)
    weights.write_bytes(b"<html>not found</html>")
    assert "damaged" in refusal(folder)
    weights.write_bytes(content)
    (folder / "chat_template.jinja").unlink()
    assert "has no chat template" in refusal(folder)
    (folder / "tokenizer.json").unlink()
    assert "holds no tokenizer" in refusal(folder)
    weights.unlink()
    assert "holds no weights" in refusal(folder)
    (folder / "config.json").unlink()
    assert "no readable config.json" in refusal(folder)


@pytest.mark.real
def test_an_architecture_that_vllm_does_not_serve_is_named(tmp_path: Path) -> None:
    folder = save_tiny_chat_model(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["OPTForCausalLM"]}))
    assert look_at(str(folder)) is not None
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["NobodysForCausalLM"]}))
    with pytest.raises(ModelError, match="architecture NobodysForCausalLM, which vLLM does not serve"):
        look_at(str(folder))
