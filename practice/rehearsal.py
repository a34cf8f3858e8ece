"""The end of the training: the model answers, its replies are marked, and it learns from the marks.

The corpus shows it right replies only. Where its own go wrong, and which wish it has forgotten on the way, it
meets here: tokens with which a sentence leaves the grammar, or makes a point anew, become less likely, and
what does not belong to the points of a reply becomes as likely as the reply met more wishes than its
siblings. Corpus is read on beside it, which keeps what nobody wished for as even-handed as it is there.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import parent_process
from typing import TypeVar

import torch
from transformers import PreTrainedTokenizerFast

from engine import wording
from practice import corpus
from practice.branches import note_branch
from practice.corpus import Document
from practice.gradients import (
    Part,
    device_of_training,
    gradients,
    quick,
)
from practice.llama import Llama
from practice.manners import DIMENSIONS
from practice.marking import Mark, Span, mark
from practice.mix import FULL
from practice.rows import (
    Encoder,
    Judged,
    Row,
    batched,
    batches,
    replies_row,
)
from practice.sampling import sample

PROMPTS, REPLIES = 12, 8  # of each core in each step
MAX_TOKENS = 150
LONGEST_PROMPT = 220
JUDGED = 0.5  # of its replies
CHOICES = 4  # prompts from which one is chosen
POOL = 48  # documents drawn together
EVEN = 0.5  # what a reply loses, in wishes, by a value that comes twice as often as it should
LATELY = 0.02  # what one more reply counts in what is remembered
UNKNOWN = 0.5  # what is taken for remembered where nothing is yet
CORPUS = 0.5  # what a token of the corpus weighs
WRONG = 8.0  # a token with which a sentence goes wrong
AGAIN = 4.0  # a token of a point that was made before
MET = 3.0  # a token of a reply that meets one wish more than its siblings

_Key = TypeVar("_Key")


class Rehearsal:
    """Answers prompts of the corpus with the model and tells what it should learn from that."""

    def __init__(self, model: Llama, words: PreTrainedTokenizerFast, seed: str, batch_tokens: int) -> None:
        self._model, self._words, self._encoder = model, words, Encoder(words)
        self._batch_tokens = batch_tokens
        self._rng, self._chance = random.Random(seed), torch.Generator()
        self._chance.manual_seed(self._rng.getrandbits(60))
        self._end = int(words.convert_tokens_to_ids("<|end|>"))
        self._missed: dict[tuple[str, str], float] = {}  # how often each wish was, of late
        self._unsound: dict[str, float] = {}  # how often replies to each kind of request were, of late
        self._shares = {(d, value): 1 / len(values) for d, values in DIMENSIONS.items() for value in values}
        self._corpus = batches(self._rows(), batch_tokens, self._rng, POOL)

    def step(self) -> Part:
        """Gradients of its replies and of a batch of the corpus."""
        asked = [self._asked() for _ in range(PROMPTS)]
        with quick(device_of_training()):
            sampled = sample(
                self._model,
                [prompt for _, prompt in asked],
                REPLIES,
                end=self._end,
                max_tokens=MAX_TOKENS,
                chance=self._chance,
            )
        rows: list[Row] = []
        marks: list[tuple[Document, Mark]] = []
        for (document, prompt), replies in zip(asked, sampled, strict=True):
            group = [self._marked(document, reply) for reply in replies]
            weights = self._weights(document, replies, group)
            rows.append(replies_row(prompt, replies, weights, self._judged(document, replies, group)))
            marks += [(document, marked) for marked in group]
        for document, marked in marks:
            self._remember(document, marked)
        rows = [row for row in rows if row.weights.any()]  # replies of one worth teach nothing
        read = gradients(self._model, next(self._corpus))
        own = [gradients(self._model, batch) for batch in batched(rows, self._batch_tokens)]
        read_less = (CORPUS * slope for slope in read.gradients)
        together = zip(read_less, *(part.gradients for part in own), strict=True)
        return Part(
            gradients=tuple(torch.stack(slopes).sum(0) for slopes in together),
            weight=read.weight,
            seen=_figures(marks) | _mean([part.seen for part in own], "judge right"),
        )

    def _rows(self) -> Iterator[Row]:
        while True:
            yield self._encoder.row(corpus.document(self._rng, FULL), self._rng)

    def _asked(self) -> tuple[Document, list[int]]:
        """A prompt, the rather the more there is to learn from it."""
        drawn = [self._drawn() for _ in range(CHOICES)]
        return self._rng.choices(drawn, [self._wanting(document) for document, _ in drawn])[0]

    def _wanting(self, document: Document) -> float:
        """How often its wishes were missed of late, and replies to its kind of request wrong."""
        assert document.asked
        missed = sum(self._missed.get(pair, UNKNOWN) for pair in document.wanted.wanted)
        return 0.1 + missed + self._unsound.get(document.asked.kind, UNKNOWN)

    def _drawn(self) -> tuple[Document, list[int]]:
        while True:
            document = corpus.document(self._rng, FULL)
            prompt = self._encoder.chat(wording.messages(document.prompt, wording.CLASSIC))
            if document.asked and len(prompt) <= LONGEST_PROMPT:
                return document, prompt

    def _remember(self, document: Document, marked: Mark) -> None:
        assert document.asked
        _follow(self._unsound, document.asked.kind, marked.is_wrong)
        for pair in document.wanted.wanted:
            _follow(self._missed, pair, pair in marked.missed)
        for dimension in _open_dimensions(document):
            for value in DIMENSIONS[dimension]:
                _follow(self._shares, (dimension, value), marked.manner[dimension] == value)

    def _worth(self, document: Document, reply: Sequence[int], marked: Mark) -> float:
        """Wishes met, less what the reply has too often by itself: short replies, say, since little goes
        wrong in them."""
        usual = sum(
            self._shares[dimension, marked.manner[dimension]] * len(DIMENSIONS[dimension]) - 1
            for dimension in _open_dimensions(document)
        )
        is_ended = reply[-1] == self._end
        return marked.is_sound + is_ended - len(marked.missed) - EVEN * usual

    def _marked(self, document: Document, reply: Sequence[int]) -> Mark:
        assert document.asked
        return mark(self._text(reply), document.asked, document.wanted, document.prompt.name)

    def _judged(
        self, document: Document, replies: Sequence[Sequence[int]], marks: Sequence[Mark]
    ) -> list[Judged]:
        """Questions about some of its replies: what it gets wrong itself, it is to see as well."""
        asked = []
        for reply, marked in zip(replies, marks, strict=True):
            said = [token for token in reply if token != self._end]
            if said and self._rng.random() < JUDGED:
                branch = note_branch(self._rng, marked.manner, document.prompt.name, FULL)
                asked.append(self._encoder.judged(said, branch))
        return asked

    def _text(self, reply: Sequence[int]) -> str:
        return str(self._words.decode([token for token in reply if token != self._end]))

    def _weights(
        self, document: Document, replies: Sequence[Sequence[int]], marks: Sequence[Mark]
    ) -> list[list[float]]:
        worth = [self._worth(document, reply, marked) for reply, marked in zip(replies, marks, strict=True)]
        usual = sum(worth) / len(worth)
        return [
            self._weighed(reply, marked, MET * (one - usual))
            for reply, marked, one in zip(replies, marks, worth, strict=True)
        ]

    def _weighed(self, reply: Sequence[int], marked: Mark, advantage: float) -> list[float]:
        """Byte by byte: a token of a byte-level vocabulary has as many characters as bytes."""
        lengths = [
            0 if token == self._end else len(piece)
            for token, piece in zip(reply, self._words.convert_ids_to_tokens(reply), strict=True)
        ]
        text = self._text(reply)

        def in_bytes(spans: Sequence[Span]) -> list[Span]:
            return [(len(text[:start].encode()), len(text[:stop].encode())) for start, stop in spans]

        wrong, again, said = in_bytes(marked.wrong), in_bytes(marked.again), in_bytes(marked.said)
        ends_too_soon = any(stop > len(text) for _, stop in marked.wrong)
        weights, begin = [], 0
        for token, length in zip(reply, lengths, strict=True):
            stop = begin + length
            is_wrong = any(begin < until and start < stop for start, until in wrong)
            if is_wrong or (token == self._end and ends_too_soon):
                weights.append(advantage - WRONG)
            elif _is_inside(begin, stop, again):
                weights.append(-AGAIN)
            else:
                weights.append(0.0 if _is_inside(begin, stop, said) else advantage)
            begin = stop
        return weights


def _is_inside(begin: int, stop: int, points: Sequence[Span]) -> bool:
    """Whether a token belongs to a point; the point's first one may as well belong to what is before it."""
    return any(start < begin and start + 1 < stop <= until for start, until in points)


def _follow(shares: dict[_Key, float], key: _Key, happened: bool) -> None:
    """How often something happens of late, after one more time."""
    before = shares.get(key, UNKNOWN)
    shares[key] = before + LATELY * (happened - before)


def _open_dimensions(document: Document) -> list[str]:
    """What nobody wished for; an address needs a name."""
    closed = {dimension for dimension, _ in document.wanted.wanted}
    if not document.prompt.name:
        closed.add("address")
    return [dimension for dimension in DIMENSIONS if dimension not in closed]


# --- in a process of its own ---

_rehearsals: list[Rehearsal] = []  # this process's only one


def begin(model: Llama, words: PreTrainedTokenizerFast, seed: str, batch_tokens: int) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _rehearsals.append(Rehearsal(model, words, seed, batch_tokens))


def _end_with_parent() -> None:
    """A training that is killed leaves nobody behind who waits for it."""
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


def step() -> Part:
    return _rehearsals[0].step()


def _mean(seen: Sequence[dict[str, float]], name: str) -> dict[str, float]:
    found = [figures[name] for figures in seen if name in figures]
    return {name: sum(found) / len(found)} if found else {}


def _figures(marks: Sequence[tuple[Document, Mark]]) -> dict[str, float]:
    right = [not marked.is_wrong for _, marked in marks]
    wishes = sum(len(document.wanted.wanted) for document, _ in marks)
    missed = sum(len(marked.missed) for _, marked in marks)
    return {"sound": sum(right) / len(right), "wishes met": 1 - missed / max(wishes, 1)}
