"""Training: it learns, it can be cut short and resumed, and what it writes is a whole model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from practice import branches, build
from practice.muon import Muon


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "STEP_TOKENS", 2048)
    monkeypatch.setattr(build, "POOL", 16)


@pytest.mark.real
@pytest.mark.usefixtures("_small")
def test_a_run_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        words = build.load_tokenizer(tmp_path, seed=1)
        run = build.start(seed=1)
        build.train(run, words, 4000, 1, tmp_path / "checkpoint.pt", cores=2)
        resumed = build.start(seed=2)
        build.resume(resumed, tmp_path / "checkpoint.pt")
        assert (resumed.tokens, resumed.steps) == (run.tokens, run.steps)
        for name, value in run.model.state_dict().items():
            assert torch.equal(value, resumed.model.state_dict()[name])
        resumed.rehearsed = 5
        build.train(resumed, words, 8000, 1, tmp_path / "checkpoint.pt", cores=1)
        assert resumed.tokens >= 8000 > run.tokens
        assert resumed.rehearsed == 0
        build.export(resumed, words, tmp_path / "weights")
        onward = build.start(seed=3)
        (tmp_path / "elsewhere").mkdir()
        build.go_on(onward, tmp_path / "weights", tmp_path / "elsewhere")
        assert (onward.tokens, onward.steps) == (resumed.tokens, resumed.steps)
        for name, value in resumed.average.items():
            assert torch.equal(value.bfloat16().float(), onward.model.state_dict()[name])
    finally:
        torch.set_num_threads(before)
    names = {path.name for path in (tmp_path / "weights").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "README.md"} <= names


def test_the_learning_rate_rises_holds_and_falls() -> None:
    run = build.start(seed=1)
    rates = []
    for run.steps, run.tokens in ((0, 0), (100, 500_000), (800, 990_000)):
        rates.append(build._rate(run, 1_000_000))
    assert rates[0] < 0.1
    assert rates[1] == 1.0
    assert rates[2] == pytest.approx(0.01 / build.DECAYED_SHARE)


def test_muon_steps_as_torchs_own_does() -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(0.02 * torch.randn(shape)) for shape in ((24, 64), (64, 24), (24, 64))]
    theirs = [nn.Parameter(matrix.detach().clone()) for matrix in ours]
    before = [matrix.detach().clone() for matrix in ours]
    one = Muon(ours, lr=1e-2, weight_decay=0.02)
    other = torch.optim.Muon(theirs, lr=1e-2, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for mine, its in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            its.grad = mine.grad.clone()
        one.step()
        other.step()
    for start, mine, its in zip(before, ours, theirs, strict=True):
        moved = (its - start).norm()
        assert (mine - its).norm() < 0.05 * moved  # torch's computes in bfloat16


def test_the_rubric_is_where_the_operator_finds_it() -> None:
    assert branches.RUBRIC.name == "rubric.toml"
    assert len(branches.rubric_questions()) == 2
