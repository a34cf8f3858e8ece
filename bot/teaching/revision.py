"""Answers again under a critique: of several new answers the one that does what the critique asked.

The same text, an echo of the critique or something farther from what was asked is never given. Keeps no note.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot import ratings
from bot.answering import memory
from bot.answering.drafting import Answered, WovenReply, drafted, undo_button
from bot.answering.respond import QUESTION_TOKENS, limits_of, mode_of, weave
from bot.context import Context
from bot.errors import Refused
from bot.events import Action, ActionKind
from bot.store.feedback.notes import Note
from bot.store.feedback.teachings import Attempt, Teaching
from bot.store.inbox import Item
from bot.store.people import KnownPerson
from bot.store.recorded_replies import Draft, RecordedReply
from bot.teaching import note_wording
from engine import wording
from engine.judging.judge import counted
from engine.judging.measures import Occasion
from engine.judging.rubric import Noted, Question, note_questions
from engine.types import Mode, Prompt

MAX_ATTEMPTS: Final = 3  # revisions that are made until one does what was asked
CONTENT: Final = 0.8
OWN_WEIGHT: Final = 4.0  # the questions about the critique itself, beside the notes' 2 and the rubric's 1
ECHO_FROM: Final = 0.8  # a text whose words are so much those of the critique only repeats it
NOT_KEPT: Final = f"Not kept: you marked this answer {ratings.NEVER_LEARN}."
NOTHING_BETTER: Final = "I could not answer better just now. What you said counts from your next question on."

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """`contentment`: how sure it is that the critique was heeded. `is_better`: than the criticised answer."""

    woven: WovenReply
    contentment: float
    is_better: bool


async def revised(
    context: Context, item: Item, about: RecordedReply, kept: Teaching, on_progress: OnProgress
) -> Draft:
    """The answer that follows a critique; where nothing better is found, a line that says so."""
    person = await context.store.people.get(item.person.key)
    if person is None:  # erased while this waited
        raise LookupError(item.person.key)
    prompt = await _revision_prompt(context, person, about, item.text)
    questions = await _questions(context, kept, item)
    attempts: list[_Attempt] = []
    while not attempts or _may_try_again(context, attempts):
        woven = await _woven(context, item, person, prompt, questions, on_progress)
        attempts.append(_attempt(woven, questions, about, item.text))
        await context.store.teachings.tried(kept.id, [_kept(attempt) for attempt in attempts])
    chosen = max(attempts, key=lambda one: (one.is_better, one.contentment, one.woven.composed.best.score))
    return await _draft(context, item, about, kept, chosen)


async def _questions(context: Context, kept: Teaching, item: Item) -> tuple[Question, ...]:
    """What is looked for in the new answer: the notes that the critique was put into, else its own words."""
    texts = [note.text for note in await _notes_of(context, kept)]
    if kept.note is not None:
        texts.append((await context.store.notes.get(kept.note)).text)
    rubric = context.rubric_of(item.place)
    noted = [rubric.noted(text) for text in dict.fromkeys(texts)] or [Noted(text=_shortened(item.text))]
    return note_questions(noted, weight=OWN_WEIGHT)


async def _notes_of(context: Context, kept: Teaching) -> list[Note]:
    """The notes that this critique made."""
    return [note for note in await context.store.notes.all(kept.person) if note.teaching == kept.id]


async def _revision_prompt(
    context: Context, person: KnownPerson, about: RecordedReply, critique: str
) -> Prompt:
    """What the model is asked for the new answer, under what is known of the person now."""
    layout = context.backend.profile.layout
    room = context.backend.max_context - limits_of(context).max_reply_tokens - QUESTION_TOKENS
    asked = wording.before_critiques(about.prompt.bare())  # earlier critiques stand in the notes
    bare = wording.revision(asked, about.reply.text, critique, layout)
    while len(context.backend.encode(bare)) > room and len(bare.turns) > 3:
        bare = replace(bare, turns=bare.turns[2:])  # the oldest exchange
    left = room - len(context.backend.encode(bare))
    if left < 0:
        raise Refused("too_long", "What you wrote is too long for me to answer again under it. Shorten it.")
    recalled = await memory.recall(context, person, replace(bare, notes=()), budget_tokens=left)
    # A critique that became a note is not said twice.
    return recalled if recalled.notes else replace(recalled, notes=bare.notes)


def _may_try_again(context: Context, attempts: Sequence[_Attempt]) -> bool:
    """All attempts together have the time of one answer, and none follows one that heeds the critique."""
    spent_s = sum(attempt.woven.composed.seconds for attempt in attempts)
    is_left = len(attempts) < MAX_ATTEMPTS and spent_s < limits_of(context).deadline_s
    return is_left and attempts[-1].contentment < CONTENT


async def _woven(
    context: Context,
    item: Item,
    person: KnownPerson,
    prompt: Prompt,
    questions: Sequence[Question],
    on_progress: OnProgress,
) -> WovenReply:
    """New answers: of whole samples the one that heeds the critique best; of one, for who wants it fast."""
    rubric = context.rubric_of(item.place)
    names = {question.name for question in questions}
    noted = note_questions([rubric.noted(note) for note in prompt.notes])
    others = tuple(question for question in noted if question.name not in names)
    mode = Mode.FAST if mode_of(context, item, person) is Mode.FAST else Mode.BEST
    asked = (*questions, *others)
    return await weave(context, prompt, person, mode, on_progress, place=item.place, notes_asked=asked)


def _attempt(
    woven: WovenReply, questions: Sequence[Question], about: RecordedReply, critique: str
) -> _Attempt:
    """What is to be thought of a new answer. What nobody can tell is taken for heeded."""
    best = woven.composed.best
    is_turn = woven.prompt.turns != about.prompt.turns  # the critique was said to the model as a turn
    if _plain(best.text) == _plain(about.reply.text) or (not is_turn and _is_echo(best.text, critique)):
        return _Attempt(woven=woven, contentment=0.0, is_better=False)
    occasion = Occasion(name=woven.prompt.name, request=wording.last_request(woven.prompt))
    now, before = [1.0], [0.0]
    for question in questions:
        if question.wish is not None:
            now.append(counted(question.wish, best.text, occasion, is_finished=True))
            before.append(counted(question.wish, about.reply.text, occasion, is_finished=True))
        else:
            now.append(best.answers.get(question.name, 1.0))
    contentment = min(now)
    return _Attempt(
        woven=woven,
        contentment=contentment,
        is_better=contentment >= CONTENT or sum(now) - 1.0 > sum(before),
    )


def _kept(attempt: _Attempt) -> Attempt:
    best = attempt.woven.composed.best
    return Attempt(text=best.text, score=best.score, answers=best.answers)


def _is_echo(text: str, critique: str) -> bool:
    said, critical = _plain(text).lower().split(), _plain(critique).lower().split()
    return difflib.SequenceMatcher(a=said, b=critical, autojunk=False).ratio() >= ECHO_FROM


async def _draft(
    context: Context, item: Item, about: RecordedReply, kept: Teaching, chosen: _Attempt
) -> Draft:
    revision = kept.revision or context.new_id()
    answered = Answered(
        message=about.reply.message or item.id,
        cause=item.id,
        person=item.person.key,
        conversation=about.reply.conversation,
        revises=about.reply.id,
    )
    draft = drafted(context, chosen.woven, answered, reply_id=revision)
    undo = () if kept.never_learn else (undo_button(await _undo_target(context, kept)),)
    heading = await _heading(context, kept)
    if not chosen.is_better:
        draft = replace(
            draft, text=NOTHING_BETTER, branches=(), tree=(), score=None, never_learn=True, actions=()
        )
    return replace(
        draft,
        heading=" ".join(line for line in (heading, draft.heading) if line),
        actions=(*undo, *was_question_button(revision), *draft.actions),
    )


async def _heading(context: Context, kept: Teaching) -> str:
    """What was understood, in one line."""
    if kept.never_learn:
        return NOT_KEPT
    everything = await context.store.notes.all(kept.person)
    made = [note for note in everything if note.teaching == kept.id]
    said = []
    if kept.note is None:
        said.append("Understood as a remark about this answer: I keep no note of it.")
    elif kept.note not in {note.id for note in made}:
        said.append(f"Noted already: “{(await context.store.notes.get(kept.note)).text}”")
    if made:
        said.append(note_wording.told(made, everything))
    return " ".join(said)


async def _undo_target(context: Context, kept: Teaching) -> str:
    """The note that this teaching made, or else its revision: an older note is not to go with it."""
    if kept.note is not None and (await context.store.notes.get(kept.note)).teaching == kept.id:
        return kept.note
    return kept.revision or kept.id


def was_question_button(revision: str) -> tuple[Action, ...]:
    """Under a revision: what was said was no critique."""
    return (Action(kind=ActionKind.WAS_QUESTION, label="That was a question", target=revision),)


def _shortened(critique: str) -> str:
    """A critique that is no note, as the judge is asked about it."""
    return " ".join(critique.split())[: note_wording.MAX_CHARS]


def _plain(text: str) -> str:
    return " ".join(text.split())
