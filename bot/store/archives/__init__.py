"""All that is kept of one person, as records that leave the store and come back. Knows no file format.

A record that came from elsewhere keeps the id that it had there as its `import_key`: it comes in once,
and leaves again under the same id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from bot.records import Archive, Left
from bot.store.archives.arrival import Arrival
from bot.store.archives.departure import archive_of
from bot.store.database import Database

OnProgress = Callable[[int, int], None]


class ArchiveStore:
    def __init__(self, database: Database, new_id: Callable[[], str]) -> None:
        self._database = database
        self._new_id = new_id

    async def of_person(self, person: str) -> Archive:
        """Everything of a person but the LoRA's files."""
        async with self._database.reading() as connection:
            return await archive_of(connection, person)

    async def take_in(
        self, person: str, archive: Archive, on_progress: OnProgress = lambda done, total: None
    ) -> tuple[dict[str, int], list[Left]]:
        """Take in what is not there yet; how much of each kind, and what was left.

        Others' writes go between the steps. What breaks off half-way goes on when it is taken in again.
        Raises Unknown.
        """
        arrival = Arrival(person, self._new_id)
        steps = arrival.steps(archive)
        done, total = 0, sum(len(step.records) for step in steps)
        taken: Counter[str] = Counter()
        left: Counter[tuple[str, str]] = Counter()
        for step in steps:
            counts = await self._database.write(step.work)
            taken[step.kind] += counts.taken
            left[step.kind, "there already"] += counts.there_already
            left[step.kind, "the answer that they are about is missing"] += counts.orphaned
            done += len(step.records)
            on_progress(done, total)
        reasons = [Left(what=what, why=why, count=count) for (what, why), count in left.items() if count]
        return {kind: count for kind, count in taken.items() if count}, reasons
