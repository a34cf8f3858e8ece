"""What of a person's teaching goes into their next prompt."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering.memory import Candidate, chosen, similarities
from bot.errors import NotYours, Unknown
from bot.events import ActionKind, Deletion, Edit, Outcome
from bot.store.feedback.notes import Note, NoteKind, Origin
from bot.teaching import notes_in_passing, teach
from engine.judging.rubric import load_rubric
from engine.models.catalogue import PRACTICE_RUBRIC
from engine.types import Example, Prompt, Role, Turn
from tests.bot.conftest import Bot, StartBot, message
from tests.bot.taught import (
    notes_of,
    react,
    say_under,
    targets,
)
from tests.fakes.occasion_backend import POEMS, OccasionBackend

QUESTION = Prompt(turns=(Turn(role=Role.USER, text="Tell me about the otter."),))


def _note(text: str, kind: NoteKind = NoteKind.NOTE) -> Note:
    return Note(
        id=text,
        person="ann",
        kind=kind,
        text=text,
        source="",
        origin=Origin.CRITIQUE,
        manner=None,
        teaching=None,
        message=None,
        replaced_by=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        deleted_at=None,
    )


def _candidate(request: str, reply: str = "It swims.", rating: int = 5, worth: float = 2.0) -> Candidate:
    return Candidate(example=Example(request=request, reply=reply, rating=rating), worth=worth)


def _chosen(
    standing: list[Note],
    earlier: list[Candidate] | None = None,
    *,
    budget: int = 1000,
    notes: int = 24,
    examples: int = 4,
) -> Prompt:
    return chosen(
        QUESTION,
        standing,
        earlier or [],
        count=len,
        budget_tokens=budget,
        max_notes=notes,
        max_examples=examples,
    )


def test_notes_stand_in_the_order_in_which_they_were_made() -> None:
    assert _chosen([_note("b"), _note("a"), _note("f", NoteKind.FACT)]).notes == ("b", "a")


def test_where_not_all_notes_fit_those_that_speak_of_the_matter_stay() -> None:
    standing = [_note("About otters, be brief."), *(_note(f"Something else {n}.") for n in range(9))]
    assert _chosen(standing, notes=2).notes == ("About otters, be brief.", "Something else 8.")


def test_the_most_similar_and_the_best_rated_answer_is_shown_last() -> None:
    earlier = [
        _candidate("Tell me about soup."),
        _candidate("Tell me about the otters.", "Wet."),
        _candidate("Hello", worth=1.5),
    ]
    examples = _chosen([], earlier).examples
    assert examples[-1].reply == "Wet."
    assert len(examples) == 3


def test_a_correction_counts_more_than_a_rating() -> None:
    earlier = [
        _candidate("Tell me about soup.", "rated"),
        _candidate("tell me about  soup.", "corrected", worth=3.0),
    ]
    assert [example.reply for example in _chosen([], earlier).examples] == ["corrected"]


def test_at_most_one_disliked_answer_is_shown() -> None:
    earlier = [_candidate(f"Question {n}", rating=1, worth=0.5) for n in range(5)]
    assert len(_chosen([], earlier).examples) == 1


def test_an_answer_that_stands_in_the_conversation_is_not_shown_again() -> None:
    prompt = QUESTION.then("It swims.", "And then?")
    earlier = [_candidate("Tell me about the otter.", "It swims.")]
    made = chosen(prompt, [], earlier, count=len, budget_tokens=999, max_notes=9, max_examples=9)
    assert made.examples == ()


@given(
    st.lists(st.text(min_size=1, max_size=40), max_size=8, unique=True),
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=80)), max_size=6),
    st.integers(0, 200),
)
def test_the_budget_is_kept_whatever_there_is(
    texts: list[str], pairs: list[tuple[str, str]], budget: int
) -> None:
    earlier = [_candidate(request, reply) for request, reply in pairs]
    made = _chosen([_note(text) for text in texts], earlier, budget=budget)
    used = sum(map(len, made.notes)) + sum(len(one.request) + len(one.reply) for one in made.examples)
    assert used <= budget
    assert made.turns == QUESTION.turns


@given(st.text(), st.lists(st.text(), max_size=5))
def test_similarity_is_between_none_and_all(request: str, texts: list[str]) -> None:
    assert all(0.0 <= near <= 1.0 + 1e-9 for near in similarities(request, [*texts, request]))


async def _prompt_of(bot: Bot, text: str, *, conversation: str) -> Prompt:
    asked = await bot.ask(text, conversation=conversation)
    return (await bot.store.replies.recorded(asked.replies[0].id)).prompt


async def test_examples_are_chosen_anew_after_every_rating(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    reply = asked.replies[0]
    await react(bot, "❤️", reply.id)
    shown = (await _prompt_of(bot, "otters again", conversation="2")).examples
    assert [(one.reply, one.rating) for one in shown] == [(reply.text, 5)]
    await react(bot, "❤️", reply.id, is_on=False)
    assert (await _prompt_of(bot, "otters again", conversation="3")).examples == ()


async def test_what_is_marked_never_learn_is_no_example(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    await react(bot, "❤️", asked.replies[0].id)
    await react(bot, "🚫", asked.replies[0].id)
    assert (await _prompt_of(bot, "otters again", conversation="2")).examples == ()


async def test_without_memory_a_prompt_holds_nothing_of_it(bot: Bot) -> None:
    asked = await bot.ask("My cat is called Miso.")
    await say_under(bot, "shorter please", asked.replies[0].id)
    await react(bot, "❤️", asked.replies[0].id)
    await bot.store.people.change("ann", memory=False)
    bare = await _prompt_of(bot, "hello", conversation="2")
    assert bare == bare.bare()
    await bot.ask("My dog is called Rex.", conversation="3")
    assert "My dog is called Rex." not in await notes_of(bot)
    await bot.store.people.change("ann", memory=True)
    assert (await _prompt_of(bot, "hello", conversation="4")).notes == ("shorter please",)


async def test_a_standing_preference_holds_without_being_said_again(bot: Bot) -> None:
    first = await bot.ask("tell me a story")
    await say_under(bot, "A llama is the hero of every story.", first.replies[0].id)
    second = await bot.ask("tell me another story")
    await say_under(bot, "All stories are science fiction.", second.replies[0].id)
    third = await bot.ask("and another")
    await react(bot, "👍", third.replies[0].id)
    for turn in range(4, 11):
        prompt = await _prompt_of(bot, f"story number {turn}", conversation=f"c{turn}")
        assert prompt.notes == ("A llama is the hero of every story.", "All stories are science fiction.")


async def test_a_wish_said_in_passing_stands_too(bot: Bot) -> None:
    await bot.ask("Tell me a story. From now on a llama is the hero.")
    assert (await _prompt_of(bot, "a story", conversation="2")).notes == ("From now on a llama is the hero.",)


async def test_a_note_for_one_kind_of_request_stands_aside_for_others(start_bot: StartBot) -> None:
    async with start_bot(backend=OccasionBackend()) as bot:
        asked = await bot.ask("A poem about rain, please.")
        await say_under(bot, POEMS, asked.replies[0].id)
        await say_under(bot, "Use emoji.", asked.replies[0].id)
        assert (await _prompt_of(bot, "What is rain?", conversation="2")).notes == ("Use emoji.",)
        assert (await _prompt_of(bot, "A poem about ice", conversation="3")).notes == (POEMS, "Use emoji.")


@pytest.mark.parametrize("text", ["My cat is called Tom.", "Actually, my cat is named Tom."])
async def test_a_fact_takes_the_place_of_the_older_one(bot: Bot, text: str) -> None:
    await bot.ask("My cat is called Miso.")
    await bot.ask(text)
    assert await notes_of(bot) == ["My cat is called Tom."]


async def test_a_deleted_note_is_gone_from_the_next_prompt(bot: Bot) -> None:
    asked = await bot.ask("one")
    await say_under(bot, "shorter please", asked.replies[0].id)
    (note,) = await bot.store.notes.active("ann")
    await bot.store.notes.delete("ann", note.id)
    assert (await _prompt_of(bot, "two", conversation="2")).notes == ()


async def test_a_rated_revision_is_an_example_of_what_was_first_asked(bot: Bot) -> None:
    asked = await bot.ask("tell me about otters")
    taught = await say_under(bot, "shorter please", asked.replies[0].id)
    await react(bot, "❤️", taught.replies[0].id)
    (example,) = (await _prompt_of(bot, "otters again", conversation="2")).examples
    assert (example.request, example.reply) == ("tell me about otters", taught.replies[0].text)


async def test_a_wish_takes_the_place_of_the_note_that_it_contradicts(start_bot: StartBot) -> None:
    rubric = load_rubric(PRACTICE_RUBRIC)
    async with start_bot(rubric=rubric) as bot:
        await bot.ask("From now on, answer in one sentence.")
        await bot.ask("From now on, answer in one sentence!")
        assert await notes_of(bot) == ["From now on, answer in one sentence."]
        await bot.ask("Always answer at length.")
        assert await notes_of(bot) == ["Always answer at length."]


async def _edited(bot: Bot, before: str, after: str) -> Outcome:
    """Ask, change the question once it is answered, and wait for the answer to what it says now."""
    asked = message(before)
    item = await bot.app.message(asked)
    await bot.app.outcome(item, wait_s=10)
    await bot.app.edit(Edit(event=f"{item}x", ref=asked.ref, person=asked.person, text=after, at=asked.at))
    return await bot.app.outcome(item, wait_s=10)


async def test_of_an_edited_message_only_what_it_says_now_stands(bot: Bot) -> None:
    await bot.ask("My cat is called Rex.")
    edited = await _edited(bot, "My cat is called Miso. I live in Rome.", "My cat is called Mimi.")
    assert await notes_of(bot) == ["My cat is called Mimi."]
    assert edited.replies[0].heading == (
        "Noted: “My cat is called Mimi.” It takes the place of “My cat is called Rex.”"
    )
    await _edited(bot, "From now on be brief.", "Never mind.")
    assert await notes_of(bot) == ["My cat is called Mimi."]


async def test_of_a_withdrawn_message_nothing_stands(bot: Bot) -> None:
    await bot.ask("My cat is called Rex.")
    asked = message("My cat is called Miso.")
    await bot.app.outcome(await bot.app.message(asked), wait_s=10)
    assert await notes_of(bot) == ["My cat is called Miso."]
    await bot.app.delete(Deletion(event="d", ref=asked.ref, at=asked.at))
    assert await notes_of(bot) == ["My cat is called Rex."]


async def test_what_a_later_message_replaced_stays_away_once_its_own_message_is_edited(bot: Bot) -> None:
    """And what it had replaced itself holds again, when the later one is withdrawn."""
    await bot.ask("My cat is called Rex.")
    earlier, later = message("My cat is called Miso."), message("My cat is called Mimi.")
    for asked in (earlier, later):
        await bot.app.outcome(await bot.app.message(asked), wait_s=10)
    edit = Edit(event="x", ref=earlier.ref, person=earlier.person, text="Never mind.", at=earlier.at)
    await bot.app.edit(edit)
    item = await bot.store.inbox.at(earlier.ref)
    assert item is not None
    await bot.app.outcome(item.id, wait_s=10)
    assert await notes_of(bot) == ["My cat is called Mimi."]
    await bot.app.delete(Deletion(event="d", ref=later.ref, at=later.at))
    assert await notes_of(bot) == ["My cat is called Rex."]


@pytest.mark.parametrize("way", ["undo", "withdraw"])
async def test_a_message_that_contradicts_itself_is_taken_back_as_a_whole(
    start_bot: StartBot, way: str
) -> None:
    rubric = load_rubric(PRACTICE_RUBRIC)
    async with start_bot(rubric=rubric) as bot:
        await bot.ask("From now on, answer with a list.")
        before = await notes_of(bot)
        asked = message("From now on, answer in one sentence. Always answer at length.")
        outcome = await bot.app.outcome(await bot.app.message(asked), wait_s=10)
        assert await notes_of(bot) == [*before, "Always answer at length."]
        if way == "undo":
            await teach.undo(bot.context, "ann", outcome.replies[0].id)
        else:
            await bot.app.delete(Deletion(event="d", ref=asked.ref, at=asked.at))
        assert await notes_of(bot) == before


@pytest.mark.parametrize("way", ["edited", "withdrawn"])
async def test_what_is_said_no_more_when_it_is_noted_is_not_noted(bot: Bot, way: str) -> None:
    """Another process may have been told, and this one goes on hearing what it had read before."""
    asked, owner = message("My cat is called Miso. From now on be brief."), bot.context.owner
    taken = await bot.store.inbox.take(asked, conversation="c", owner=owner)
    as_read = await bot.store.inbox.get(taken.id)
    assert as_read is not None
    if way == "edited":
        edit = Edit(event="x", ref=asked.ref, person=asked.person, text="Never mind.", at=asked.at)
        assert await bot.store.inbox.edit(edit, taken.id, owner=owner)
    else:
        assert await bot.store.withdrawals.take(Deletion(event="d", ref=asked.ref, at=asked.at), taken.id)
    assert not await notes_in_passing.keep(bot.context, as_read)
    assert await notes_of(bot) == []


async def test_a_message_that_is_edited_back_states_again_what_it_first_did(bot: Bot) -> None:
    asked = message("My cat is called Miso.")
    item = await bot.app.message(asked)
    for number, text in enumerate(["My cat is called Mimi.", "My cat is called Miso."]):
        await bot.app.outcome(item, wait_s=10)
        await bot.app.edit(
            Edit(event=f"x{number}", ref=asked.ref, person=asked.person, text=text, at=asked.at)
        )
    await bot.app.outcome(item, wait_s=10)
    assert await notes_of(bot) == ["My cat is called Miso."]


async def test_what_was_noted_in_passing_stands_above_the_answer_and_is_taken_back_there(bot: Bot) -> None:
    await bot.ask("I live in Porto.")
    asked = await bot.ask("My cat is called Miso. I live in Rome.")
    assert asked.replies[0].heading == (
        "Noted: “My cat is called Miso.” and “I live in Rome.” They take the place of “I live in Porto.”"
    )
    undo = (await targets(bot, asked.replies[0].id))[ActionKind.UNDO_NOTE]
    with pytest.raises(NotYours):
        await teach.undo(bot.context, "bob", undo)
    assert (
        await teach.undo(bot.context, "ann", undo)
        == "Taken back: “My cat is called Miso.” and “I live in Rome.”."
    )
    assert await notes_of(bot) == ["I live in Porto."]
    with pytest.raises(Unknown):
        await teach.undo(bot.context, "ann", undo)


async def test_what_was_known_already_is_not_told_again(bot: Bot) -> None:
    await bot.ask("My cat is called Miso.")
    assert (await bot.ask("My cat is called Miso.")).replies[0].heading is None
