"""What a pressed button does. Knows no platform: adapters draw buttons, and hand over which was pressed."""

from __future__ import annotations

from typing import Final

from bot.answering import why
from bot.context import Context
from bot.door.choices import Choices
from bot.door.worker import Workers
from bot.errors import NotYours, Refused, Unknown
from bot.events import Action, ActionKind, Choice, Notice, Person
from bot.nights import report
from bot.nights.nights import Nights
from bot.people import consent
from bot.people.commands import undone
from bot.teaching import teach

SHOWN_CHARS: Final = 1500


class Buttons:
    def __init__(self, context: Context, *, workers: Workers, choices: Choices, nights: Nights) -> None:
        self._context = context
        self._workers, self._choices, self._nights = workers, choices, nights

    async def press(self, person: Person, action: Action) -> Notice | None:
        """What to show to that person alone, if anything. Raises BotError."""
        context, key = self._context, person.key
        match action.kind:
            case ActionKind.WHY:
                return Notice(text=why.told(await why.why(context, action.target, person=key)))
            case ActionKind.SHOW_MORE if "/" not in action.target:
                return await _night(context, key, action.target)
            case ActionKind.OTHER_ANSWERS | ActionKind.SHOW_MORE:
                return await other_answer(context, key, action.target)
            case ActionKind.TAKE:
                return await self._take(person, action.target)
            case ActionKind.UNDO_NOTE:
                return Notice(text=await teach.undo(context, key, action.target))
            case ActionKind.WAS_QUESTION:
                self._workers.put(key, await teach.was_question(context, key, action.target))
                return Notice(text="Then I answer it.")
            case ActionKind.LEARN_ON | ActionKind.LEARN_OFF:
                return await _consent(context, person, action)
            case ActionKind.UNDO_LORA:
                return await self._undo(key, action.target)

    async def _take(self, person: Person, target: str) -> Notice:
        reply_id, _, alternative = target.partition("/")
        if not alternative:
            raise Unknown("unknown_alternative", "This button is too old: open the other answers again.")
        # Taking an answer twice is one event: a button may be pressed twice before it vanishes.
        event, at = f"take:{person.key}:{target}"[:200], self._context.clock()
        choice = Choice(event=event, reply=reply_id, person=person, alternative=alternative, at=at)
        await self._choices.take(choice)
        return Notice(text="Taken. This is the answer now.")

    async def _undo(self, person: str, target: str) -> Notice:
        """`target`: the night of a morning note; elsewhere the person, whose newest LoRA is meant."""
        if target not in ("", person):
            live = await self._context.store.loras.live(person)
            # An old note's button, or one that is pressed twice, is not to take back another night's.
            if live is None or live.night != target:
                return Notice(
                    text="What that night brought does not answer any more: there is nothing to undo."
                )
        return undone(await self._nights.undo(person))


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
    for outcome in night.people:
        if outcome.person == person:
            return Notice(text=report.more(outcome))
    raise NotYours("not_yours", "This night was another person's.")


async def _consent(context: Context, person: Person, action: Action) -> Notice:
    if action.target not in ("", person.key):
        raise Refused("not_yours", "Everybody decides for themselves alone.")
    return await consent.decide(context, person.key, is_yes=action.kind is ActionKind.LEARN_ON)
