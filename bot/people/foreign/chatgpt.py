"""Reads ChatGPT's export: [{title, mapping: id → {message, parent, children}, current_node}]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from bot.people.foreign.found import Found, Json, add_reply, clean, digest, time_of
from bot.people.foreign.tree import MAX_PROMPT_CHARS, MAX_STEPS_BACK, ancestors, is_enough
from bot.records import ChoiceRecord
from engine.types import Role, Turn


def read(document: Json, found: Found) -> None:
    for conversation in document if isinstance(document, list) else [document]:
        _conversation(conversation, found)


def _conversation(document: Mapping[str, Json], found: Found) -> None:
    nodes = {str(key): node for key, node in document["mapping"].items() if isinstance(node, dict)}
    own_id = document.get("conversation_id") or document.get("id") or digest(sorted(nodes))
    conversation = f"chatgpt:{clean(own_id)}"[:200]
    current = str(document.get("current_node"))
    shown = {current, *ancestors(nodes, current, found)} if current in nodes else set()
    by_question: dict[str, list[str]] = {}
    said = {key: turn for key, node in nodes.items() if (turn := _said(node)) is not None}
    for key, answer in said.items():
        if answer.role is not Role.ASSISTANT:
            continue
        turns, question = _turns_before(nodes, said, key, found)
        if not turns or turns[-1].role is not Role.USER:
            found.left["messages of ChatGPT", "answer nothing that you said"] += 1
            continue
        record = f"{conversation}:{key}"[:200]
        add_reply(
            found,
            key=record,
            conversation=conversation,
            turns=turns,
            text=answer.text,
            at=time_of(nodes[key]["message"].get("create_time"), per_second=1),
        )
        if record in found.replies:
            by_question.setdefault(question, []).append(key)
    for answers in by_question.values():
        _choices_among(answers, shown, conversation, found)


def _choices_among(answers: Sequence[str], shown: set[str], conversation: str, found: Found) -> None:
    """Of several answers to one question the one that the person went on from was preferred."""
    preferred = [key for key in answers if key in shown]
    if len(preferred) != 1:
        return
    chosen = found.replies[f"{conversation}:{preferred[0]}"[:200]]
    for key in answers:
        other = found.replies[f"{conversation}:{key}"[:200]]
        if other.id != chosen.id and other.text != chosen.text:
            made = f"choice:{digest([chosen.id, other.id])}"
            found.choices[made] = ChoiceRecord(
                id=made,
                at=chosen.at,
                reply=chosen.id,
                kind="taken",
                alternative=digest([other.id]),
                chosen=chosen.text,
                rejected=other.text,
            )


def _turns_before(
    nodes: Mapping[str, Mapping[str, Json]], said: Mapping[str, Turn], key: str, found: Found
) -> tuple[list[Turn], str]:
    """What was said before a message, neighbours of one role in one turn, and the id of the last question."""
    turns: list[Turn] = []
    question = ""
    for ancestor in islice(ancestors(nodes, key, found), MAX_STEPS_BACK):
        if ancestor not in said:
            continue
        question = question or ancestor
        role, text = said[ancestor].role, said[ancestor].text[-MAX_PROMPT_CHARS:]
        if turns and turns[0].role is role:
            turns[0] = Turn(role=role, text=f"{text}\n{turns[0].text}")
        else:
            turns.insert(0, Turn(role=role, text=text))
        if is_enough(turns):
            break
    while turns and turns[0].role is Role.ASSISTANT:
        turns.pop(0)
    return turns, question


def _said(node: Mapping[str, Json]) -> Turn | None:
    """What a message says, if it is one of a person or the assistant and says anything in text."""
    message = node.get("message")
    if not isinstance(message, dict):
        return None
    author, content = message.get("author"), message.get("content")
    role = author.get("role") if isinstance(author, dict) else None
    if role not in ("user", "assistant") or not isinstance(content, dict):
        return None
    parts = content.get("parts")
    if content.get("content_type") != "text" or not isinstance(parts, list):
        return None
    text = clean("\n".join(part for part in parts if isinstance(part, str))).strip()
    return Turn(role=Role(role), text=text) if text else None
