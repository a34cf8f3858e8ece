"""What people do with answers, for the tests of everything that learns by day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import count

from bot.events import ActionKind, Outcome, Person, Place, Platform, Reaction, Ref, ThreadReply
from tests.bot.conftest import Bot

_numbers = count(1)


def who(person: str) -> Person:
    return Person(key=person, platform=Platform.WEB, name=person.title())


def thread_reply(
    text: str,
    *,
    under: str,
    person: str = "ann",
    conversation: str = "c",
    event: str | None = None,
    is_correction: bool | None = None,
) -> ThreadReply:
    """What is said under an answer, as the web chat would hand it over."""
    key = event or f"t{next(_numbers)}"
    return ThreadReply(
        event=key,
        ref=Ref(platform=Platform.WEB, channel=conversation, id=key),
        place=Place(platform=Platform.WEB, channel=conversation),
        to=Ref(platform=Platform.WEB, channel=conversation, id=under),
        person=who(person),
        text=text,
        at=datetime.now(UTC),
        is_correction=is_correction,
    )


async def say_under(
    bot: Bot, text: str, under: str, *, person: str = "ann", is_correction: bool | None = None
) -> Outcome:
    """Teach, and wait for what becomes of it."""
    said = thread_reply(text, under=under, person=person, is_correction=is_correction)
    return await bot.app.outcome(await bot.app.thread_reply(said), wait_s=10)


async def react(
    bot: Bot, emoji: str, to: str, *, person: str = "ann", is_on: bool = True, event: str | None = None
) -> int | None:
    return await bot.app.reaction(
        Reaction(
            event=event or f"x{next(_numbers)}",
            ref=Ref(platform=Platform.WEB, channel="c", id=to),
            person=who(person),
            emoji=emoji,
            on=is_on,
            at=datetime.now(UTC),
        )
    )


async def notes_of(bot: Bot, person: str = "ann") -> list[str]:
    return [note.text for note in await bot.store.notes.active(person)]


async def targets(bot: Bot, reply_id: str) -> dict[ActionKind, str]:
    """What the buttons under a reply act on."""
    async with asyncio.timeout(10):
        while not (posts := [post for post in bot.chat.posts if post.reply.id == reply_id]):
            await asyncio.sleep(0.005)
    return {action.kind: action.target for action in posts[-1].actions}
