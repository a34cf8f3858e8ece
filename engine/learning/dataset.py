"""A person's feedback, checked and split for good into training and held-out, and the lessons made of it.

Pure. Knows no store and no model: how a prompt and a text become tokens is passed in.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from engine.judging.judge import probability
from engine.learning.gate import is_affirmation, repetition
from engine.learning.lessons import Kind, Lesson, Trial
from engine.types import Prompt, TokenIds
from engine.wording import last_request

HELD_OUT_EVERY, FIRST_HELD_OUT = 5, 2  # threads; the first days teach, whoever has few
MAX_CHARS = 20_000
GOOD_RATING, BAD_RATING = 4, 2
STARS_SURE = 0.05  # what one star leaves of the wishes, and five take
MAX_JUDGED_REPETITION = 0.25  # of three-word runs
MAX_JUDGED_LENGTH_RATIO = 6.0  # a bullet list may well take the place of a sentence

# What a lesson weighs by where it comes from. What a person wrote themselves counts most.
WEIGHTS = {
    "correction": 2.0,
    "correction_pair": 1.0,
    "revision": 1.0,
    "choice": 0.7,
    "judged": 0.3,
    "rating": 0.5,
    "noted": 1.0,
}


class Source(StrEnum):
    """Where a piece of feedback comes from."""

    RATING = "rating"  # stars on a reply
    CORRECTION = "correction"  # the person wrote what they wanted
    REVISION = "revision"  # a critique, and the reply made under it
    CHOICE = "choice"  # another of the finished branches was taken
    JUDGED = "judged"  # nobody said so: the frozen judge prefers it (RLAIF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a person thinks of one reply. `better`: the text that they want instead.

    `thread`: the number of the thread among the person's. A thread is trained on or held out as a whole.
    """

    id: str
    source: Source
    thread: int
    at: datetime
    prompt: Prompt
    reply: str
    rating: int | None = None
    better: str | None = None


class Flaw(StrEnum):
    """Why a piece of feedback is not learned from, in words for people."""

    EMPTY = "empty"
    TOO_SHORT = "too short to learn from"
    TOO_LONG = "too long for the model"
    REPEAT = "said before"
    CONTRADICTORY = "contradicts another one"
    UNREADABLE = "too misspelt to read"
    NO_CHANGE = "asks for the reply as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What passed the checks, split for good, and what did not, by reason."""

    train: tuple[Feedback, ...]
    held_out: tuple[Feedback, ...]
    dropped: Mapping[str, Flaw]

    @classmethod
    def of(cls, feedback: Iterable[Feedback], *, max_chars: int = MAX_CHARS) -> Dataset:
        """Checks all of a person's feedback and splits it. The order in which it comes does not matter."""
        ordered = sorted(feedback, key=lambda piece: (piece.at, piece.id))
        dropped = _flaws(ordered, max_chars)
        sound = [piece for piece in ordered if piece.id not in dropped]
        return cls(
            train=tuple(piece for piece in sound if not is_held_out(piece.thread)),
            held_out=tuple(piece for piece in sound if is_held_out(piece.thread)),
            dropped=dropped,
        )

    def counts(self) -> dict[str, int]:
        """For the report: how much is trained on, by source; how much is held out, or dropped and why."""
        by_source = Counter(str(piece.source) for piece in self.train)
        counts = {f"{source}s": count for source, count in sorted(by_source.items())}
        counts["held_out"] = len(self.held_out)
        for flaw, count in sorted(Counter(self.dropped.values()).items()):
            counts[f"dropped: {flaw}"] = count
        return counts


def is_held_out(thread: int) -> bool:
    """Whether a thread is kept from training. Says the same for ever, whatever comes later."""
    return thread % HELD_OUT_EVERY == FIRST_HELD_OUT


def lessons(
    feedback: Sequence[Feedback],
    *,
    encode: Callable[[Prompt], TokenIds],
    encode_text: Callable[[str], TokenIds],
) -> list[Lesson]:
    """What the feedback itself teaches. Prompts go in without memory: the LoRA is to know it by itself."""
    made: list[Lesson] = []
    for piece in feedback:
        prefix, reply = encode(piece.prompt.bare()), encode_text(piece.reply)
        if piece.better is not None:
            better = encode_text(piece.better)
            is_correction = piece.source is Source.CORRECTION
            weight = WEIGHTS["correction_pair" if is_correction else str(piece.source)]
            made.append(Lesson(kind=Kind.PAIR, prefix=prefix, reply=better, against=reply, weight=weight))
            if is_correction:
                said = Lesson(kind=Kind.SAY, prefix=prefix, reply=better, weight=WEIGHTS["correction"])
                made.append(said)
        elif piece.rating is not None and not BAD_RATING < piece.rating < GOOD_RATING:
            wanted = float(piece.rating >= GOOD_RATING)
            rated = Lesson(
                kind=Kind.RATED, prefix=prefix, reply=reply, wanted=wanted, weight=WEIGHTS["rating"]
            )
            made.append(rated)
    return made + _sibling_pairs(feedback, encode, encode_text)


def trials(
    feedback: Sequence[Feedback],
    *,
    encode: Callable[[Prompt], TokenIds],
    encode_text: Callable[[str], TokenIds],
) -> list[Trial]:
    """Held-out feedback as the gate asks about it."""
    made = []
    for piece in feedback:
        prefix, reply = encode(piece.prompt.bare()), encode_text(piece.reply)
        if piece.better is not None:
            better = encode_text(piece.better)
            made.append(Trial(id=piece.id, prefix=prefix, reply=better, against=reply))
        elif piece.rating is not None:
            made.append(Trial(id=piece.id, prefix=prefix, reply=reply, rating=piece.rating))
    return made


def distilled(
    prompt: Prompt,
    notes: Sequence[str],
    reply: TokenIds,
    *,
    encode: Callable[[Prompt], TokenIds],
) -> Lesson:
    """A reply that the model gave under the notes, to be given without them."""
    bare = encode(prompt.bare())
    noted = encode(replace(prompt.bare(), notes=tuple(notes)))
    return Lesson(kind=Kind.DISTIL, prefix=bare, teacher=noted, reply=reply, weight=WEIGHTS["noted"])


def as_rated(answers: Mapping[str, float], rating: int) -> dict[str, float]:
    """A judge's answers about what a person wants, moved until their mean is what the stars say.

    Five stars mean nearly everything and one star nearly nothing, since stars are not exact. All log-odds
    move by the same amount, so the judge stays surest of what it was surest of.
    """
    share = STARS_SURE + (1 - 2 * STARS_SURE) * (rating - 1) / 4
    kept = {name: min(max(p, 0.001), 0.999) for name, p in answers.items()}
    odds = {name: math.log(p / (1 - p)) for name, p in kept.items()}
    low, high = -40.0, 40.0
    for _ in range(50):
        middle = (low + high) / 2
        mean = sum(probability(value + middle) for value in odds.values()) / max(1, len(odds))
        low, high = (middle, high) if mean < share else (low, middle)
    return {name: probability(value + low) for name, value in odds.items()}


def is_honest_gain(better: str, worse: str) -> bool:
    """Whether a reply may be taught over another when only a judge prefers it.

    A judge can be won over by agreement, by length and by repetition. A reply that has more of these teaches
    nothing.
    """
    if is_affirmation(better) and not is_affirmation(worse):
        return False
    if repetition(better) > max(MAX_JUDGED_REPETITION, repetition(worse)):
        return False
    ratio = len(better.split()) / max(1, len(worse.split()))
    return 1 / MAX_JUDGED_LENGTH_RATIO <= ratio <= MAX_JUDGED_LENGTH_RATIO


def balanced(made: Sequence[Lesson], *, ratio: float = 4 / 3) -> list[Lesson]:
    """The lessons, with single ratings cut so that neither good nor bad is more than `ratio` of the other.

    KTO drifts where one side outnumbers the other. The newest stay.
    """
    good = [lesson for lesson in made if lesson.kind is Kind.RATED and lesson.wanted > 0.5]
    bad = [lesson for lesson in made if lesson.kind is Kind.RATED and lesson.wanted <= 0.5]
    most = int(min(len(good), len(bad)) * ratio)
    others = [lesson for lesson in made if lesson.kind is not Kind.RATED]
    kept_good = good[-most:] if most else []
    kept_bad = bad[-most:] if most else []
    return others + kept_good + kept_bad


def _sibling_pairs(
    feedback: Sequence[Feedback], encode: Callable[[Prompt], TokenIds], encode_text: Callable[[str], TokenIds]
) -> list[Lesson]:
    """Replies to the same conversation with different stars: best over worst."""
    groups: dict[Prompt, list[Feedback]] = defaultdict(list)
    for piece in feedback:
        if piece.source is Source.RATING and piece.rating is not None:
            groups[piece.prompt.bare()].append(piece)
    made = []
    for prompt, group in groups.items():
        best = max(group, key=lambda piece: piece.rating or 0)
        worst = min(group, key=lambda piece: piece.rating or 0)
        if (best.rating or 0) - (worst.rating or 0) >= 2:
            made.append(
                Lesson(
                    kind=Kind.PAIR,
                    prefix=encode(prompt),
                    reply=encode_text(best.reply),
                    against=encode_text(worst.reply),
                    weight=WEIGHTS["rating"],
                )
            )
    return made


def _flaws(ordered: Sequence[Feedback], max_chars: int) -> dict[str, Flaw]:
    """Every piece that is dropped, and why. Of repeats the newest stays, of contradictions none."""
    flaws: dict[str, Flaw] = {}
    for piece in ordered:
        flaw = _own_flaw(piece, max_chars)
        if flaw is not None:
            flaws[piece.id] = flaw
    sound = [piece for piece in ordered if piece.id not in flaws]
    flaws.update(_contradictions(sound))
    seen: set[tuple[object, ...]] = set()
    for piece in reversed(sound):
        what = (piece.source, last_request(piece.prompt), piece.reply, piece.better, piece.rating)
        if piece.id not in flaws and what in seen:
            flaws[piece.id] = Flaw.REPEAT
        seen.add(what)
    return flaws


def _own_flaw(piece: Feedback, max_chars: int) -> Flaw | None:
    texts = [piece.reply] if piece.better is None else [piece.reply, piece.better]
    if not all(text.strip() for text in texts):
        return Flaw.EMPTY
    if max(map(len, texts)) > max_chars:
        return Flaw.TOO_LONG
    if piece.better is not None:
        if " ".join(piece.better.split()) == " ".join(piece.reply.split()):
            return Flaw.NO_CHANGE
        if len(piece.better.strip()) < 2:
            return Flaw.TOO_SHORT
        if piece.source is Source.CORRECTION and is_unreadable(piece.better):
            return Flaw.UNREADABLE
    return None


def _contradictions(sound: Sequence[Feedback]) -> dict[str, Flaw]:
    """The same reply to the same request rated well and badly; or two texts preferred to each other."""
    by_reply: dict[tuple[str, str], list[Feedback]] = defaultdict(list)
    by_pair: dict[tuple[str, frozenset[str]], list[Feedback]] = defaultdict(list)
    for piece in sound:
        request = last_request(piece.prompt)
        if piece.better is not None:
            by_pair[request, frozenset((piece.reply, piece.better))].append(piece)
        elif piece.rating is not None:
            by_reply[request, piece.reply].append(piece)
    flaws: dict[str, Flaw] = {}
    for group in by_reply.values():
        ratings = [piece.rating or 0 for piece in group]
        if max(ratings) >= GOOD_RATING and min(ratings) <= BAD_RATING:
            flaws.update({piece.id: Flaw.CONTRADICTORY for piece in group})
    for group in by_pair.values():
        if len({piece.better for piece in group}) > 1:
            flaws.update({piece.id: Flaw.CONTRADICTORY for piece in group})
    return flaws


_RUN = re.compile(r"(.)\1{7,}")
_LATIN_WORD = re.compile(r"[A-Za-z]{3,}")
_NO_VOWEL = re.compile(r"[^aeiouyAEIOUY]{6,}")


def is_unreadable(text: str) -> bool:
    """Whether a text looks like a cat walked over the keyboard. Lenient: code and other scripts pass."""
    if "```" in text or len(text) < 8:
        return False
    # A row of one sign is drawn on purpose (dashes, dots); a row of one letter is not.
    if any(match.group(1).isalpha() for match in _RUN.finditer(text)):
        return True
    words = _LATIN_WORD.findall(text)
    if len(words) < 2:
        return bool(words) and bool(_NO_VOWEL.search(words[0]))
    return sum(bool(_NO_VOWEL.search(word)) for word in words) / len(words) > 0.4
