"""Answers, notices, thumbs and the correction window as Block Kit, within Slack's limits. Pure.

Does not know where a block is shown. The Home tab is drawn by `home`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias  # Block Kit is nested JSON

from adapters.slack.text import to_mrkdwn
from bot.events import Action, ActionKind, Notice

Block: TypeAlias = dict[str, Any]

MAX_SECTION_CHARS = 3_000
MAX_INPUT_CHARS = 3_000
MAX_BUTTON_CHARS = 75

FEEDBACK = "feedback"
CLEAR_FEEDBACK = "clear_feedback"
HOME = "home"
CORRECT = "correct_this"
CORRECTION_BLOCK, CORRECTION_INPUT = "correction", "text"

_DANGEROUS = {ActionKind.LEARN_OFF}
_PRIMARY = {ActionKind.LEARN_ON, ActionKind.TAKE}


def answer(piece: str, *, heading: str | None, reply: str | None, actions: Sequence[Action]) -> list[Block]:
    """A message of an answer. Only the last message names the reply and carries the controls."""
    blocks = [context(heading)] if heading else []
    blocks.append(section(to_mrkdwn(piece)))
    if actions:
        blocks.append(buttons(actions))
    if reply:
        blocks.append(feedback(reply))
    return blocks


def notice(said: Notice, pieces: Sequence[str]) -> list[Block]:
    """A notice, with its buttons below."""
    blocks = [section(to_mrkdwn(piece)) for piece in pieces]
    return [*blocks, buttons(said.actions)] if said.actions else blocks


def feedback(reply: str) -> Block:
    """Slack's two thumbs under an answer. A thumb cannot be deselected: the last click counts."""
    element = {
        "type": "feedback_buttons",
        "action_id": FEEDBACK,
        "positive_button": {"text": plain("Good answer"), "value": f"+{reply}"},
        "negative_button": {"text": plain("Bad answer"), "value": f"-{reply}"},
    }
    return {"type": "context_actions", "elements": [element]}


def feedback_counted(reply: str, said: str) -> list[Block]:
    """The private message after a click on a thumb, with a button to take the click back."""
    row = {"type": "actions", "elements": [button("Take it back", CLEAR_FEEDBACK, reply)]}
    return [section(said), row]


def correction_modal(text: str, channel: str, ts: str, thread: str | None) -> Block:
    """A window with the answer's text, to be corrected."""
    element = {
        "type": "plain_text_input",
        "action_id": CORRECTION_INPUT,
        "multiline": True,
        "initial_value": text,
        "max_length": MAX_INPUT_CHARS,
    }
    return {
        "type": "modal",
        "callback_id": CORRECT,
        "private_metadata": json.dumps({"channel": channel, "ts": ts, "thread": thread}),
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
    """A row of buttons. The action id is a button's kind. The value is what the button acts on."""
    elements = []
    for index, action in enumerate(actions):
        element = button(action.label, f"{action.kind}:{index}", action.target)
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


def button(label: str, action_id: str, value: str) -> Block:
    return {"type": "button", "action_id": action_id, "text": plain(label[:MAX_BUTTON_CHARS]), "value": value}
