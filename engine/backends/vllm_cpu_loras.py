"""How LoRAs are applied where vLLM runs on a CPU: each to all of its rows at once.

By itself vLLM copies a LoRA's matrices for every single token there, which makes a model with LoRAs three
times slower than without; and a row without a LoRA is given whatever lies in the last slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

# The slot of a LoRA, and the rows that are under it; None: all of them.
Group = tuple[int, Tensor | None]


class GroupedLoras(PunicaWrapperCPU):
    """Adds what LoRAs say, LoRA by LoRA."""

    def update_metadata(self, *mapping: Any, **more: Any) -> None:  # Any: vLLM's own
        super().update_metadata(*mapping, **more)
        self._of_tokens = groups(self.token_lora_indices)
        self._of_samples = groups(self.sampler_indices)

    def add_lora_linear(
        self,
        y: Tensor,
        x: Tensor,
        lora_a_stacked: Sequence[Tensor],
        lora_b_stacked: Sequence[Tensor],
        scale: float,
        output_slices: Sequence[int],
        **unused: Any,
    ) -> None:
        begin = 0
        for a, b, size in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
            part = y.view(-1, y.shape[-1])[:, begin : begin + size]
            add(part, x.view(-1, x.shape[-1]), a, b, scale, self._of_tokens)
            begin += size

    def add_lora_logits(
        self,
        y: Tensor,
        x: Tensor,
        lora_a_stacked: Tensor,
        lora_b_stacked: Tensor,
        scale: float,
        **unused: Any,
    ) -> None:
        logits = y.view(-1, y.shape[-1])[:, : lora_b_stacked.shape[-2]]
        add(logits, x.view(-1, x.shape[-1]), lora_a_stacked, lora_b_stacked, scale, self._of_samples)


def groups(slots: Tensor) -> list[Group]:
    """The rows of each LoRA, from the slot of each row; of rows without a LoRA that is -1."""
    found = slots.unique().tolist()
    if len(found) == 1:
        return [(slot, None) for slot in found if slot >= 0]
    return [(slot, (slots == slot).nonzero()[:, 0]) for slot in found if slot >= 0]


def add(y: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: float, of_rows: Sequence[Group]) -> None:
    """Add to `y` what the LoRAs [slot, 1, rank, in] and [slot, 1, out, rank] make of `x`."""
    for slot, rows in of_rows:
        read = x if rows is None else x[rows]
        said = ((read @ a[slot, 0].T) * scale @ b[slot, 0].T)[:, : y.shape[1]]
        if rows is None:
            y += said
        else:
            y[rows] += said
