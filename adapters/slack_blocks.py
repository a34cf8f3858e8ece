"""What Slack shows, as Block Kit: answers, notices, other answers, the correction's modal. Pure.

Every text stays within Slack's limits; whoever sends decides where. The Home tab is `slack_home`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias  # Block Kit is nested JSON

from adapters.slack_text import to_mrkdwn
from bot.events import Action, ActionKind, Alternative, Notice

Block: TypeAlias = dict[str, Any]

MAX_SECTION_CHARS = 3_000
MAX_INPUT_CHARS = 3_000
MAX_BUTTON_CHARS = 75

FEEDBACK = "feedback"
CLEAR_FEEDBACK = "clear_feedback"
PAGE = "page"
CORRECT = "correct_this"
CORRECTION_BLOCK, CORRECTION_INPUT = "correction", "text"

_DANGEROUS = {ActionKind.LEARN_OFF}
_PRIMARY = {ActionKind.LEARN_ON, ActionKind.TAKE}


def answer(piece: str, *, heading: str | None, reply: str | None, actions: Sequence[Action]) -> list[Block]:
    """One message of an answer. Only its last carries the controls, and says so by naming the reply."""
    blocks = [context(heading)] if heading else []
    blocks.append(section(to_mrkdwn(piece)))
    if actions:
        blocks.append(buttons(actions))
    if reply:
        blocks.append(feedback(reply))
    return blocks


def notice(said: Notice, pieces: Sequence[str]) -> list[Block]:
    """Something said to one person, with its buttons below."""
    blocks = [section(to_mrkdwn(piece)) for piece in pieces]
    return [*blocks, buttons(said.actions)] if said.actions else blocks


def other_answer(reply: str, others: Sequence[Alternative], index: int, label: str) -> list[Block]:
    """One of the search's other answers, with the way to its neighbours and to taking it."""
    shown = others[index]
    controls = [Action(kind=ActionKind.TAKE, label=label, target=f"{reply}/{shown.id}")]
    row = buttons(controls)
    for step, name in ((-1, "Previous"), (1, "Next")):
        if 0 <= index + step < len(others):
            row["elements"].append(_button(name, f"{PAGE}:{step}", f"{reply}/{index + step}"))
    text = to_mrkdwn(shown.text)
    parts = [text[start : start + MAX_SECTION_CHARS] for start in range(0, len(text), MAX_SECTION_CHARS)]
    return [context(f"Other answer {index + 1} of {len(others)}"), *map(section, parts), row]


def feedback(reply: str) -> Block:
    """Slack's two thumbs under an answer. They never deselect: the last click counts."""
    element = {
        "type": "feedback_buttons",
        "action_id": FEEDBACK,
        "positive_button": {"text": plain("Good answer"), "value": f"+{reply}"},
        "negative_button": {"text": plain("Bad answer"), "value": f"-{reply}"},
    }
    return {"type": "context_actions", "elements": [element]}


def feedback_counted(reply: str, rating: int | None) -> list[Block]:
    """The private word after a click on a thumb, with the way to take it back."""
    said = f"Counted: {rating} of 5." if rating else "Counted. With your other reactions it is neutral."
    row = {"type": "actions", "elements": [_button("Take it back", CLEAR_FEEDBACK, reply)]}
    return [section(said), row]


def correction_modal(text: str, channel: str, ts: str) -> Block:
    """The answer's text, to be made into what the person wanted."""
    element = {
        "type": "plain_text_input",
        "action_id": CORRECTION_INPUT,
        "multiline": True,
        "initial_value": text[:MAX_INPUT_CHARS],
        "max_length": MAX_INPUT_CHARS,
    }
    return {
        "type": "modal",
        "callback_id": CORRECT,
        "private_metadata": json.dumps({"channel": channel, "ts": ts}),
        "title": plain("Correct this"),
        "submit": plain("Teach"),
        "close": plain("Cancel"),
        "blocks": [
            {
                "type": "input",
                "block_id": CORRECTION_BLOCK,
                "label": plain("The answer you wanted"),
                "element": element,
            }
        ],
    }


def buttons(actions: Sequence[Action]) -> Block:
    """A row of buttons. Their action id is the kind, their value what it acts on."""
    elements = []
    for index, action in enumerate(actions):
        element = _button(action.label, f"{action.kind}:{index}", action.target)
        if action.kind in _DANGEROUS:
            element["style"] = "danger"
        elif action.kind in _PRIMARY:
            element["style"] = "primary"
        elements.append(element)
    return {"type": "actions", "elements": elements}


def section(mrkdwn: str) -> Block:
    # Slack folds a long section behind "see more" unless told not to.
    return {"type": "section", "expand": True, "text": {"type": "mrkdwn", "text": mrkdwn or " "}}


def context(text: str) -> Block:
    shown = to_mrkdwn(text)[:MAX_SECTION_CHARS]
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": shown}]}


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": True}


def _button(label: str, action_id: str, value: str) -> Block:
    return {"type": "button", "action_id": action_id, "text": plain(label[:MAX_BUTTON_CHARS]), "value": value}
