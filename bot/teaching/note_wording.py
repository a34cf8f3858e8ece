"""Puts a critique into a short standing note, and finds the notes that it makes obsolete. Stores nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from bot.context import Context
from bot.store.feedback.notes import Note, NoteKind
from bot.teaching import lexicon
from bot.teaching.lexicon import About, Lexicon, load_lexicon
from bot.teaching.lexicon_file import SHIPPED as SHIPPED_LEXICON
from engine import wording
from engine.judging.judge import Judge, probability
from engine.judging.measures import parse
from engine.judging.rubric import SHIPPED_RUBRIC, Question, Rubric, load_rubric
from engine.types import Prompt, Sampling

SAMPLES: Final = 6
MAX_NOTE_TOKENS: Final = 128
MAX_CHARS: Final = 160
MAX_WORDS: Final = 30
# A model that is asked whether two notes exclude each other is believed only when it is sure.
SURE: Final = 0.9
FEWEST_WORDS: Final = 2  # of a note in somebody's own words: a single word says nothing
ORDER_KIND: Final = "order of notes"  # as what a model's profile knows that question


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The note that a critique is put into, and what it does to the notes that stand.

    `same_as`: the note that says it already. `instead_of`: those that contradict it.
    """

    text: str
    manner: str | None
    same_as: Note | None = None
    instead_of: tuple[Note, ...] = ()


async def understand(
    context: Context, prompt: Prompt, reply: str, critique: str, standing: Sequence[Note]
) -> Sequence[Placed]:
    """The critique as notes; none where nothing that stands can be made of it. Raises EngineError."""
    if context.backend.profile.lexicon:
        texts = looked_up(critique, reply=reply, rubric=context.rubric, lexicon_file=context.settings.lexicon)
    else:
        worded = await _worded(context, prompt, reply, critique) or _sound(critique)
        texts = () if worded is None else (worded,)
    return [await placed(context, text, standing) for text in texts]


def looked_up(
    critique: str, *, reply: str, rubric: Rubric, lexicon_file: Path | None = None
) -> Sequence[str]:
    """The notes of the manners that the lexicon finds in a critique; what else stands, in their own words."""
    understood = lexicon.understand(critique, reply=reply, lexicon=_lexicon(lexicon_file))
    if understood.about is not About.STANDING:
        return ()
    if not understood.meanings:
        return _in_own_words(critique)
    notes = [
        rubric.note_of(meaning.manner, None if meaning.wish is None else parse(meaning.wish))
        for meaning in understood.meanings
        if rubric.manner(meaning.manner) is not None
    ]
    own = _in_own_words(understood.rest) if understood.rest_about is About.STANDING else ()
    return (*dict.fromkeys(notes), *own)


def _in_own_words(text: str) -> tuple[str, ...]:
    own = _sound(text)
    return () if own is None or len(own.split()) < FEWEST_WORDS else (own,)


@cache
def _lexicon(path: Path | None) -> Lexicon:
    """The lexicon of this service, read once."""
    manners = [manner.name for manner in load_rubric(SHIPPED_RUBRIC).manners]
    return load_lexicon(path or SHIPPED_LEXICON, known_manners=manners)


async def placed(context: Context, text: str, standing: Sequence[Note]) -> Placed:
    """What a note does to those that stand."""
    manner = manner_of(context.rubric, text)
    notes = [note for note in standing if note.kind is NoteKind.NOTE]
    for note in notes:
        if _plain(note.text) == _plain(text) or (manner is not None and note.manner == manner):
            return Placed(text=note.text, manner=note.manner, same_as=note)
    group = context.rubric.group_of(manner)
    obsolete = [note for note in notes if group and context.rubric.group_of(note.manner) == group]
    unclear = [note for note in notes if note.manner is None or manner is None]
    obsolete += await _replaced(context, text, unclear)
    return Placed(text=text, manner=manner, instead_of=tuple(obsolete))


def manner_of(rubric: Rubric, text: str) -> str | None:
    """The rubric's manner that a note asks for, by its own words; with a "!" for its contrary."""
    return rubric.noted(_bare(text)).manner


def told(made: Sequence[Note], everything: Iterable[Note]) -> str:
    """What was noted, in one line, and what made room for it."""
    ids = {note.id for note in made}
    replaced = [note for note in everything if note.replaced_by in ids]
    line = f"Noted: {quoted(made)}"
    takes = "It takes" if len(made) == 1 else "They take"
    return f"{line} {takes} the place of {quoted(replaced)}" if replaced else line


def quoted(notes: Iterable[Note]) -> str:
    return " and ".join(f"“{note.text}”" for note in notes)


async def _worded(context: Context, prompt: Prompt, reply: str, critique: str) -> str | None:
    """The note that most samples agree on, unless the criticised reply follows it already."""
    prefix = context.backend.encode(wording.note(wording.last_exchange(prompt), reply, critique))
    if len(prefix) + MAX_NOTE_TOKENS >= context.backend.max_context:
        return None
    sampling = Sampling(max_tokens=MAX_NOTE_TOKENS, seed=context.new_seed())
    completions = await context.backend.sample(prefix, n=SAMPLES, sampling=sampling)
    worded = [_sound(context.backend.decode(one.token_ids)) for one in completions if one.finished]
    votes = Counter(text for text in worded if text is not None)
    if len(votes) < 2:
        return next(iter(votes), None)
    followed = await _followed(context, prompt, reply, list(votes))
    return max(votes, key=lambda text: votes[text] * (1.05 - followed[text]))


async def _followed(context: Context, prompt: Prompt, reply: str, notes: Sequence[str]) -> dict[str, float]:
    """How probable it is that a reply follows each note."""
    questions = [Question(name=note, text=wording.note_question(note)) for note in notes]
    judge = Judge(context.backend, questions)
    bare = wording.last_exchange(prompt)
    verdicts = await judge.score(context.backend.encode(bare), [context.backend.encode_text(reply)])
    return dict(verdicts[0].answers)


async def _replaced(context: Context, text: str, notes: Sequence[Note]) -> list[Note]:
    """The notes whose place the model is sure that this one takes."""
    if not notes or not context.backend.profile.tells(ORDER_KIND):
        return []
    asked = [context.backend.encode(wording.takes_the_place(text, note.text)) for note in notes]
    log_odds = await context.backend.ask(asked)
    return [note for note, odds in zip(notes, log_odds, strict=True) if probability(odds) >= SURE]


_QUOTES = "\"'“”„«»`"
_LABEL = re.compile(r"\A(?:note|instruction|standing instruction)\s*:\s*|\A[-*•]\s+", re.IGNORECASE)
_CHATTER = re.compile(
    r"\A(?:sure|okay|ok|of course|certainly|sorry|i will|i'll|i am|i'm|here is|here's|thank)\b", re.IGNORECASE
)


def _sound(text: str) -> str | None:
    """A note as it may stand: one short line that tells what to do. None: it is not one."""
    line = _LABEL.sub("", text.strip()).strip().strip(_QUOTES).strip()
    if not line or "\n" in line or len(line) > MAX_CHARS or len(line.split()) > MAX_WORDS:
        return None
    if line.endswith("?") or _CHATTER.match(line) or not any(character.isalpha() for character in line):
        return None
    return line


_POLITE = re.compile(
    r"\A(?:please|from now on|in future|in the future|in general|in your answers|always) | please\Z"
)


def _bare(text: str) -> str:
    """The words of a note without what only makes it polite or general."""
    return _POLITE.sub("", _plain(text))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
