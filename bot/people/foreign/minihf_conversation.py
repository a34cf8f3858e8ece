"""Reads MiniHF's conversations: `responseDict` of id → {prompt, text, rating, parent, children}."""

from __future__ import annotations

from itertools import islice

from bot.people.foreign.found import Found, Json, add_reply, clean, digest
from bot.people.foreign.tree import MAX_PROMPT_CHARS, MAX_STEPS_BACK, ancestors, check_number, is_enough
from engine.types import Role, Turn


def read(document: Json, found: Found) -> None:
    nodes = {str(key): node for key, node in document["responseDict"].items() if isinstance(node, dict)}
    check_number(nodes)
    conversation = f"minihf:{digest(sorted(nodes))}"
    prompts = {key: clean(node.get("prompt")) for key, node in nodes.items()}
    texts = {key: clean(node.get("text")) for key, node in nodes.items()}
    for key, node in nodes.items():
        if not texts[key].strip():
            continue  # a prompt that waits for its answers
        turns: list[Turn] = []
        for ancestor in islice(ancestors(nodes, key, found), MAX_STEPS_BACK):
            if texts[ancestor].strip():
                turns[:0] = (
                    Turn(role=Role.USER, text=prompts[ancestor][-MAX_PROMPT_CHARS:]),
                    Turn(role=Role.ASSISTANT, text=texts[ancestor][-MAX_PROMPT_CHARS:]),
                )
            if is_enough(turns):
                break
        turns.append(Turn(role=Role.USER, text=prompts[key][-MAX_PROMPT_CHARS:]))
        if not turns[-1].text.strip():
            found.left["answers", "have no prompt"] += 1
            continue
        if node.get("evaluationPrompt"):
            found.left["evaluationPrompt", "the judge here has questions of its own"] += 1
        add_reply(
            found,
            key=f"{conversation}:{key}"[:200],
            conversation=conversation,
            turns=turns,
            text=texts[key],
            rating=node.get("rating"),
        )
