"""Two candidates side by side in one message, with buttons that say which is better. Knows no platform."""

from __future__ import annotations

from bot.events import Action, ActionKind, Alternative, Outgoing


def text_of(outgoing: Outgoing, text: str) -> str:
    """The answer's text; in a comparison the other candidate below it."""
    rival = _rival(outgoing)
    return f"**A**\n{text}\n\n**B**\n{rival.text}" if rival else text


def actions_of(outgoing: Outgoing) -> tuple[Action, ...]:
    """The buttons below. In a comparison the choice between the two comes first."""
    rival = _rival(outgoing)
    if rival is None or any(action.kind is ActionKind.TAKE for action in outgoing.actions):
        return outgoing.actions
    reply = outgoing.reply
    first = Action(kind=ActionKind.TAKE, label="A is better", target=f"{reply.id}/{reply.id}")
    second = Action(kind=ActionKind.TAKE, label="B is better", target=f"{reply.id}/{rival.id}")
    return (first, second, *outgoing.actions)


def _rival(outgoing: Outgoing) -> Alternative | None:
    """The other candidate; None where only one is shown."""
    return next((other for other in outgoing.reply.alternatives if other.id == outgoing.reply.duel), None)
