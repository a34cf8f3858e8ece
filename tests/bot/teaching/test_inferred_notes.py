"""What ratings alone say a person wants: noted, shown, deletable, and thought through again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from bot.events import Choice
from bot.store.database import DatabaseConnection
from bot.store.feedback.notes import Origin
from bot.store.tables import replies
from bot.teaching import inferred_notes
from engine.backends.scripted import ScriptedBackend
from engine.judging.rubric import load_rubric
from engine.models.catalogue import PRACTICE_RUBRIC
from engine.types import LoraRef, Mode, TokenIds
from tests.bot.conftest import Bot, StartBot
from tests.bot.taught import (
    notes_of,
    react,
    say_under,
    who,
)

RUBRIC = load_rubric(PRACTICE_RUBRIC)


class SeesEmoji(ScriptedBackend):
    """Its judge sees whether a reply has emoji, and finds nothing else in it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.questions = 0

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        told = await super().ask(prompts, lora=lora)
        self.questions += len(told)
        return [self._seen(self.decode(prompt)) for prompt in prompts]

    def _seen(self, text: str) -> float:
        return 6.0 if "use emoji" in text and "🙂" in text else -6.0


async def _rate(bot: Bot, start: int, *, likes_emoji: bool = True) -> None:
    """Six answers; those with emoji are liked."""
    for number in range(start, start + 6):
        has_emoji = number % 2 == 0
        asked = await bot.ask(f"number {number}" + (" 🙂" if has_emoji else ""), conversation=f"r{number}")
        await react(bot, "❤️" if has_emoji is likes_emoji else "👎", asked.replies[0].id)


async def _become(bot: Bot, reply: str, text: str) -> None:
    """The reply's text is this one, as if it had been imported."""

    async def work(connection: DatabaseConnection) -> None:
        await connection.execute(update(replies).where(replies.c.id == reply).values(text=text))

    await bot.store.database.write(work)


@pytest.fixture
def backend() -> SeesEmoji:
    return SeesEmoji()


async def test_what_ratings_say_clearly_becomes_a_note_that_says_where_it_is_from(
    start_bot: StartBot, backend: SeesEmoji
) -> None:
    async with start_bot(backend=backend, rubric=RUBRIC) as bot:
        await _rate(bot, 0)
        await inferred_notes.rethink(bot.context, "ann")
        (note,) = await bot.store.notes.active("ann")
        assert (note.text, note.origin, note.manner) == ("Use emoji.", Origin.REACTIONS, "emoji")
        known = await bot.store.people.get("ann")
        assert known is not None
        assert known.taste is not None


async def test_each_rated_answer_is_asked_about_once(start_bot: StartBot, backend: SeesEmoji) -> None:
    async with start_bot(backend=backend, rubric=RUBRIC) as bot:
        await _rate(bot, 0)
        await inferred_notes.rethink(bot.context, "ann")
        asked = backend.questions
        await inferred_notes.rethink(bot.context, "ann")
        assert backend.questions == asked


async def test_a_note_that_the_ratings_no_longer_say_vanishes(
    start_bot: StartBot, backend: SeesEmoji
) -> None:
    async with start_bot(backend=backend, rubric=RUBRIC) as bot:
        await _rate(bot, 0)
        await inferred_notes.rethink(bot.context, "ann")
        assert await notes_of(bot) == ["Use emoji."]
        for one in await bot.store.replies.of_person("ann"):
            for emoji in ("❤", "👎"):
                await react(bot, emoji, one.reply.id, is_on=False)
        await inferred_notes.rethink(bot.context, "ann")
        assert await notes_of(bot) == []


async def test_a_deleted_note_comes_back_only_by_new_evidence(
    start_bot: StartBot, backend: SeesEmoji
) -> None:
    async with start_bot(backend=backend, rubric=RUBRIC) as bot:
        await _rate(bot, 0)
        await inferred_notes.rethink(bot.context, "ann")
        (note,) = await bot.store.notes.active("ann")
        await bot.store.notes.delete("ann", note.id)
        for _ in range(2):
            await inferred_notes.rethink(bot.context, "ann")
            assert await notes_of(bot) == []
        await _rate(bot, 10)
        await inferred_notes.rethink(bot.context, "ann")
        assert await notes_of(bot) == ["Use emoji."]


async def test_what_a_person_said_outweighs_what_ratings_seem_to_say(
    start_bot: StartBot, backend: SeesEmoji
) -> None:
    async with start_bot(backend=backend, rubric=RUBRIC) as bot:
        asked = await bot.ask("hello", conversation="other")
        await say_under(bot, "Use no emoji.", asked.replies[0].id)
        await _rate(bot, 0)
        await inferred_notes.rethink(bot.context, "ann")
        assert await notes_of(bot) == ["Use no emoji."]


async def test_an_answer_that_the_model_cannot_read_is_left_out_and_the_rest_counts(
    start_bot: StartBot,
) -> None:
    backend = SeesEmoji(max_context=4000)
    async with start_bot(backend=backend, rubric=RUBRIC) as bot:
        await _rate(bot, 0)
        reply = (await bot.ask("hello", conversation="long")).replies[0]
        await _become(bot, reply.id, " ".join(str(number) for number in range(40_000)))
        await react(bot, "❤️", reply.id)
        await inferred_notes.rethink(bot.context, "ann")
        assert await notes_of(bot) == ["Use emoji."]


async def test_too_few_ratings_say_nothing(start_bot: StartBot, backend: SeesEmoji) -> None:
    async with start_bot(backend=backend, rubric=RUBRIC) as bot:
        asked = await bot.ask("hello 🙂")
        await react(bot, "❤️", asked.replies[0].id)
        assert await inferred_notes.rethink(bot.context, "ann") == []


class SeesEmojiInTheSecond(SeesEmoji):
    """Whose second sample of every answer is the one with emoji."""

    def _seen(self, text: str) -> float:
        return 6.0 if "use emoji" in text and "#2" in text else -6.0


async def _choose(bot: Bot, count: int) -> None:
    """So many answers beside which the one with emoji is taken."""
    # Without memory, or the taste that is learned meanwhile would put that one first by itself.
    await bot.store.people.meet(who("ann"))
    await bot.store.people.change("ann", memory=False)
    for number in range(count):
        reply = (await bot.ask(f"number {number}", conversation=f"c{number}", mode=Mode.BEST)).replies[0]
        other = next(one for one in reply.alternatives if one.text.endswith("#2"))
        await bot.app.choose(_choice(reply.id, other.id))


def _choice(reply: str, alternative: str) -> Choice:
    return Choice(
        event=f"{reply} {alternative}",
        reply=reply,
        person=who("ann"),
        alternative=alternative,
        at=datetime.now(UTC),
    )


async def test_what_is_chosen_over_other_answers_becomes_a_note_too(start_bot: StartBot) -> None:
    backend = SeesEmojiInTheSecond()
    async with start_bot(backend=backend, rubric=RUBRIC) as bot:
        await _choose(bot, 8)
        await inferred_notes.rethink(bot.context, "ann")
        (note,) = await bot.store.notes.active("ann")
        assert note.text == "Use emoji."
        assert note.source.endswith("choices")
        asked = backend.questions
        await inferred_notes.rethink(bot.context, "ann")
        assert backend.questions == asked


async def test_a_choice_under_an_answer_that_is_not_to_be_learned_from_says_nothing(
    start_bot: StartBot,
) -> None:
    async with start_bot(backend=SeesEmojiInTheSecond(), rubric=RUBRIC) as bot:
        await _choose(bot, 8)
        for one in await bot.store.replies.of_person("ann"):
            await react(bot, "🚫", one.reply.id)
        await inferred_notes.rethink(bot.context, "ann")
        assert await notes_of(bot) == []


async def test_of_two_choices_between_the_same_two_the_last_one_holds(start_bot: StartBot) -> None:
    async with start_bot(backend=SeesEmojiInTheSecond(), rubric=RUBRIC) as bot:
        await _choose(bot, 8)
        for one in await bot.store.replies.of_person("ann"):
            before = next(other for other in one.reply.alternatives if "#" not in other.text)
            await bot.app.choose(_choice(one.reply.id, before.id))
        await inferred_notes.rethink(bot.context, "ann")
        assert await notes_of(bot) == ["Use no emoji."]
