"""Prompts, trees, branches and buttons as JSON, and back. Knows no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.events import Action, ActionKind, Alternative
from engine import wording
from engine.types import Example, Prompt, Role, TreeNode, Turn

# Any: what JSON holds.
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A finished reply that was not posted, with what the judge answered about it."""

    id: str
    text: str
    score: float
    answers: dict[str, float] = field(default_factory=dict)

    def shown(self) -> Alternative:
        return Alternative(id=self.id, text=self.text, score=self.score)


def prompt_json(prompt: Prompt) -> Json:
    return asdict(prompt)


def prompt_of(data: Mapping[str, Any]) -> Prompt:
    return Prompt(
        turns=tuple(Turn(role=Role(turn["role"]), text=turn["text"]) for turn in data["turns"]),
        persona=data.get("persona", ""),
        name=data.get("name"),
        facts=tuple(data.get("facts", ())),
        notes=tuple(data.get("notes", ())),
        examples=tuple(Example(**example) for example in data.get("examples", ())),
    )


def request_of(prompt: Prompt) -> str:
    """What was asked: a revision was asked by the request before the critiques."""
    return wording.last_request(wording.before_critiques(prompt))


def tree_json(tree: Sequence[TreeNode]) -> list[Json]:
    return [asdict(node) for node in tree]


def tree_of(data: Sequence[Mapping[str, Any]]) -> tuple[TreeNode, ...]:
    return tuple(TreeNode(**node) for node in data)


def branches_json(branches: Sequence[Branch]) -> list[Json]:
    return [asdict(branch) for branch in branches]


def branches_of(data: Sequence[Mapping[str, Any]]) -> tuple[Branch, ...]:
    return tuple(Branch(**branch) for branch in data)


def actions_json(actions: Sequence[Action]) -> list[Json]:
    return [asdict(action) for action in actions]


def actions_of(data: Sequence[Mapping[str, Any]]) -> tuple[Action, ...]:
    return tuple(
        Action(kind=ActionKind(item["kind"]), label=item["label"], target=item["target"]) for item in data
    )
