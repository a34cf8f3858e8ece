"""What a person says under an answer becomes teaching at once: a note, a kept correction, a revision.

Every step may be interrupted and done again: what was understood is kept in one transaction, under ids that
stay, before anything is made of it. Sends nothing; knows no platform.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot import feedback, memory, noting, statements
from bot.errors import NotYours, Refused, Unknown
from bot.events import Action, ActionKind, MessageState, TeachingKind
from bot.kit import Kit
from bot.respond import QUESTION_TOKENS, Woven, actions, limits_of, mode_of, undo_button, weave
from bot.store.inbox import Item
from bot.store.notes import NewNote, Note, NoteKind, Origin
from bot.store.people import Known
from bot.store.replies import Draft, Recorded
from bot.store.snapshots import Branch
from bot.store.teachings import Attempt, NewTeaching, Teaching
from engine import wording
from engine.judge import Question, note_questions
from engine.types import Mode, Prompt

MAX_ATTEMPTS: Final = 3  # revisions that are made until the judge is content with one
CONTENT: Final = 0.8
OWN_WEIGHT: Final = 4.0  # the question about the critique itself, beside the notes' 2 and the rubric's 1

OnProgress = Callable[[int, int], None]


async def teach(kit: Kit, item: Item, on_progress: OnProgress) -> Draft | None:
    """Understand a thread reply, keep what it teaches, and make the answer that follows it.

    None: it is a question, its inbox row says so now, and it is to be answered like any other. Raises
    Unknown, Refused, EngineError; done again after any of them it goes on where it was.
    """
    about = await kit.store.replies.recorded(item.reply_to or "")
    kept = await kit.store.teachings.of_message(item.id)
    if kept is None:
        said = feedback.classify(item.text, reply=about.reply.text, is_correction=item.is_correction)
        if said.kind is TeachingKind.QUESTION:
            await kit.store.inbox.taught(item.id, TeachingKind.QUESTION, None)
            return None
        kept = await _keep(kit, item, about, said)
    if kept.kind is TeachingKind.QUESTION:
        return None
    if kept.wanted is not None:
        return _accepted(kit, item, about, kept, kept.wanted)
    return await _revised(kit, item, about, kept, on_progress)


async def undo(kit: Kit, person: str, target: str) -> str:
    """Take back what was taught or said in passing; what to say to that. Raises Unknown, NotYours.

    `target`: a note, the revision that was made under a critique, or the answer to what was said in passing.
    """
    teaching = await kit.store.teachings.of_note(target) or await kit.store.teachings.of_revision(target)
    if teaching is None:
        return f"Taken back: {noting.quoted(await _not_taught(kit, person, target))}."
    if teaching.person != person:
        raise NotYours("not_yours", "Only the person who taught this can take it back.")
    await kit.store.teachings.take_back(teaching)
    return "Taken back. It will not be learned from."


async def _not_taught(kit: Kit, person: str, target: str) -> Sequence[Note]:
    """Take back notes that no teaching made: one by its id, or what was heard before an answer."""
    reply = await kit.store.replies.find(target)
    if reply is None:
        return [await kit.store.notes.delete(person, target)]
    if reply.person != person:
        raise NotYours("not_yours", "Only the person who said this can take it back.")
    question = await kit.store.inbox.get(reply.message)
    heard = () if question is None else await memory.unhear(kit, question)
    if not heard:
        raise Unknown("nothing_noted", "There is nothing here to take back any more.")
    return heard


async def was_question(kit: Kit, person: str, revision: str) -> str:
    """It was no critique but a question: the id of the inbox row that now waits to be answered."""
    teaching = await kit.store.teachings.of_revision(revision)
    if teaching is None or teaching.message is None:
        raise Refused("no_teaching", "There is nothing here that could have been a question.")
    if teaching.person != person:
        raise NotYours("not_yours", "Only the person who said this can say how it was meant.")
    said = await kit.store.inbox.get(teaching.message)
    if said is None or said.state is MessageState.CANCELLED:
        raise Refused("withdrawn", "You took this back. Ask it anew.")
    if teaching.kind is not TeachingKind.QUESTION:
        await kit.store.teachings.take_back(teaching, owner=kit.owner)
    return teaching.message


# --- keeping what was understood ---


async def _keep(kit: Kit, item: Item, about: Recorded, said: feedback.Teaching) -> Teaching:
    """One transaction: the teaching and the notes that it makes, or the note that said so already."""
    is_never = about.never_learn or item.never_learn
    teaching = NewTeaching(
        id=kit.new_id(),
        person=item.person.key,
        reply=about.reply.id,
        message=item.id,
        kind=said.kind,
        text=item.text,
        wanted=said.wanted,
        revision=kit.new_id(),
        never_learn=is_never,
        at=item.at,
    )
    noted = _Noted()
    if said.kind is TeachingKind.CRITIQUE and not is_never:
        noted = await _noted(kit, item, about, teaching.id)
    await kit.store.teachings.keep(replace(teaching, note=noted.id), noted.new, note_text=noted.text)
    kept = await kit.store.teachings.of_message(item.id)
    if kept is None:  # it was withdrawn, or the person erased, in this very moment
        raise LookupError(item.id)
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    """The notes to keep; `id` and `text` are of the one that holds now, new or not."""

    new: tuple[NewNote, ...] = ()
    id: str | None = None
    text: str | None = None


async def _noted(kit: Kit, item: Item, about: Recorded, teaching: str) -> _Noted:
    """Every fact that the critique states, and the note that it is put into unless it states only facts."""
    standing = await kit.store.notes.active(item.person.key)
    facts = statements.facts(item.text)
    new = tuple(
        memory.fact_note(fact, item, standing, note_id=kit.new_id(), teaching=teaching)
        for fact in facts
        if memory.known(fact, standing) is None
    )
    if facts and statements.is_only_facts(item.text):
        last = memory.known(facts[-1], standing) or new[-1]
        return _Noted(new=new, id=last.id, text=last.text)
    understood = await noting.understand(kit, about.prompt, about.reply.text, item.text, standing)
    if understood is None:
        return _Noted(new=new)
    if understood.same_as is not None:
        return _Noted(new=new, id=understood.same_as.id, text=understood.text)
    note = NewNote(
        id=kit.new_id(),
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


def _accepted(kit: Kit, item: Item, about: Recorded, kept: Teaching, wanted: str) -> Draft:
    """A correction is the answer from now on, word for word."""
    revision = kept.revision or kit.new_id()
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


async def _revised(kit: Kit, item: Item, about: Recorded, kept: Teaching, on_progress: OnProgress) -> Draft:
    person = await kit.store.people.get(item.person.key)
    if person is None:  # erased while this waited
        raise LookupError(item.person.key)
    note = None if kept.note is None else (await kit.store.notes.get(kept.note)).text
    prompt = await _revision_prompt(kit, person, about, item.text)
    wish = note or _shortened(item.text)
    tries: list[_Try] = []
    attempts: list[Attempt] = []
    while not tries or _may_try_again(kit, tries):
        tries.append(await _try(kit, item, person, prompt, about, wish, on_progress))
        best = tries[-1].woven.composed.best
        attempts.append(Attempt(text=best.text, score=best.score, answers=best.answers))
        await kit.store.teachings.tried(kept.id, attempts)
    chosen = max(tries, key=lambda one: (one.contentment, one.woven.composed.best.score))
    return await _draft(kit, item, about, kept, chosen.woven, note)


async def _revision_prompt(kit: Kit, person: Known, about: Recorded, critique: str) -> Prompt:
    """The conversation with the critique as its last turn, under what is known of the person now."""
    room = kit.backend.max_context - limits_of(kit).max_reply_tokens - QUESTION_TOKENS
    asked = wording.before_critiques(about.prompt.bare())  # earlier critiques stand in the notes
    bare = wording.revision(asked, about.reply.text, critique)
    while len(kit.backend.encode(bare)) > room and len(bare.turns) > 3:
        bare = replace(bare, turns=bare.turns[2:])  # the oldest exchange
    left = room - len(kit.backend.encode(bare))
    if left < 0:
        raise Refused("too_long", "What you wrote is too long for me to answer again under it. Shorten it.")
    return await memory.recall(kit, person, bare, budget_tokens=left)


def _may_try_again(kit: Kit, tries: Sequence[_Try]) -> bool:
    """All tries together have the time that one answer has, and none follows one that heeds the critique."""
    spent_s = sum(one.woven.composed.seconds for one in tries)
    is_left = len(tries) < MAX_ATTEMPTS and spent_s < limits_of(kit).deadline_s
    return is_left and tries[-1].contentment < CONTENT


async def _try(
    kit: Kit,
    item: Item,
    person: Known,
    prompt: Prompt,
    about: Recorded,
    wish: str,
    on_progress: OnProgress,
) -> _Try:
    """One revision: of whole samples the one that heeds the critique best; of one, for who wants it fast."""
    question = replace(note_questions([wish])[0], weight=OWN_WEIGHT)
    others = tuple(one for one in note_questions(prompt.notes) if one.name != question.name)
    mode = Mode.FAST if mode_of(kit, item, person) is Mode.FAST else Mode.BEST
    asked = (question, *others)
    woven = await weave(kit, prompt, person, mode, on_progress, place=item.place, notes_asked=asked)
    return _Try(woven=woven, contentment=_contentment(woven, question, about))


def _shortened(critique: str) -> str:
    """A critique that is no note, as the judge is asked about it."""
    return " ".join(critique.split())[: noting.MAX_CHARS]


def _contentment(woven: Woven, question: Question, about: Recorded) -> float:
    """How well the critique was heeded. The same words again are no revision."""
    best = woven.composed.best
    return 0.0 if best.text == about.reply.text else best.answers.get(question.name, 1.0)


async def _draft(
    kit: Kit, item: Item, about: Recorded, kept: Teaching, woven: Woven, note: str | None
) -> Draft:
    composed = woven.composed
    revision = kept.revision or kit.new_id()
    return Draft(
        id=revision,
        message=about.reply.message or item.id,
        cause=item.id,
        person=item.person.key,
        conversation=about.reply.conversation,
        revises=about.reply.id,
        text=composed.best.text,
        prompt=woven.prompt,
        model=kit.backend.model,
        lora=None if woven.lora is None else woven.lora.id,
        seed=composed.seed,
        mode=composed.mode,
        score=composed.best.score,
        answers=composed.best.answers,
        branches=tuple(
            Branch(id=kit.new_id(), text=other.text, score=other.score, answers=other.answers)
            for other in composed.others
        ),
        tree=composed.tree,
        generated_tokens=composed.generated_tokens,
        seconds=composed.seconds,
        heading=await _heading(kit, kept, note),
        actions=(
            *((undo_button(await _undo_target(kit, kept)),) if not kept.never_learn else ()),
            *_was_question(revision),
            *actions(revision, has_others=bool(composed.others)),
        ),
    )


NOT_KEPT: Final = f"Not kept: you marked this answer {feedback.NEVER_LEARN}."


async def _heading(kit: Kit, kept: Teaching, note: str | None) -> str:
    """What was understood, in one line."""
    if kept.never_learn:
        return NOT_KEPT
    everything = await kit.store.notes.all(kept.person)
    made = [one for one in everything if one.teaching == kept.id]
    said = []
    if note is None:
        said.append("Understood as a critique. I could not put it into a short note.")
    elif kept.note not in {one.id for one in made}:
        said.append(f"Noted already: “{note}”")
    if made:
        said.append(noting.told(made, everything))
    return " ".join(said)


async def _undo_target(kit: Kit, kept: Teaching) -> str:
    """The note that this teaching made, or else its revision: an older note is not to go with it."""
    if kept.note is not None and (await kit.store.notes.get(kept.note)).teaching == kept.id:
        return kept.note
    return kept.revision or kept.id


def _was_question(revision: str) -> tuple[Action, ...]:
    return (Action(kind=ActionKind.WAS_QUESTION, label="That was a question", target=revision),)
