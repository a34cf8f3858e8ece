"""What a night learns from: a note for one kind of request is no teacher, and no measure, of the others."""

from __future__ import annotations

from bot.nights.material.prepare import TrainingMaterial, prepare
from bot.nights.material.teacher import LessonMix
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from engine.learning.lessons import Kind
from tests.bot.conftest import Bot, StartBot
from tests.bot.taught import react
from tests.fakes.occasion_backend import POEMS, OccasionBackend


async def _prepared(bot: Bot) -> TrainingMaterial:
    for number in range(6):
        for text in (f"A poem about {number}, please.", f"What is {number}?"):
            asked = await bot.ask(text, conversation=text)
            await react(bot, "👍", asked.replies[0].id)
    note = NewNote(
        id="poems", person="ann", kind=NoteKind.NOTE, text=POEMS, source="", origin=Origin.CRITIQUE
    )
    await bot.store.notes.keep(note)
    await bot.store.people.change("ann", learning=True)
    known = await bot.store.people.get("ann")
    assert known is not None
    material = await prepare(
        bot.context, known, LessonMix(judged_pairs=0), seed=1, on_progress=lambda done, total: None
    )
    return material.training


async def test_a_note_for_one_kind_teaches_that_kind_and_holds_the_others_to_the_base(
    start_bot: StartBot,
) -> None:
    backend = OccasionBackend()
    async with start_bot(backend=backend) as bot:
        made = await _prepared(bot)
    distilled = [lesson for lesson in made.lessons if lesson.kind is Kind.DISTIL]
    poems = [lesson for lesson in distilled if POEMS in backend.decode(lesson.teacher)]
    others = [lesson for lesson in distilled if lesson not in poems]
    assert poems
    assert others
    assert all("poem" in backend.decode(lesson.prefix) for lesson in poems)
    assert all(lesson.teacher == lesson.prefix for lesson in others)
    assert all("poem" in backend.decode(lesson.prefix) for lesson in made.judge_lessons)
