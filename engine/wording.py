"""The words in which the product speaks to a model: memory, critiques, notes, questions.

Every prompt of the product is worded here and nowhere else. Where notes and examples stand is said by the
model's layout. Knows no tokenizer: a backend turns the messages into tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.types import ExamplesAs, Layout, NotesAt, Prompt, Role, Turn

NOTE_REQUEST = "Put this into one short standing instruction for your answers to come."
REVISION_REQUEST = "Answer again with this in mind."
JUDGE_REQUEST = "Answer yes or no."

# How the first prompts of the product were laid out; a model that was trained on them knows no other.
CLASSIC = Layout(notes=NotesAt.SYSTEM, examples=ExamplesAs.TEXT, persona="You are Nightloom.", has_name=True)
SHOWN_FROM = 4  # as turns only answers are shown that the person rated so: a model copies what it sees


def messages(prompt: Prompt, layout: Layout) -> list[dict[str, str]]:
    """The prompt as chat messages: a system message if there is anything to say in it, then the turns."""
    said = system(prompt, layout)
    opening = [{"role": "system", "content": said}] if said else []
    return opening + [{"role": str(turn.role), "content": turn.text} for turn in _turns(prompt, layout)]


def system(prompt: Prompt, layout: Layout) -> str:
    """The system message. A part that is empty leaves no trace in it."""
    persona = prompt.persona or layout.persona
    if prompt.name and layout.has_name:
        persona = f"{persona} You are talking with {prompt.name}."
    parts = [persona] if persona else []
    if layout.notes is not NotesAt.REQUEST:
        if prompt.facts:
            parts.append("Facts:\n" + "\n".join(f"- {fact}" for fact in prompt.facts))
        if prompt.notes:
            parts.append("Notes:\n" + "\n".join(f"- {note}" for note in prompt.notes))
    if layout.examples is ExamplesAs.TEXT:
        parts += (
            f"Request: {example.request}\nAnswer: {example.reply}\nRating: {example.rating} of 5"
            for example in prompt.examples
        )
    return "\n".join(parts)


def revision(prompt: Prompt, reply: str, critique: str, layout: Layout) -> Prompt:
    """What the model is asked so that it answers again under a critique of its reply.

    A model that follows notes behind a request is asked the request again with the critique among them; it
    would answer the critique itself if that were a turn of its own.
    """
    if layout.notes is NotesAt.SYSTEM:
        return prompt.then(reply, f"{critique}\n{REVISION_REQUEST}")
    is_noted = critique in prompt.notes
    return prompt if is_noted else replace(prompt, notes=(*prompt.notes, critique))


def _turns(prompt: Prompt, layout: Layout) -> Sequence[Turn]:
    """The conversation as the model reads it: liked answers before it, notes behind the last request."""
    *earlier, last = prompt.turns
    behind = "" if layout.notes is NotesAt.SYSTEM else _behind(prompt, layout)
    shown: list[Turn] = []
    if layout.examples is ExamplesAs.TURNS:
        for example in prompt.examples:
            if example.rating >= SHOWN_FROM:
                shown += (
                    Turn(role=Role.USER, text=_followed_by(example.request, behind)),
                    Turn(role=Role.ASSISTANT, text=example.reply),
                )
    return (*shown, *earlier, Turn(role=last.role, text=_followed_by(last.text, behind)))


def _behind(prompt: Prompt, layout: Layout) -> str:
    """What stands behind a request: facts where the system message does not tell them, then the notes."""
    facts = prompt.facts if layout.notes is NotesAt.REQUEST else ()
    return "\n".join((*facts, *prompt.notes))


def _followed_by(request: str, behind: str) -> str:
    return f"{request}\n\n{behind}" if behind else request


def before_critiques(prompt: Prompt) -> Prompt:
    """The conversation as it was before any critique: what a revision was first asked by."""
    turns = prompt.turns
    while len(turns) > 2 and turns[-1].text.endswith(REVISION_REQUEST):
        turns = turns[:-2]
    return replace(prompt, turns=turns)


def last_exchange(prompt: Prompt) -> Prompt:
    """The request alone: what came before it is no part of what is criticised."""
    bare = before_critiques(prompt.bare())
    return Prompt(turns=bare.turns[-1:], persona=bare.persona, name=bare.name)


def note(prompt: Prompt, reply: str, critique: str) -> Prompt:
    """The conversation in which the model words a critique as a standing note. Needs no memory."""
    return prompt.bare().then(reply, f"{critique}\n{NOTE_REQUEST}")


def question(text: str) -> str:
    """The user turn, after a reply, that asks the judge about it. Yes or no is the next token."""
    return f"{text} {JUDGE_REQUEST}"


def note_question(note: str) -> str:
    """The judge's question for one of the person's notes."""
    return f'Does the reply follow the note "{note}"?'


def is_meant(note_text: str) -> str:
    """The question, behind a request that is not answered yet, whether a note is for it."""
    return f'Is the note "{note_text}" for this request?'


def last_request(prompt: Prompt) -> str:
    """What the person said last."""
    return next(turn.text for turn in reversed(prompt.turns) if turn.role is Role.USER)


def takes_the_place(note_text: str, earlier: str) -> Prompt:
    """The question, with no conversation, whether a note is to stand instead of an earlier one."""
    asked = question(f'Earlier note: "{earlier}" New note: "{note_text}" Does the new note take its place?')
    return Prompt(turns=(Turn(role=Role.USER, text=asked),))
