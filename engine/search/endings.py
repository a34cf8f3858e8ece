"""Where a reply that the model did not end may be ended: behind a full sentence. Knows no model, no wish."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)")
FEWEST_WORDS = 4  # of a reply that is ended before the model would have ended it


def end_of_last_sentence(text: str) -> int:
    """Where the last full sentence of a text ends; 0 where there is none."""
    return max((match.end() for match in _SENTENCE_END.finditer(text)), default=0)


def shortened(text: str, is_short_enough: Callable[[str], bool]) -> str | None:
    """The most sentences from the beginning that are short enough; None where no few words are."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    for end in reversed(ends):
        kept = text[:end].rstrip()
        if len(kept.split()) < FEWEST_WORDS:
            return None
        if is_short_enough(kept):
            return kept
    return None


def before_repeats(text: str) -> str:
    """A text up to where a sentence comes that stood there before; a small model may go round in circles."""
    seen: set[str] = set()
    end = 0
    for sentence, sentence_end in _sentences(text):
        if sentence in seen:
            return text[:end].rstrip()
        seen.add(sentence)
        end = sentence_end
    return text


def _sentences(text: str) -> Iterator[tuple[str, int]]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield " ".join(text[start : match.end()].lower().split()), match.end()
        start = match.end()
