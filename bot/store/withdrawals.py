"""What people said and took back. Knows no chat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import or_, select, update

from bot.events import Deletion, MessageState
from bot.store import tables
from bot.store.database import Database, DatabaseConnection
from bot.store.feedback import notes as store_notes
from bot.store.feedback.teachings import take_back
from bot.store.platform_events import EventKind, first_time
from bot.store.recorded_replies import Delivery

inbox, replies, teachings, notes = tables.inbox, tables.replies, tables.teachings, tables.notes

PROBLEM: Final = "withdrawn"  # why it has no answer, in words for the person


class WithdrawalStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def take(self, deletion: Deletion, item_id: str) -> bool:
        """What was said is withdrawn: cancelled, its unsent replies too, and nothing of it is learned from.

        What it taught, under an answer or in passing, is taken back.
        """

        async def work(connection: DatabaseConnection) -> bool:
            is_new = await first_time(
                connection, deletion.ref.platform, deletion.event, EventKind.DELETION, item_id, self._clock()
            )
            if not is_new:
                return False
            withdrawn = {"state": MessageState.CANCELLED, "never_learn": True, "problem": PROBLEM}
            await connection.execute(update(inbox).where(inbox.c.id == item_id).values(**withdrawn))
            is_to_it = or_(replies.c.message == item_id, replies.c.cause == item_id)
            of_it = select(replies.c.id).where(is_to_it)
            await connection.execute(
                update(teachings).where(teachings.c.reply.in_(of_it)).values(never_learn=True)
            )
            taught = select(teachings.c.id).where(teachings.c.message == item_id)
            for teaching in (await connection.execute(taught)).scalars().all():
                await take_back(connection, teaching, self._clock())
            in_passing = select(notes.c.id).where(notes.c.message == item_id)
            stated = (await connection.execute(in_passing)).scalars().all()
            await store_notes.take_back(connection, stated, self._clock())
            await connection.execute(update(replies).where(is_to_it).values(never_learn=True))
            await connection.execute(
                update(replies)
                .where(is_to_it, replies.c.delivery == Delivery.STORED)
                .values(delivery=Delivery.WITHDRAWN)
            )
            return True

        return await self._database.write(work)
