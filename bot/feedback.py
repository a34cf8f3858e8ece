"""Decides what people's feedback means: a set of emoji as a rating, a reply under an answer as teaching.

Pure. Knows no platform and no database; docs/teaching.md tells people the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from bot.events import TeachingKind

# One emoji, one rating. An operator may give another map in the settings.
DEFAULT_RATINGS: Mapping[str, int] = MappingProxyType(
    {
        "👎": 1,
        "💩": 1,
        "😕": 2,
        "😐": 3,
        "👍": 4,
        "❤️": 5,
        "🎉": 5,
        "🔥": 5,
        "💯": 5,
        "1️⃣": 1,
        "2️⃣": 2,
        "3️⃣": 3,
        "4️⃣": 4,
        "5️⃣": 5,
    }
)
NEVER_LEARN = "🚫"
# A platform's own thumbs under an answer are buttons and no reactions: they are kept beside those, under
# names that nobody can react with, so that reading the reactions back does not lose them.
GOOD_BUTTON, BAD_BUTTON = ":button good:", ":button bad:"
_BUTTONS: Mapping[str, int] = MappingProxyType({GOOD_BUTTON: 4, BAD_BUTTON: 1})

MAX_EMOJI_CHARS = 100

# What the platforms call these emoji in words: Slack's names, Discord's, GitHub's.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "+1": "👍",
        "thumbsup": "👍",
        "thumbs_up": "👍",
        "thumbup": "👍",
        "like": "👍",
        "-1": "👎",
        "thumbsdown": "👎",
        "thumbs_down": "👎",
        "thumbdown": "👎",
        "hankey": "💩",
        "poop": "💩",
        "shit": "💩",
        "poo": "💩",
        "pile_of_poo": "💩",
        "confused": "😕",
        "confused_face": "😕",
        "neutral_face": "😐",
        "neutral": "😐",
        "heart": "❤",
        "red_heart": "❤",
        "tada": "🎉",
        "party_popper": "🎉",
        "fire": "🔥",
        "flame": "🔥",
        "100": "💯",
        "hundred_points": "💯",
        "one": "1⃣",
        "two": "2⃣",
        "three": "3⃣",
        "four": "4⃣",
        "five": "5⃣",
        "keycap_1": "1⃣",
        "keycap_2": "2⃣",
        "keycap_3": "3⃣",
        "keycap_4": "4⃣",
        "keycap_5": "5⃣",
        "no_entry_sign": "🚫",
        "prohibited": "🚫",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """What a reply under an answer was understood as. `wanted`: the text that a correction gives."""

    kind: TeachingKind
    wanted: str | None = None


@lru_cache(maxsize=4096)
def normal(emoji: str) -> str | None:
    """The one spelling of an emoji, whatever its skin tone or platform; None if it is none at all.

    A server's own emoji keep their name between colons: `:party_parrot:`.
    """
    text = emoji.strip()
    if text in _BUTTONS:
        return text
    if not text or len(text) > MAX_EMOJI_CHARS:
        return None
    custom = _DISCORD_CUSTOM.fullmatch(text)
    if custom:
        return f":{custom.group('name').lower()}:"
    named = _SHORT_NAME.fullmatch(text)
    if named:
        name = named.group("name").lower()
        is_marked = text.startswith(":") and text.endswith(":")
        return ALIASES.get(name, f":{name}:" if is_marked else None)
    if _EMOJI.fullmatch(text):
        return _UNDECORATED.sub("", text)
    return None


def is_emoji(text: str) -> bool:
    """Whether this is one emoji, or the name of one between colons."""
    return normal(text) is not None


def rating(emoji: Iterable[str], ratings: Mapping[str, int] = DEFAULT_RATINGS) -> int | None:
    """The rating, 1 to 5, that a person's set of reactions to a reply amounts to.

    Unknown emoji say nothing. Of several ratings the one farthest from the middle counts; where good
    (4, 5) and bad (1, 2) stand side by side the person is of two minds, and there is no rating.
    """
    known = {normal(symbol): value for symbol, value in (*ratings.items(), *_BUTTONS.items())}
    given = {known[name] for name in map(normal, emoji) if name in known}
    if not given or (min(given) < 3 < max(given)):
        return None
    return max(given, key=lambda value: abs(value - 3))


def is_never_learn(emoji: Iterable[str]) -> bool:
    """Whether a person's set of reactions forbids learning from the reply."""
    return any(normal(symbol) == NEVER_LEARN for symbol in emoji)


def classify(text: str, *, reply: str = "", is_correction: bool | None = None) -> Teaching:
    """What a reply under an answer teaches. `reply` is that answer's text.

    A correction gives the wanted text: it was marked as one, or it opens with a word such as "better:",
    or it holds a fenced block, a quoted block or nothing but quotation marks. A question asks about the
    matter and not about the answering. Everything else is a critique.
    """
    said = text.strip()
    if is_correction:
        return Teaching(kind=TeachingKind.CORRECTION, wanted=_opened(said) or _block(said, "") or said)
    wanted = _opened(said) or _block(said, reply)
    if wanted and is_correction is None:
        return Teaching(kind=TeachingKind.CORRECTION, wanted=wanted)
    kind = TeachingKind.QUESTION if _asks_about_the_matter(said) else TeachingKind.CRITIQUE
    return Teaching(kind=kind)


# --- emoji ---

_DISCORD_CUSTOM = re.compile(r"<?a?:(?P<name>\w{2,32}):\d{1,20}>?")
_SHORT_NAME = re.compile(
    r":?(?P<name>[+\-]1|[a-z0-9_'\-]{2,80})(?:::?(?:skin-tone-[2-6]|tone[1-5]))?:?", re.IGNORECASE | re.ASCII
)
_UNDECORATED = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")  # variation selectors, skin tones
_PICTURE = (
    "(?:[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f004\U0001f0cf\U0001f170-\U0001f1e5"
    "\U0001f200-\U0001f3fa\U0001f400-\U0001faff][\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?\ufe0f?)"
)
_EMOJI = re.compile(
    f"[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}|"
    f"{_PICTURE}(?:\u200d{_PICTURE}){{0,8}}[\U000e0020-\U000e007f]{{0,8}}"
)
EMOJI_PATTERN = _EMOJI.pattern

# --- corrections ---

CORRECTION_OPENINGS = (
    "better",
    "better answer",
    "better reply",
    "correct",
    "correct answer",
    "corrected",
    "correction",
    "instead",
    "rather",
    "right answer",
    "should be",
    "it should be",
    "this should be",
    "you should have said",
    "you should say",
    "i would have said",
    "i would say",
    "say this",
    "say instead",
    "say rather",
)
_OPENING = re.compile(
    rf"(?:{'|'.join(re.escape(words) for words in CORRECTION_OPENINGS)})\s*:\s*(?P<wanted>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})[^\n`]*\n(?P<wanted>.*?)\n?(?P=fence)", re.DOTALL)
_FENCE_IN_LINE = re.compile(r"```(?P<wanted>[^`\n]+)```")
_IN_QUOTATION_MARKS = re.compile(
    r"(?:\"(?P<a>[^\"]+)\"|“(?P<b>[^“”]+)”|„(?P<c>[^„“”]+)[“”]|«\s*(?P<d>[^«»]+?)\s*»|»(?P<e>[^«»]+)«)"
)


def _opened(text: str) -> str | None:
    """The text behind an opening such as "better:", out of its fence or quotes if it stands in one."""
    match = _OPENING.fullmatch(text)
    if match is None:
        return None
    wanted = match.group("wanted").strip()
    return _block(wanted, "") or wanted


def _block(text: str, reply: str) -> str | None:
    """The wanted text in a fenced or quoted block. What only repeats the reply is a citation of it."""
    for wanted in (_fenced(text), _quoted(text), _in_quotation_marks(text)):
        if wanted and _plain(wanted) not in _plain(reply):
            return wanted
    return None


def _fenced(text: str) -> str | None:
    match = _FENCE.search(text) or _FENCE_IN_LINE.search(text)
    return (match.group("wanted").strip("\n") if match else "") or None


def _quoted(text: str) -> str | None:
    lines = [line.strip() for line in text.splitlines()]
    quoted = [line[1:].removeprefix(" ") for line in lines if line.startswith(">")]
    return "\n".join(quoted).strip() or None


def _in_quotation_marks(text: str) -> str | None:
    match = _IN_QUOTATION_MARKS.fullmatch(text)
    return next((group.strip() for group in match.groups() if group), None) if match else None


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


# --- questions ---

QUESTION_WORDS = (
    "what",
    "who",
    "whom",
    "whose",
    "when",
    "where",
    "which",
    "why",
    "how",
    "is",
    "are",
    "was",
    "were",
    "does",
    "do",
    "did",
    "can",
    "could",
    "will",
    "would",
    "has",
    "have",
    "and",
)
# A question that holds one of these speaks of the answering: "could you be shorter?" is a critique.
ANSWERING_WORDS = (
    "you",
    "your",
    "you're",
    "answer",
    "answers",
    "reply",
    "replies",
    "bullet",
    "bullets",
    "emoji",
    "emojis",
    "list",
    "lists",
    "less",
    "fewer",
    "more",
    "shorter",
    "longer",
    "simpler",
    "briefer",
    "warmer",
    "friendlier",
)
_MARKED_QUESTION = re.compile(r"(?:question|q)\s*:\s*\S", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def _asks_about_the_matter(text: str) -> bool:
    if _MARKED_QUESTION.match(text):
        return True
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    if not text.endswith("?") or not words or words[0] not in QUESTION_WORDS:
        return False
    return not any(word in ANSWERING_WORDS for word in words)
