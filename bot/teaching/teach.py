"""What a person says under an answer becomes teaching at once: a note, a kept correction, a revision.

Every step may be interrupted and done again: what was understood is kept in one transaction, under ids that
stay, before anything is made of it. Sends nothing; knows no platform.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.answering.drafting import undo_button
from bot.context import Context
from bot.errors import NotYours, Refused, Unknown
from bot.events import MessageState, TeachingKind
from bot.store.feedback.notes import NewNote, Note, NoteKind, Origin
from bot.store.feedback.teachings import NewTeaching, Teaching
from bot.store.inbox import Item
from bot.store.recorded_replies import Draft, RecordedReply
from bot.teaching import note_wording, notes_in_passing, said_in_passing, understanding
from bot.teaching.revision import NOT_KEPT, revised, was_question_button

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
    return await revised(context, item, about, kept, on_progress)


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
    noted = _NotesOfCritique()
    if said.kind is TeachingKind.CRITIQUE and not is_never:
        noted = await _notes_of(context, item, about, teaching.id)
    await context.store.teachings.keep(replace(teaching, note=noted.id), noted.new, note_text=noted.text)
    kept = await context.store.teachings.of_message(item.id)
    if kept is None:  # it was withdrawn, or the person erased, in this very moment
        raise LookupError(item.id)
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _NotesOfCritique:
    """The notes to keep; `id` and `text` are of the first that holds now, new or not."""

    new: tuple[NewNote, ...] = ()
    id: str | None = None
    text: str | None = None


async def _notes_of(context: Context, item: Item, about: RecordedReply, teaching: str) -> _NotesOfCritique:
    """Every fact that the critique states, and the notes that it is put into unless it states only facts."""
    standing = await context.store.notes.active(item.person.key)
    facts = said_in_passing.facts(item.text)
    new = [
        notes_in_passing.fact_note(fact, item, standing, note_id=context.new_id(), teaching=teaching)
        for fact in facts
        if notes_in_passing.known(fact, standing) is None
    ]
    if facts and said_in_passing.is_only_facts(item.text):
        last = notes_in_passing.known(facts[-1], standing) or new[-1]
        return _NotesOfCritique(new=tuple(new), id=last.id, text=last.text)
    first: Note | NewNote | None = None
    for placed in await note_wording.understand(context, about.prompt, about.reply.text, item.text, standing):
        note = placed.same_as or _new_note(context, item, placed, teaching)
        first = first or note
        if isinstance(note, NewNote):
            new.append(note)
    if first is None:
        return _NotesOfCritique(new=tuple(new))
    return _NotesOfCritique(new=tuple(new), id=first.id, text=first.text)


def _new_note(context: Context, item: Item, placed: note_wording.Placed, teaching: str) -> NewNote:
    return NewNote(
        id=context.new_id(),
        person=item.person.key,
        kind=NoteKind.NOTE,
        text=placed.text,
        source=item.text,
        origin=Origin.CRITIQUE,
        manner=placed.manner,
        teaching=teaching,
        instead_of=tuple(note.id for note in placed.instead_of),
    )


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
        heading=NOT_KEPT if kept.never_learn else "Taken as a correction, word for word.",
        actions=() if kept.never_learn else (undo_button(revision), *was_question_button(revision)),
    )
