"""What all backends on vLLM do alike: refuse impossible requests, read yes and no from probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from engine.errors import RequestError
from engine.types import TokenIds


def check_request(prefix: TokenIds, max_context: int, *, n: int = 1, max_tokens: int = 1) -> None:
    """Refuse what no backend can do, with the reason. Raises RequestError."""
    if not prefix:
        raise RequestError("An empty prompt cannot be continued.")
    if len(prefix) >= max_context:
        raise RequestError(f"The prompt has {len(prefix)} tokens, the model reads {max_context - 1} at most.")
    if n < 1 or max_tokens < 1:
        raise RequestError(f"{n} samples of {max_tokens} tokens are nothing to generate.")


def log_odds(logprobs: Mapping[int, float], yes: Sequence[int], no: Sequence[int]) -> float:
    """Of yes over no; the mass that is on neither is split evenly between the two. Finite."""
    p_yes = math.fsum(math.exp(logprobs.get(i, -math.inf)) for i in yes)
    p_no = math.fsum(math.exp(logprobs.get(i, -math.inf)) for i in no)
    neither = max(1.0 - p_yes - p_no, 0.0)
    return math.log(max(p_yes + neither / 2, 1e-9)) - math.log(max(p_no + neither / 2, 1e-9))
