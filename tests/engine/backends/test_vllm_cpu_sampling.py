"""Tokens are drawn from the same ones as vLLM's own top-k and top-p leave, without a sort."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p_pytorch

from engine.backends.vllm_cpu_sampling import MOST, quick

VOCABULARY = 2000


class Sorting:
    """vLLM's own masking, which counts how often it is needed."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, logits: Tensor, k: Tensor | None, p: Tensor | None) -> Tensor:
        self.calls += 1
        masked: Tensor = apply_top_k_top_p_pytorch(logits, k, p, allow_cpu_sync=True)
        return masked


@pytest.mark.parametrize("sharpness", [0.5, 3.0, 10.0])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("top_k", [None, 1, 40, 300, VOCABULARY])
def test_the_same_tokens_are_left(sharpness: float, top_p: float, top_k: int | None) -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, VOCABULARY) * sharpness
    k = None if top_k is None else torch.tensor([top_k, VOCABULARY] * 3)
    p = torch.tensor([top_p, 0.9] * 3)
    left = quick(Sorting())(logits.clone(), k, p)
    wanted = apply_top_k_top_p_pytorch(logits.clone(), k, p, allow_cpu_sync=True)
    # Where sums are rounded otherwise, a token at the very edge may differ, and no more.
    differing = (left > -torch.inf) ^ (wanted > -torch.inf)
    assert float((logits.softmax(dim=-1) * differing).sum()) < 1e-4


def test_a_usual_distribution_needs_no_sort() -> None:
    torch.manual_seed(0)
    sorting = Sorting()
    quick(sorting)(torch.randn(4, VOCABULARY) * 6.0, None, torch.full((4,), 0.9))
    assert sorting.calls == 0


def test_a_flat_distribution_is_sorted_as_before() -> None:
    sorting = Sorting()
    left = quick(sorting)(torch.arange(2 * MOST).unsqueeze(0) * 1e-6, None, torch.tensor([0.9]))
    assert sorting.calls == 1
    assert int((left > -torch.inf).sum()) == pytest.approx(0.9 * 2 * MOST, rel=0.01)
