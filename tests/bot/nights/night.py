"""People who were taught, and nights for them that hear what becomes of them. For the tests of nights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.events import NightProgress, Notice, Person, Reaction, Ref
from bot.nights.nights import Nights
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from engine.backends.scripted import ScriptedBackend
from engine.errors import TrainingError
from engine.ports import Watch
from engine.training.runner import JobProgress
from engine.training.scripted import ScriptedTrainer
from engine.types import Completion, LoraRef, Sampling, TokenIds
from tests.bot.conftest import Bot, StartBot, message

PICTURE = b"a picture"


class TeachableBackend(ScriptedBackend):
    """The scripted backend, except that a LoRA makes replies that the judge likes better."""

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        made = await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)
        if lora is not None or "Notes:" in self.decode(prefix):
            return made
        worse = self.encode_text(self.decode(made[0].token_ids) + " #9")
        return [replace(completion, token_ids=worse) for completion in made]


class StubbornTrainer(ScriptedTrainer):
    """Fails until it is told not to."""

    is_failing = True

    async def run(self, folder: Path, on_progress: Callable[[JobProgress], None]) -> None:
        if self.is_failing:
            raise TrainingError("the disk is full")
        await super().run(folder, on_progress)


@dataclass
class Happening:
    """What a night said to people, whose platform may be away."""

    is_away: bool = False
    notes: list[tuple[str, Notice]] = field(default_factory=list)
    progress: list[NightProgress] = field(default_factory=list)

    async def tell(self, person: Person, notice: Notice) -> bool:
        if not self.is_away:
            self.notes.append((person.key, notice))
        return not self.is_away

    def listen(self, person: str, progress: NightProgress) -> None:
        self.progress.append(progress)


def nights_of(bot: Bot, heard: Happening, **changes: object) -> Nights:
    values: Mapping[str, object] = {
        "model_path": "none",
        "listen": heard.listen,
        "tell": heard.tell,
        "may_learn": lambda known: known.learning is True,
        "trainer": ScriptedTrainer(),
        "lease_s": 60.0,  # a busy machine must not lose it; who takes over from others sets it shorter
        **changes,
    }
    return Nights(bot.context, **values)  # type: ignore[arg-type]  # a table of changes


def a_day_later() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def teach(bot: Bot, person: str, *, count: int = 6) -> None:
    """Ask and rate, each in a conversation of its own, and leave one standing note."""
    for number in range(count):
        outcome = await bot.ask(f"Question {number} of {person}", person=person, conversation=f"c{number}")
        reply = outcome.replies[0]
        await bot.app.reaction(
            Reaction(
                event=f"{person}-{number}",
                ref=Ref(platform=bot.chat.platform, channel=f"c{number}", id=reply.id),
                person=message("", person=person).person,
                emoji="👍" if number % 2 else "👎",
                on=True,
                at=datetime.now(UTC),
            )
        )
    note = NewNote(
        id=f"note-{person}",
        person=person,
        kind=NoteKind.NOTE,
        text="Be short.",
        source="",
        origin=Origin.CRITIQUE,
    )
    await bot.store.notes.keep(note)
    await bot.store.people.change(person, learning=True)


@asynccontextmanager
async def carried(nights: Nights) -> AsyncIterator[None]:
    running = asyncio.create_task(nights.run(starts_due=False))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def taught(
    start_bot: StartBot, *people: str, backend: ScriptedBackend | None = None, **learning: object
) -> AsyncIterator[Bot]:
    wanted = {"replies": 8, "min_feedback": 4, **learning}
    async with start_bot(backend=backend or TeachableBackend(), learning=wanted) as bot:
        for person in people:
            await teach(bot, person)
        yield bot
