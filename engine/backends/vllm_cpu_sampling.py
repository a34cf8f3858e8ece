"""Top-p sampling where vLLM runs on a CPU: the few likely tokens are sorted, and not the whole vocabulary.

vLLM sorts all words for every sample and token. With 49,152 words that takes longer than a small model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

# Tokens that are likelier than this, less than the likeliest by e to the power of it, may matter. All others
# together are looked at only where these do not make up what top-p leaves.
WINDOW = 12.0
MOST = 4096  # so many tokens at most are sorted for one sample; of more a sort of everything is no slower

Masking: TypeAlias = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]


def quick(sorting: Masking) -> Masking:
    """The same masking as vLLM's own `sorting`, which is used where the likely tokens are not enough."""

    def mask(logits: Tensor, k: Tensor | None, p: Tensor | None) -> Tensor:
        if p is None:
            return sorting(logits, k, p)
        greatest = logits.amax(dim=-1)
        wholes = torch.logsumexp(logits, dim=-1)
        least = torch.empty_like(greatest)
        limits = [logits.shape[-1]] * len(logits) if k is None else k.tolist()
        for row, (share, limit) in enumerate(zip(p.tolist(), limits, strict=True)):
            found = _least_kept(logits[row], greatest[row], wholes[row], share, limit)
            if found is None:
                return sorting(logits, k, p)
            least[row] = found
        return logits.masked_fill_(logits < least.unsqueeze(1), -torch.inf)

    return mask


def _least_kept(logits: Tensor, greatest: Tensor, whole: Tensor, share: float, limit: int) -> Tensor | None:
    """The least logit that top-k and top-p leave; None where the likely tokens do not tell."""
    likely = logits[logits > greatest - WINDOW]
    if len(likely) > MOST:
        return None
    likely = likely.sort(descending=True).values
    if limit < len(logits):
        if limit > len(likely):
            return None
        likely = likely[:limit]
        whole = torch.logsumexp(likely, dim=-1)
    shares = (likely - whole).exp()
    kept = int((shares.cumsum(dim=-1) - shares < share).sum())
    if kept == len(likely) and limit >= len(logits):  # what comes behind may have to be kept too
        return None
    return likely[max(kept, 1) - 1]
