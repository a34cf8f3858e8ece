"""A woven reply as it is to be recorded, with its alternatives and its buttons. Stores and sends nothing."""

from __future__ import annotations

from dataclasses import dataclass

from bot.context import Context
from bot.events import Action, ActionKind
from bot.store.recorded_replies import Branch, Draft
from engine.types import Composed, LoraRef, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class WovenReply:
    """A composed reply and what it was made under."""

    composed: Composed
    prompt: Prompt
    lora: LoraRef | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a reply answers: a question, or what was said under an answer that it `revises`."""

    message: str
    cause: str
    person: str
    conversation: str
    revision: int = 0
    revises: str | None = None


def drafted(context: Context, woven: WovenReply, answered: Answered, *, reply_id: str) -> Draft:
    """The draft of what a search found, with the buttons that stand under every answer."""
    composed = woven.composed
    branches = tuple(
        Branch(id=context.new_id(), text=other.text, score=other.score, answers=other.answers)
        for other in composed.others
    )
    return Draft(
        id=reply_id,
        message=answered.message,
        cause=answered.cause,
        person=answered.person,
        conversation=answered.conversation,
        revision=answered.revision,
        revises=answered.revises,
        text=composed.best.text,
        prompt=woven.prompt,
        model=context.backend.model,
        lora=None if woven.lora is None else woven.lora.id,
        seed=composed.seed,
        mode=composed.mode,
        score=composed.best.score,
        answers=composed.best.answers,
        branches=branches,
        tree=composed.tree,
        generated_tokens=composed.generated_tokens,
        seconds=composed.seconds,
        heading=CUT if composed.best.is_cut else None,
        actions=actions(reply_id, has_others=bool(branches)),
    )


CUT = "This answer is cut: it came to its limit before it was finished."


def actions(reply_id: str, *, has_others: bool) -> tuple[Action, ...]:
    """The buttons under an answer."""
    why = Action(kind=ActionKind.WHY, label="Why?", target=reply_id)
    if not has_others:
        return (why,)
    return (Action(kind=ActionKind.OTHER_ANSWERS, label="Other answers", target=reply_id), why)


def undo_button(target: str) -> Action:
    """Takes back what was noted: of a note, or of all that stands above the reply it was made with."""
    return Action(kind=ActionKind.UNDO_NOTE, label="Undo", target=target)
