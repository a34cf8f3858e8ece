"""What is known of a person now, as it goes into their next prompt: notes, facts, rated answers.

Chosen anew for every prompt, from that person's rows alone. Knows no chat; the model counts tokens and says
for which requests a note is.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.context import Context
from bot.store.feedback.examples import RatedExchange
from bot.store.feedback.notes import Note, NoteKind
from bot.store.people import KnownPerson
from engine import wording
from engine.judging import scope
from engine.judging.demonstrations import demonstrations
from engine.judging.measures import Occasion, Wish
from engine.types import Example, ExamplesAs, Prompt

MOST_TURNS, MOST_TEXTS = 3, 1  # examples in a prompt, where the settings do not say
MAX_EXCHANGES: Final = 300  # the newest corrections, and the newest rated answers, to choose examples from
LINE_TOKENS: Final = 4  # what stands around a note or a fact
EXAMPLE_TOKENS: Final = 16
SHARE_OF_ONE_EXAMPLE: Final = 0.5  # of what is left: a long one must not fill everything

Count = Callable[[str], int]

# What an earlier answer is worth as an example, before it is compared with the request. What the person
# wrote themselves is worth most; a disliked answer shows what to avoid, and fills what is left.
WORTH: Final[Mapping[int, float]] = {5: 2.0, 4: 1.5, 2: 0.4, 1: 0.5}
CORRECTION_WORTH: Final = 3.0
MAX_DISLIKED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An earlier answer that could be shown, and what it is worth whatever is asked."""

    example: Example
    worth: float


async def recall(context: Context, person: KnownPerson, prompt: Prompt, *, budget_tokens: int) -> Prompt:
    """The prompt with what is known of the person. Unchanged where they want no memory."""
    if not person.memory:
        return prompt
    settings, layout = context.settings.memory, context.backend.profile.layout
    most = settings.max_examples
    if most is None:
        most = MOST_TURNS if layout.examples is ExamplesAs.TURNS else MOST_TEXTS

    def count(text: str) -> int:
        return len(context.backend.encode_text(text))

    standing = await _meant(context, await context.store.notes.active(person.key), prompt)
    earlier = await candidates(context, person.key) if most else ()
    budget_tokens = min(settings.budget_tokens, budget_tokens)
    wishes = _wishes(context, standing)
    if layout.examples is ExamplesAs.TURNS:
        earlier = _as_wanted(earlier, wishes, person.name)
    recalled = chosen(
        prompt,
        standing,
        earlier,
        count=count,
        budget_tokens=budget_tokens,
        max_notes=settings.max_notes,
        max_examples=most,
    )
    if layout.examples is ExamplesAs.TEXT or not wishes:
        return recalled
    missing = most - len(recalled.examples)
    shown = demonstrations(wishes, count=missing, unlike=wording.last_request(prompt), name=person.name)
    return replace(recalled, examples=(*shown, *recalled.examples))


def _wishes(context: Context, standing: Sequence[Note]) -> Sequence[Wish]:
    """What code can count of the notes that stand."""
    noted = [context.rubric.noted(note.text) for note in standing if note.kind is NoteKind.NOTE]
    return [note.wish for note in noted if note.wish is not None]


def _as_wanted(earlier: Sequence[Candidate], wishes: Sequence[Wish], name: str | None) -> Sequence[Candidate]:
    """Liked answers that are as the notes want them now: a model copies what it is shown."""
    return [
        candidate
        for candidate in earlier
        if candidate.example.rating >= wording.SHOWN_FROM
        and all(
            wish.is_met(candidate.example.reply, Occasion(name=name, request=candidate.example.request))
            for wish in wishes
        )
    ]


def reserved_tokens(context: Context, person: KnownPerson) -> int:
    """Room that a conversation leaves for memory: a long talk must not push out what was taught."""
    return (
        min(context.settings.memory.budget_tokens, context.backend.max_context // 4) if person.memory else 0
    )


async def _meant(context: Context, standing: Sequence[Note], prompt: Prompt) -> Sequence[Note]:
    """What stands, without the notes that are for another kind of request than this one."""
    texts = [note.text for note in standing if note.kind is NoteKind.NOTE]
    request = wording.last_request(wording.before_critiques(prompt))
    kept = await scope.meant(context.backend, texts, request)
    return [note for note in standing if note.kind is not NoteKind.NOTE or note.text in kept]


async def candidates(context: Context, person: str) -> Sequence[Candidate]:
    """The person's rated answers and their corrections: whatever may serve as an example, newest first."""
    exchanges = await context.store.examples.of_person(person, limit=MAX_EXCHANGES)
    return [_candidate(exchange) for exchange in exchanges if _is_telling(exchange)]


def chosen(
    prompt: Prompt,
    standing: Sequence[Note],
    earlier: Sequence[Candidate],
    *,
    count: Count,
    budget_tokens: int,
    max_notes: int,
    max_examples: int,
) -> Prompt:
    """The prompt with the notes, facts and examples that matter most here, within the budget.

    Notes come first, then facts, then examples: a note is short and says for certain what an example shows.
    """
    request = wording.last_request(prompt)
    notes = [note.text for note in standing if note.kind is NoteKind.NOTE]
    facts = [note.text for note in standing if note.kind is NoteKind.FACT]
    kept_notes, left = _lines(notes, request, count, budget_tokens, max_notes)
    kept_facts, left = _lines(facts, request, count, left, max_notes)
    said = {_plain(turn.text) for turn in prompt.turns}
    fresh = [candidate for candidate in earlier if _plain(candidate.example.reply) not in said]
    examples = _examples(fresh, request, count, left, max_examples)
    return replace(prompt, notes=kept_notes, facts=kept_facts, examples=examples)


def _lines(
    texts: Sequence[str], request: str, count: Count, budget_tokens: int, limit: int
) -> tuple[tuple[str, ...], int]:
    """As many lines as there is room for, in their own order, and the room that is left.

    Where not all fit, those that speak of what is asked are kept, then the newest.
    """
    near = similarities(request, texts)
    order = sorted(range(len(texts)), key=lambda index: (-near[index], -index))[:limit]
    kept, left = [], budget_tokens
    for index in order:
        cost = count(texts[index]) + LINE_TOKENS
        if cost <= left:
            kept.append(index)
            left -= cost
    return tuple(texts[index] for index in sorted(kept)), left


def _examples(
    earlier: Sequence[Candidate], request: str, count: Count, budget_tokens: int, limit: int
) -> tuple[Example, ...]:
    """The best-rated and most similar ones, the best last, where a model heeds it most."""
    near = similarities(request, [candidate.example.request for candidate in earlier])
    ranked = sorted(zip(earlier, near, strict=True), key=lambda pair: -pair[0].worth * (0.25 + pair[1]))
    kept: list[Example] = []
    left, disliked = budget_tokens, 0
    for candidate, _ in ranked:
        example = candidate.example
        cost = count(example.request) + count(example.reply) + EXAMPLE_TOKENS
        is_repeated = any(_plain(shown.request) == _plain(example.request) for shown in kept)
        is_disliked = example.rating < 3
        if is_repeated or cost > left * SHARE_OF_ONE_EXAMPLE or (is_disliked and disliked == MAX_DISLIKED):
            continue
        kept.append(example)
        left -= cost
        disliked += is_disliked
        if len(kept) == limit:
            break
    return tuple(reversed(kept))


def _is_telling(exchange: RatedExchange) -> bool:
    """A rating in the middle shows neither what to do nor what to avoid."""
    return exchange.is_correction or exchange.rating in WORTH


def _candidate(exchange: RatedExchange) -> Candidate:
    example = Example(request=exchange.request, reply=exchange.reply, rating=exchange.rating)
    worth = CORRECTION_WORTH if exchange.is_correction else WORTH[exchange.rating]
    return Candidate(example=example, worth=worth)


# --- similarity ---

_WORD = re.compile(r"\w+")


def similarities(request: str, texts: Sequence[str]) -> list[float]:
    """How much each text speaks of what the request does, 0 to 1: shared words, the rare ones more."""
    bags = [frozenset(_words(text)) for text in texts]
    asked = frozenset(_words(request))
    frequency = Counter(word for bag in (*bags, asked) for word in bag)
    weight = {word: math.log(1 + (len(bags) + 1) / often) for word, often in frequency.items()}

    def size(words: Iterable[str]) -> float:
        return sum(weight[word] for word in words)

    return [size(bag & asked) / math.sqrt(size(bag) * size(asked)) if bag and asked else 0.0 for bag in bags]


def _words(text: str) -> Sequence[str]:
    return [_stem(word) for word in _WORD.findall(text.lower())]


def _stem(word: str) -> str:
    """Singular and plural are one word. No more than that, in any language."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
