"""Emoji as people send them, and what a person's set of them on an answer amounts to: a rating, 1 to 5.

Pure. Knows no platform and no database; docs/teaching.md tells people the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

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


def normal(emoji: str) -> str | None:
    """The kind of an emoji: the same for every skin tone and platform. None: the text is no emoji."""
    spelled = kept(emoji)
    return None if spelled is None else _TONE.sub("", spelled)


@lru_cache(maxsize=4096)
def kept(emoji: str) -> str | None:
    """The spelling in which an emoji is stored: the same on every platform. None: the text is no emoji.

    The skin tone stays: a person may put 👍 and 👍🏽 on an answer and take one of the two off. A server's own
    emoji keep their name between colons: `:party_parrot:`.
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
        if name in ALIASES:
            tone = named.group("tone")
            return ALIASES[name] + (_TONES[tone.lower()] if tone else "")
        return f":{name}:" if is_marked else None
    if _EMOJI.fullmatch(text):
        return _VARIATION.sub("", text)
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


_DISCORD_CUSTOM = re.compile(r"<?a?:(?P<name>\w{2,32}):\d{1,20}>?")
_SHORT_NAME = re.compile(
    r":?(?P<name>[+\-]1|[a-z0-9_'\-]{2,80})(?:::?(?P<tone>skin-tone-[2-6]|tone[1-5]))?:?",
    re.IGNORECASE | re.ASCII,
)
_VARIATION = re.compile("[\ufe0e\ufe0f]")
_TONE = re.compile("[\U0001f3fb-\U0001f3ff]")
_TONES: Mapping[str, str] = {
    name: tone
    for number, tone in enumerate("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff", start=1)
    for name in (f"tone{number}", f"skin-tone-{number + 1}")
}
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
