"""Reads a sentence: which manners it asks for, and which it speaks against.

A clause is understood only if every word of it is known: so "no lists" is a wish, and "the list of kings
is wrong" is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from bot.teaching.language.clauses import Clause, Mention, clauses
from bot.teaching.language.roles import NEGATIVE, TURNING, Amount, Kind, Language
from bot.teaching.language.words import Stretch


class Meant(Protocol):
    """What it means that a manner is wanted, or is not; None: nothing."""

    def __call__(self, name: str, /, *, is_wanted: bool) -> str | None: ...


_INERT: Final = frozenset({Kind.NO, Kind.SO, Kind.TOO, Kind.LESS, Kind.LACK, Kind.ENOUGH})


class Sense(Enum):
    WISH = "wish"  # it says how replies should be
    ASIDE = "aside"  # it counts only where nothing else is understood: a reason, a sigh
    PRAISE = "praise"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A manner that is asked for. Of several `manners` the criticised reply decides which is meant."""

    manners: tuple[str, ...] = ()
    amount: Amount | None = None
    is_a_bit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a critique. `has_subject`: a word that is not in the lexicon stands before an "is".

    `has_unknown`: such a word stands anywhere. `asks`: it begins as a question.
    """

    sense: Sense
    start: int
    end: int
    claims: tuple[Claim, ...] = ()
    kinds: frozenset[Kind] = frozenset()
    has_subject: bool = False
    has_unknown: bool = False
    asks: bool = False


def strangeness(sentence: Sequence[Stretch], language: Language) -> float:
    """How many letters of a sentence are in no phrase of the language. A guess counts half beside known."""
    unknown = guessed = 0
    for stretch in sentence:
        for phrase in language.book.find(stretch):
            if not phrase.roles and language.book.number(phrase.words) is None:
                unknown += phrase.end - phrase.start
            elif phrase.is_guess:
                guessed += phrase.end - phrase.start
    return unknown + (guessed if unknown else guessed / 2)


def read(sentence: Sequence[Stretch], language: Language, meant: Meant) -> list[Part]:
    """The parts of a sentence, in its order."""
    found = clauses(sentence, language)
    if _is_conditional(found):
        return [_part(clause, Sense.UNKNOWN) for clause in found]
    parts: list[Part] = []
    is_reason = False
    for clause in found:
        is_reason = clause.joint is Kind.BECAUSE or (is_reason and clause.joint in (Kind.AND, Kind.OR))
        part = _part(clause, Sense.ASIDE) if is_reason else _understood(clause, meant)
        if parts and _hangs_on(clause, parts[-1]):
            part = _part(clause, Sense.UNKNOWN)
        parts.append(part)
    return parts


def _is_conditional(found: Sequence[Clause]) -> bool:
    """Whether it holds for some requests only: "when I ask for code, no lists"."""
    if any(Kind.IF in clause.kinds for clause in found):
        return True
    return bool(found) and found[0].has_unknown and _begins_with(found[0], Kind.FOR)


def _begins_with(clause: Clause, kind: Kind) -> bool:
    return any(role.kind is kind for role in clause.phrases[0].roles)


def _hangs_on(clause: Clause, before: Part) -> bool:
    """Whether it only goes on with a clause that was not understood: "I like salads and lists"."""
    goes_on = clause.joint in (Kind.AND, Kind.OR) and before.sense is Sense.UNKNOWN
    return goes_on and clause.names_only and Kind.PLEASE not in clause.kinds


def _part(clause: Clause, sense: Sense, claims: tuple[Claim, ...] = ()) -> Part:
    return Part(
        sense=sense,
        start=clause.start,
        end=clause.end,
        claims=claims,
        kinds=frozenset(clause.kinds),
        has_subject=_has_subject(clause),
        has_unknown=clause.has_unknown,
        asks=_begins_with(clause, Kind.ASKS),
    )


def _has_subject(clause: Clause) -> bool:
    is_strange = False
    for phrase in clause.phrases:
        if is_strange and any(role.kind is Kind.IS for role in phrase.roles):
            return True
        is_strange = is_strange or not phrase.roles
    return False


def _understood(clause: Clause, meant: Meant) -> Part:
    if clause.has_unknown:
        return _part(clause, Sense.UNKNOWN)
    if not clause.mentions:
        return _part(clause, _sense_of_nothing_named(clause))
    claims: list[Claim] = []
    signs = [_sign(clause, mention, meant) for mention in clause.mentions]
    if any(sign is None for sign in signs):
        is_praise = Kind.PRAISE in clause.cues or Kind.ENOUGH in clause.cues
        return _part(clause, Sense.PRAISE if is_praise else Sense.UNKNOWN)
    for mention, sign in zip(clause.mentions, signs, strict=True):
        manners = _manners(mention, meant, is_wanted=bool(sign))
        if manners or mention.amount:
            is_a_bit = Kind.A_BIT in clause.kinds
            claims.append(Claim(manners=manners, amount=mention.amount, is_a_bit=is_a_bit))
    return _part(clause, Sense.WISH if claims else Sense.ASIDE, tuple(claims))


def _manners(mention: Mention, meant: Meant, *, is_wanted: bool) -> tuple[str, ...]:
    names = [meant(role.name, is_wanted=is_wanted) for role in mention.roles]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _sense_of_nothing_named(clause: Clause) -> Sense:
    if Kind.PRAISE in clause.kinds:
        return Sense.UNKNOWN if clause.cues & NEGATIVE else Sense.PRAISE
    return Sense.ASIDE if Kind.ASIDE in clause.kinds or clause.cues & _INERT else Sense.NOTHING


def _sign(clause: Clause, mention: Mention, meant: Meant) -> bool | None:
    """Whether what is mentioned is wanted. None: the clause does not say it."""
    cues = mention.cues
    is_negative = bool(cues & NEGATIVE)
    if mention.amount is not None:
        is_told = Kind.IS in clause.kinds and mention.amount.bound is None and Kind.WANT not in cues
        return None if is_negative or is_told or Kind.LACK in cues else True
    is_one_of_several = mention.is_joined or any(other.is_joined for other in clause.mentions)
    kinds = {role.kind for role in mention.roles}
    if Kind.LESS not in cues and (Kind.LACK in cues or cues >= {Kind.NO, Kind.ENOUGH}):
        return True
    if cues >= {Kind.NO, Kind.LESS}:
        return True
    if cues & NEGATIVE == {Kind.SO} and Kind.WANT in cues:
        return True  # "use so many emoji that it hurts"
    if is_negative and Kind.IS in clause.kinds and Kind.NO in cues and Kind.WANT not in cues:
        # "Your tone is not friendly" misses it; "it is not too long" blames nothing.
        return True if Kind.QUALITY in kinds and not cues & {Kind.SO, Kind.TOO} else None
    if is_negative:
        # "No long lists" speaks against neither length nor lists.
        return None if is_one_of_several else False
    if Kind.ENOUGH in cues or (Kind.PRAISE in cues and not cues & TURNING):
        return None
    if Kind.WANT in cues or Kind.PLEASE in clause.kinds:
        return True
    if Kind.FAULT in kinds:
        return None if is_one_of_several else False
    if not cues & {Kind.STATES, Kind.IS} or Kind.SAYS in kinds:
        return True
    # Who states what nobody can want ("you apologise") complains of it.
    return None if _manners(mention, meant, is_wanted=True) else False
