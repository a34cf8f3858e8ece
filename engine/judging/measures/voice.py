"""Counts who speaks to whom: "I", "you" and the person's name. Knows no opening."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from engine.judging.measures import word_lists
from engine.judging.measures.blocks import CJK
from engine.judging.measures.language import languages_of
from engine.judging.measures.measure import Occasion
from engine.judging.measures.phrases import Finder
from engine.judging.measures.reply import Reply

FIRST_PERSON: Final = Finder("first_person", binds_words=True)
SECOND_PERSON: Final = Finder("second_person", binds_words=True)
_FORMAL: Final = {
    language: frozenset(word_lists.of(language, "formal_address"))
    for language in word_lists.languages_with("formal_address")
}
_ANY_FORMAL: Final = frozenset().union(*_FORMAL.values())

SHORTEST_FIRST_NAME: Final = 3  # letters; "El" of "El Greco" is no name by itself
_NAME_PART = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_NOT_WITHIN: Final = rf"(?<![^\W{CJK}])%s(?![^\W{CJK}])"
_JAPANESE_NAME: Final = r"(?:%s)(?=さん|様|さま|くん|君|ちゃん|先生|殿|[\s、。！？,!?])"
_GREETS: Final = "hi|hello|hey|dear|thanks|hallo|hola|ciao|bonjour|salut|olá|oi"
_BEFORE_A_NAME = re.compile(rf"(?:,\s*|\b(?:{_GREETS})\s+)$", re.IGNORECASE)
_AFTER_A_NAME = re.compile(r"\s*[,!?]")
_BEFORE_A_WORD = re.compile(
    r"\b(?:in|of|by|since|until|from|this|last|next|and|or|the|a|to|early|late|mid)\s+$", re.IGNORECASE
)


def second_person(reply: Reply, occasion: Occasion) -> float:
    """Formal address ("Sie", "Lei") counts by its capital, so not as a sentence's first word."""
    return SECOND_PERSON.count(reply, occasion.request) + _count_formal(reply, occasion, len(reply.sentences))


def least_second_person(reply: Reply, occasion: Occasion) -> float:
    whole = len(reply.sentences) - 1
    return SECOND_PERSON.least(reply, occasion.request) + _count_formal(reply, occasion, whole)


def _count_formal(reply: Reply, occasion: Occasion, until: int) -> int:
    count = 0
    for number, sentence in enumerate(reply.sentences[: max(until, 0)]):
        capitals = [token.written for token in sentence.tokens[1:] if token.written in _ANY_FORMAL]
        if capitals:
            formal = _FORMAL.get(languages_of(reply, occasion.request)[number], frozenset())
            count += sum(word in formal for word in capitals)
    return count


def names(reply: Reply, occasion: Occasion) -> float:
    """The person's name or first name. A name that is a word too ("Will") counts only as an address."""
    pattern = _pattern(occasion.name or "")
    if pattern is None:
        return 0.0
    return sum(_is_meant(found, reply.plain) for found in pattern.finditer(reply.plain))


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str] | None:
    parts = _NAME_PART.findall(name)
    if not parts:
        return None
    if re.search(f"[{CJK}]", name):
        return re.compile(_JAPANESE_NAME % "|".join(re.escape(part) for part in (name.strip(), parts[0])))
    whole = r"[\W_]+".join(map(re.escape, parts))
    first = re.escape(parts[0])
    spelled = f"{whole}|{first}" if len(parts[0]) >= SHORTEST_FIRST_NAME else whole
    return re.compile(_NOT_WITHIN % f"(?:{spelled})", re.IGNORECASE)


def _is_meant(found: re.Match[str], text: str) -> bool:
    if found.group().lower() not in word_lists.NAMES_AND_WORDS:
        return True
    before = text[max(0, found.start() - 12) : found.start()]
    if _BEFORE_A_WORD.search(before):
        return False
    marks = bool(_BEFORE_A_NAME.search(before)) + bool(_AFTER_A_NAME.match(text, found.end()))
    return marks >= (1 if found.group()[0].isupper() else 2)
