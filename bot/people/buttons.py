"""What a pressed button does. Platform-neutral: adapters draw buttons, and hand over which was pressed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from bot.answering import why
from bot.context import Context
from bot.errors import NotYours, Refused, Unknown
from bot.events import Action, ActionKind, Choice, Notice, Person, Reply
from bot.nights import report
from bot.people import consent
from bot.store.loras import Version
from bot.teaching import teach

SHOWN_CHARS: Final = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What only the app can do: put a row back to work, take another answer, move a LoRA's pointer."""

    put_back: Callable[[str, str], None]
    choose: Callable[[Choice], Awaitable[Reply]]
    undo_lora: Callable[[str], Awaitable[Version | None]]


async def press(context: Context, hands: Hands, person: Person, action: Action) -> Notice | None:
    """What to show to that person alone, if anything. Raises BotError."""
    match action.kind:
        case ActionKind.WHY:
            return Notice(text=why.told(await why.why(context, action.target, person=person.key)))
        case ActionKind.SHOW_MORE if "/" not in action.target:
            return await _night(context, person.key, action.target)
        case ActionKind.OTHER_ANSWERS | ActionKind.SHOW_MORE:
            return await other_answer(context, person.key, action.target)
        case ActionKind.TAKE:
            return await _take(context, hands, person, action.target)
        case ActionKind.UNDO_NOTE:
            return Notice(text=await teach.undo(context, person.key, action.target))
        case ActionKind.WAS_QUESTION:
            hands.put_back(person.key, await teach.was_question(context, person.key, action.target))
            return Notice(text="Then I answer it.")
        case ActionKind.LEARN_ON | ActionKind.LEARN_OFF:
            return await _consent(context, person, action)
        case ActionKind.UNDO_LORA:
            return await _undo(context, hands, person.key, action.target)


async def other_answer(context: Context, person: str, target: str) -> Notice:
    """One page of a reply's other finished answers. `target`: the reply, or `reply/index`."""
    reply_id, _, page = target.partition("/")
    reply = await context.store.replies.get(reply_id)
    if reply.person != person:
        raise NotYours("not_yours", "Only who asked can page through the other answers.")
    others = reply.alternatives
    if not others:
        return Notice(text="There was no other finished answer.")
    index = min(int(page), len(others) - 1) if page.isdecimal() else 0
    actions = [Action(kind=ActionKind.TAKE, label="Take this one", target=f"{reply_id}/{others[index].id}")]
    for label, other in (("Back", index - 1), ("Next", index + 1)):
        if 0 <= other < len(others):
            actions.append(Action(kind=ActionKind.SHOW_MORE, label=label, target=f"{reply_id}/{other}"))
    text = others[index].text
    shown = text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"
    return Notice(text=f"{index + 1} of {len(others)}\n{shown}", actions=tuple(actions))


async def _night(context: Context, person: str, night_id: str) -> Notice:
    """Under the morning note: all that its night measured of this person."""
    night = await context.store.nights.get(night_id)
    for one in night.people:
        if one.person == person:
            return Notice(text=report.more(one))
    raise NotYours("not_yours", "This night was another person's.")


async def _undo(context: Context, hands: Hands, person: str, target: str) -> Notice:
    """`target`: the night of a morning note; elsewhere the person, whose newest LoRA is meant."""
    if target not in ("", person):
        live = await context.store.loras.live(person)
        # An old note's button, or one that is pressed twice, is not to take back another night's.
        if live is None or live.night != target:
            return Notice(text="What that night brought does not answer any more: there is nothing to undo.")
    return undone(await hands.undo_lora(person))


def undone(version: Version | None) -> Notice:
    """What to say after a LoRA was taken back."""
    if version is None:
        return Notice(text="Taken back. I answer without a LoRA of yours now.")
    return Notice(text=f"Taken back. Version {version.version} answers now.")


async def _take(context: Context, hands: Hands, person: Person, target: str) -> Notice:
    reply_id, _, alternative = target.partition("/")
    if not alternative:
        raise Unknown("unknown_alternative", "This button is too old: open the other answers again.")
    # Taking an answer twice is one event: a button may be pressed twice before it vanishes.
    event = f"take:{person.key}:{target}"[:200]
    choice = Choice(event=event, reply=reply_id, person=person, alternative=alternative, at=context.clock())
    await hands.choose(choice)
    return Notice(text="Taken. This is the answer now.")


async def _consent(context: Context, person: Person, action: Action) -> Notice:
    if action.target not in ("", person.key):
        raise Refused("not_yours", "Everybody decides for themselves alone.")
    return await consent.decide(context, person.key, is_yes=action.kind is ActionKind.LEARN_ON)
