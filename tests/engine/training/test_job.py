"""A whole job in this process on a tiny model: who learns what, alone and in company, and what is written."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from engine.errors import ModelError, TrainingError
from engine.learning.job_folder import JobFolder, clean
from engine.learning.lessons import Kind, Lesson, Recipe, Trainee, Trial
from engine.loras import format as lora_format
from engine.loras.format import LoraWeights
from engine.training import bank, job
from engine.training.loop import batches
from engine.training.step import (
    TrainingStep,
    load_model,
    packed,
)
from tests.engine.training.tiny import VOCABULARY, save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    logging.disable_progress_bar()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield save_tiny_model(tmp_path_factory.mktemp("model"))
    torch.set_num_threads(threads)


def recipe_for(model: Path, **changes: object) -> Recipe:
    recipe = Recipe(model=str(model), threads=1, batch_lessons=4, yes_ids=(5, 6), no_ids=(7,), end_ids=(2,))
    return replace(recipe, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def ids(source: random.Random, count: int) -> tuple[int, ...]:
    return tuple(source.randrange(8, VOCABULARY) for _ in range(count))


def lesson(kind: Kind, source: random.Random) -> Lesson:
    return Lesson(
        kind=kind,
        prefix=ids(source, source.randrange(3, 12)),
        reply=() if kind is Kind.ASK else ids(source, source.randrange(2, 9)),
        against=ids(source, 5) if kind is Kind.PAIR else (),
        teacher=ids(source, 15) if kind is Kind.DISTIL else (),
        wanted=float(source.random() < 0.5),
        weight=source.choice((0.3, 1.0, 2.0)),
    )


def lessons_of_all_kinds(seed: int, count: int) -> list[Lesson]:
    source = random.Random(seed)
    return [lesson(list(Kind)[index % len(Kind)], source) for index in range(count)]


def difference(first: LoraWeights, other: LoraWeights) -> float:
    assert first.keys() == other.keys()
    pairs = [(mine, theirs) for name in other for mine, theirs in zip(first[name], other[name], strict=True)]
    squares = sum(float((mine - theirs).square().sum()) for mine, theirs in pairs)
    return (squares / sum(float(theirs.square().sum()) for _, theirs in pairs)) ** 0.5


def train(folder: Path, recipe: Recipe, work: dict[str, list[Lesson]]) -> JobFolder:
    trainees = [Trainee(key=key, seed=int(key[1:])) for key in work]
    made = JobFolder.create(folder, recipe, trainees, work, {})
    job.run(folder, say=lambda line: None)
    return made


IN_COMPANY = {f"p{seed}": lessons_of_all_kinds(seed, count) for seed, count in enumerate((3, 9, 6, 13, 5))}


@pytest.fixture(scope="module")
def loras_made_alone(tmp_path_factory: pytest.TempPathFactory, model: Path) -> dict[str, LoraWeights]:
    folder = tmp_path_factory.mktemp("alone")
    return {
        key: lora_format.read(train(folder / key, recipe_for(model), {key: lessons}).lora(key))
        for key, lessons in IN_COMPANY.items()
    }


@pytest.mark.parametrize(("tokens_per_step", "threads"), [(64, 1), (4096, 1), (256, 2), (256, 3)])
def test_in_company_everybody_gets_the_lora_they_would_have_got_alone(
    tmp_path: Path,
    model: Path,
    loras_made_alone: dict[str, LoraWeights],
    tokens_per_step: int,
    threads: int,
) -> None:
    recipe = recipe_for(model, slots=3, tokens_per_step=tokens_per_step, threads=threads)
    together = train(tmp_path / "all", recipe, IN_COMPANY)
    for key, alone in loras_made_alone.items():
        assert difference(lora_format.read(together.lora(key)), alone) < 1e-3


def test_who_is_forgotten_in_the_midst_leaves_no_trace_and_nobody_alone(tmp_path: Path, model: Path) -> None:
    work = {key: IN_COMPANY[key] for key in ("p1", "p2", "p3")}
    trainees = [Trainee(key=key, seed=int(key[1:])) for key in work]
    made = JobFolder.create(tmp_path / "job", recipe_for(model), trainees, work, {})
    clean(made.person("p3"))

    def forget(line: dict[str, object]) -> None:
        if line.get("done"):
            clean(made.person("p1"))

    job.run(tmp_path / "job", say=forget)
    assert made.result("p2") is not None
    assert [path.name for path in (tmp_path / "job" / "people").iterdir()] == ["p2"]


def test_who_is_forgotten_while_their_result_is_written_leaves_no_trace_either(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = {key: IN_COMPANY[key] for key in ("p1", "p2")}
    trainees = [Trainee(key=key, seed=int(key[1:])) for key in work]
    made = JobFolder.create(tmp_path / "job", recipe_for(model), trainees, work, {})
    divergence = TrainingStep.divergence

    def forget(self: TrainingStep, slot: int, lessons: Sequence[Lesson]) -> float:
        if len(lessons) == len(work["p1"]):
            clean(made.person("p1"))
        return divergence(self, slot, lessons)

    monkeypatch.setattr(TrainingStep, "divergence", forget)
    job.run(tmp_path / "job", say=lambda line: None)
    assert made.result("p2") is not None
    assert [path.name for path in (tmp_path / "job" / "people").iterdir()] == ["p2"]


def test_people_do_not_learn_from_each_other(tmp_path: Path, model: Path) -> None:
    say = Lesson(kind=Kind.SAY, prefix=(9, 10), reply=(20, 21, 22))
    other = Lesson(kind=Kind.SAY, prefix=(9, 10), reply=(30, 31, 32))
    recipe = recipe_for(model, passes=40, learning_rate=2e-2, threads=2)
    made = train(tmp_path / "job", recipe, {"p1": [say] * 4, "p2": [other] * 4})
    said = {}
    for key in ("p1", "p2"):
        base = AutoModelForCausalLM.from_pretrained(model)
        tuned = PeftModel.from_pretrained(base, made.lora(key))
        said[key] = tuned.generate(
            input_ids=torch.tensor([[9, 10]]),
            attention_mask=torch.ones(1, 2, dtype=torch.long),
            max_new_tokens=4,
            do_sample=False,
        )[0, 2:].tolist()
    assert said == {"p1": [20, 21, 22, 2], "p2": [30, 31, 32, 2]}


def test_peft_computes_with_the_export_what_the_bank_computed(tmp_path: Path, model: Path) -> None:
    made = train(tmp_path / "job", recipe_for(model), {"p1": lessons_of_all_kinds(1, 12)})
    plain = AutoModelForCausalLM.from_pretrained(model)
    shelf = bank.Bank(plain, slots=3, rank=8, alpha=16.0)
    shelf.load_slot(1, lora_format.read(made.lora("p1")), scale=2.0)
    tokens = torch.tensor([[9, 10, 11, 12]])
    with torch.no_grad(), shelf.in_slots(torch.tensor([1])):
        mine = plain(input_ids=tokens).logits
    with torch.no_grad(), shelf.in_slots(None):
        bare = plain(input_ids=tokens).logits
    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), made.lora("p1"))
    with torch.no_grad():
        theirs = tuned(input_ids=tokens).logits
    assert torch.allclose(mine, theirs, atol=1e-4)
    assert not torch.allclose(mine, bare, atol=1e-2)


def test_what_the_base_says_is_asked_once_and_let_go(model: Path) -> None:
    recipe = recipe_for(model, tokens_per_step=256)
    base = load_model(recipe)
    shelf = bank.Bank(base, slots=1, rank=recipe.rank, alpha=recipe.alpha)
    shelf.start_slot(0, seed=1)
    step = TrainingStep(shelf, recipe)
    work = [lesson(kind, random.Random(3)) for kind in (Kind.DISTIL, Kind.PAIR, Kind.RATED, Kind.HOLD)]
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    base.register_forward_hook(count)
    first = step.backward({0: work}, {0: 0.0})
    asked = passes
    again = step.backward({0: work}, {0: 0.0})
    assert passes == asked + len(work)  # the LoRA's own only
    assert again.losses == pytest.approx(first.losses)
    step.forget(work)
    step.backward({0: work}, {0: 0.0})
    assert passes == 2 * asked + len(work)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_lesson_is_learned(tmp_path: Path, model: Path, kind: Kind) -> None:
    source = random.Random(3)
    lessons = [replace(lesson(kind, source), weight=1.0) for _ in range(4)]
    made = train(tmp_path / "job", recipe_for(model, passes=30, learning_rate=1e-2), {"p1": lessons})
    result = made.result("p1")
    assert result is not None
    assert result.is_trained
    if kind is Kind.HOLD:  # it starts where it is to stay
        assert result.last_loss < 0.05
    else:
        assert result.last_loss < result.first_loss


def test_trials_score_the_candidate_the_current_one_and_the_base(tmp_path: Path, model: Path) -> None:
    work = {"p1": [Lesson(kind=Kind.SAY, prefix=(9, 10), reply=(20, 21))] * 4}
    recipe = recipe_for(model, passes=10, learning_rate=1e-2)
    first = train(tmp_path / "first", recipe, work)
    trials = {"p1": [Trial(id="t", prefix=(9, 10), reply=(20, 21), against=(33,))]}
    trainees = [Trainee(key="p1", seed=7, current=str(first.lora("p1")))]
    second = JobFolder.create(tmp_path / "second", recipe, trainees, work, trials)
    job.run(tmp_path / "second", say=lambda line: None)
    result = second.result("p1")
    assert result is not None
    (score,) = result.trials
    assert score.candidate > score.base
    assert score.current > score.base
    assert score.current != score.candidate
    assert score.candidate_against is not None
    assert score.base_against is not None
    assert score.candidate - score.candidate_against > score.base - score.base_against
    assert result.divergence > 0


def test_a_live_lora_that_does_not_fit_is_set_aside_with_the_reason_and_ends_nobodys_training(
    tmp_path: Path, model: Path
) -> None:
    work = {key: [Lesson(kind=Kind.SAY, prefix=(9, 10), reply=(20, 21))] * 4 for key in ("p1", "p2")}
    recipe = recipe_for(model)
    large = train(tmp_path / "large", replace(recipe, rank=16), {"p1": work["p1"]})
    trials = {key: [Trial(id="t", prefix=(9, 10), reply=(20, 21))] for key in work}
    trainees = [Trainee(key="p1", seed=1, current=str(large.lora("p1"))), Trainee(key="p2", seed=2)]
    made = JobFolder.create(tmp_path / "job", recipe, trainees, work, trials)
    job.run(tmp_path / "job", say=lambda line: None)
    first, second = made.result("p1"), made.result("p2")
    assert first is not None
    assert second is not None
    assert first.is_trained
    assert second.is_trained
    assert "rank 16" in first.set_aside
    assert not second.set_aside
    assert first.trials[0].current == first.trials[0].base


@pytest.mark.parametrize("fault", ["an unknown token", "a damaged file"])
def test_what_goes_wrong_with_one_trainee_ends_that_trainee_alone(
    tmp_path: Path, model: Path, loras_made_alone: dict[str, LoraWeights], fault: str
) -> None:
    work = dict(IN_COMPANY)
    if fault == "an unknown token":
        work["p3"] = [*work["p3"], Lesson(kind=Kind.SAY, prefix=(9,), reply=(VOCABULARY + 1,))]
    trainees = [Trainee(key=key, seed=int(key[1:])) for key in work]
    made = JobFolder.create(tmp_path / "job", recipe_for(model, threads=2), trainees, work, {})
    if fault == "a damaged file":
        (made.person("p3") / "lessons.jsonl").write_text("{")
    job.run(tmp_path / "job", say=lambda line: None)
    result = made.result("p3")
    assert result is not None
    assert not result.is_trained
    assert result.reason
    for key in work.keys() - {"p3"}:
        assert difference(lora_format.read(made.lora(key)), loras_made_alone[key]) < 1e-3


def test_progress_reaches_its_total(tmp_path: Path, model: Path) -> None:
    lines: list[dict[str, object]] = []
    work = {"p1": lessons_of_all_kinds(1, 9), "p2": lessons_of_all_kinds(2, 3)}
    trainees = [Trainee(key=key, seed=1) for key in work]
    JobFolder.create(tmp_path, recipe_for(model, passes=2), trainees, work, {})
    job.run(tmp_path, say=lines.append)
    trained = [line for line in lines if line["phase"] == "training"]
    assert lines[0]["phase"] == "loading"
    assert lines[-1]["phase"] == "done"
    assert trained[-1]["done"] == trained[-1]["total"] == 24


def test_who_has_nothing_to_learn_is_told_so(tmp_path: Path, model: Path) -> None:
    made = train(tmp_path, recipe_for(model), {"p1": [], "p2": lessons_of_all_kinds(2, 3)})
    result = made.result("p1")
    assert result is not None
    assert (result.is_trained, result.reason) == (False, "there was nothing to learn")


def test_past_the_deadline_everybody_gets_a_reason(tmp_path: Path, model: Path) -> None:
    made = train(tmp_path, recipe_for(model, deadline_s=0.0), {"p1": lessons_of_all_kinds(1, 9)})
    result = made.result("p1")
    assert result is not None
    assert not result.is_trained
    assert "deadline" in result.reason


def test_over_the_memory_bound_it_ends_with_what_to_do(tmp_path: Path, model: Path) -> None:
    with pytest.raises(TrainingError, match="allow more memory"):
        train(tmp_path, recipe_for(model, memory_gib=0.001), {"p1": lessons_of_all_kinds(1, 40)})


def test_a_job_that_is_done_does_nothing_when_run_again(tmp_path: Path, model: Path) -> None:
    made = train(tmp_path, recipe_for(model), {"p1": lessons_of_all_kinds(1, 3)})
    before = made.lora("p1").stat().st_mtime_ns
    lines: list[dict[str, object]] = []
    job.run(tmp_path, say=lines.append)
    assert made.lora("p1").stat().st_mtime_ns == before
    assert [line["phase"] for line in lines] == ["done"]


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no-such-model"):
        train(tmp_path / "job", recipe_for(tmp_path / "no-such-model"), {"p1": lessons_of_all_kinds(1, 3)})


def test_a_folder_without_a_job_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be read"):
        job.run(tmp_path, say=lambda line: None)


@pytest.mark.parametrize(("count", "size", "passes"), [(1, 16, 1), (16, 16, 2), (17, 16, 2), (150, 16, 3)])
def test_batches_hold_every_lesson_once_a_pass_and_are_even(count: int, size: int, passes: int) -> None:
    plan = batches(count, size, passes, seed=5)
    flat = [index for batch in plan for index in batch]
    assert sorted(flat) == sorted(list(range(count)) * passes)
    assert max(map(len, plan)) <= size
    assert max(map(len, plan)) - min(map(len, plan)) <= 1


def test_packed_chunks_keep_the_bound_and_lose_nothing() -> None:
    items = [(index % 3, lesson) for index, lesson in enumerate(lessons_of_all_kinds(4, 60))]
    for kind in (Kind.SAY, Kind.PAIR):
        mine = [item for item in items if item[1].kind is kind]
        chunks = list(packed(mine, 80))
        assert sorted(map(id, (lesson for chunk in chunks for _, lesson in chunk))) == sorted(
            id(lesson) for _, lesson in mine
        )
        assert all(_padded(chunk) <= 80 for chunk in chunks if len(chunk) > 1)


def _padded(chunk: Sequence[tuple[int, Lesson]]) -> int:
    rows = 2 if chunk[0][1].kind is Kind.PAIR else 1
    return (
        rows
        * len(chunk)
        * max(len(lesson.prefix) + max(len(lesson.reply), len(lesson.against)) for _, lesson in chunk)
    )
