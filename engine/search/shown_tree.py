"""Everything that a search made as one tree, as it is shown to people. Knows no prompt and no judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from engine.search.tree import Node
from engine.search.weave import Woven
from engine.types import Candidate, TokenIds, TreeNode


def shown_tree(
    candidates: Sequence[Candidate], woven: Woven | None, decode: Callable[[TokenIds], str]
) -> tuple[TreeNode, ...]:
    """Everything that was made as one tree: the woven branches, and whole samples as branches of the root."""
    best = candidates[0]
    nodes = [TreeNode(id=0, parent=None, text="", score=0.0, is_finished=False, is_chosen=True)]
    branches = list(woven.root.nodes())[1:] if woven else []
    ends = {node.token_ids: node for node in branches if not node.children}
    chosen = set(_path(ends.get(best.token_ids) or _cut_from(best, woven)))
    nodes.extend(_tree_node(node, node.id in chosen, decode) for node in branches)
    next_id = max(node.id for node in nodes) + 1
    whole = [candidate for candidate in candidates if candidate.token_ids not in ends]
    for number, candidate in enumerate(whole, start=next_id):
        is_chosen = candidate is best and not chosen
        nodes.append(
            TreeNode(
                id=number,
                parent=0,
                text=candidate.text,
                score=candidate.score,
                is_finished=True,
                is_chosen=is_chosen,
            )
        )
    return tuple(nodes)


def _cut_from(best: Candidate, woven: Woven | None) -> Node | None:
    """The unfinished branch that a cut reply was taken from."""
    branch = woven.open if woven else None
    is_its_beginning = branch and branch.token_ids[: len(best.token_ids)] == best.token_ids
    return branch if is_its_beginning else None


def _path(node: Node | None) -> Iterator[int]:
    while node is not None and node.parent is not None:
        yield node.id
        node = node.parent


def _tree_node(node: Node, is_chosen: bool, decode: Callable[[TokenIds], str]) -> TreeNode:
    before = decode(node.parent.token_ids) if node.parent else ""
    text = decode(node.token_ids)
    return TreeNode(
        id=node.id,
        parent=node.parent.id if node.parent else None,
        # A character may be split between two chunks, so the text is what the whole gained.
        text=text[len(before) :] if text.startswith(before) else decode(node.chunk),
        score=node.verdict.score,
        is_finished=node.is_finished,
        is_chosen=is_chosen,
    )
