"""Builds an answer from a topic's material as a plan and some wishes demand. Counts nothing in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from engine.judging.demonstrations.plans import CODE, Bounds, Plan
from engine.judging.demonstrations.topics import Topic

MOST_JOINS: Final = 3  # a sentence that is joined of more does not read well

_CODE_OR_LINK = re.compile(r"(```.*?```|https?://\S+)", re.DOTALL)


@dataclass(slots=True, kw_only=True)
class Draft:
    """An answer in pieces. `opening` stands before the list, table or code, `closing` behind it."""

    greeting: str = ""
    opening: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    closing: list[str] = field(default_factory=list)

    @property
    def sentence_count(self) -> int:
        return bool(self.greeting) + len(self.opening) + len(self.items) + len(self.closing)


def build(topic: Topic, bounds: Bounds, plan: Plan, name: str) -> str | None:
    """The answer; None where it would not read well."""
    draft = _draft(topic, bounds, plan)
    if bounds.needs("names"):
        _address(draft, name)
    if not _shorten(draft, bounds):
        return None
    if bounds.needs("emoji"):
        _set_emoji(draft, topic, bounds)
    text = "\n\n".join(_emphasised(_parts(draft, topic, bounds, plan), topic, bounds))
    return _in_case(text, bounds)


# --- what is said ---


def _draft(topic: Topic, bounds: Bounds, plan: Plan) -> Draft:
    plain = (topic.code_sentence, *topic.sentences) if bounds.needs(*CODE) else topic.sentences
    draft = Draft(opening=list(plain[: plan.sentences]))
    said = [measure for measure in topic.said if _is_wanted(measure, bounds, plan)]
    sentences = [topic.said[measure] for measure in said if measure != "summaries"]
    if plan.items:
        stock = topic.items if plan.items <= len(topic.items) else topic.sentences
        draft.items = [item.removesuffix(".") for item in stock[: plan.items]]
    if plan.has_said_as_items:
        draft.items += [sentence.removesuffix(".") for sentence in sentences]
    elif plan.items:
        draft.closing += sentences
    else:
        draft.opening += sentences
    if "summaries" in said:
        if bounds.allows("sentences", 2):
            draft.closing.append(topic.said["summaries"])
        else:
            draft.opening.insert(0, topic.said["summaries"])
    _ask(draft, topic, bounds)
    if bounds.needs("greetings"):
        draft.greeting = topic.greeting + ("!" if bounds.allows("exclamation_marks") else ".")
    if not (plan.items or bounds.needs("tables", *CODE)):
        draft.opening += draft.closing
        draft.closing = []
    return draft


def _is_wanted(measure: str, bounds: Bounds, plan: Plan) -> bool:
    return bounds.needs(measure) or (plan.is_full and bounds.allows(measure))


def _ask(draft: Draft, topic: Topic, bounds: Bounds) -> None:
    """Set a question last, or first where none may stand last. Two questions stand first and last."""
    may_be_last = bounds.allows("ends_with_question")
    wanted = max(bounds.least.get("question_marks", 0), bounds.least.get("ends_with_question", 0))
    if wanted > 1 or (wanted and not may_be_last):
        draft.opening.insert(0, topic.first_question)
    if wanted and may_be_last:
        draft.closing.append(topic.question)


def _address(draft: Draft, name: str) -> None:
    """Call the person by name in the greeting, else in the first sentence."""
    if draft.greeting:
        draft.greeting = _with_name(draft.greeting, name)
        return
    for sentences in (draft.opening, draft.closing):
        if sentences:
            sentences[0] = _with_name(sentences[0], name)
            return


def _with_name(sentence: str, name: str) -> str:
    return f"{sentence[:-1]}, {name}{sentence[-1]}"


# --- how it is said ---


def _shorten(draft: Draft, bounds: Bounds) -> bool:
    """Join sentences until there are no more than wished. False if that cannot be done well."""
    most = bounds.most.get("sentences", math.inf)
    if draft.sentence_count - most > MOST_JOINS:
        return False
    if draft.sentence_count > most and draft.greeting and draft.opening and not bounds.needs("headings"):
        greeting = draft.greeting[:-1].replace(",", "")
        draft.opening[0] = f"{greeting}, {_small(draft.opening[0])}"
        draft.greeting = ""
    while draft.sentence_count > most:
        lengths = [len(f"{first}{second}") for first, second in pairwise(draft.opening)]
        if not lengths:
            return False
        at = lengths.index(min(lengths))
        draft.opening[at : at + 2] = [_joined(draft.opening[at], draft.opening[at + 1])]
    return True


def _joined(first: str, second: str) -> str:
    mark = second[-1] if first[-1] != "!" else {".": "!", "?": "?!"}.get(second[-1], second[-1])
    return f"{first[:-1]}; {_small(second[:-1])}{mark}"


def _small(sentence: str) -> str:
    return sentence if re.match(r"I\b", sentence) else sentence[0].lower() + sentence[1:]


def _set_emoji(draft: Draft, topic: Topic, bounds: Bounds) -> None:
    """Set emoji behind the last and the first sentence or item."""
    pieces = (draft.opening, draft.items, draft.closing)
    places = [(piece, at) for piece in pieces for at in range(len(piece))]
    wanted = int(bounds.least["emoji"])
    if wanted == 1 and len(places) > 1 and bounds.allows("emoji", 2):
        wanted = 2
    for number in range(wanted if places else 0):
        piece, at = places[(number - 1) % len(places)]
        piece[at] += f" {topic.emoji[number % len(topic.emoji)]}"


def _parts(draft: Draft, topic: Topic, bounds: Bounds, plan: Plan) -> list[str]:
    """What empty lines set apart, in its order."""
    parts: list[str] = []
    if bounds.needs("headings"):
        parts += [draft.greeting, f"## {topic.heading}"]
    elif draft.greeting:
        draft.opening.insert(0, draft.greeting)
    parts += _paragraphs(draft.opening, plan.paragraphs)
    if bounds.needs(*CODE):
        at = 0 if bounds.needs("starts_with_code") else len(parts)
        parts.insert(at, f"```python\n{topic.code.strip()}\n```")
    parts.append(_list(draft.items, bounds))
    if bounds.needs("tables"):
        parts.append(_table(draft, topic, bounds))
    parts.append(" ".join(draft.closing))
    return [part for part in parts if part]


def _paragraphs(sentences: Sequence[str], count: int) -> Iterator[str]:
    """So many paragraphs of about the same number of sentences, the longer ones first."""
    start = 0
    for left in range(min(count, len(sentences)), 0, -1):
        size = math.ceil((len(sentences) - start) / left)
        yield " ".join(sentences[start : start + size])
        start += size


def _list(items: Sequence[str], bounds: Bounds) -> str:
    if bounds.needs("numbered") or not bounds.allows("bullets"):
        return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
    return "\n".join(f"- {item}" for item in items)


def _table(draft: Draft, topic: Topic, bounds: Bounds) -> str:
    """The table. It holds the emoji where there is no sentence that can."""
    rows = [" | ".join(cells) for cells in topic.table]
    if bounds.needs("emoji") and not draft.sentence_count:
        rows[-1] += f" {topic.emoji[0]}"
    rows.insert(1, "--- | ---")
    return "\n".join(f"| {row} |" for row in rows)


def _emphasised(parts: Sequence[str], topic: Topic, bounds: Bounds) -> Iterator[str]:
    """The parts with the first key words in bold or italics, each where it first stands."""
    bold = int(bounds.least.get("bold", 0))
    if bold == 1 and bounds.allows("bold", 2):
        bold = 2
    signs = ["**"] * bold + ["*"] * int(bounds.least.get("italics", 0))
    key_words = list(topic.key_words)
    for part in parts:
        text = part
        for word in list(key_words) if not part.startswith(("```", "#")) else ():
            found = re.search(rf"(?<![\w/*-]){re.escape(word)}(?![\w*-])", text, re.IGNORECASE)
            if signs and found:
                key_words.remove(word)
                sign = signs.pop(0)
                text = f"{text[: found.start()]}{sign}{found.group()}{sign}{text[found.end() :]}"
        yield text


def _in_case(text: str, bounds: Bounds) -> str:
    """The text in small or in capital letters throughout, but for code and addresses."""
    if bounds.allows("capitals") and bounds.allows("small_letters"):
        return text
    pieces = _CODE_OR_LINK.split(text)
    pieces[::2] = [piece.upper() if bounds.allows("capitals") else piece.lower() for piece in pieces[::2]]
    return "".join(pieces)
