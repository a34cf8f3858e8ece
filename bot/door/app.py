"""The one door for every event: deduplicates, routes, and owns the tasks. Knows no platform and no SQL.

What comes in is in the store before the door answers; the work on it goes on in tasks of `run`, each
person's things in the order in which they were said. What a process leaves undone, by stopping or by
dying, is in the inbox for the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import structlog

from bot import metrics, ratings
from bot.answering import conversation
from bot.context import Context
from bot.door.listeners import Happening, Listeners
from bot.door.outbox import Outbox
from bot.door.rate_limit import RateLimit
from bot.door.worker import Workers
from bot.errors import NotYours, Refused, TooMany, Unknown
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
from bot.nights.run import Nights
from bot.nights.ticks import Schedule
from bot.people import buttons, commands, consent, forget
from bot.ports import Chat
from bot.store.feedback.reactions import ReactionSet
from bot.store.inbox import Acceptance, Item, ItemKind
from bot.store.loras import Version
from bot.store.nights import Night
from bot.teaching.rating_queue import RatingQueue

T = TypeVar("T")

log = structlog.get_logger(__name__)

LIFE_SIGN_S: Final = 5.0
DEAD_AFTER_S: Final = 20.0
SENDING_MAY_TAKE_S: Final = 6.0
STOPPING_MAY_TAKE_S: Final = 3.0  # with what follows 4: platforms and model have to end too within 10 s
DYING_MAY_TAKE_S: Final = 1.0
NOTED_WITHIN_S: Final = 2.0  # Slack sends an event again unless it is acknowledged within 3 s
LOOK_AGAIN_S: Final = 1.0
LOOKS_RARER: Final = 1.5  # from look to look: five hundred who wait must not keep the store busy
EVENTS_ARE_KEPT: Final = timedelta(days=30)  # far longer than any platform delivers again
FORGET_EVENTS_EVERY: Final = timedelta(hours=6)


class App:
    """Takes events and answers them. Each method returns when what it was told is durable."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.store = context.store
        self.listeners = Listeners()
        self._chats: dict[Platform, Chat] = {}
        self._outboxes: dict[Platform, Outbox] = {}
        self._workers = Workers(context, self.listeners, self._chats, self._outboxes)
        self._rate_limit = RateLimit(context.settings.limits.messages_per_minute, time.monotonic)
        self._coming: Counter[str] = Counter()  # of each person, what is admitted and not yet in the queue
        self._rating_queue = RatingQueue(
            context, self._workers.tell, consent_question=partial(consent.ask_once, context)
        )
        self._stopping = asyncio.Event()
        self._ended: asyncio.Event | None = None  # None: `run` has not begun
        self._has_adopted = asyncio.Event()
        self._nights: Nights | None = None

    def attach_nights(self, nights: Nights) -> None:
        """What is learned by night is learned by these, started by the clock or by hand. Before `run`."""
        self._nights = nights

    def attach(self, chat: Chat) -> None:
        """Answers to this platform go through `chat` from now on. Before `run`."""
        self._chats[chat.platform] = chat
        self._outboxes[chat.platform] = Outbox(self.context, chat, self.listeners)

    async def run(self) -> None:
        """Work until `stop`: what an earlier process left undone first."""
        store, owner = self.store, self.context.owner
        self._ended = asyncio.Event()
        try:
            await store.leases.live(owner, for_s=DEAD_AFTER_S)
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(outbox.run()) for outbox in self._outboxes.values()]
                running.append(tasks.create_task(self._workers.run()))
                running.append(tasks.create_task(self._live()))
                running.append(tasks.create_task(self._rating_queue.run()))
                if self._nights is not None:
                    running.append(tasks.create_task(self._nights.run()))
                    running.append(tasks.create_task(Schedule(self._nights).run()))
                await self._stopping.wait()
                stop_by = time.monotonic() + STOPPING_MAY_TAKE_S
                await self._workers.stop(STOPPING_MAY_TAKE_S)
                left_s = max(0.0, stop_by - time.monotonic())
                await asyncio.gather(*(outbox.drain(left_s) for outbox in self._outboxes.values()))
                for task in running:
                    task.cancel()
            await self._die()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Finish what is being sent, leave the rest in the inbox, end `run`. Under 10 s."""
        self._stopping.set()
        if self._ended is not None:
            await self._ended.wait()

    async def message(self, message: Message) -> str:
        """Take a question; its id. A repeated event gives the same id. Raises Refused, TooMany."""
        async with self._admitted(message) as known:
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
        await self._admit(edit.person, edit.text)
        if item.kind is ItemKind.THREAD_REPLY:
            return
        if await self.store.inbox.edit(edit, item.id, owner=self.context.owner):
            self._workers.cancel(item.person.key, item.id)
            self._workers.put(item.person.key, item.id)

    async def delete(self, deletion: Deletion) -> None:
        """What was said was withdrawn: cancelled, never learned from. Raises Unknown."""
        item = await self._item_at(deletion.ref)
        if await self.store.withdrawals.take(deletion, item.id):
            self._workers.cancel(item.person.key, item.id)
            self.listeners.settled(item.id)

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
        async with self._admitted(thread_reply) as known:
            if known is not None:
                return known
            taken = await self.store.inbox.take_thread_reply(
                thread_reply, reply=reply.id, conversation=reply.conversation, owner=self.context.owner
            )
            self._take_up(taken, person, place, ItemKind.THREAD_REPLY)
            self._rating_queue.put(person)
            return taken.id

    async def choose(self, choice: Choice) -> Reply:
        """Another branch becomes the answer. Raises Unknown, NotYours.

        In a duel the shown answer itself may be chosen: by the reply's own id.
        """
        reply = await self.store.replies.get(choice.reply)
        if reply.person != choice.person.key:
            raise NotYours("not_yours", "This answer was given to another person.")
        origin = await self._origin(reply)
        is_kept = choice.alternative == reply.id
        choose = self.store.choices.keep if is_kept else self.store.choices.take
        if await choose(choice, owner=self.context.owner):
            self._workers.send(reply.id, origin.place, message=origin.id)
        self._rating_queue.put(choice.person)
        return await self.store.replies.get(choice.reply)

    async def press(self, person: Person, place: Place, action: Action) -> Notice | None:
        """A button was pressed: what to show to that person alone, if anything. Raises BotError."""
        del place
        hands = buttons.Hands(put_back=self._workers.put, choose=self.choose, undo_lora=self.undo_lora)
        return await buttons.press(self.context, hands, person, action)

    async def command(self, command: Command) -> Notice:
        """A command by name: what to show to that person alone. Raises BotError."""
        hands = commands.Hands(erase=self.erase, undo_lora=self.undo_lora, start_night=self.start_night)
        return await commands.run(self.context, hands, command)

    async def erase(self, person: str) -> dict[str, int]:
        """Forget a person: their work, LoRAs, rows; how much of each there was. Raises Unknown."""
        for item_id in await self.store.inbox.waiting_of(person):
            self._workers.cancel(person, item_id)
        erase_loras = self._no_loras if self._nights is None else self._nights.erase
        return await forget.forget(self.context, person, erase_loras=erase_loras)

    async def posted(self, platform: Platform, *, since: datetime, limit: int) -> Sequence[tuple[Ref, Place]]:
        """The pieces of the answers posted since then, newest first, for reading back.

        What an earlier process may have posted without noting it comes to be noted first.
        """
        try:
            async with asyncio.timeout(SENDING_MAY_TAKE_S):
                await self._has_adopted.wait()
                if sends := self._outboxes[platform].on_their_way():
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
        async with self.listeners.watching(message_id) as happened:
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
        nights = self._learning()
        return await nights.get(await nights.start(people))

    async def night(self, night_id: str, *, wait_s: float = 0.0) -> Night:
        """How far a night is, or what came of it, waiting until it is over. Raises Unknown."""
        if self._nights is None:
            return await self.store.nights.get(night_id)
        return await self._nights.wait(night_id, timeout_s=wait_s)

    async def undo_lora(self, person: str) -> Version | None:
        """The LoRA before goes live again; None: the bare base. Raises Unknown when nothing is live."""
        return await self._learning().undo(person)

    def listen(self, person: str) -> AbstractAsyncContextManager[AsyncIterator[Happening]]:
        """Everything that happens to a person from now on. A slow listener loses progress, nothing else."""
        return self.listeners.listen(person)

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> bool:
        """Say something to one person alone, where they can be reached. False: another time it may arrive."""
        return await self._workers.tell(person, place, notice)

    async def _found(self, ref: Ref, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """What `look` finds at a platform message.

        The platform may tell of an answer of ours before it has told us where that stands. So where one is
        just being sent there, what is not found is looked for again once that is noted.
        """
        outbox = self._outboxes.get(ref.platform)
        sends = outbox.begun_in(ref.channel) if outbox else ()  # before looking: what ends meanwhile counts
        found = await look()
        if found is None and sends:
            await asyncio.wait(sends, timeout=NOTED_WITHIN_S)
            found = await look()
        return found

    def _learning(self) -> Nights:
        if self._nights is None:
            raise Refused("no_nights", "This service does not learn by night.")
        return self._nights

    async def _reacted(self, standing: ReactionSet, person: Person) -> None:
        """What follows from the emoji that a person has on an answer to them now."""
        is_never = ratings.is_never_learn(standing.emoji)
        if is_never != standing.never_learn:
            await self.store.replies.never_learn(standing.reply, is_never)
        self._rating_queue.put(person)

    async def _no_loras(self, person: str) -> int:
        return len(await self.store.loras.of_person(person))

    @asynccontextmanager
    async def _admitted(self, said: Message | ThreadReply) -> AsyncIterator[str | None]:
        """The id of what is here already, where there is no room for more; None: it is to be taken in within.

        Raises Refused or TooMany. What is being taken in waits already, or a burst would pass the limit.
        """
        try:
            await self._admit(said.person, said.text)
        except TooMany:
            known = await self.store.events.subject(said.ref.platform, said.event)
            if known is None:
                raise
            self._workers.put_again(said.person.key, known)
            yield known
            return
        self._coming[said.person.key] += 1
        try:
            yield None
        finally:
            self._coming[said.person.key] -= 1
            self._coming += Counter()  # keeps those above zero

    async def _admit(self, person: Person, text: str) -> None:
        """Raises Refused or TooMany before anything is kept."""
        limits = self.context.settings.limits
        if not text.strip():
            raise Refused("empty", "There is nothing in this message: write something.")
        if len(text) > limits.max_message_chars:
            most = limits.max_message_chars
            raise Refused("too_long", f"Write {most} characters at most; these are {len(text)}.")
        known = await self.store.people.get(person.key)
        if known is not None and known.is_blocked:
            raise Refused("blocked", "You are blocked here. Ask the operator.")
        wait_s = self._rate_limit.wait_s(person.key)
        if wait_s:
            raise TooMany("too_fast", "That was too much at once: wait a little.", retry_after_s=wait_s)
        if self._workers.waiting(person.key) + self._coming[person.key] >= limits.waiting_per_person:
            raise TooMany("too_many", "Too much of yours waits already: wait a little.", retry_after_s=5.0)
        # A platform may hand over questions faster than it takes answers: what is not sent yet waits too.
        outbox = self._outboxes.get(person.platform)
        unsent = outbox.unsent if outbox else 0
        if len(self._workers) + self._coming.total() + unsent >= limits.waiting:
            raise TooMany("busy", "I am very busy: ask again in a minute.", retry_after_s=60.0)

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

    async def _origin(self, reply: Reply) -> Item:
        """What the reply was made for. Raises Unknown for an imported one."""
        recorded = await self.store.replies.recorded(reply.id)
        item = await self.store.inbox.get(recorded.cause or reply.message)
        if item is None:
            raise Unknown("unknown_message", "This answer was imported and stands nowhere.")
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

    async def _die(self) -> None:
        """What is left is free at once; where that cannot be said, once this process's lease runs out."""
        try:
            async with asyncio.timeout(DYING_MAY_TAKE_S):
                await self.store.leases.die(self.context.owner)
        except Exception as error:  # a database that is away must not make a stop a fault
            metrics.ERRORS.labels("die", type(error).__name__).inc()
            log.exception("the lease could not be given back")

    async def _live(self) -> None:
        """Say that this process lives, and take up what dead ones left."""
        events_forgotten_at = datetime.min.replace(tzinfo=UTC)
        while True:
            try:
                await self.store.leases.live(self.context.owner, for_s=DEAD_AFTER_S)
                await self._workers.adopt()
                self._has_adopted.set()
                if self.context.clock() - events_forgotten_at > FORGET_EVENTS_EVERY:
                    events_forgotten_at = self.context.clock()
                    await self.store.events.forget(before=events_forgotten_at - EVENTS_ARE_KEPT)
            except Exception as error:  # a database that is away for a while comes back
                metrics.ERRORS.labels("live", type(error).__name__).inc()
                log.exception("no sign of life could be given")
            await asyncio.sleep(LIFE_SIGN_S)


async def _set_or_over(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
