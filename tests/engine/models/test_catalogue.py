"""A model's folder says what it is, and our own file in it what the model's files do not."""

from pathlib import Path

from engine.models.catalogue import PRACTICE, everyday_requests, located, open_model, rubric_of


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
