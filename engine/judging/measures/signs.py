"""Counts signs outside code: emoji, marks, capitals, numbers, brackets, quotations. Knows no language."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category

from engine.judging.measures.blocks import CJK, Kind
from engine.judging.measures.measure import Occasion
from engine.judging.measures.reply import Reply
from engine.judging.measures.words import count_words

# Shown as pictures by themselves: Unicode's Emoji_Presentation, and all emoji from U+1F000 on.
_PICTURES: Final = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd"
    "\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-"
    "\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\U0001f004\U0001f0cf\U0001f170\U0001f171\U0001f17e"
    "\U0001f17f\U0001f18e\U0001f191-\U0001f19a\U0001f201\U0001f202\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f250"
    "\U0001f251\U0001f300-\U0001f3fa\U0001f400-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f7f0"
    "\U0001f90c-\U0001f9ff\U0001fa70-\U0001faff"
)
# Old signs that people use and see as emoji although they are text by default: ☀ ☺ ♥ ❤ and their like.
_OLD_PICTURES: Final = (
    "\u2600-\u2604\u2618\u261d\u2620\u262e\u262f\u2639\u263a\u2665\u2668\u26c8\u26d1\u26e9\u26f0\u26f1\u26f4"
    "\u26f7-\u26f9\u2708\u270c\u270d\u2744\u2763\u2764"
)
# Signs that are emoji only with the variation selector behind them: ™️ ✔️ ➡️ ▶️.
_WITH_SELECTOR: Final = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u2328\u23cf\u23ed-\u23ef\u23f1\u23f2\u23f8-\u23fa"
    "\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb\u25fc\u2600-\u27bf\u2934\u2935\u2b05-\u2b07\u3030\u303d\u3297\u3299"
)
_SKIN: Final = "[\U0001f3fb-\U0001f3ff]"
_ONE: Final = (
    rf"(?:[{_PICTURES}{_OLD_PICTURES}](?!\ufe0e)\ufe0f?|[{_WITH_SELECTOR}]\ufe0f){_SKIN}?"
    r"[\U000e0020-\U000e007f]*"
)
EMOJI: Final = re.compile(
    rf"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3"
    rf"|{_ONE}(?:\u200d(?:{_ONE}|[\u2640\u2642\u2695\u2696\u26a7\u27a1]))*"
)

_EXCLAMATION = re.compile(r"(?<!<)[!！](?!\[|=)")
_QUESTION = re.compile(r"[?？؟]")
_ASCII_CAPITAL = re.compile(r"[A-Z]")
_ASCII_SMALL = re.compile(r"[a-z]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_NUMBER = re.compile(rf"(?<![^\W{CJK}])(?<![.,])(?<![^\W\d_]-)\d+(?:[.,:/–-]?\d+)*(?!\ufe0f?\u20e3)")
_BRACKET = re.compile(r"(?<![:;=][-'])(?<![:;=])[(（\[{【［]")
_DASH = re.compile(
    r"[—―]+|–(?!\d)|(?<!\d)–|(?<=\w)--(?=\w)"
    r"|(?<=\S)[^\S\n]+-{1,3}[^\S\n]+(?=[^\s\d])|(?<=[^\s\d])[^\S\n]+-{1,3}[^\S\n]+(?=\d)"
)
_QUOTATION = re.compile(
    r"„[^„“”\n]*[“”]|“[^“”\n]*”|«[^«»\n]*»|»[^«»\n]*«|「[^「」\n]*」|『[^『』\n]*』|\"[^\"\n]*\""
    r"|(?<!\w)‘(?:[^‘’\n]|(?<=\w)’(?=\w))+’(?!\w)|(?<![\w'])'(?:[^'\n]|(?<=\w)'(?=\w))+'(?!\w)"
)
_OPENS_QUOTATION = re.compile(r"[„“«»「『\"‘]|(?<![\w'])'(?=\w)")
QUOTED_WORDS: Final = 3  # fewer are a title, or words that are talked about
CLOSING_SIGNS: Final = 120  # more characters do not stand behind a last mark
_BEHIND_THE_END = re.compile(
    rf"(?:\s|{EMOJI.pattern}|(?<!\w)[:;]-?[)(DP]|[\"'”’»«“)\]」』）*_~\ufe0f\u200d])++$"
)
_ASKS = re.compile(r"[?？؟][!！]*$|(?:です|ます|でした|ました|ません|でしょう|ましょう|だろう)か[。.]?$")


def emoji(reply: Reply, occasion: Occasion) -> float:
    """A flag, a keycap, a family or a hand in some colour is one; broken characters are none."""
    return 0 if reply.text.isascii() else len(EMOJI.findall(reply.outside_code))


def exclamation_marks(reply: Reply, occasion: Occasion) -> float:
    return len(_EXCLAMATION.findall(reply.plain))


def question_marks(reply: Reply, occasion: Occasion) -> float:
    return len(_QUESTION.findall(reply.plain))


def ends_with_question(reply: Reply, occasion: Occasion) -> float:
    """What stands behind the mark without being text does not matter: emoji, quotation marks, brackets."""
    if not reply.blocks or reply.blocks[-1].kind in (Kind.CODE, Kind.TABLE):
        return 0.0
    _, last = reply.passages[-1]
    return float(_ASKS.search(without_closing_signs(last)) is not None)


def without_closing_signs(text: str) -> str:
    """A text without what may stand behind its last mark: emoji, quotation marks, brackets, spaces."""
    stripped = text.rstrip()
    return stripped[:-CLOSING_SIGNS] + _BEHIND_THE_END.sub("", stripped[-CLOSING_SIGNS:])


def capitals(reply: Reply, occasion: Occasion) -> float:
    others = _BEYOND_ASCII.findall(reply.plain)
    return len(_ASCII_CAPITAL.findall(reply.plain)) + sum(category(c) in ("Lu", "Lt") for c in others)


def small_letters(reply: Reply, occasion: Occasion) -> float:
    others = _BEYOND_ASCII.findall(reply.plain)
    return len(_ASCII_SMALL.findall(reply.plain)) + sum(category(c) == "Ll" for c in others)


def numbers(reply: Reply, occasion: Occasion) -> float:
    """In figures, "3.5", "1,000", "10:30" and "10–20" being one each; no list's own numbers, no "H2O"."""
    return len(_NUMBER.findall(reply.plain))


def parentheses(reply: Reply, occasion: Occasion) -> float:
    """Opening brackets of any kind; not those of links, list markers and faces like ":("."""
    return len(_BRACKET.findall(reply.plain))


def dashes(reply: Reply, occasion: Occasion) -> float:
    """Between words or phrases; not hyphens, list markers and ranges like "10–20"."""
    return sum(len(_DASH.findall(text)) for kind, text in reply.passages if kind is not Kind.TABLE)


def quotes(reply: Reply, occasion: Occasion) -> float:
    """Quoted passages of three words or more, and paragraphs behind ">"."""
    return _count_quotes(reply, is_whole=True)


def least_quotes(reply: Reply, occasion: Occasion) -> float:
    """Without what stands behind a quotation mark that may still find its partner."""
    return _count_quotes(reply, is_whole=False)


def _count_quotes(reply: Reply, *, is_whole: bool) -> int:
    texts = [block for block in reply.blocks if block.kind is not Kind.CODE]
    count = 0
    for number, (block, (_, text)) in enumerate(zip(texts, reply.passages, strict=True)):
        if block.is_quoted:
            count += block.kind is Kind.PROSE
            continue
        until = len(text) if is_whole or number < len(texts) - 1 else _first_open(text)
        count += sum(
            found.end() <= until and count_words(found.group()) >= QUOTED_WORDS
            for found in _QUOTATION.finditer(text)
        )
    return count


def _first_open(text: str) -> int:
    masked = _QUOTATION.sub(lambda found: " " * len(found.group()), text)
    last_line = masked.rfind("\n") + 1
    opening = _OPENS_QUOTATION.search(masked, last_line)
    return opening.start() if opening else len(text)
