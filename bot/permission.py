"""Who may be learned from by night: what the platform's terms allow, and what the person said."""

from __future__ import annotations

from bot.events import Platform
from bot.settings import Settings
from bot.store.people import KnownPerson
from bot.store.recorded_replies import RecordedReply


def is_allowed(settings: Settings, platform: Platform) -> bool:
    """Whether people on this platform may be learned from at all. The web chat is one's own."""
    match platform:
        case Platform.WEB:
            return True
        case Platform.DISCORD:
            return settings.learning.discord.acknowledged
        case Platform.SLACK:
            return settings.learning.slack.acknowledged


def may_learn(settings: Settings, person: KnownPerson) -> bool:
    """Whether a night may train on this person's feedback: nobody is learned from who did not say yes."""
    return person.learning is True and is_allowed(settings, person.platform)


def why_not(settings: Settings, person: KnownPerson, reply: RecordedReply | None = None) -> str | None:
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
