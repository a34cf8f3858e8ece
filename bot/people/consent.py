"""Asks a person, once, whether they may be learned from by night, and keeps what they say.

Memory by day needs no consent: a person sees each note when it is made, and deletes it with a button.
"""

from __future__ import annotations

from typing import Final

from bot.context import Context
from bot.errors import Refused, Unknown
from bot.events import Action, ActionKind, Notice
from bot.permission import is_allowed, why_not

QUESTION: Final = (
    "May I learn from you by night? From your ratings, critiques and corrections I would train a small LoRA "
    "of your own, on this server only. Nobody else's answers change by it. You can see what I keep (`me`), "
    "take it with you (`export`), stop it (`learn off`) and have all of it erased (`forget`)."
)
ON: Final = "I learn from you by night from now on. `learn off` stops it, `forget` erases everything."
OFF: Final = (
    "I do not learn from you by night. What you tell me by day still counts until you delete it; "
    "`learn on` changes this."
)


def question(person: str) -> Notice:
    """What a person is asked once, in private."""
    return Notice(
        text=QUESTION,
        actions=(
            Action(kind=ActionKind.LEARN_ON, label="Yes, learn from me", target=person),
            Action(kind=ActionKind.LEARN_OFF, label="No", target=person),
        ),
    )


async def ask_once(context: Context, person: str) -> Notice | None:
    """The question, if this person is to be asked now: the first time that there is something to learn.

    Where it cannot arrive, the caller says so to the store, and the next rating asks again.
    """
    known = await context.store.people.get(person)
    if known is None or known.learning is not None or not is_allowed(context.settings, known.platform):
        return None
    return question(person) if await context.store.people.asked(person) else None


async def decide(context: Context, person: str, *, is_yes: bool) -> Notice:
    """What the person said holds from now on. Raises Unknown, and Refused where the terms forbid it."""
    known = await context.store.people.get(person)
    if known is None:
        raise Unknown("unknown_person", "I do not know you yet: say something to me first.")
    if is_yes and not is_allowed(context.settings, known.platform):
        raise Refused("learning_not_allowed", why_not(context.settings, known) or "")
    await context.store.people.change(person, learning=is_yes)
    return Notice(text=ON if is_yes else OFF)
