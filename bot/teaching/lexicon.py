"""Maps what people say under an answer to manners, without a model.

What it understands stands in lexicon.toml, which an operator may edit. It knows no store and no person;
names and other facts are left to others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from types import MappingProxyType
from typing import Final

from bot.teaching.language.roles import Amount, Kind
from bot.teaching.language.sentences import Claim, Part, Sense, read, strangeness
from bot.teaching.language.words import sentences
from bot.teaching.lexicon_file import Lexicon, LexiconError, load_lexicon

__all__ = ["About", "Lexicon", "LexiconError", "Meaning", "Understood", "load_lexicon", "understand"]

# Longer remarks are kept as they are: they tell more than the lexicon can know.
MAX_CHARS: Final = 600
# "Shorter" never asks for less than this, unless the reply is about as short already.
MIN_WORDS: Final = 15
MAX_WORDS: Final = 600  # and "longer" never for more, unless the reply is as long already


class About(Enum):
    """What a remark is about."""

    STANDING = "standing"  # all answers to come
    THIS_ANSWER = "this answer"  # this one alone: an error in it, a fact, a question, "just this once"
    PRAISE = "praise"
    NOTHING = "nothing"  # thanks, lol, ok


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A manner that a remark asks for.

    `manner`: its name, with a "!" before it for the contrary. `wish`: what code counts in place of the
    manner's default; None: the default. `span`: what of the remark said it.
    """

    manner: str
    wish: str | None
    note: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a remark means. `rest`: what the lexicon knows nothing of. `rest_about`: what that is about."""

    meanings: tuple[Meaning, ...]
    rest: str
    about: About
    rest_about: About


def understand(critique: str, *, reply: str, lexicon: Lexicon) -> Understood:
    """What a remark under a reply means. Contradictory wishes are not understood at all."""
    if len(critique) > MAX_CHARS:
        return _not_understood(critique, About.STANDING)
    parts = _parts(critique, lexicon)
    meanings = _settled(
        [_meaning(claim, part, reply, lexicon) for part in parts for claim in part.claims], lexicon
    )
    if not meanings:
        return _without_meaning(critique, parts)
    rest = [part for part in parts if part.sense is Sense.UNKNOWN]
    is_once = any(Kind.ONCE in part.kinds for part in parts)
    return Understood(
        meanings=meanings,
        rest=_text_of(parts, critique),
        about=About.THIS_ANSWER if is_once else About.STANDING,
        rest_about=_about(rest, critique) if rest else About.NOTHING,
    )


def _parts(critique: str, lexicon: Lexicon) -> list[Part]:
    """The parts of a remark, each sentence read in the language that knows most of it."""
    found = sentences(critique)
    strange = [[strangeness(sentence, language) for language in lexicon.languages] for sentence in found]
    of_all = [sum(column) for column in zip(*strange, strict=True)]
    parts: list[Part] = []
    for sentence, strange_in in zip(found, strange, strict=True):
        likely = [place for place in range(len(strange_in)) if strange_in[place] == min(strange_in)]
        likely.sort(key=lambda place: of_all[place])
        readings = [read(sentence, lexicon.languages[place], lexicon.meant) for place in likely]
        parts += next((parts for parts in readings if any(part.claims for part in parts)), readings[0])
    return parts


# --- meanings ---


def _meaning(claim: Claim, part: Part, reply: str, lexicon: Lexicon) -> Meaning:
    span = (part.start, part.end)
    if claim.amount is not None:
        return _counted(claim.amount, span, reply, lexicon)
    name = next((name for name in claim.manners if _would_change(name, reply)), claim.manners[0])
    manner = lexicon.manners[name.removeprefix("!")]
    default = _number(manner.wish)
    bound = default
    if manner.share is not None and not name.startswith("!"):
        bound = _from_reply(manner.share, default or 0, _count_words(reply), is_a_bit=claim.is_a_bit)
    wish = None if bound == default else _with_number(manner.wish, bound)
    return Meaning(manner=name, wish=wish, note=_with_number(lexicon.note(name), bound) or "", span=span)


def _counted(amount: Amount, span: tuple[int, int], reply: str, lexicon: Lexicon) -> Meaning:
    """What so many of a unit ask for. A bare "200 words" under a much shorter reply asks for more."""
    unit = lexicon.units[amount.unit]
    number = max(1, round(amount.number) if unit.per == 1 else _nice(amount.number / unit.per))
    kind = amount.bound or unit.bare
    if amount.bound is None and (unit.bounds[kind].wish or "").startswith("words "):
        kind = Kind.AT_LEAST if 0 < _count_words(reply) * 1.25 <= number else kind
    bound = unit.bounds.get(kind, unit.bounds[unit.bare])
    if number == 1 and unit.single is not None and kind is not Kind.AT_LEAST:
        bound = unit.single
    note = _with_number(bound.note, number) or ""
    return Meaning(manner=bound.manner, wish=_with_number(bound.wish, number), note=note, span=span)


def _settled(meanings: Sequence[Meaning], lexicon: Lexicon) -> tuple[Meaning, ...]:
    """Each manner once, without those that a more exact one says too; none at all if two are contrary."""
    kept: dict[str, Meaning] = {}
    for meaning in meanings:
        if meaning.manner not in kept or meaning.wish is not None:
            kept[meaning.manner] = meaning
    if any(lexicon.excluded_by(name) & set(kept) for name in kept):
        return ()
    exact = {name for name in kept if not set(lexicon.yields_to(name)) & set(kept)}
    return tuple(meaning for name, meaning in kept.items() if name in exact)


# --- what the criticised reply decides ---

_SHOWS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "upper_case": lambda reply: reply.isupper(),
        "lower_case": lambda reply: reply.islower(),
        "exclaims": lambda reply: "!" in reply or "！" in reply,
        "asks": lambda reply: reply.rstrip().endswith(("?", "？")),
    }
)
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2}|[^\W_]+(?:['’-][^\W_]+)*")


def _would_change(name: str, reply: str) -> bool:
    """Whether a reply is not already as a manner asks. Manners that are not looked at would change it."""
    shows = _SHOWS.get(name.removeprefix("!"))
    return shows is None or shows(reply) is name.startswith("!")


def _count_words(reply: str) -> int:
    """Words; two characters of Japanese count as a word."""
    return sum(1 for _ in _WORD.finditer(reply))


def _from_reply(share: float, default: int, words: int, *, is_a_bit: bool) -> int:
    """How many words "shorter" (a `share` below 1) or "longer" asks for, under a reply of so many words.

    "A bit" asks for half of the change, and goes without the manner's default, else the mildest bound.
    """
    if words == 0:
        return default
    wanted = _nice(words * ((1 + share) / 2 if is_a_bit else share))
    if share < 1:
        bound = max(wanted, MIN_WORDS if words > MIN_WORDS * 4 / 3 else min(3, words))
        return bound if is_a_bit else min(bound, default)
    bound = wanted if is_a_bit else max(wanted, default)
    return max(min(bound, MAX_WORDS), _nice(words * 1.25))


def _nice(number: float) -> int:
    """Rounded to what a person would say."""
    step = next(step for limit, step in ((13, 1), (50, 5), (200, 10), (float("inf"), 50)) if number < limit)
    return max(1, round(number / step) * step)


def _number(wish: str | None) -> int | None:
    match = re.search(r"\d+", wish or "")
    return int(match.group()) if match else None


def _with_number(text: str | None, number: int | None) -> str | None:
    if text is None or number is None:
        return text
    return re.sub(r"\{n\}|(?<=[<>=]= )\d+", str(number), text)


# --- what is left ---


def _without_meaning(critique: str, parts: Sequence[Part]) -> Understood:
    if all(part.sense in (Sense.PRAISE, Sense.NOTHING) for part in parts):
        is_praise = any(part.sense is Sense.PRAISE for part in parts)
        about = About.PRAISE if is_praise else About.NOTHING
        return Understood(meanings=(), rest="", about=about, rest_about=About.NOTHING)
    unknown = [part for part in parts if part.sense is Sense.UNKNOWN]
    left = unknown or [part for part in parts if part.sense is Sense.ASIDE]
    return _not_understood(critique, _about(left, critique))


def _not_understood(critique: str, about: About) -> Understood:
    return Understood(meanings=(), rest=critique.strip(), about=about, rest_about=about)


def _about(parts: Sequence[Part], critique: str) -> About:
    """THIS_ANSWER only where every part clearly speaks of this answer; in doubt STANDING."""
    is_question = critique.rstrip().endswith(("?", "？"))
    if all(_is_of_this_answer(part, is_question=is_question) for part in parts):
        return About.THIS_ANSWER
    return About.STANDING


def _is_of_this_answer(part: Part, *, is_question: bool) -> bool:
    """It names an error, states something, or asks something; and it speaks of no answers to come."""
    if Kind.ALWAYS in part.kinds:
        return False
    if part.has_subject or part.asks or part.kinds & {Kind.WRONG, Kind.LACK}:
        return True
    if part.has_unknown and Kind.MATTER in part.kinds:
        return True
    if part.kinds & {Kind.SO, Kind.TOO, Kind.LESS, Kind.WANT, Kind.PLEASE}:
        return False
    return bool(part.kinds & {Kind.IS, Kind.ASKS}) or is_question


def _text_of(parts: Sequence[Part], critique: str) -> str:
    """The remark's own words for what was not understood, with what stands between parts that follow."""
    texts: list[str] = []
    for is_unknown, run in groupby(parts, key=lambda part: part.sense is Sense.UNKNOWN):
        if is_unknown:
            first, *others = run
            texts.append(critique[first.start : (others or [first])[-1].end])
    return " ".join(texts)
