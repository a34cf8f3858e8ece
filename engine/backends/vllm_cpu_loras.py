"""How LoRAs are applied where vLLM runs on a CPU: each to all of its rows, and all in one go.

By itself vLLM copies a LoRA's matrices for every single token there, which makes a model with LoRAs three
times slower than without; and a row without a LoRA is given whatever lies in the last slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

SPARE = 32  # empty places that a block may have in any case; otherwise half as many as it has rows


@dataclass(frozen=True, slots=True)
class Block:
    """Rows under neighbouring LoRAs, laid out with equally many places for each LoRA.

    `taken` is the row that each place holds; an empty one holds some row again, and is not read back.
    """

    slots: slice
    taken: Tensor | slice
    rows: Tensor | None  # ascending; None: all there are
    places: Tensor | slice  # where each of these rows lies


class GroupedLoras(PunicaWrapperCPU):
    """Adds what LoRAs say, block by block."""

    def update_metadata(self, *mapping: Any, **more: Any) -> None:  # Any: vLLM's own
        super().update_metadata(*mapping, **more)
        self._of_tokens = blocks(self.token_lora_indices)
        self._of_samples = blocks(self.sampler_indices)

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


def blocks(slots: Tensor) -> list[Block]:
    """From the slot of each row; of rows without a LoRA that is -1."""
    counts = torch.bincount(slots + 1).tolist()[1:]
    return [_block(slots, first, last, max(counts[first:last])) for first, last in _runs(counts)]


def add(y: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: float, of_rows: Sequence[Block]) -> None:
    """Add to `y` what the LoRAs [slot, 1, rank, in] and [slot, 1, out, rank] make of `x`."""
    for block in of_rows:
        down, up = a[block.slots, 0].mT, b[block.slots, 0].mT
        read = x[block.taken].view(len(down), -1, x.shape[1])
        inner = torch.bmm(read, down)
        said = torch.bmm(inner if scale == 1.0 else inner * scale, up).flatten(end_dim=1)
        theirs = said[block.places, : y.shape[1]]
        if block.rows is None:
            y += theirs
        else:
            y.index_add_(0, block.rows, theirs)


def _runs(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Slots that share a block, from the first to before the last: where not too many places stay empty."""
    runs: list[tuple[int, int]] = []
    for slot in (slot for slot, count in enumerate(counts) if count):
        first = runs[-1][0] if runs else slot
        together = counts[first : slot + 1]
        empty = len(together) * max(together) - sum(together)
        if runs and empty <= max(sum(together) // 2, SPARE):
            runs[-1] = (first, slot + 1)
        else:
            runs.append((slot, slot + 1))
    return runs


def _block(slots: Tensor, first: int, last: int, most: int) -> Block:
    rows = ((slots >= first) & (slots < last)).nonzero()[:, 0]
    is_all = len(rows) == len(slots)
    if last - first == 1:
        return Block(
            slice(first, last), slice(None) if is_all else rows, None if is_all else rows, slice(None)
        )
    lora = slots[rows] - first
    nth = (lora[:, None] == torch.arange(last - first)).cumsum(0).gather(1, lora[:, None])[:, 0] - 1
    places = lora * most + nth
    taken = torch.zeros((last - first) * most, dtype=torch.long)
    taken[places] = rows
    return Block(slice(first, last), taken, None if is_all else rows, places)
