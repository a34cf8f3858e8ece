"""How well the judge orders half-finished replies: what decides whether a tree search is worth its price.

Read off trees that were searched before. Knows no model and no person.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.types import TreeNode

FEWEST_PAIRS = 40  # of branches, before anything is said about that


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Of how many pairs of half-finished branches in a tree the judge told which one comes to more."""

    right: float = 0.0
    pairs: int = 0


def order(tree: Sequence[TreeNode]) -> Order:
    """How well the judge ordered the half-finished branches of one tree.

    Of two unfinished branches, equally deep, the one should have the higher score whose finished descendants
    have the better ones.
    """
    right, pairs = 0.0, 0
    for first, other in itertools.combinations(_half_finished(tree), 2):
        if first.depth == other.depth and first.comes_to != other.comes_to:
            pairs += 1
            difference = (first.score - other.score) * (first.comes_to - other.comes_to)
            right += 0.5 if difference == 0 else float(difference > 0)
    return Order(right=right, pairs=pairs)


def prefix_reliability(orders: Iterable[Order]) -> float | None:
    """The share of pairs that were put in the right order. 0.5 is a coin; None: too few pairs to say."""
    seen = list(orders)
    pairs = sum(known.pairs for known in seen)
    return sum(known.right for known in seen) / pairs if pairs >= FEWEST_PAIRS else None


@dataclass(frozen=True, slots=True)
class _HalfFinished:
    """An unfinished branch: how deep it is, what the judge thought of it, and what came of it."""

    depth: int
    score: float
    comes_to: float


def _half_finished(tree: Sequence[TreeNode]) -> list[_HalfFinished]:
    by_id = {node.id: node for node in tree}
    ends: dict[int, list[float]] = {}
    for node in tree:
        above = node.parent
        while node.is_finished and above is not None:
            ends.setdefault(above, []).append(node.score)
            above = by_id[above].parent
    return [
        _HalfFinished(_depth(by_id, node), node.score, sum(ends[node.id]) / len(ends[node.id]))
        for node in tree
        if node.id in ends and node.parent is not None
    ]


def _depth(by_id: Mapping[int, TreeNode], node: TreeNode) -> int:
    depth = 0
    while node.parent is not None:
        node, depth = by_id[node.parent], depth + 1
    return depth
