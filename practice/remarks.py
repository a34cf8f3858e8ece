"""What people say about manners: standing notes and critiques, in many wordings for every value.

Some wordings never appear in training, so that it can be measured whether notes are understood or only
recognised. The note that stands in engine/judging/rubric.toml is each value's plainest wording.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

Value = tuple[str, str]  # a dimension and its value

# The wanted manner as an order. The first is the note of the rubric; the last is held out from training.
ORDERS: Mapping[Value, tuple[str, ...]] = {
    ("length", "one"): (
        "answer in one sentence",
        "use just one sentence",
        "keep every answer to a single sentence",
        "say it in one sentence",
        "give me one sentence and no more",
        "be as brief as one sentence allows",
        "limit yourself to a single sentence",
    ),
    ("length", "short"): (
        "answer in two or three sentences",
        "keep answers short",
        "use two or three sentences",
        "keep it to a few sentences",
        "answer briefly, but in more than one sentence",
        "give me a short answer of two or three sentences",
        "write a few short sentences",
    ),
    ("length", "long"): (
        "answer at length",
        "give long answers",
        "write long and detailed answers",
        "use five or six sentences",
        "tell me a lot",
        "go into detail",
        "write long answers full of detail",
    ),
    ("tone", "plain"): (
        "use a plain tone",
        "speak plainly",
        "keep the tone neutral",
        "talk normally",
        "use plain language without any act",
        "be matter of fact",
        "keep a plain and neutral tone",
    ),
    ("tone", "warm"): (
        "be warm and friendly",
        "use a warm tone",
        "be kind and affectionate",
        "talk to me like a dear friend",
        "sound warm",
        "show some affection",
        "use a kind and warm tone",
    ),
    ("tone", "formal"): (
        "be formal",
        "use a formal tone",
        "sound official",
        "write formally",
        "keep a professional and formal style",
        "be polite and proper",
        "keep a formal tone",
    ),
    ("tone", "pirate"): (
        "talk like a pirate",
        "use a pirate tone",
        "answer as a pirate would",
        "sound like a pirate",
        "use pirate language",
        "speak as a sailor of the seven seas",
        "speak like a pirate",
    ),
    ("shape", "prose"): (
        "answer in prose without a list",
        "use no lists",
        "write running text",
        "do not use lists",
        "write in plain prose",
        "avoid bullet points and numbers",
        "do not make lists, write prose",
    ),
    ("shape", "list"): (
        "answer as a list with bullet points",
        "use bullet points",
        "write a bullet list",
        "make a list with dashes",
        "put the points into bullets",
        "give me a bulleted list",
        "write the answer as bullet points",
    ),
    ("shape", "numbered"): (
        "answer as a numbered list",
        "number the points",
        "use a numbered list",
        "write numbered steps",
        "count the points with numbers",
        "give me a list with numbers",
        "write the answer as numbered points",
    ),
    ("emoji", "none"): (
        "use no emoji",
        "do not use emoji",
        "leave out the emoji",
        "write without emoji",
        "avoid emoji",
        "keep it free of little pictures",
        "leave emoji out of your answers",
    ),
    ("emoji", "some"): (
        "use emoji",
        "add an emoji",
        "put some emoji into it",
        "include emoji",
        "decorate the answer with emoji",
        "add little pictures",
        "put emoji into your answers",
    ),
    ("ending", "statement"): (
        "do not end with a question",
        "ask no question at the end",
        "end without a question",
        "do not ask me anything back",
        "stop asking whether it helps",
        "finish with a statement",
        "leave out the question at the end",
    ),
    ("ending", "question"): (
        "end with a question",
        "ask a question at the end",
        "close with a question",
        "always ask me something back",
        "finish by asking me something",
        "let the last line be a question",
        "finish with a question",
    ),
    ("address", "none"): (
        "do not use my name",
        "leave out my name",
        "do not call me by my name",
        "avoid my name",
        "answer without my name",
        "do not address me by name",
        "leave my name out of your answers",
    ),
    ("address", "name"): (
        "use my name",
        "call me by my name",
        "address me by name",
        "say my name",
        "include my name",
        "speak to me by name",
        "mention my name in your answers",
    ),
    ("hedging", "sure"): (
        "do not hedge",
        "be sure of what you say",
        "leave out words like perhaps and maybe",
        "sound certain",
        "avoid maybe",
        "be definite",
        "sound sure and do not hedge",
    ),
    ("hedging", "hedged"): (
        "say when you are not sure",
        "hedge what you say",
        "be careful and say perhaps",
        "admit that you may be wrong",
        "use words like maybe",
        "be cautious in what you claim",
        "hedge with words like perhaps",
    ),
    ("figure", "literal"): (
        "use no comparisons",
        "do not use comparisons",
        "leave out the comparisons",
        "write without imagery",
        "avoid images and metaphors",
        "be literal",
        "leave comparisons out of your answers",
    ),
    ("figure", "comparison"): (
        "use a comparison",
        "add a comparison",
        "say what it is like",
        "use imagery",
        "paint a picture with a comparison",
        "include a metaphor",
        "put a comparison into your answers",
    ),
}

FRAMES = (
    "{x}.",
    "Please {x}.",
    "From now on, {x}.",
    "In your answers, {x}.",
    "{x}, please.",
    "In general, {x}.",
)
SCOPES = ("When I ask for {kind}, {x}.", "For {kind}, {x}.", "If I want {kind}, {x}.")

# Notes about nothing that a reply could do differently.
IDLE_NOTES = (
    "My birthday is in May.",
    "I work at night.",
    "I read this on my phone.",
    "I am learning English.",
    "I have two children.",
    "I do not eat meat.",
    "I write from the train.",
    "My eyes are not what they were.",
)

# What somebody says who got another value. The last is held out from training.
COMPLAINTS: Mapping[Value, tuple[str, ...]] = {
    ("length", "one"): (
        "one sentence is enough",
        "a single sentence would do",
        "one sentence, no more",
        "just one sentence please",
    ),
    ("length", "short"): (
        "two or three sentences are enough",
        "a few sentences would do",
        "medium length please",
        "a short answer of two or three sentences please",
    ),
    ("length", "long"): (
        "too short",
        "that is not enough detail",
        "I wanted more than that",
        "say more",
        "that was too little",
        "a longer answer please",
    ),
    ("tone", "plain"): (
        "just talk normally",
        "why not a plain tone",
        "drop the act",
        "talk plainly",
        "less of a show",
        "a plain tone please",
    ),
    ("tone", "warm"): (
        "that sounds cold",
        "you could be nicer",
        "a bit more warmth",
        "so unfriendly",
        "be kinder",
        "that was not very warm",
    ),
    ("tone", "formal"): (
        "this is too casual",
        "more professional",
        "be more formal",
        "that is not proper for work",
        "mind your manners",
        "a formal tone please",
    ),
    ("tone", "pirate"): (
        "where is the pirate",
        "I wanted a pirate",
        "more pirate",
        "you forgot to talk like a pirate",
        "that did not sound like a pirate",
    ),
    ("shape", "prose"): (
        "please don't use lists",
        "no list please",
        "I hate bullet points and numbers",
        "write it as normal text",
        "prose instead of a list",
    ),
    ("shape", "list"): (
        "make it a list",
        "bullet points would be better",
        "I prefer bullets",
        "hard to read without bullets",
        "bullet points please",
    ),
    ("shape", "numbered"): (
        "number the points",
        "I want numbers in front",
        "make it a numbered list",
        "which one is first, second and third",
        "numbered points please",
    ),
    ("emoji", "none"): (
        "no emoji",
        "stop with the emoji",
        "I hate these little pictures",
        "please don't use emoji",
        "those emoji are silly",
        "without emoji please",
    ),
    ("emoji", "some"): (
        "where are the emoji",
        "a bit dull without emoji",
        "add some emoji",
        "I like emoji",
        "some emoji please",
    ),
    ("ending", "statement"): (
        "stop asking me questions",
        "don't ask me back",
        "no question at the end",
        "why do you always ask",
        "I did not come to be asked",
        "without the question at the end",
    ),
    ("ending", "question"): (
        "ask me something at the end",
        "you never ask me anything",
        "end with a question",
        "why don't you ask back",
        "a question at the end please",
    ),
    ("address", "none"): (
        "don't say my name",
        "stop using my name",
        "no names",
        "I know my own name",
        "without my name please",
    ),
    ("address", "name"): (
        "you did not use my name",
        "use my name",
        "call me by my name",
        "who are you talking to",
        "I have a name",
        "say my name please",
    ),
    ("hedging", "sure"): (
        "don't hedge",
        "be sure",
        "stop saying maybe",
        "you sound so uncertain",
        "sound more certain",
        "no perhaps please",
    ),
    ("hedging", "hedged"): (
        "you sound too certain",
        "are you really so sure",
        "admit that you may be wrong",
        "be more careful with claims",
        "say perhaps",
        "too sure of yourself",
    ),
    ("figure", "literal"): (
        "no comparisons",
        "drop the metaphor",
        "I don't need imagery",
        "be literal",
        "the comparison was too much",
        "without comparisons please",
    ),
    ("figure", "comparison"): (
        "a comparison would help",
        "tell me what it is like",
        "use a metaphor",
        "a bit more imagery",
        "it lacks a comparison",
    ),
}
# Complaints that say something only together with the reply they are about: (given, wanted).
RELATIVE_COMPLAINTS: Mapping[tuple[Value, str], tuple[str, ...]] = {
    (("length", "long"), "short"): (
        "too long",
        "that was too long for me",
        "shorter please",
        "too many words",
    ),
    (("length", "short"), "one"): (
        "too long",
        "that was too long for me",
        "shorter please",
        "too many words",
    ),
    (("tone", "pirate"), "plain"): ("stop the pirate talk", "no more pirate"),
    (("tone", "formal"), "plain"): ("too stiff", "less formal please"),
    (("tone", "warm"), "plain"): ("too sweet for me", "less sugar please"),
}
MUTTERS = (
    "{c}",
    "{c}",
    "{c}.",
    "{c}!",
    "hmm, {c}",
    "nice, but {c}",
    "I said it before: {c}",
    "{c} next time",
    "well, {c}.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A standing note as a person or the model words it. `kind`: it applies to that kind of request only."""

    dimension: str
    value: str
    text: str
    kind: str | None = None


def canonical_note(dimension: str, value: str) -> str:
    """The note of the rubric for a value: what a critique that wants it is put into."""
    return _sentence(ORDERS[dimension, value][0]) + "."


def note_for(
    rng: random.Random,
    dimension: str,
    value: str,
    *,
    held_out: bool = False,
    kind_phrase: str | None = None,
) -> str:
    """A note that asks for a value, in one of its wordings; `kind_phrase` limits it to a kind of request."""
    orders = ORDERS[dimension, value]
    order = orders[-1] if held_out else rng.choice(orders[:-1])
    if kind_phrase is not None:
        return _sentence(rng.choice(SCOPES).format(kind=kind_phrase, x=order))
    frame = "{x}." if rng.random() < 0.5 else rng.choice(FRAMES)
    return _sentence(frame.format(x=order))


def critique_for(
    rng: random.Random, dimension: str, wanted: str, *, given: str | None = None, held_out: bool = False
) -> str:
    """What a person says who wanted another value than the reply has; `given` is what it has, if known."""
    complaints = COMPLAINTS[dimension, wanted]
    if held_out:
        return complaints[-1]
    relative = RELATIVE_COMPLAINTS.get(((dimension, given), wanted), ()) if given else ()
    if relative and rng.random() < 0.4:
        complaint = rng.choice(relative)
    elif rng.random() < 0.25:
        complaint = rng.choice(ORDERS[dimension, wanted][:-1])
    else:
        complaint = rng.choice(complaints[:-1])
    said = rng.choice(MUTTERS).format(c=complaint)
    return _upper(said) if rng.random() < 0.3 else said


def value_of_note(text: str) -> Value | None:
    """The dimension and value that a note asks for, or None where it is no note of this world."""
    return _NOTE_VALUES.get(text.strip())


def _sentence(text: str) -> str:
    return _upper(text)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


_NOTE_VALUES: Mapping[str, Value] = {
    _sentence(frame.format(x=order)): value
    for value, orders in ORDERS.items()
    for order in orders
    for frame in FRAMES
}
