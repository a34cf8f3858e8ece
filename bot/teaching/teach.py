"""What a person says under an answer becomes teaching at once: a note, a kept correction, a revision.

Every step may be interrupted and done again: what was understood is kept in one transaction, under ids that
stay, before anything is made of it. Sends nothing; knows no platform.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot import ratings
from bot.answering import memory
from bot.answering.respond import (
    QUESTION_TOKENS,
    Woven,
    actions,
    limits_of,
    mode_of,
    undo_button,
    weave,
)
from bot.context import Context
from bot.errors import NotYours, Refused, Unknown
from bot.events import Action, ActionKind, MessageState, TeachingKind
from bot.store.feedback.notes import NewNote, Note, NoteKind, Origin
from bot.store.feedback.teachings import Attempt, NewTeaching, Teaching
from bot.store.inbox import Item
from bot.store.people import KnownPerson
from bot.store.recorded_replies import Branch, Draft, RecordedReply
from bot.teaching import note_wording, notes_in_passing, said_in_passing, understanding
from engine import wording
from engine.judging.judge import Question, note_questions
from engine.types import Mode, Prompt

MAX_ATTEMPTS: Final = 3  # revisions that are made until the judge is content with one
CONTENT: Final = 0.8
OWN_WEIGHT: Final = 4.0  # the question about the critique itself, beside the notes' 2 and the rubric's 1

OnProgress = Callable[[int, int], None]


async def teach(context: Context, item: Item, on_progress: OnProgress) -> Draft | None:
    """Understand a thread reply, keep what it teaches, and make the answer that follows it.

    None: it is a question, its inbox row says so now, and it is to be answered like any other. Raises
    Unknown, Refused, EngineError; done again after any of them it goes on where it was.
    """
    about = await context.store.replies.recorded(item.reply_to or "")
    kept = await context.store.teachings.of_message(item.id)
    if kept is None:
        said = understanding.classify(item.text, reply=about.reply.text, is_correction=item.is_correction)
        if said.kind is TeachingKind.QUESTION:
            await context.store.inbox.taught(item.id, TeachingKind.QUESTION, None)
            return None
        kept = await _keep(context, item, about, said)
    if kept.kind is TeachingKind.QUESTION:
        return None
    if kept.wanted is not None:
        return _accepted(context, item, about, kept, kept.wanted)
    return await _revised(context, item, about, kept, on_progress)


async def undo(context: Context, person: str, target: str) -> str:
    """Take back what was taught or said in passing; what to say to that. Raises Unknown, NotYours.

    `target`: a note, the revision that was made under a critique, or the answer to what was said in passing.
    """
    teaching = await context.store.teachings.of_note(target) or await context.store.teachings.of_revision(
        target
    )
    if teaching is None:
        return f"Taken back: {note_wording.quoted(await _not_taught(context, person, target))}."
    if teaching.person != person:
        raise NotYours("not_yours", "Only the person who taught this can take it back.")
    await context.store.teachings.take_back(teaching)
    return "Taken back. It will not be learned from."


async def _not_taught(context: Context, person: str, target: str) -> Sequence[Note]:
    """Take back notes that no teaching made: one by its id, or what was heard before an answer."""
    reply = await context.store.replies.find(target)
    if reply is None:
        return [await context.store.notes.delete(person, target)]
    if reply.person != person:
        raise NotYours("not_yours", "Only the person who said this can take it back.")
    question = await context.store.inbox.get(reply.message)
    heard = () if question is None else await notes_in_passing.take_back(context, question)
    if not heard:
        raise Unknown("nothing_noted", "There is nothing here to take back any more.")
    return heard


async def was_question(context: Context, person: str, revision: str) -> str:
    """It was no critique but a question: the id of the inbox row that now waits to be answered."""
    teaching = await context.store.teachings.of_revision(revision)
    if teaching is None or teaching.message is None:
        raise Refused("no_teaching", "There is nothing here that could have been a question.")
    if teaching.person != person:
        raise NotYours("not_yours", "Only the person who said this can say how it was meant.")
    said = await context.store.inbox.get(teaching.message)
    if said is None or said.state is MessageState.CANCELLED:
        raise Refused("withdrawn", "You took this back. Ask it anew.")
    if teaching.kind is not TeachingKind.QUESTION:
        await context.store.teachings.take_back(teaching, owner=context.owner)
    return teaching.message


# --- keeping what was understood ---


async def _keep(context: Context, item: Item, about: RecordedReply, said: understanding.Teaching) -> Teaching:
    """One transaction: the teaching and the notes that it makes, or the note that said so already."""
    is_never = about.never_learn or item.never_learn
    teaching = NewTeaching(
        id=context.new_id(),
        person=item.person.key,
        reply=about.reply.id,
        message=item.id,
        kind=said.kind,
        text=item.text,
        wanted=said.wanted,
        revision=context.new_id(),
        never_learn=is_never,
        at=item.at,
    )
    noted = _Noted()
    if said.kind is TeachingKind.CRITIQUE and not is_never:
        noted = await _noted(context, item, about, teaching.id)
    await context.store.teachings.keep(replace(teaching, note=noted.id), noted.new, note_text=noted.text)
    kept = await context.store.teachings.of_message(item.id)
    if kept is None:  # it was withdrawn, or the person erased, in this very moment
        raise LookupError(item.id)
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    """The notes to keep; `id` and `text` are of the one that holds now, new or not."""

    new: tuple[NewNote, ...] = ()
    id: str | None = None
    text: str | None = None


async def _noted(context: Context, item: Item, about: RecordedReply, teaching: str) -> _Noted:
    """Every fact that the critique states, and the note that it is put into unless it states only facts."""
    standing = await context.store.notes.active(item.person.key)
    facts = said_in_passing.facts(item.text)
    new = tuple(
        notes_in_passing.fact_note(fact, item, standing, note_id=context.new_id(), teaching=teaching)
        for fact in facts
        if notes_in_passing.known(fact, standing) is None
    )
    if facts and said_in_passing.is_only_facts(item.text):
        last = notes_in_passing.known(facts[-1], standing) or new[-1]
        return _Noted(new=new, id=last.id, text=last.text)
    understood = await note_wording.understand(context, about.prompt, about.reply.text, item.text, standing)
    if understood is None:
        return _Noted(new=new)
    if understood.same_as is not None:
        return _Noted(new=new, id=understood.same_as.id, text=understood.text)
    note = NewNote(
        id=context.new_id(),
        person=item.person.key,
        kind=NoteKind.NOTE,
        text=understood.text,
        source=item.text,
        origin=Origin.CRITIQUE,
        manner=understood.manner,
        teaching=teaching,
        instead_of=tuple(note.id for note in understood.instead_of),
    )
    return _Noted(new=(*new, note), id=note.id, text=note.text)


# --- the answer that follows ---


def _accepted(context: Context, item: Item, about: RecordedReply, kept: Teaching, wanted: str) -> Draft:
    """A correction is the answer from now on, word for word."""
    revision = kept.revision or context.new_id()
    return Draft(
        id=revision,
        message=about.reply.message or item.id,
        cause=item.id,
        person=item.person.key,
        conversation=about.reply.conversation,
        revises=about.reply.id,
        text=wanted,
        prompt=about.prompt,
        model=about.model,
        lora=about.lora,
        seed=about.reply.seed,
        mode=about.reply.mode,
        score=None,
        answers={},
        heading=NOT_KEPT if kept.never_learn else "Noted: your text is kept word for word.",
        actions=() if kept.never_learn else (undo_button(revision), *_was_question(revision)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    woven: Woven
    contentment: float  # how sure the judge is that the critique was heeded


async def _revised(
    context: Context, item: Item, about: RecordedReply, kept: Teaching, on_progress: OnProgress
) -> Draft:
    person = await context.store.people.get(item.person.key)
    if person is None:  # erased while this waited
        raise LookupError(item.person.key)
    note = None if kept.note is None else (await context.store.notes.get(kept.note)).text
    prompt = await _revision_prompt(context, person, about, item.text)
    wish = note or _shortened(item.text)
    tries: list[_Try] = []
    attempts: list[Attempt] = []
    while not tries or _may_try_again(context, tries):
        tries.append(await _try(context, item, person, prompt, about, wish, on_progress))
        best = tries[-1].woven.composed.best
        attempts.append(Attempt(text=best.text, score=best.score, answers=best.answers))
        await context.store.teachings.tried(kept.id, attempts)
    chosen = max(tries, key=lambda one: (one.contentment, one.woven.composed.best.score))
    return await _draft(context, item, about, kept, chosen.woven, note)


async def _revision_prompt(
    context: Context, person: KnownPerson, about: RecordedReply, critique: str
) -> Prompt:
    """The conversation with the critique as its last turn, under what is known of the person now."""
    room = context.backend.max_context - limits_of(context).max_reply_tokens - QUESTION_TOKENS
    asked = wording.before_critiques(about.prompt.bare())  # earlier critiques stand in the notes
    bare = wording.revision(asked, about.reply.text, critique, context.backend.profile.layout)
    while len(context.backend.encode(bare)) > room and len(bare.turns) > 3:
        bare = replace(bare, turns=bare.turns[2:])  # the oldest exchange
    left = room - len(context.backend.encode(bare))
    if left < 0:
        raise Refused("too_long", "What you wrote is too long for me to answer again under it. Shorten it.")
    return await memory.recall(context, person, bare, budget_tokens=left)


def _may_try_again(context: Context, tries: Sequence[_Try]) -> bool:
    """All tries together have the time that one answer has, and none follows one that heeds the critique."""
    spent_s = sum(one.woven.composed.seconds for one in tries)
    is_left = len(tries) < MAX_ATTEMPTS and spent_s < limits_of(context).deadline_s
    return is_left and tries[-1].contentment < CONTENT


async def _try(
    context: Context,
    item: Item,
    person: KnownPerson,
    prompt: Prompt,
    about: RecordedReply,
    wish: str,
    on_progress: OnProgress,
) -> _Try:
    """One revision: of whole samples the one that heeds the critique best; of one, for who wants it fast."""
    question = replace(note_questions([wish])[0], weight=OWN_WEIGHT)
    others = tuple(one for one in note_questions(prompt.notes) if one.name != question.name)
    mode = Mode.FAST if mode_of(context, item, person) is Mode.FAST else Mode.BEST
    asked = (question, *others)
    woven = await weave(context, prompt, person, mode, on_progress, place=item.place, notes_asked=asked)
    return _Try(woven=woven, contentment=_contentment(woven, question, about))


def _shortened(critique: str) -> str:
    """A critique that is no note, as the judge is asked about it."""
    return " ".join(critique.split())[: note_wording.MAX_CHARS]


def _contentment(woven: Woven, question: Question, about: RecordedReply) -> float:
    """How well the critique was heeded. The same words again are no revision."""
    best = woven.composed.best
    return 0.0 if best.text == about.reply.text else best.answers.get(question.name, 1.0)


async def _draft(
    context: Context, item: Item, about: RecordedReply, kept: Teaching, woven: Woven, note: str | None
) -> Draft:
    composed = woven.composed
    revision = kept.revision or context.new_id()
    return Draft(
        id=revision,
        message=about.reply.message or item.id,
        cause=item.id,
        person=item.person.key,
        conversation=about.reply.conversation,
        revises=about.reply.id,
        text=composed.best.text,
        prompt=woven.prompt,
        model=context.backend.model,
        lora=None if woven.lora is None else woven.lora.id,
        seed=composed.seed,
        mode=composed.mode,
        score=composed.best.score,
        answers=composed.best.answers,
        branches=tuple(
            Branch(id=context.new_id(), text=other.text, score=other.score, answers=other.answers)
            for other in composed.others
        ),
        tree=composed.tree,
        generated_tokens=composed.generated_tokens,
        seconds=composed.seconds,
        heading=await _heading(context, kept, note),
        actions=(
            *((undo_button(await _undo_target(context, kept)),) if not kept.never_learn else ()),
            *_was_question(revision),
            *actions(revision, has_others=bool(composed.others)),
        ),
    )


NOT_KEPT: Final = f"Not kept: you marked this answer {ratings.NEVER_LEARN}."


async def _heading(context: Context, kept: Teaching, note: str | None) -> str:
    """What was understood, in one line."""
    if kept.never_learn:
        return NOT_KEPT
    everything = await context.store.notes.all(kept.person)
    made = [one for one in everything if one.teaching == kept.id]
    said = []
    if note is None:
        said.append("Understood as a critique. I could not put it into a short note.")
    elif kept.note not in {one.id for one in made}:
        said.append(f"Noted already: “{note}”")
    if made:
        said.append(note_wording.told(made, everything))
    return " ".join(said)


async def _undo_target(context: Context, kept: Teaching) -> str:
    """The note that this teaching made, or else its revision: an older note is not to go with it."""
    if kept.note is not None and (await context.store.notes.get(kept.note)).teaching == kept.id:
        return kept.note
    return kept.revision or kept.id


def _was_question(revision: str) -> tuple[Action, ...]:
    return (Action(kind=ActionKind.WAS_QUESTION, label="That was a question", target=revision),)
