"""Cuts a text into words, and finds the phrases of a phrasebook in them.

Knows no manner and no language. Case, accents, hyphens and quotation marks make no difference, and a word
that is misspelt by a letter is read as the word that it nearly is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Generic, TypeAlias, TypeVar

NUMBER: Final = "{n}"
MIN_TYPO_CHARS: Final = 6  # shorter words lie too near each other to be guessed

_MULTIPLIERS: Final = (100, 1000)
_TENS: Final = 10

RoleT = TypeVar("RoleT")


class PatternError(ValueError):
    """A pattern cannot be read. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A word as it is compared, and where it stands in the text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[RoleT]):
    """A phrase in a text, with its roles. No role: the word is in no phrase of the book."""

    roles: tuple[RoleT, ...]
    start: int
    end: int
    words: tuple[str, ...]
    is_guess: bool = False


# Tokens without a pause between them.
Stretch = tuple[Token, ...]


def sentences(text: str) -> list[list[Stretch]]:
    """The sentences of a text: each the stretches of words that its pauses (commas, brackets …) part."""
    folded, origin = _folded(_QUOTED.sub(_without_stops, text))
    found: list[list[Stretch]] = [[]]
    stretch: list[Token] = []
    for match in _TOKEN.finditer(folded):
        kind = match.lastgroup
        if kind in ("stop", "pause"):
            found[-1].append(tuple(stretch))
            stretch = []
            if kind == "stop":
                found.append([])
            continue
        start, end = origin[match.start()], origin[match.end() - 1] + 1
        is_verb = text[start:end].lower() in _ACCENTED_VERBS
        words = _ACCENTED_VERBS[:1] if is_verb else _words(match.group(), kind)
        stretch.extend(Token(text=word, start=start, end=end) for word in words)
    found[-1].append(tuple(stretch))
    kept = ([stretch for stretch in sentence if stretch] for sentence in found)
    return [sentence for sentence in kept if sentence]


class Phrasebook(Generic[RoleT]):
    """Phrases of one language, each with its roles."""

    def __init__(self, numbers: Mapping[str, float]) -> None:
        self._root: _Node[RoleT] = _Node()
        self._roles: list[RoleT] = []
        self._words: set[str] = set()
        self._stems: set[str] = set()
        self._nearly: dict[str, set[str]] = {}
        self._numbers: dict[str, float] = {}
        for text, value in numbers.items():
            for spelling in dict.fromkeys((text, text.translate(_UMLAUTS))):
                for word in _pattern_words(spelling):
                    self._numbers[word] = value
                    self._learn(word)

    def add(self, pattern: str, role: RoleT) -> None:
        """Adds a phrase. Raises PatternError."""
        self._roles.append(role)
        for spelling in dict.fromkeys((pattern, pattern.translate(_UMLAUTS))):
            for node in self._grown([self._root], parsed(spelling)):
                if node is self._root:
                    raise PatternError("it may stand for no word at all")
                node.roles.append(len(self._roles) - 1)

    def find(self, stretch: Stretch) -> list[Found[RoleT]]:
        """The phrases that a stretch falls into: the fewest unknown words, then the fewest phrases."""
        read = [self._spelt(token.text) for token in stretch]
        keys = [self._keys(word) for word, _ in read]
        found: list[Found[RoleT]] = []
        at = 0
        for until, roles in self._divided(keys):
            found.append(
                Found(
                    roles=roles,
                    start=stretch[at].start,
                    end=stretch[until - 1].end,
                    words=tuple(word for word, _ in read[at:until]),
                    is_guess=any(is_guess for _, is_guess in read[at:until]),
                )
            )
            at = until
        return found

    def number(self, words: Sequence[str]) -> float | None:
        """The number that the words say: "two hundred" is 200; of "two or three" it is the last."""
        total: float | None = None
        for word in words:
            value = self._value(word)
            if value is None:
                continue
            if total and not word[0].isdigit() and value in _MULTIPLIERS:
                total *= value
            elif total and not word[0].isdigit() and total >= _TENS > value and total % _TENS == 0:
                total += value
            else:
                total = value
        return total

    def _value(self, word: str) -> float | None:
        if word[0].isdigit():
            # "1,000" is a thousand and "1.5" one and a half.
            plain = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", word).replace(",", ".")
            return float(plain) if plain.count(".") <= 1 and len(plain) <= 9 else None
        return self._numbers.get(word)

    def _grown(self, nodes: list[_Node[RoleT]], sequence: Sequence[Piece]) -> list[_Node[RoleT]]:
        """Lets a sequence grow behind some nodes. Returns the nodes at its ends."""
        for piece in sequence:
            if isinstance(piece, str):
                self._learn(piece)
                last: _Node[RoleT] = _Node()
                for node in nodes:
                    node.following.setdefault(piece, []).append(last)
                nodes = [last]
            else:
                ends = [end for choice in piece for end in self._grown(nodes, choice)]
                nodes = list({id(end): end for end in ends}.values())
        return nodes

    def _learn(self, word: str) -> None:
        if word.endswith("*"):
            self._stems.add(word)
        elif word not in self._words:
            self._words.add(word)
            if len(word) >= MIN_TYPO_CHARS and word.isalpha():
                for shortened in _shortened(word):
                    self._nearly.setdefault(shortened, set()).add(word)

    def _keys(self, word: str) -> tuple[str, ...]:
        stems = (word[:length] + "*" for length in range(len(word), 0, -1))
        number = (NUMBER,) if self._value(word) is not None else ()
        return (word, *(stem for stem in stems if stem in self._stems), *number)

    def _divided(self, keys: Sequence[tuple[str, ...]]) -> list[tuple[int, tuple[RoleT, ...]]]:
        """Where each phrase of the best division ends, and its roles."""
        costs = [(0, 0)] * (len(keys) + 1)
        steps: list[tuple[int, tuple[RoleT, ...]]] = [(0, ())] * len(keys)
        for at in reversed(range(len(keys))):
            choices = self._phrases_at(keys, at) or [(at + 1, ())]
            for until, roles in choices:
                unknown, phrases = costs[until]
                cost = (unknown + (not roles and NUMBER not in keys[at]), phrases + 1)
                if steps[at][0] == 0 or cost < costs[at]:
                    costs[at], steps[at] = cost, (until, roles)
        division = []
        at = 0
        while at < len(keys):
            division.append(steps[at])
            at = steps[at][0]
        return division

    def _phrases_at(self, keys: Sequence[tuple[str, ...]], at: int) -> list[tuple[int, tuple[RoleT, ...]]]:
        """Where the phrases that begin here end, the longest first, with their roles: exact words first."""
        found: list[tuple[int, tuple[RoleT, ...]]] = []
        until = at
        while until < len(keys) and NUMBER in keys[until]:
            until += 1
        if until > at + 1:
            found.append((until, ()))
        reached = {self._root: 0}
        for place in range(at, len(keys)):
            further: dict[_Node[RoleT], int] = {}
            for node, looseness in reached.items():
                for loose, key in enumerate(keys[place], looseness):
                    for following in node.following.get(key, ()):
                        further[following] = min(loose, further.get(following, loose))
            reached = further
            if not reached:
                break
            ends = sorted((reached[node], order) for node in reached for order in node.roles)
            if ends:
                found.append((place + 1, tuple(dict.fromkeys(self._roles[order] for _, order in ends))))
        return sorted(found, key=lambda end: end[0], reverse=True)

    def _spelt(self, word: str) -> tuple[str, bool]:
        """The word as the book spells it, and whether that is a guess."""
        if self._is_known(word) or not word.isalpha():
            return word, False
        for fewer in (_LONG_DRAWN.sub(r"\1\1", word), _LONG_DRAWN.sub(r"\1", word)):
            if fewer != word and self._is_known(fewer):
                return fewer, False
        if len(word) < MIN_TYPO_CHARS:
            return word, False
        near = self._nearly.get(word, set()).union(
            *(self._nearly.get(shortened, set()) for shortened in _shortened(word)),
            [shortened for shortened in _shortened(word) if shortened in self._words],
        )
        likely = sorted(known for known in near if _is_likely(word, known))
        return (likely[0], True) if likely else (word, False)

    def _is_known(self, word: str) -> bool:
        if word in self._words:
            return True
        return any(word[:length] + "*" in self._stems for length in range(len(word), 0, -1))


@dataclass(slots=True, eq=False)
class _Node(Generic[RoleT]):
    """A place in the phrases of a book. `roles`: of the phrases that end here, as places in the book."""

    roles: list[int] = field(default_factory=list)
    following: dict[str, list[_Node[RoleT]]] = field(default_factory=dict)


# --- patterns ---

# A word, or the choices of a group, each a sequence in its turn.
Piece: TypeAlias = "str | list[list[Piece]]"

# A group inside a word, "emphasi(s|z)e" or "apolog(y|ies)", is drawn out to a group of words.
_GROUP: Final = r"\((?P<choices>[^()]*)\)"
_LEFT_GLUE = re.compile(rf"(?P<word>[^\s()|]+){_GROUP}")
_RIGHT_GLUE = re.compile(rf"{_GROUP}(?P<word>[^\s()|]+)")
_CHOICE_ALONE = re.compile(r"(?<=[(|])\(([^()]*)\)(?=[|)])")
_PIECE = re.compile(r"(?P<mark>[()|])|(?P<words>[^()|]+)")
_WORD_OF_PATTERN = re.compile(r"(?P<number>\{n\})|(?P<plain>[^\s*{}]+)(?P<star>\**)(?!\S)|(?P<stray>\S)")


def parsed(pattern: str) -> list[Piece]:
    """The sequence that a pattern stands for. Raises PatternError."""
    sequence: list[Piece] = []
    open_groups: list[tuple[list[Piece], list[list[Piece]]]] = []
    for match in _PIECE.finditer(_drawn_out(pattern)):
        mark = match.group("mark")
        if mark is None:
            sequence.extend(_pattern_words(match.group("words")))
        elif mark == "(":
            open_groups.append((sequence, []))
            sequence = []
        elif not open_groups:
            raise PatternError(f"a {mark} stands alone")
        else:
            before, choices = open_groups[-1]
            choices.append(sequence)
            sequence = []
            if mark == ")":
                open_groups.pop()
                sequence = [*before, choices]
    if open_groups:
        raise PatternError("a ( is not closed")
    return sequence


def _drawn_out(pattern: str) -> str:
    """The pattern with no group that begins or ends inside a word."""
    before = ""
    while before != pattern:
        before = pattern
        pattern = _CHOICE_ALONE.sub(r"\1", pattern)
        for glue, form, side in ((_LEFT_GLUE, "{word}{choice}", 0), (_RIGHT_GLUE, "{choice}{word}", -1)):
            for match in glue.finditer(pattern):
                choices = match.group("choices").split("|")
                if any(choice and not choice[side].isspace() for choice in choices):
                    drawn = "|".join(
                        form.format(word=match.group("word"), choice=choice) for choice in choices
                    )
                    pattern = f"{pattern[: match.start()]}({drawn}){pattern[match.end() :]}"
                    break
    return pattern


def _pattern_words(text: str) -> Iterator[str]:
    for match in _WORD_OF_PATTERN.finditer(text):
        if match.group("stray"):
            raise PatternError("a * does not end a word, or curly brackets hold something else than n")
        if match.group("number"):
            yield NUMBER
            continue
        words = _pattern_tokens(match.group("plain"))
        yield from words[:-1]
        if words:
            yield words[-1] + match.group("star")[:1]


@lru_cache(maxsize=32768)
def _pattern_tokens(text: str) -> tuple[str, ...]:
    return tuple(token.text for sentence in sentences(text) for stretch in sentence for token in stretch)


# --- tokens ---

_CJK: Final = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f"
_IS_CJK = re.compile(f"[{_CJK}]")
_LETTER: Final = rf"[^\W\d_{_CJK}]"
_TOKEN = re.compile(
    r"(?P<joined>(?<!\w)tl\s?[;:,]\s?dr|(?<!\w)(?:[a-z]\.){2,}[a-z]?(?![a-z])|(?<!\w)w/(?:o(?:ut)?)?(?!\w))"
    rf"|(?P<word>{_LETTER}+(?:'{_LETTER}+)*|[{_CJK}]|\d+(?:[.,]\d+)*|<=|>=|[<>≤≥~&+/])"
    r"|(?P<stop>[.!?\n\r。]+)"
    r"|(?P<pause>[,;:()\[\]{}|–—・、]|\s-+(?=\s))"
)
# "Is" in Portuguese and Italian, where the same letter without its accent is "and".
_ACCENTED_VERBS: Final = ("é", "è")
# What somebody quotes is no sentence of its own: stop saying "Great question!" every time.
_QUOTED = re.compile('["“”„«»「][^"“”„«»」\n]{1,80}["“”«»」]')
_APOSTROPHES: Final = "’‘ʼ´`＇"
# What English writes behind an apostrophe belongs to the word; elsewhere the apostrophe parts two words.
_ENDINGS: Final = frozenset({"t", "s", "re", "ve", "ll", "m", "d"})


def _folded(text: str) -> tuple[str, list[int]]:
    """The text without case and accents, and for each of its characters the place that it comes from."""
    parts = [_plain(character) for character in text]
    origin = [place for place, part in enumerate(parts) for _ in part]
    return "".join(parts), origin


@lru_cache(maxsize=8192)
def _plain(character: str) -> str:
    if character in _APOSTROPHES:
        return "'"
    if _IS_CJK.match(character):
        return unicodedata.normalize("NFKC", character)
    apart = unicodedata.normalize("NFKD", character).casefold()
    return "".join(mark for mark in apart if not unicodedata.combining(mark))


def _without_stops(quoted: re.Match[str]) -> str:
    return re.sub(r"[.!?,;:…。！？、]", " ", quoted.group())


def _words(text: str, kind: str | None) -> Iterator[str]:
    if kind == "joined":
        yield "".join(character for character in text if character.isalpha())
        return
    head, *rest = text.split("'")
    word = head
    for part in rest:
        if part in _ENDINGS:
            word += part
        else:
            yield word
            word = part
    yield word


# --- spelling ---

_LONG_DRAWN = re.compile(r"(.)\1{2,}")
# "kuerzer" is how one writes "kürzer" on a foreign keyboard.
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def _shortened(word: str) -> Iterator[str]:
    return (word[:place] + word[place + 1 :] for place in range(len(word)))


def _is_likely(word: str, known: str) -> bool:
    """Whether a word that differs by a letter, or by two that changed places, may be a slip."""
    if word[0] != known[0] or abs(len(word) - len(known)) > 1:
        return False
    if len(word) != len(known):
        return True
    differing = [place for place in range(len(word)) if word[place] != known[place]]
    if len(differing) == 2:
        first, second = differing
        return second == first + 1 and word[first] == known[second] and word[second] == known[first]
    return len(differing) == 1 and len(word) > MIN_TYPO_CHARS
