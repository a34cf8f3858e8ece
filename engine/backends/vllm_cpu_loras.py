"""How LoRAs are applied where vLLM runs on a CPU: each to all of its rows, and all in one go.

By itself vLLM copies a LoRA's matrices for every single token there, which makes a model with LoRAs three
times slower than without; and a row without a LoRA is given whatever lies in the last slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

SPARE = 32  # empty places that a block may have in any case; otherwise half as many as it has rows


@dataclass(frozen=True, slots=True)
class Single:
    """Rows under one LoRA. None: all there are."""

    slot: int
    rows: Tensor | None

    def read(self, x: Tensor) -> Tensor:
        return x if self.rows is None else x.index_select(0, self.rows)

    def said(self, read: Tensor, a: Tensor, b: Tensor) -> Tensor:
        # Rounded as in a block: `addmm` is quicker, and answers would depend on who else is being answered.
        return read @ a[self.slot, 0].mT @ b[self.slot, 0].mT

    def add(self, y: Tensor, said: Tensor, scale: float) -> None:
        if self.rows is None:
            y.add_(said, alpha=scale)
        else:
            y.index_add_(0, self.rows, said, alpha=scale)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows under neighbouring LoRAs, laid out with equally many places for each LoRA.

    `taken` is the row that each place holds; an empty one holds some row again, and is not read back.
    """

    slots: slice
    taken: Tensor
    rows: Tensor  # ascending
    places: Tensor  # where each of these rows lies

    def read(self, x: Tensor) -> Tensor:
        return x.index_select(0, self.taken).view(self.slots.stop - self.slots.start, -1, x.shape[1])

    def said(self, read: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.bmm(torch.bmm(read, a[self.slots, 0].mT), b[self.slots, 0].mT)

    def add(self, y: Tensor, said: Tensor, scale: float) -> None:
        y.index_add_(0, self.rows, said.flatten(end_dim=1).index_select(0, self.places), alpha=scale)


Group: TypeAlias = Single | Block


class GroupedLoras(PunicaWrapperCPU):
    """Adds what LoRAs say, group by group."""

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
        *unused: Any,
        **more: Any,
    ) -> None:
        rows, read = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1])
        add(rows, read, lora_a_stacked, lora_b_stacked, scale, self._of_tokens)

    def add_lora_embedding(self, *unused: Any, **more: Any) -> None:
        """Nothing: `check_servable` lets no LoRA in that has a part for the embedding."""

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
        add(logits, x.view(-1, x.shape[-1]), [lora_a_stacked], [lora_b_stacked], scale, self._of_samples)


def add(
    y: Tensor, x: Tensor, a: Sequence[Tensor], b: Sequence[Tensor], scale: float, of_rows: Sequence[Group]
) -> None:
    """Add what the rows' LoRAs make of `x`. `a` [slot, 1, rank, in] and `b` [slot, 1, out, rank]: of each of
    the parts that lie side by side in `y`.
    """
    for group in of_rows:
        read = group.read(x)
        said = [group.said(read, of_part_a, of_part_b) for of_part_a, of_part_b in zip(a, b, strict=True)]
        # Not part by part: a part's rows do not follow each other in memory, and that takes far longer.
        group.add(y, said[0] if len(said) == 1 else torch.cat(said, dim=-1), scale)


def groups(slots: Tensor) -> list[Group]:
    """From the slot of each row; of rows without a LoRA that is -1."""
    counts = torch.bincount(slots + 1).tolist()[1:]
    return [_group(slots, first, last, max(counts[first:last])) for first, last in _runs(counts)]


def _runs(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Slots that share a block, from the first to before the last: where not too many places stay empty."""
    runs: list[tuple[int, int]] = []
    used = [slot for slot, count in enumerate(counts) if count]
    for slot in used:
        first = runs[-1][0] if runs else slot
        together = counts[first : slot + 1]
        empty = len(together) * max(together) - sum(together)
        if runs and empty <= max(sum(together) // 2, SPARE):
            runs[-1] = (first, slot + 1)
        else:
            runs.append((slot, slot + 1))
    return runs


def _group(slots: Tensor, first: int, last: int, most: int) -> Group:
    rows = ((slots >= first) & (slots < last)).nonzero()[:, 0]
    if last - first == 1:
        return Single(first, None if len(rows) == len(slots) else rows)
    lora = slots[rows] - first
    nth = (lora[:, None] == torch.arange(last - first)).cumsum(0).gather(1, lora[:, None])[:, 0] - 1
    places = lora * most + nth
    taken = torch.zeros((last - first) * most, dtype=torch.long)
    taken[places] = rows
    return Block(slice(first, last), taken, rows, places)
