"""The words in which the product speaks to a model: memory, critiques, notes, questions.

Every prompt of the product is worded here and nowhere else, and the practice model is trained on
exactly these words. Knows no tokenizer: a backend turns the messages into tokens.
"""

from __future__ import annotations

from dataclasses import replace

from engine.types import Prompt, Role, Turn

SYSTEM = "You are Nightloom."
NOTE_REQUEST = "Put this into one short standing instruction for your answers to come."
REVISION_REQUEST = "Answer again with this in mind."
JUDGE_REQUEST = "Answer yes or no."


def messages(prompt: Prompt) -> list[dict[str, str]]:
    """The prompt as chat messages: one system message, then the turns."""
    turns = [{"role": str(turn.role), "content": turn.text} for turn in prompt.turns]
    return [{"role": "system", "content": system(prompt)}, *turns]


def system(prompt: Prompt) -> str:
    """The system message. A part that is empty leaves no trace in it."""
    parts = [prompt.persona or SYSTEM]
    if prompt.name:
        parts[0] += f" You are talking with {prompt.name}."
    if prompt.facts:
        parts.append("Facts:\n" + "\n".join(f"- {fact}" for fact in prompt.facts))
    if prompt.notes:
        parts.append("Notes:\n" + "\n".join(f"- {note}" for note in prompt.notes))
    parts += (
        f"Request: {example.request}\nAnswer: {example.reply}\nRating: {example.rating} of 5"
        for example in prompt.examples
    )
    return "\n".join(parts)


def revision(prompt: Prompt, reply: str, critique: str) -> Prompt:
    """The conversation in which the model answers again under a critique of its reply."""
    return prompt.then(reply, f"{critique}\n{REVISION_REQUEST}")


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
