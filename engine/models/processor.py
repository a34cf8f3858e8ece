"""What this machine's processor can do."""

from __future__ import annotations

from functools import cache

import torch


def computes_in_bfloat16(device: torch.device) -> bool:
    return device.type == "cuda" or has_bfloat16()


@cache
def has_bfloat16() -> bool:
    """A processor without such instructions imitates them, which takes more than twice as long as float32."""
    return any(can for name, can in torch.cpu.get_capabilities().items() if "bf16" in name)
