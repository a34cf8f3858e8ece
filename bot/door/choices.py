"""A person takes another of the search's answers: it becomes the answer, in the old place."""

from __future__ import annotations

from bot.context import Context
from bot.door.work import Work
from bot.errors import NotYours, Unknown
from bot.events import Choice, Reply
from bot.store.inbox import Item


class Choices:
    def __init__(self, context: Context, work: Work) -> None:
        self._store, self._owner = context.store, context.owner
        self._chats, self._rating_queue = work.chats, work.rating_queue

    async def take(self, choice: Choice) -> Reply:
        """Another branch becomes the answer. Raises Unknown, NotYours.

        In a comparison the shown answer itself may be chosen: by the reply's own id.
        """
        reply = await self._store.replies.get(choice.reply)
        if reply.person != choice.person.key:
            raise NotYours("not_yours", "This answer was given to another person.")
        origin = await self._origin(reply)
        is_kept = choice.alternative == reply.id
        take = self._store.choices.keep if is_kept else self._store.choices.take
        if await take(choice, owner=self._owner):
            self._chats.send(reply.id, origin.place, message=origin.id)
        self._rating_queue.put(choice.person)
        return await self._store.replies.get(choice.reply)

    async def _origin(self, reply: Reply) -> Item:
        """What the reply was made for. Raises Unknown for an imported one."""
        recorded = await self._store.replies.recorded(reply.id)
        item = await self._store.inbox.get(recorded.cause or reply.message)
        if item is None:
            raise Unknown("unknown_message", "This answer was imported and stands nowhere.")
        return item
