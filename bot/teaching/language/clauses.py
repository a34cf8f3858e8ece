"""Divides a sentence into clauses, and finds what each names and which words govern it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bot.teaching.language.roles import (
    BOUNDS,
    CUES,
    FOREIGN,
    JOINTS,
    NAMING,
    NEGATIVE,
    TURNING,
    Amount,
    Kind,
    Language,
    Role,
)
from bot.teaching.language.words import Found, Stretch

Phrase: TypeAlias = Found[Role]

# So many words may stand between a number and what it counts: "two very short sentences".
_MAX_BETWEEN: Final = 2
_BETWEEN: Final = frozenset({Kind.SMALL, Kind.QUALITY, Kind.FAULT, Kind.SO, Kind.IS, *BOUNDS})


@dataclass(slots=True, kw_only=True)
class Mention:
    """Something that a clause names, and the cues that govern it. `behind`: those that stand behind it.

    `is_joined`: no cue stands between it and the mention before it, whose cues it shares.
    """

    roles: tuple[Role, ...] = ()
    amount: Amount | None = None
    cues: set[Kind] = field(default_factory=set)
    behind: set[Kind] = field(default_factory=set)
    is_joined: bool = False


@dataclass(slots=True, kw_only=True)
class Clause:
    """`joint`: what joins it to the clause before it; None for a pause."""

    joint: Kind | None
    phrases: list[Phrase]
    mentions: list[Mention] = field(default_factory=list)
    kinds: set[Kind] = field(default_factory=set)
    cues: set[Kind] = field(default_factory=set)
    has_unknown: bool = False

    @property
    def start(self) -> int:
        return self.phrases[0].start

    @property
    def end(self) -> int:
        return self.phrases[-1].end

    @property
    def names_only(self) -> bool:
        """Whether it names something and does not say itself whether that is wanted."""
        return bool(self.mentions) and not self.has_unknown and not self.cues & TURNING


def clauses(sentence: Sequence[Stretch], language: Language) -> list[Clause]:
    """The clauses of a sentence. A word that only joins belongs to none."""
    found = []
    for stretch in sentence:
        joint: Kind | None = None
        phrases: list[Phrase] = []
        for phrase in language.book.find(stretch):
            parting = next((role.kind for role in phrase.roles if role.kind in JOINTS), None)
            if parting is None:
                phrases.append(phrase)
                continue
            if phrases:
                found.append(_clause(joint, phrases, language))
                phrases = []
            joint = parting
        if phrases:
            found.append(_clause(joint, phrases, language))
    _share_cues(found)
    return found


def _clause(joint: Kind | None, phrases: list[Phrase], language: Language) -> Clause:
    kinds = {role.kind for phrase in phrases for role in phrase.roles}
    clause = Clause(joint=joint, phrases=phrases, kinds=kinds)
    counted = _amounts(clause, language)
    waiting: set[Kind] = set()
    for place in range(len(phrases)):
        if place in counted:
            amount = counted[place]
            if amount is not None:
                clause.mentions.append(Mention(amount=amount, cues=waiting))
                waiting = set()
            continue
        role = _role(clause, place, counted)
        if role is None or role.kind in FOREIGN:
            clause.has_unknown = True
        elif role.kind in NAMING:
            is_joined = _joins(clause.mentions[-1], waiting) if clause.mentions else False
            roles = tuple(other for other in phrases[place].roles if other.kind in NAMING)
            clause.mentions.append(Mention(roles=roles, cues=waiting, is_joined=is_joined))
            waiting = set()
        elif role.kind in CUES:
            clause.cues.add(role.kind)
            if role.is_after and clause.mentions:
                clause.mentions[-1].behind.add(role.kind)
            else:
                waiting.add(role.kind)
    _settle(clause, waiting)
    return clause


def _joins(before: Mention, waiting: set[Kind]) -> bool:
    return before.amount is None and not (waiting | before.behind) & TURNING


def _settle(clause: Clause, waiting: set[Kind]) -> None:
    """What stands behind a mention governs it, and what governs the first of joined mentions governs all."""
    if clause.mentions:
        clause.mentions[-1].behind |= waiting
    for mention in clause.mentions:
        mention.cues |= mention.behind
    for first, second in zip(clause.mentions, clause.mentions[1:], strict=False):
        if second.is_joined:
            second.cues |= first.cues
    for first, second in zip(clause.mentions[-2::-1], clause.mentions[:0:-1], strict=False):
        if second.is_joined:
            first.cues |= second.cues


def _amounts(clause: Clause, language: Language) -> dict[int, Amount | None]:
    """The places of the phrases that make an amount: the amount at the number, nothing at the others."""
    counted: dict[int, Amount | None] = {}
    bound = next((kind for kind in BOUNDS if kind in clause.kinds), None)
    if bound is None and Kind.ENOUGH in clause.kinds:
        bound = Kind.AT_MOST
    for place, phrase in enumerate(clause.phrases):
        number = _number(phrase, language)
        other = None if number is None or place in counted else _unit_place(clause, place)
        if number is None or other is None:
            continue
        unit = clause.phrases[other]
        is_article = number == 1 and not phrase.words[-1][0].isdigit()
        if is_article and bound is None and any(role.kind in NAMING for role in unit.roles):
            continue
        name = next(role.name for role in unit.roles if role.kind is Kind.UNIT)
        between = range(min(place, other), max(place, other) + 1)
        counted |= {covered: None for covered in between if not _is_bound(clause.phrases[covered])}
        counted[place] = Amount(unit=name, number=number, bound=bound)
    return counted


def _is_bound(phrase: Phrase) -> bool:
    return any(role.kind in BOUNDS for role in phrase.roles)


def _number(phrase: Phrase, language: Language) -> float | None:
    is_range = any(role.kind is Kind.RANGE for role in phrase.roles)
    is_free = not any(role.kind in NAMING for role in phrase.roles)
    is_plain = is_free and all(language.book.number([word]) is not None for word in phrase.words)
    return language.book.number(phrase.words) if is_range or is_plain else None


def _unit_place(clause: Clause, place: int) -> int | None:
    """Where the unit of the number at a place stands: behind it, or else before it ("words: at most 20")."""
    for step in (1, -1):
        other = place + step
        while 0 <= other < len(clause.phrases) and abs(other - place) <= _MAX_BETWEEN + 1:
            kinds = {role.kind for role in clause.phrases[other].roles}
            if Kind.UNIT in kinds:
                return other
            if not kinds & _BETWEEN:
                break
            other += step
    return None


def _role(clause: Clause, place: int, counted: dict[int, Amount | None]) -> Role | None:
    """What a phrase does in this clause, of all that it can do."""
    roles = clause.phrases[place].roles
    naming = [role for role in roles if role.kind in NAMING]
    others = [role for role in roles if role.kind not in NAMING and not (naming and role.kind is Kind.UNIT)]
    before = [index for index in range(place) if index in counted or _names(clause, index)]
    behind = [
        index for index in range(place + 1, len(clause.phrases)) if index in counted or _names(clause, index)
    ]
    if naming and not (others and (before or behind or _is_turned_elsewhere(clause, place))):
        return naming[0]
    side = bool(before) and not behind
    fitting = [role for role in others if role.is_after is side] or others
    fitting.sort(key=lambda role: (role.kind in FOREIGN, role.kind not in CUES))
    if not fitting:
        return None
    role = fitting[0]
    if role.kind is Kind.RANGE:
        return None
    if role.kind is Kind.SO and not _leans_on(clause, place):
        return next((other for other in fitting if other.kind is not Kind.SO), Role(kind=Kind.SMALL))
    return role


def _is_turned_elsewhere(clause: Clause, place: int) -> bool:
    """Whether another phrase says what is wanted: "less" names shortness alone, and not in "less silly"."""
    others = (phrase for index, phrase in enumerate(clause.phrases) if index != place)
    return any(role.kind in TURNING - {Kind.WANT} for phrase in others for role in phrase.roles)


def _names(clause: Clause, place: int) -> bool:
    return any(role.kind in NAMING for role in clause.phrases[place].roles)


def _leans_on(clause: Clause, place: int) -> bool:
    """Whether the next phrase that is no mere degree names something."""
    for further in range(place + 1, len(clause.phrases)):
        if _names(clause, further):
            return True
        kinds = {role.kind for role in clause.phrases[further].roles}
        if not kinds & {Kind.SO, Kind.A_BIT, Kind.TOO}:
            return False
    return False


# --- cues that reach into another clause ---


def _share_cues(found: Sequence[Clause]) -> None:
    """ "No lists or tables" speaks against both, and so does "lists and tables are annoying"."""
    for place, clause in enumerate(found[1:], 1):
        first = found[place - 1]
        joint = clause.joint or _joint_of_series(found, place)
        is_series = joint in (Kind.AND, Kind.OR) and first.mentions and not first.has_unknown
        if (
            is_series
            and clause.names_only
            and (joint is Kind.OR or _is_like(first.mentions[-1], clause.mentions[0]))
        ):
            _give(clause, first.mentions[-1].cues & (TURNING | {Kind.PRAISE}))
    for second, clause in zip(found[:0:-1], found[-2::-1], strict=True):
        if second.joint in (Kind.AND, Kind.OR) and second.mentions and clause.names_only:
            mention = second.mentions[0]
            if mention.cues & TURNING == mention.behind & TURNING and _is_like(clause.mentions[-1], mention):
                _give(clause, mention.behind & NEGATIVE)

        if clause.names_only and not clause.cues and Kind.PRAISE in second.cues and not second.mentions:
            _give(clause, {Kind.PRAISE})  # "short and sweet, love it"
        if clause.names_only and Kind.STATES in clause.cues and _is_bare_no(second):
            _give(clause, {Kind.LESS})  # "you use emoji, stop that"


def _is_bare_no(clause: Clause) -> bool:
    return not clause.mentions and not clause.has_unknown and bool(clause.cues & {Kind.LESS, Kind.NO})


def _give(clause: Clause, cues: set[Kind]) -> None:
    clause.cues |= cues
    for mention in clause.mentions:
        if mention.amount is None:
            mention.cues |= cues


def _is_like(first: Mention, second: Mention) -> bool:
    """Whether both name things, or both qualities: "no lists and short answers" wants short answers."""
    kinds = [{role.kind for role in mention.roles} for mention in (first, second)]
    return any(all(kind & alike for kind in kinds) for alike in ({Kind.THING}, {Kind.QUALITY, Kind.FAULT}))


def _joint_of_series(found: Sequence[Clause], place: int) -> Kind | None:
    """In "no lists, tables or headings" the pause stands for the "or" that follows."""
    for clause in found[place:]:
        if clause.joint is not None:
            return clause.joint if clause.joint is Kind.OR else None
        if not clause.names_only:
            return None
    return None
