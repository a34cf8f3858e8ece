"""What a night learns from: a note for one kind of request is no teacher, and no measure, of the others."""

from __future__ import annotations

from bot.nights.prepare import Material, Recipe, study
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from engine.learning.lessons import Kind
from tests.bot.conftest import Bot, StartBot
from tests.bot.taught import react
from tests.fakes.occasion_backend import POEMS, OccasionBackend


async def _studied(bot: Bot) -> Material:
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
    made = await study(
        bot.context, known, Recipe(judged_pairs=0), seed=1, on_progress=lambda done, total: None
    )
    assert isinstance(made, Material), made
    return made


async def test_a_note_for_one_kind_teaches_that_kind_and_holds_the_others_to_the_base(
    start_bot: StartBot,
) -> None:
    backend = OccasionBackend()
    async with start_bot(backend=backend) as bot:
        made = await _studied(bot)
    taught = [one for one in made.lessons if one.kind is Kind.DISTIL]
    poems = [one for one in taught if POEMS in backend.decode(one.teacher)]
    others = [one for one in taught if one not in poems]
    assert poems
    assert others
    assert all("poem" in backend.decode(one.prefix) for one in poems)
    assert all(one.teacher == one.prefix for one in others)
    assert all("poem" in backend.decode(one.prefix) for one in made.asked)
