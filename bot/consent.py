"""Who may be learned from by night: what the platform's terms allow, and what the person said.

Memory by day needs no consent: a person sees each note when it is made, and deletes it with a button.
"""

from __future__ import annotations

from typing import Final

from bot.errors import Refused, Unknown
from bot.events import Action, ActionKind, Notice, Platform
from bot.kit import Kit
from bot.settings import Settings
from bot.store.people import Known
from bot.store.replies import Recorded

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


def is_allowed(settings: Settings, platform: Platform) -> bool:
    """Whether people on this platform may be learned from at all. The web chat is one's own."""
    match platform:
        case Platform.WEB:
            return True
        case Platform.DISCORD:
            return settings.learning.discord.acknowledged
        case Platform.SLACK:
            return settings.learning.slack.acknowledged


def may_learn(settings: Settings, person: Known) -> bool:
    """Whether a night may train on this person's feedback: nobody is learned from who did not say yes."""
    return person.learning is True and is_allowed(settings, person.platform)


def why_not(settings: Settings, person: Known, reply: Recorded | None = None) -> str | None:
    """Why a person, or one reply to them, is not learned from; None: it is."""
    if not is_allowed(settings, person.platform):
        return f"The operator has not acknowledged learning on {person.platform.value.title()}."
    if person.learning is None:
        return "You were not asked yet whether I may learn from you: `learn on`."
    if not person.learning:
        return "You said that I may not learn from you: `learn on` changes it."
    if reply is not None and reply.never_learn:
        return "This answer is marked never to be learned from."
    if reply is not None and not reply.is_current:
        return "Its question was changed or withdrawn."
    return None


def question(person: str) -> Notice:
    """What a person is asked once, in private."""
    return Notice(
        text=QUESTION,
        actions=(
            Action(kind=ActionKind.LEARN_ON, label="Yes, learn from me", target=person),
            Action(kind=ActionKind.LEARN_OFF, label="No", target=person),
        ),
    )


async def ask_once(kit: Kit, person: str) -> Notice | None:
    """The question, if this person is to be asked now: the first time that there is something to learn.

    Where it cannot arrive, the caller says so to the store, and the next rating asks again.
    """
    known = await kit.store.people.get(person)
    if known is None or known.learning is not None or not is_allowed(kit.settings, known.platform):
        return None
    return question(person) if await kit.store.people.asked(person) else None


async def decide(kit: Kit, person: str, *, is_yes: bool) -> Notice:
    """What the person said holds from now on. Raises Unknown, and Refused where the terms forbid it."""
    known = await kit.store.people.get(person)
    if known is None:
        raise Unknown("unknown_person", "I do not know you yet: say something to me first.")
    if is_yes and not is_allowed(kit.settings, known.platform):
        raise Refused("learning_not_allowed", why_not(kit.settings, known) or "")
    await kit.store.people.change(person, learning=is_yes)
    return Notice(text=ON if is_yes else OFF)
