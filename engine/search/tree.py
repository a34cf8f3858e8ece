"""The tree that a search grows: branches, their perturbed log-probabilities, and how a beam is sampled.

Knows nothing of how branches are made or judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.judging.judge import UNASKED, Verdict
from engine.types import TokenIds


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """A branch of the tree: the whole reply so far, and what its last chunk added."""

    id: int
    parent: Node | None = field(repr=False)
    chunk: TokenIds
    token_ids: TokenIds
    is_finished: bool = False  # the model ended it
    is_cut: bool = False  # it may not grow any more, yet has no end
    verdict: Verdict = UNASKED
    logit: float = 0.0
    gumbel: float = 0.0
    phi: float = 0.0
    g_phi: float = 0.0
    is_committed: bool = False
    is_pruned: bool = False
    is_judged: bool = True
    children: list[Node] = field(default_factory=list, repr=False)

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def priority(self) -> tuple[bool, float]:
        """What is expanded first: a committed leaf, or else the greatest perturbed logit."""
        return self.is_committed, self.logit + self.gumbel

    def nodes(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.nodes()


def perturb(parent: Node, children: Sequence[Node]) -> None:
    """Give the children of a beam's node perturbed log-probabilities whose maximum is the parent's own.

    So siblings of different parents can be compared, and the greatest k are a sample without
    replacement: top-down sampling of Gumbels (Kool, van Hoof, Welling 2019, section 3 and appendix B.3).
    """
    total = logsumexp([child.logit for child in children])
    for child in children:
        child.phi = parent.phi + child.logit - total
        child.g_phi = child.phi + child.gumbel
    greatest = max(child.g_phi for child in children)
    for child in children:
        shifted = parent.g_phi - child.g_phi + _log1mexp(child.g_phi - greatest)
        child.g_phi = parent.g_phi - max(0.0, shifted) - math.log1p(math.exp(-abs(shifted)))


def logsumexp(values: Sequence[float]) -> float:
    greatest = max(values)
    return greatest + math.log(sum(math.exp(value - greatest) for value in values))


def _log1mexp(value: float) -> float:
    """log(1 - exp(value)) for a value of at most 0."""
    if value >= 0.0:
        return -math.inf
    return math.log(-math.expm1(value)) if value > -0.693 else math.log1p(-math.exp(value))
