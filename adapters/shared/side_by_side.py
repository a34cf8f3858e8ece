"""Two candidates in one message, and the buttons that say which is better. Knows no platform."""

from __future__ import annotations

from bot.events import Action, ActionKind, Alternative, Outgoing


def side_by_side(outgoing: Outgoing, text: str) -> str:
    """The answer's text; in a duel the other candidate below it."""
    rival = _rival(outgoing)
    return f"**A**\n{text}\n\n**B**\n{rival.text}" if rival else text


def actions(outgoing: Outgoing) -> tuple[Action, ...]:
    """In a duel, which of the two is better comes before everything else."""
    rival = _rival(outgoing)
    if rival is None or any(action.kind is ActionKind.TAKE for action in outgoing.actions):
        return outgoing.actions
    reply = outgoing.reply
    first = Action(kind=ActionKind.TAKE, label="A is better", target=f"{reply.id}/{reply.id}")
    second = Action(kind=ActionKind.TAKE, label="B is better", target=f"{reply.id}/{rival.id}")
    return (first, second, *outgoing.actions)


def _rival(outgoing: Outgoing) -> Alternative | None:
    return next((other for other in outgoing.reply.alternatives if other.id == outgoing.reply.duel), None)
