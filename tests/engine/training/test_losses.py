"""Each loss against what it says it is, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from engine.training import losses


def test_token_log_probs_are_those_of_the_targets() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    told = losses.token_log_probs(logits, torch.tensor([1, 0]))
    assert told.tolist() == pytest.approx([math.log(0.75), math.log(0.5)])


def test_totals_belong_to_their_owners() -> None:
    values = losses.total(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1, 0, 1]), 3)
    assert values.tolist() == [2.0, 5.0, 0.0]


def test_a_pair_that_has_not_moved_costs_log_two_and_preferring_it_costs_less() -> None:
    base = torch.tensor([-5.0]), torch.tensor([-3.0])
    same = losses.pair_loss(*base, *base, beta=0.5)
    learned = losses.pair_loss(torch.tensor([-4.0]), torch.tensor([-4.0]), *base, beta=0.5)
    assert same.item() == pytest.approx(math.log(2))
    assert learned.item() == pytest.approx(-math.log(1 / (1 + math.exp(-0.5 * 2.0))))


def test_per_token_a_long_reply_does_not_weigh_more_for_its_length() -> None:
    nought = torch.zeros(1)
    lengths = (torch.tensor([10.0]), torch.tensor([2.0]))
    told = losses.pair_loss(
        torch.tensor([10.0]), torch.tensor([2.0]), nought, nought, beta=1.0, lengths=lengths
    )
    assert told.item() == pytest.approx(math.log(2))


def test_ratings_pull_good_replies_up_and_push_bad_ones_down() -> None:
    gain = torch.zeros(2, requires_grad=True)
    losses.rating_loss(gain, torch.tensor([True, False]), torch.zeros(2), beta=1.0).sum().backward()
    assert gain.grad is not None
    assert gain.grad[0] < 0 < gain.grad[1]


def test_divergence_is_nought_only_from_oneself_and_differs_by_direction() -> None:
    teacher, other = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    forward = losses.divergence(teacher, other).item()
    p, q = teacher.softmax(-1), other.softmax(-1)
    assert losses.divergence(teacher, teacher).item() == pytest.approx(0.0, abs=1e-6)
    assert forward == pytest.approx((p * (p / q).log()).sum().item(), rel=1e-5)
    assert losses.divergence(teacher, other, is_reverse=True).item() == pytest.approx(
        (q * (q / p).log()).sum().item(), rel=1e-5
    )


def test_the_answer_loss_pools_all_spellings_of_yes_and_no() -> None:
    logits = torch.tensor([[1.0, 1.0, 0.0, 9.0]])
    told = losses.answer_loss(logits, torch.tensor([0, 1]), torch.tensor([2]), torch.tensor([1.0]))
    p_yes = 2 * math.e / (2 * math.e + 1)
    assert told.item() == pytest.approx(-math.log(p_yes), rel=1e-5)
