"""Says whether a reply is whole: what is wrong with it whatever was wished. Knows no wish and no person.

A reply that is long, terse, odd or false is sound. A fault is what no person could want: words that come
again and again, words of the prompt, broken characters, an end in the middle of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final

from engine.judging import repetition
from engine.judging.measures import word_lists
from engine.judging.measures.blocks import ITEMS, Kind
from engine.judging.measures.language import identify, is_clearly_not_in
from engine.judging.measures.reply import Reply, read
from engine.judging.measures.signs import EMOJI, without_closing_signs
from engine.judging.measures.words import count_words, grams, is_unspaced, words_of

LEAKED_WORDS: Final = 8  # of a prompt text in a row; a shorter text leaks when all of it comes
LEAKED_CHARACTERS: Final = 20
SHORTEST_LEAK: Final = 4
ECHO_SHARE: Final = 0.8
ECHO_WORDS: Final = 3  # a shorter request may be said back
LANGUAGE_WORDS: Final = 8  # before that the language of a reply is not sure enough
SHORT_ITEM_WORDS: Final = 8  # a list item that is no sentence


class Fault(Enum):
    """What can be wrong with a reply, and how bad that is, from 0 to 1."""

    EMPTY = ("empty, or nothing but marks", 1.0)
    LOOP = ("the same words again and again", 1.0)
    TEMPLATE = ("marks of the chat template", 1.0)
    LEAK = ("words of the prompt", 0.9)
    ECHO = ("the request once more", 0.9)
    REPEATED_LINE = ("a line again and again", 0.8)
    OTHER_LANGUAGE = ("another language than the request's", 0.8)
    REPEATED_SENTENCE = ("a sentence again and again", 0.7)
    LITTLE_VARIETY = ("few different turns of phrase", 0.7)
    BROKEN_CHARACTERS = ("broken characters", 0.6)
    CUT = ("no end", 0.4)

    def __init__(self, about: str, severity: float) -> None:
        self.about = about
        self.severity = severity


def faults(
    text: str,
    *,
    request: str,
    is_cut: bool = False,
    prompt_texts: Sequence[str] = (),
    language: str | None = None,
) -> tuple[Fault, ...]:
    """Everything that is wrong with a reply, the worst first.

    `is_cut`: the model did not end it. `prompt_texts`: notes, persona and examples that stood in the prompt.
    `language`: the code of the one that was wished for, instead of the request's.
    """
    reply = read(text)
    if not count_words(reply.outside_code) and not EMOJI.search(text) and not _has_code(reply):
        return (Fault.BROKEN_CHARACTERS, Fault.EMPTY) if _BROKEN.search(text) else (Fault.EMPTY,)
    found = _found(reply, request, is_cut=is_cut, prompt_texts=prompt_texts, language=language)
    return tuple(sorted(found, key=lambda fault: -fault.severity))


def is_sound(
    text: str,
    *,
    request: str,
    is_cut: bool = False,
    prompt_texts: Sequence[str] = (),
    language: str | None = None,
) -> bool:
    """Whether nothing is wrong with a reply."""
    return not faults(text, request=request, is_cut=is_cut, prompt_texts=prompt_texts, language=language)


def _found(
    reply: Reply, request: str, *, is_cut: bool, prompt_texts: Sequence[str], language: str | None
) -> Iterator[Fault]:
    is_verse = _asks_for(request, "verse_words")
    if repetition.has_loop(reply, is_verse=is_verse):
        yield Fault.LOOP
    if repetition.has_repeated_line(reply, is_verse=is_verse):
        yield Fault.REPEATED_LINE
    if not is_verse and repetition.has_repeated_sentence(reply):
        yield Fault.REPEATED_SENTENCE
    if not is_verse and repetition.has_little_variety(reply):
        yield Fault.LITTLE_VARIETY
    if _TEMPLATE.search(reply.outside_code) or _speaks_for_both(reply, request):
        yield Fault.TEMPLATE
    if _leaks(reply, request, prompt_texts):
        yield Fault.LEAK
    if _is_echo(reply, request):
        yield Fault.ECHO
    if _is_in_another_language(reply, request, language):
        yield Fault.OTHER_LANGUAGE
    if _BROKEN.search(reply.text):
        yield Fault.BROKEN_CHARACTERS
    if is_cut and not _has_end(reply):
        yield Fault.CUT


# --- the prompt ---

_TEMPLATE = re.compile(
    r"<\|[\w ]+\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|^<s>|</s>\s*$"
    r"|^#{2,3}\s*(?:Instruction|Response|Input|Human|Assistant|User)\s*:?\s*$|\bRating: [1-5] of 5\b"
    r"|\A\s*(?:Notes|Facts):\s*\n",
    re.MULTILINE,
)
_TURN = re.compile(r"^\W*(?:user|human|assistant|system)\s*:", re.MULTILINE | re.IGNORECASE)


def _speaks_for_both(reply: Reply, request: str) -> bool:
    """Whether turns of a chat follow that nobody asked for."""
    return _TURN.search(reply.outside_code) is not None and not _asks_for(request, "dialogue_words")


def _leaks(reply: Reply, request: str, prompt_texts: Sequence[str]) -> bool:
    said, asked = words_of(reply.plain), words_of(request)
    for prompt_text in prompt_texts:
        words = words_of(prompt_text)
        longest = LEAKED_CHARACTERS if is_unspaced(words) else LEAKED_WORDS
        size = min(longest, len(words))
        runs = set(grams(words, size)) - set(grams(asked, size))
        if size >= SHORTEST_LEAK and not runs.isdisjoint(grams(said, size)):
            return True
    return False


def _is_echo(reply: Reply, request: str) -> bool:
    said, asked = words_of(reply.plain), words_of(request)
    if len(asked) < ECHO_WORDS or not said or _asks_for(request, "repeat_words"):
        return False
    if len(said) >= len(asked):
        return said[: len(asked)] == asked and len(asked) >= ECHO_SHARE * len(said)
    return len(said) >= ECHO_SHARE * len(asked) and said in grams(asked, len(said))


def _is_in_another_language(reply: Reply, request: str, language: str | None) -> bool:
    wanted = language or identify(request)
    if wanted is None or count_words(reply.plain) < LANGUAGE_WORDS:
        return False
    if language is None and _asks_for(request, "language_words"):
        return False
    return is_clearly_not_in(reply, wanted)


def _asks_for(request: str, kind: str) -> bool:
    """Whether a request holds one of the words of a list."""
    words = {word.removesuffix("'s") for word in words_of(request)}
    japanese = word_lists.of("ja", kind)
    return not words.isdisjoint(word_lists.of_all(kind)) or any(word in request for word in japanese)


# --- signs and ends ---

# Replacement characters, halves of pairs, control characters, and UTF-8 that was read as something else.
_BROKEN = re.compile(
    r"[\ufffd\ufffe\uffff\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|â€[™œ\u009d“”˜¦\u0099]|Ã[©¨¼¶¤±³¡¢§ª®º]|ðŸ"
)
_ENDS = re.compile(r"[.!?…。！？｡؟]$")
_CLOSED_FENCE = re.compile(r"(?:```|~~~)\s*$")
_BARE_MARKER = re.compile(r"(?:^|\n)\s*(?:\d+[.)]|[-*•]|#+)\s*$")


def _has_code(reply: Reply) -> bool:
    return any(block.kind is Kind.CODE and block.text.strip() for block in reply.blocks)


def _has_end(reply: Reply) -> bool:
    """Whether the last sentence has its end; a list of words, a table and closed code need none."""
    last = reply.blocks[-1]
    if last.kind is Kind.CODE:
        return _CLOSED_FENCE.search(reply.text) is not None
    if last.kind is Kind.TABLE:
        return reply.text.rstrip().endswith("|")
    if last.kind is Kind.HEADING or _BARE_MARKER.search(reply.text):
        return False
    if _ends_well(last.text):
        return True
    if last.kind in ITEMS:
        others = [block.text for block in reply.blocks[:-1] if block.kind in ITEMS]
        is_sentence = count_words(last.text) > SHORT_ITEM_WORDS or any(map(_ends_well, others))
        return not is_sentence
    return False


def _ends_well(text: str) -> bool:
    stripped = text.rstrip()
    emoji = [found.end() for found in EMOJI.finditer(stripped)]
    is_emoji = bool(emoji) and emoji[-1] == len(stripped)
    return is_emoji or _ENDS.search(without_closing_signs(stripped)) is not None
