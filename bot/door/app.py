"""The one door for every event: deduplicates, routes, and owns the tasks. Knows no platform and no SQL.

What comes in is in the store before the door answers; the work on it goes on in tasks of `run`, each
person's things in the order in which they were said. What a process leaves undone, by stopping or by
dying, is in the inbox for the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import structlog

from bot import metrics, ratings
from bot.answering import conversation
from bot.context import Context
from bot.door.admission import Admission
from bot.door.buttons import Buttons
from bot.door.choices import Choices
from bot.door.listeners import News
from bot.door.work import Work
from bot.errors import NotYours, Unknown
from bot.events import (
    Action,
    Choice,
    Command,
    Deletion,
    Edit,
    Message,
    MessageState,
    Notice,
    Outcome,
    Person,
    Place,
    Platform,
    Reaction,
    ReactionState,
    Ref,
    Reply,
    ThreadReply,
)
from bot.nights.nights import Nights
from bot.people.commands import Commands
from bot.people.forget import Forgetting
from bot.store.feedback.reactions import ReactionSet
from bot.store.inbox import Acceptance, Item, ItemKind
from bot.store.loras import Version
from bot.store.nights import Night

T = TypeVar("T")

log = structlog.get_logger(__name__)

SENDING_MAY_TAKE_S: Final = 6.0
NOTED_WITHIN_S: Final = 2.0  # Slack sends an event again unless it is acknowledged within 3 s
LOOK_AGAIN_S: Final = 1.0
LOOKS_RARER: Final = 1.5  # from look to look: five hundred who wait must not keep the store busy


class App:
    """Takes events and answers them. Each method returns when what it was told is durable."""

    def __init__(
        self,
        context: Context,
        *,
        work: Work,
        nights: Nights,
        choices: Choices,
        buttons: Buttons,
        commands: Commands,
        forgetting: Forgetting,
    ) -> None:
        self.context = context
        self.store = context.store
        self._work = work
        self._workers, self._chats = work.workers, work.chats
        self._rating_queue = work.rating_queue
        self._listeners = work.chats.listeners
        self._admission = Admission(context, work)
        self._nights = nights
        self._choices = choices
        self._buttons = buttons
        self._commands = commands
        self._forgetting = forgetting

    async def run(self) -> None:
        """Work until `stop`: what an earlier process left undone first."""
        await self._work.run()

    async def stop(self) -> None:
        """Finish what is being sent, leave the rest in the inbox, end `run`. Under 10 s."""
        await self._work.stop()

    async def message(self, message: Message) -> str:
        """Take a question; its id. A repeated event gives the same id. Raises Refused, TooMany."""
        async with self._admission.admitted(message) as known:
            if known is not None:
                return known
            place_name = conversation.name_of(message.place)
            taken = await self.store.inbox.take(message, conversation=place_name, owner=self.context.owner)
            self._take_up(taken, message.person, message.place, ItemKind.MESSAGE)
            return taken.id

    async def edit(self, edit: Edit) -> None:
        """The question changed: it is answered anew in the old answer's place. Raises Unknown, NotYours.

        What was said under an answer stays as it was first said.
        """
        item = await self._item_at(edit.ref)
        if item.person.key != edit.person.key:
            raise NotYours("not_yours", "This message is another person's.")
        await self._admission.check(edit.person, edit.text)
        if item.kind is ItemKind.THREAD_REPLY:
            return
        if await self.store.inbox.edit(edit, item.id, owner=self.context.owner):
            self._workers.cancel(item.person.key, item.id)
            self._workers.put(item.person.key, item.id)

    async def stop_search(self, ref: Ref, person: Person) -> None:
        """The person waits no longer: the best reply found so far is the answer. Raises Unknown, NotYours.

        Heard only by the process that is making the answer.
        """
        item = await self._item_at(ref)
        if item.person.key != person.key:
            raise NotYours("not_yours", "This message is another person's.")
        self._workers.stop_search(item.id)

    async def delete(self, deletion: Deletion) -> None:
        """What was said was withdrawn: cancelled, erased, never learned from. Raises Unknown."""
        item = await self._item_at(deletion.ref)
        cancelled = await self.store.withdrawals.take(deletion, item.id)
        for item_id in cancelled:
            self._workers.cancel(item.person.key, item_id)
            self._listeners.settled(item_id)
        if cancelled:
            await self.store.withdrawals.wipe()

    async def reaction(self, reaction: Reaction) -> int | None:
        """An emoji was put on or taken off: the rating (1..5) that the person's set now amounts to.

        None as well for what is no emoji or no reply of ours.
        """
        emoji = ratings.kept(reaction.emoji)
        if emoji is None:
            reply_id = await self.store.replies.id_at(reaction.ref)
            if reply_id is None:
                return None
            return self._rating(await self.store.reactions.of(reply_id, reaction.person.key))
        standing = await self._found(reaction.ref, partial(self.store.reactions.put, reaction, emoji))
        if standing is None:
            return None
        if standing.is_theirs:
            await self._reacted(standing, reaction.person)
        rating = self._rating(standing.emoji)
        metrics.RATINGS.labels("none" if rating is None else rating).inc()
        return rating

    async def reactions(self, states: Sequence[ReactionState]) -> int:
        """What stands on the platform now replaces what is stored; how many sets changed."""
        changed = 0
        for state in states:
            emoji = frozenset(name for name in map(ratings.kept, state.emoji) if name is not None)
            standing = await self.store.reactions.replace(state, emoji)
            if standing is not None:
                changed += 1
                if standing.is_theirs:
                    await self._reacted(standing, state.person)
        return changed

    async def thread_reply(self, thread_reply: ThreadReply) -> str:
        """Take what was said under an answer; the id of its inbox row. Raises Unknown, NotYours, Refused."""
        person, place = thread_reply.person, thread_reply.place
        if thread_reply.to is None:
            reply = await self.store.replies.latest_in(place, person.key)
        else:
            reply = await self.reply_at(thread_reply.to)
        if reply is None:
            raise Unknown("unknown_reply", "This is no answer of mine.")
        if reply.person != person.key:
            raise NotYours("not_yours", "This answer was given to another person.")
        async with self._admission.admitted(thread_reply) as known:
            if known is not None:
                return known
            taken = await self.store.inbox.take_thread_reply(
                thread_reply, reply=reply.id, conversation=reply.conversation, owner=self.context.owner
            )
            self._take_up(taken, person, place, ItemKind.THREAD_REPLY)
            self._rating_queue.put(person)
            return taken.id

    async def choose(self, choice: Choice) -> Reply:
        """Another branch becomes the answer. Raises Unknown, NotYours."""
        return await self._choices.take(choice)

    async def press(self, person: Person, action: Action) -> Notice | None:
        """A button was pressed: what to show to that person alone, if anything. Raises BotError."""
        return await self._buttons.press(person, action)

    async def command(self, command: Command) -> Notice:
        """A command by name: what to show to that person alone. Raises BotError."""
        return await self._commands.run(command)

    async def erase(self, person: str) -> dict[str, int]:
        """Forget a person: their work, LoRAs, rows; how much of each there was. Raises Unknown."""
        return await self._forgetting.forget(person)

    async def posted(self, platform: Platform, *, since: datetime, limit: int) -> Sequence[tuple[Ref, Place]]:
        """The pieces of the answers posted since then, newest first, for reading back.

        What an earlier process may have posted without noting it comes to be noted first.
        """
        try:
            async with asyncio.timeout(SENDING_MAY_TAKE_S):
                await self._work.life.has_adopted.wait()
                if sends := self._chats.on_their_way(platform):
                    await asyncio.wait(sends)
        except TimeoutError:  # it is read back after the next connection
            log.info("read back before all was sent", platform=platform)
        return await self.store.deliveries.posted(platform, since=since, limit=limit)

    async def reply_at(self, ref: Ref) -> Reply | None:
        """The reply of which this platform message is a piece; None: it is none of ours."""
        return await self._found(ref, partial(self.store.replies.at, ref))

    async def outcome(self, message_id: str, *, wait_s: float = 0.0) -> Outcome:
        """What became of a message or thread reply, waiting until it is settled. Raises Unknown."""
        until, pause_s = time.monotonic() + wait_s, LOOK_AGAIN_S
        async with self._listeners.watching(message_id) as happened:
            while True:
                happened.clear()
                outcome = await self._outcome(message_id)
                left_s = until - time.monotonic()
                if outcome.state is not MessageState.WAITING or left_s <= 0:
                    return outcome
                # Another process may settle it, of which nothing is heard here: so look now and then.
                await _set_or_over(happened, min(left_s, pause_s))
                pause_s *= LOOKS_RARER

    async def start_night(self, people: Sequence[str] | None) -> Night:
        """A night for these people, or for everybody with enough that is new. Raises Unknown, Refused."""
        return await self._nights.get(await self._nights.start(people))

    async def night(self, night_id: str, *, wait_s: float = 0.0) -> Night:
        """How far a night is, or what came of it, waiting until it is over. Raises Unknown."""
        return await self._nights.wait(night_id, timeout_s=wait_s)

    async def undo_lora(self, person: str) -> Version | None:
        """The LoRA before goes live again; None: the bare base. Raises Unknown when nothing is live."""
        return await self._nights.undo(person)

    def listen(self, person: str) -> AbstractAsyncContextManager[AsyncIterator[News]]:
        """Everything that happens to a person from now on. A slow listener loses progress, nothing else."""
        return self._listeners.listen(person)

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> bool:
        """Say something to one person alone, where they can be reached. False: another time it may arrive."""
        return await self._chats.tell(person, place, notice)

    async def _found(self, ref: Ref, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """What `look` finds at a platform message.

        The platform may tell of an answer of ours before it has told us where that stands. So where one is
        just being sent there, what is not found is looked for again once that is noted.
        """
        sends = self._chats.begun_at(ref)  # before looking: what ends meanwhile counts
        found = await look()
        if found is None and sends:
            await asyncio.wait(sends, timeout=NOTED_WITHIN_S)
            found = await look()
        return found

    async def _reacted(self, standing: ReactionSet, person: Person) -> None:
        """What follows from the emoji that a person has on an answer to them now."""
        is_never = ratings.is_never_learn(standing.emoji)
        if is_never != standing.never_learn:
            await self.store.replies.never_learn(standing.reply, is_never)
        self._rating_queue.put(person)

    def _take_up(self, taken: Acceptance, person: Person, place: Place, kind: ItemKind) -> None:
        if taken.is_new:
            metrics.MESSAGES.labels(place.platform, kind).inc()
            log.info("taken in", message=taken.id, kind=kind, person=person.key)
            self._workers.put(person.key, taken.id)
        elif taken.id:
            self._workers.put_again(person.key, taken.id)

    async def _item_at(self, ref: Ref) -> Item:
        item = await self.store.inbox.at(ref)
        if item is None:
            raise Unknown("unknown_message", "There is no such message.")
        return item

    def _rating(self, emoji: frozenset[str]) -> int | None:
        return ratings.rating(emoji, self.context.settings.reactions)

    async def _outcome(self, item_id: str) -> Outcome:
        item = await self.store.inbox.get(item_id)
        if item is None:
            raise Unknown("unknown_message", f"There is no message {item_id!r}.")
        if item.kind is ItemKind.MESSAGE:
            replies = (await self.store.replies.of_messages([item_id]))[item_id]
        else:
            replies = await self.store.replies.of_cause(item_id)
        return Outcome(
            message=item.id,
            person=item.person.key,
            conversation=item.conversation,
            text=item.text,
            state=item.state,
            replies=replies,
            problem=item.problem,
            refused=item.refused,
            kind=item.taught_as,
            note=item.note,
        )


async def _set_or_over(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
