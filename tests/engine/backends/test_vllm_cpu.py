"""What vLLM is told on a CPU: kernels that compute what its own do, and arithmetic that the processor has."""

from __future__ import annotations

import pytest
import torch

from engine.backends import vllm_cpu
from engine.backends.vllm_cpu import GIB, PROVIDER
from engine.errors import ModelError

pytestmark = pytest.mark.real


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 7, 64])
def test_the_kernels_compute_what_vllm_does_by_itself(dtype: torch.dtype, rows: int) -> None:
    from vllm import ir

    vllm_cpu.register()
    x, residual, weight = torch.randn(rows, 192), torch.randn(rows, 192), torch.randn(192)
    x, residual, weight = x.to(dtype), residual.to(dtype), weight.to(dtype)
    near = {"rtol": 0.02, "atol": 0.02} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
    for op, inputs in ((ir.ops.rms_norm, (x,)), (ir.ops.fused_add_rms_norm, (x, residual))):
        assert op.impls[PROVIDER].supports_args(*inputs, weight, 1e-5)
        wanted = op.impls["native"].impl_fn(*inputs, weight, 1e-5)
        found = op.impls[PROVIDER].impl_fn(*(one.clone() for one in inputs), weight, 1e-5)
        torch.testing.assert_close(found, wanted, **near)


def test_they_leave_to_vllm_what_they_cannot_do() -> None:
    from vllm import ir

    vllm_cpu.register()
    kernel, x, weight = ir.ops.rms_norm.impls[PROVIDER], torch.randn(4, 64), torch.randn(32)
    assert not kernel.supports_args(x[:, :32], weight, 1e-5)
    assert not kernel.supports_args(x, None, 1e-5)
    assert not kernel.supports_args(x, torch.randn(64), 1e-5, 32)


@pytest.mark.parametrize("slots", [[0, 2, -1, 2, 0], [1, 1], [-1, -1], [2], [2, *[0] * 90, 1, 1], [0] * 90])
def test_each_row_is_under_its_own_lora_and_some_under_none(slots: list[int]) -> None:
    from engine.backends.vllm_cpu_loras import add, groups

    a, b = torch.randn(2, 3, 1, 4, 8), torch.randn(2, 3, 1, 6, 4)
    x, y = torch.randn(len(slots), 8), torch.randn(len(slots), 12)
    wanted = [
        row if slot < 0 else row + 0.5 * (b[:, slot, 0] @ (a[:, slot, 0] @ read)[..., None]).flatten()
        for slot, row, read in zip(slots, y, x, strict=True)
    ]
    add(y, x, a.unbind(), b.unbind(), 0.5, groups(torch.tensor(slots)))
    torch.testing.assert_close(y, torch.stack(wanted))


def test_loras_with_many_rows_and_with_few_do_not_share_a_block() -> None:
    from engine.backends.vllm_cpu_loras import Block, Single, groups

    (even,) = groups(torch.arange(60) % 6)
    many, few = groups(torch.tensor([0] * 300 + [1, 2, 2, 3]))
    assert isinstance(even, Block)
    assert even.slots == slice(0, 6)
    assert isinstance(many, Single)
    assert many.slot == 0
    assert isinstance(few, Block)
    assert few.slots == slice(1, 4)


@pytest.mark.parametrize(
    ("wanted", "has_bfloat16", "free_gib", "chosen"),
    [
        ("auto", True, 100, "auto"),
        ("auto", False, 100, "float32"),
        ("auto", False, 12, "auto"),  # no room for numbers of twice the size
        ("bfloat16", False, 100, "bfloat16"),
    ],
)
def test_a_processor_without_bfloat16_computes_with_float32(
    monkeypatch: pytest.MonkeyPatch, wanted: str, has_bfloat16: bool, free_gib: int, chosen: str
) -> None:
    monkeypatch.setattr(vllm_cpu, "has_bfloat16", lambda: has_bfloat16)
    monkeypatch.setattr(vllm_cpu, "free_bytes", lambda: free_gib * GIB)
    found = vllm_cpu.arguments(wanted, 8 * GIB, 1.0)
    assert found["dtype"] == chosen
    assert found["kv_cache_memory_bytes"] == GIB


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_cpu, "free_bytes", lambda: 9 * GIB)
    with pytest.raises(ModelError, match=r"needs about 10.0 GiB of memory and 9.0 GiB are free"):
        vllm_cpu.arguments("auto", 8 * GIB, 1.0)
