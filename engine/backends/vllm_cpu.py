"""What vLLM needs to be told where it runs on a CPU: the faster arithmetic, and whether there is room."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.backends.vllm_cpu_sampling import quick
from engine.errors import ModelError
from engine.models.free_memory import free_bytes
from engine.models.processor import has_bfloat16

GIB = 1 << 30
LORAS = "engine.backends.vllm_cpu_loras.GroupedLoras"
PROVIDER = "nightloom_cpu"  # of the kernels that `register` gives to vLLM


def register() -> None:
    """Let vLLM apply LoRAs as `GroupedLoras` does on a CPU, use its own C kernels for norms, where by itself
    it adds up the parts in PyTorch, and draw tokens by top-p without sorting its vocabulary.

    It calls this in each of its processes, as the entry point in pyproject.toml asks for.
    """
    from vllm import ir
    from vllm.platforms import current_platform
    from vllm.v1.sample.ops import topk_topp_sampler

    if not current_platform.is_cpu() or PROVIDER in ir.ops.rms_norm.impls:
        return
    # vLLM asks the platform for a name; it has no other place where one could say so.
    type(current_platform).get_punica_wrapper = classmethod(lambda cls: LORAS)
    current_platform.import_kernels()
    topk_topp_sampler.apply_top_k_top_p = quick(topk_topp_sampler.apply_top_k_top_p)

    def takes(x: Tensor, weight: Tensor | None, epsilon: float, variance_size: int | None = None) -> bool:
        is_plain = variance_size is None and weight is not None and weight.dtype == x.dtype
        return is_plain and x.is_contiguous()

    def takes_sum(
        x: Tensor, x_residual: Tensor, weight: Tensor | None, epsilon: float, variance_size: int | None = None
    ) -> bool:
        return takes(x, weight, epsilon, variance_size) and x_residual.is_contiguous()

    def norm(x: Tensor, weight: Tensor | None, epsilon: float, variance_size: int | None = None) -> Tensor:
        normed = torch.empty_like(x)
        torch.ops._C.rms_norm(normed, x, weight, epsilon)
        return normed

    def norm_of_sum(
        x: Tensor, x_residual: Tensor, weight: Tensor | None, epsilon: float, variance_size: int | None = None
    ) -> tuple[Tensor, Tensor]:
        torch.ops._C.fused_add_rms_norm(x, x_residual, weight, epsilon)
        return x, x_residual

    ir.ops.rms_norm.register_impl(PROVIDER, supports_args=takes)(norm)
    ir.ops.fused_add_rms_norm.register_impl(PROVIDER, supports_args=takes_sum, inplace=True)(norm_of_sum)


def arguments(dtype: str, weight_bytes: int, cache_gib: float) -> dict[str, Any]:
    """vLLM's arguments on a CPU, for a model of so many bytes. Raises ModelError where it does not fit."""
    from vllm import ir
    from vllm.plugins import load_general_plugins

    load_general_plugins()
    has_kernels = PROVIDER in ir.ops.rms_norm.impls  # not where vLLM was told to load no plugins
    chosen = [PROVIDER, "native"] if has_kernels else ["native"]
    return {
        "dtype": _dtype(dtype, weight_bytes, cache_gib),
        "kv_cache_memory_bytes": int(cache_gib * GIB),
        "kernel_config": {"ir_op_priority": {"rms_norm": chosen, "fused_add_rms_norm": chosen}},
    }


def _dtype(wanted: str, weight_bytes: int, cache_gib: float) -> str:
    """A model that does not fit would be killed without a word, or drag the machine down."""
    free = free_bytes()
    beside = int(cache_gib * GIB) + GIB
    needed = weight_bytes + beside
    if free is not None and needed > free:
        raise ModelError(
            f"The model needs about {needed / GIB:.1f} GiB of memory and {free / GIB:.1f} GiB are free. "
            "Choose a smaller model, lower `cpu_cache_gib`, or make room: close other programs, "
            "or raise the container's limit."
        )
    has_room = free is not None and needed + weight_bytes <= free
    return "float32" if wanted == "auto" and has_room and not has_bfloat16() else wanted
