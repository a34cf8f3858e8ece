"""What is said under an answer: understood, kept once, answered, and taken back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.errors import NotYours, Refused, Unknown
from bot.events import Action, ActionKind, Deletion, MessageState, Platform, TeachingKind
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from bot.teaching import revision, teach
from engine.backends.scripted import ScriptedBackend
from engine.judging.rubric import Question, Rubric, load_rubric
from engine.models.catalogue import PRACTICE_RUBRIC
from engine.types import Mode, Role
from tests.bot.conftest import Bot, StartBot
from tests.bot.taught import (
    notes_of,
    react,
    say_under,
    targets,
    thread_reply,
    who,
)

SHIPPED = load_rubric(PRACTICE_RUBRIC)


async def _withdraw(bot: Bot, message: str) -> None:
    item = await bot.store.inbox.get(message)
    assert item is not None
    await bot.app.delete(Deletion(event=f"d{message}", ref=item.ref, at=item.at))


async def test_a_critique_becomes_a_note_and_a_revision_at_once(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    taught = await say_under(bot, "shorter please", asked.replies[0].id)
    (revision,) = taught.replies
    assert (taught.kind, taught.note) == (TeachingKind.CRITIQUE, "shorter please")
    assert revision.heading == "Noted: “shorter please”"
    assert revision.revises == asked.replies[0].id
    assert await notes_of(bot) == ["shorter please"]


async def test_the_revision_is_made_with_the_critique_and_the_note_in_the_prompt(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    taught = await say_under(bot, "shorter please", asked.replies[0].id)
    prompt = (await bot.store.replies.recorded(taught.replies[0].id)).prompt
    assert prompt.notes == ("shorter please",)
    assert [turn.role for turn in prompt.turns] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert prompt.turns[2].text.startswith("shorter please\n")


async def test_a_note_stands_in_the_very_next_prompt_of_any_conversation(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    await say_under(bot, "shorter please", asked.replies[0].id)
    later = await bot.ask("and now the moon", conversation="elsewhere")
    assert (await bot.store.replies.recorded(later.replies[0].id)).prompt.notes == ("shorter please",)


async def test_a_correction_is_kept_word_for_word_and_is_the_answer_from_now_on(bot: Bot) -> None:
    asked = await bot.ask("what swims?")
    taught = await say_under(bot, "better: Otters  swim,\nall day.", asked.replies[0].id)
    (teaching,) = await bot.store.teachings.of_person("ann")
    assert taught.kind is TeachingKind.CORRECTION
    assert teaching.wanted == taught.replies[0].text == "Otters  swim,\nall day."
    assert await notes_of(bot) == []
    follow_up = await bot.ask("and then?")
    turns = (await bot.store.replies.recorded(follow_up.replies[0].id)).prompt.turns
    assert [turn.text for turn in turns] == ["what swims?", "Otters  swim,\nall day.", "and then?"]


async def test_a_question_under_an_answer_is_answered_and_teaches_nothing(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    taught = await say_under(bot, "What do otters eat?", asked.replies[0].id)
    assert taught.kind is TeachingKind.QUESTION
    assert [reply.text for reply in taught.replies] == ["echo: What do otters eat?"]
    assert await bot.store.teachings.of_person("ann") == []
    turns = (await bot.store.replies.recorded(taught.replies[0].id)).prompt.turns
    assert [turn.text for turn in turns][:2] == ["tell me about otters", "echo: tell me about otters"]


async def test_the_same_critique_twice_makes_one_note(bot: Bot) -> None:
    first = await bot.ask("one")
    await say_under(bot, "shorter please", first.replies[0].id)
    second = await bot.ask("two")
    taught = await say_under(bot, "Shorter, please!", second.replies[0].id)
    assert taught.replies[0].heading == "Noted already: “shorter please”"
    assert await notes_of(bot) == ["shorter please"]


async def test_a_note_takes_the_place_of_the_one_it_contradicts(start_bot: StartBot) -> None:
    async with start_bot(rubric=SHIPPED) as bot:
        asked = await bot.ask("one")
        await say_under(bot, "Answer in one sentence.", asked.replies[0].id)
        await say_under(bot, "Use emoji.", asked.replies[0].id)
        taught = await say_under(bot, "Answer at length.", asked.replies[0].id)
        assert taught.replies[0].heading == (
            "Noted: “Answer at length.” It takes the place of “Answer in one sentence.”"
        )
        assert await notes_of(bot) == ["Use emoji.", "Answer at length."]
        await say_under(bot, "Use no emoji.", asked.replies[0].id)
        assert await notes_of(bot) == ["Answer at length.", "Use no emoji."]


async def test_undo_takes_the_note_back_and_what_it_had_replaced_holds_again(start_bot: StartBot) -> None:
    async with start_bot(rubric=SHIPPED) as bot:
        asked = await bot.ask("one")
        await say_under(bot, "Answer in one sentence.", asked.replies[0].id)
        taught = await say_under(bot, "Answer at length.", asked.replies[0].id)
        undo = (await targets(bot, taught.replies[0].id))[ActionKind.UNDO_NOTE]
        for _ in range(2):
            assert "Taken back" in await teach.undo(bot.context, "ann", undo)
            assert await notes_of(bot) == ["Answer in one sentence."]
        assert (await bot.store.teachings.of_person("ann"))[1].never_learn


async def test_a_withdrawn_remark_is_taken_back_and_nothing_is_learned_from_it(start_bot: StartBot) -> None:
    async with start_bot(rubric=SHIPPED) as bot:
        asked = await bot.ask("one")
        await say_under(bot, "Answer in one sentence.", asked.replies[0].id)
        taught = await say_under(bot, "Answer at length.", asked.replies[0].id)
        await _withdraw(bot, taught.message)
        assert await notes_of(bot) == ["Answer in one sentence."]
        (teaching,) = await bot.store.teachings.of_person("ann")
        assert (teaching.text, teaching.never_learn) == ("Answer in one sentence.", False)
        revision = taught.replies[0].id
        await react(bot, "👍", revision)
        assert (await bot.store.replies.recorded(revision)).never_learn
        assert not (await bot.store.replies.recorded(asked.replies[0].id)).never_learn
        with pytest.raises(Refused):
            await teach.was_question(bot.context, "ann", revision)


async def test_a_remark_that_is_withdrawn_while_it_is_understood_teaches_nothing(bot: Bot) -> None:
    asked = await bot.ask("one")
    said = thread_reply("shorter please", under=asked.replies[0].id)
    taken = await bot.store.inbox.take_thread_reply(
        said, reply=asked.replies[0].id, conversation="c", owner=bot.context.owner
    )
    item = await bot.store.inbox.get(taken.id)
    assert item is not None
    await _withdraw(bot, item.id)
    with pytest.raises(LookupError):
        await teach.teach(bot.context, item, lambda done, total: None)
    assert await notes_of(bot) == []
    assert await bot.store.teachings.of_person("ann") == []


async def test_undoing_what_was_said_before_leaves_the_older_note(bot: Bot) -> None:
    asked = await bot.ask("one")
    await say_under(bot, "shorter please", asked.replies[0].id)
    again = await say_under(bot, "shorter please", asked.replies[0].id)
    await teach.undo(bot.context, "ann", (await targets(bot, again.replies[0].id))[ActionKind.UNDO_NOTE])
    assert await notes_of(bot) == ["shorter please"]


async def test_that_was_a_question_takes_the_teaching_back_and_answers_it(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    taught = await say_under(bot, "more about their fur", asked.replies[0].id)
    button = (await targets(bot, taught.replies[0].id))[ActionKind.WAS_QUESTION]
    press = Action(kind=ActionKind.WAS_QUESTION, label="", target=button)
    for _ in range(2):
        assert await bot.app.press(who("ann"), press) is not None
    item = taught.message
    outcome = await bot.app.outcome(item, wait_s=10)
    assert outcome.kind is TeachingKind.QUESTION
    assert [reply.text for reply in outcome.replies] == ["echo: more about their fur"]
    assert await notes_of(bot) == []
    await bot.sent(3)
    assert len(bot.chat.posts) == 3


async def test_nobody_else_takes_a_teaching_back(bot: Bot) -> None:
    asked = await bot.ask("one")
    taught = await say_under(bot, "shorter please", asked.replies[0].id)
    buttons = await targets(bot, taught.replies[0].id)
    with pytest.raises(NotYours):
        await teach.undo(bot.context, "bob", buttons[ActionKind.UNDO_NOTE])
    with pytest.raises(NotYours):
        await teach.was_question(bot.context, "bob", buttons[ActionKind.WAS_QUESTION])
    with pytest.raises(Unknown):
        await teach.undo(bot.context, "ann", "nothing")
    with pytest.raises(Refused):
        await teach.was_question(bot.context, "ann", asked.replies[0].id)
    assert await notes_of(bot) == ["shorter please"]


async def test_nothing_is_kept_of_what_is_said_under_an_answer_marked_never_learn(bot: Bot) -> None:
    asked = await bot.ask("one")
    await react(bot, "🚫", asked.replies[0].id)
    taught = await say_under(bot, "shorter please", asked.replies[0].id)
    (teaching,) = await bot.store.teachings.of_person("ann")
    assert taught.replies[0].heading == revision.NOT_KEPT
    assert teaching.never_learn
    assert await notes_of(bot) == []


async def test_a_redelivered_critique_teaches_once(bot: Bot) -> None:
    asked = await bot.ask("one")
    said = thread_reply("shorter please", under=asked.replies[0].id)
    items = {await bot.app.thread_reply(said) for _ in range(3)}
    assert len(items) == 1
    await bot.app.outcome(items.pop(), wait_s=10)
    assert len(await bot.store.teachings.of_person("ann")) == 1
    assert await notes_of(bot) == ["shorter please"]


async def test_a_critique_that_contradicts_a_fact_corrects_the_fact(bot: Bot) -> None:
    await bot.ask("My cat is called Miso.")
    asked = await bot.ask("What is my cat called?", conversation="elsewhere")
    assert (await bot.store.replies.recorded(asked.replies[0].id)).prompt.facts == ("My cat is called Miso.",)
    taught = await say_under(bot, "No, my cat is called Tom.", asked.replies[0].id)
    assert taught.note == "My cat is called Tom."
    assert await notes_of(bot) == ["My cat is called Tom."]


async def test_every_fact_that_is_said_under_an_answer_is_kept_beside_a_critique_too(bot: Bot) -> None:
    asked = await bot.ask("one")
    taught = await say_under(bot, "My cat is called Miso. I live in Rome.", asked.replies[0].id)
    assert await notes_of(bot) == ["My cat is called Miso.", "I live in Rome."]
    assert taught.replies[0].heading == "Noted: “My cat is called Miso.” and “I live in Rome.”"
    again = await say_under(bot, "My dog is called Rex. Be brief.", asked.replies[0].id)
    assert again.note == "My dog is called Rex. Be brief."  # the model's own words, which here are yours
    assert (await notes_of(bot))[2:] == ["My dog is called Rex.", "My dog is called Rex. Be brief."]
    await teach.undo(bot.context, "ann", (await targets(bot, again.replies[0].id))[ActionKind.UNDO_NOTE])
    assert await notes_of(bot) == ["My cat is called Miso.", "I live in Rome."]


async def test_all_notes_that_made_room_are_named_and_hold_again_after_undo(start_bot: StartBot) -> None:
    async with start_bot(rubric=SHIPPED) as bot:
        kept = NewNote(
            id="",
            person="ann",
            kind=NoteKind.NOTE,
            text="",
            source="",
            origin=Origin.CRITIQUE,
            manner="short",
        )
        asked = await bot.ask("one")
        for name in ("Be short.", "Be brief."):
            await bot.store.notes.keep(replace(kept, id=name, text=name))
        taught = await say_under(bot, "Answer at length.", asked.replies[0].id)
        assert taught.replies[0].heading == (
            "Noted: “Answer at length.” It takes the place of “Be short.” and “Be brief.”"
        )
        assert await notes_of(bot) == ["Answer at length."]
        await teach.undo(bot.context, "ann", (await targets(bot, taught.replies[0].id))[ActionKind.UNDO_NOTE])
        assert await notes_of(bot) == ["Be short.", "Be brief."]


async def test_an_enormous_critique_makes_no_note_and_breaks_nothing(start_bot: StartBot) -> None:
    async with start_bot(backend=ScriptedBackend(max_context=4096)) as bot:
        asked = await bot.ask("one")
        taught = await say_under(bot, "so many words " * 200, asked.replies[0].id)
        assert taught.state is MessageState.ANSWERED
        assert await notes_of(bot) == []
        refused = await say_under(bot, "so many words " * 1000, asked.replies[0].id)
        assert refused.state is MessageState.FAILED
        assert "Shorten it" in (refused.problem or "")


class Stubborn(ScriptedBackend):
    """Its judge is never content."""

    async def ask(self, prompts, *, lora=None):  # type: ignore[no-untyped-def]  # as the port says
        return [-3.0 for _ in await super().ask(prompts, lora=lora)]


async def test_revisions_are_tried_until_a_small_bound_and_all_are_recorded(start_bot: StartBot) -> None:
    async with start_bot(backend=Stubborn()) as bot:
        asked = await bot.ask("one")
        await say_under(bot, "shorter please", asked.replies[0].id)
        (teaching,) = await bot.store.teachings.of_person("ann")
        assert len(teaching.attempts) == revision.MAX_ATTEMPTS
        assert all("note: shorter please" in attempt.answers for attempt in teaching.attempts)


async def test_a_content_judge_ends_the_revising_at_once(bot: Bot) -> None:
    asked = await bot.ask("one")
    await say_under(bot, "shorter please", asked.replies[0].id)
    (teaching,) = await bot.store.teachings.of_person("ann")
    assert len(teaching.attempts) == 1


@pytest.mark.parametrize("calls", range(6))
async def test_a_crash_at_any_moment_of_teaching_loses_and_doubles_nothing(
    start_bot: StartBot, calls: int
) -> None:
    async with start_bot() as bot:
        asked = await bot.ask("one")
    dying = _DiesAt(calls)
    async with start_bot(backend=dying) as bot:
        item = await bot.app.thread_reply(
            thread_reply("shorter please", under=asked.replies[0].id, event="once")
        )
        async with asyncio.timeout(10):
            while not dying.is_dead and (await bot.app.outcome(item)).state is MessageState.WAITING:
                await asyncio.sleep(0.005)
    async with start_bot() as bot:
        outcome = await bot.app.outcome(item, wait_s=10)
        assert [reply.heading for reply in outcome.replies] == ["Noted: “shorter please”"]
        assert len(await bot.store.teachings.of_person("ann")) == 1
        assert await notes_of(bot) == ["shorter please"]


class _DiesAt(ScriptedBackend):
    """Hangs for ever in its n-th call, as when the process is killed there."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self._left = call
        self.is_dead = False

    async def _work(self, lora) -> None:  # type: ignore[no-untyped-def]  # as the parent says
        if self._left == 0:
            self.is_dead = True
            await asyncio.Event().wait()
        self._left -= 1
        await super()._work(lora)


async def test_a_critique_of_a_revision_goes_back_to_what_was_first_asked(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    first = await say_under(bot, "shorter please", asked.replies[0].id)
    second = await say_under(bot, "no lists", first.replies[0].id)
    prompt = (await bot.store.replies.recorded(second.replies[0].id)).prompt
    assert [turn.text for turn in prompt.turns][:2] == ["tell me about otters", first.replies[0].text]
    assert len(prompt.turns) == 3
    assert prompt.notes == ("shorter please", "no lists")


async def test_who_wants_answers_fast_gets_a_revision_of_one_sample(bot: Bot) -> None:
    asked = await bot.ask("one")
    await bot.store.people.change("ann", mode=Mode.FAST)
    told = await say_under(bot, "shorter please", asked.replies[0].id)
    assert told.replies[0].mode is Mode.FAST
    (teaching,) = await bot.store.teachings.of_person("ann")
    assert len(teaching.attempts) == 1


async def test_all_tries_together_have_the_time_of_one_answer(start_bot: StartBot) -> None:
    backend = Stubborn(delay_s=0.7)
    async with start_bot(backend=backend, limits={"deadline_s": 2.0}) as bot:
        asked = await bot.ask("one", mode=Mode.FAST)
        await say_under(bot, "shorter please", asked.replies[0].id)
        (teaching,) = await bot.store.teachings.of_person("ann")
        assert 1 <= len(teaching.attempts) < revision.MAX_ATTEMPTS


async def test_a_revision_is_judged_by_the_rubric_of_its_place(start_bot: StartBot) -> None:
    own = Rubric(questions=(Question(name="own", text="Is it as this channel wants it?"),))
    async with start_bot() as bot:
        bot.context.rubrics[Platform.WEB, "c"] = own  # type: ignore[index]  # made before the app is, in the wiring
        asked = await bot.ask("one", mode=Mode.BEST)
        assert set(asked.replies[0].alternatives)
        recorded = await bot.store.replies.recorded(asked.replies[0].id)
        assert set(recorded.answers) == {"own"}
        told = await say_under(bot, "shorter please", asked.replies[0].id)
        revised = await bot.store.replies.recorded(told.replies[0].id)
        assert {"own", "note: shorter please"} <= set(revised.answers)
