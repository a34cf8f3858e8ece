"""A question and what went before it, as the turns of a prompt within a token budget.

A conversation is one person's in one place: no line of anybody else is ever in it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bot.context import Context
from bot.errors import Refused
from bot.events import Place, Platform
from bot.store.inbox import Item
from engine.types import Prompt, Role, Turn

MAX_EARLIER: Final = 40  # questions that are looked at, however small they are
TURN_TOKENS: Final = 8  # what a chat template puts around a turn, generously


def name_of(place: Place) -> str:
    """What a place's conversation is called in the store."""
    return place.channel if place.thread is None else f"{place.channel}/{place.thread}"


async def gather(context: Context, item: Item, *, budget_tokens: int) -> Prompt:
    """The prompt's turns: the question, and as much of what went before as there is room for.

    Raises Refused when the question alone is too long.
    """
    newest = Turn(role=Role.USER, text=item.text)
    prompt = Prompt(turns=(newest,), persona=context.settings.persona, name=item.person.name)
    left = budget_tokens - len(context.backend.encode(prompt))
    if left < 0:
        raise Refused(
            "too_long",
            f"Your message is too long for me by about {-left} tokens: shorten it, or send it in parts.",
        )
    turns: list[Turn] = [newest]
    for request, reply in await _earlier(context, item):
        left -= _tokens(context, request) + _tokens(context, reply)
        if left < 0:
            break
        turns[:0] = [Turn(role=Role.USER, text=request), Turn(role=Role.ASSISTANT, text=reply)]
    return Prompt(turns=tuple(turns), persona=context.settings.persona, name=item.person.name)


async def _earlier(context: Context, item: Item) -> list[tuple[str, str]]:
    """What was asked and answered before, the newest first."""
    found = await context.store.inbox.earlier(item, limit=MAX_EARLIER)
    went_before = [asked for asked in found if not asked.never_learn]
    if item.reply_to is not None:  # it goes on from that answer, not from what came after
        goes_on_from = await _question_of(context, item.reply_to, item.person.key)
        if goes_on_from is not None and goes_on_from.conversation == item.conversation:
            went_before = [asked for asked in went_before if asked.seq <= goes_on_from.seq]
            if goes_on_from.id not in {asked.id for asked in went_before}:
                went_before.insert(0, goes_on_from)
        elif goes_on_from is not None:
            went_before = [goes_on_from]
    else:
        gap = timedelta(hours=context.settings.limits.conversation_gap_hours)
        went_before = _unbroken(item, went_before, gap)
    texts = await context.store.replies.last_texts([asked.id for asked in went_before])
    return [(asked.text, texts[asked.id]) for asked in went_before if asked.id in texts]


async def _question_of(context: Context, reply_id: str, person: str) -> Item | None:
    """The question that a reply answered; None unless it was this person's."""
    reply = await context.store.replies.find(reply_id)
    if reply is None or reply.person != person:
        return None
    return await context.store.inbox.get(reply.message)


def _unbroken(item: Item, went_before: list[Item], gap: timedelta) -> list[Item]:
    """Up to the last long silence. The web and threads say themselves where a conversation begins."""
    if item.place.platform is Platform.WEB or item.place.thread is not None:
        return went_before
    later = item.at
    for index, asked in enumerate(went_before):
        if later - asked.at > gap:
            return went_before[:index]
        later = asked.at
    return went_before


def _tokens(context: Context, text: str) -> int:
    return len(context.backend.encode_text(text)) + TURN_TOKENS
