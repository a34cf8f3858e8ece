"""Documents as tokens: each a tree whose trunk is prompt and reply, with the branches hanging from the reply.

A branch sees the trunk up to where it hangs and itself, at the positions it has in the product. So one reply
serves many questions, and every question is asked just as the judge asks it. Knows no grammar.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from engine import wording
from engine.practice.corpus import Document

JUDGEMENT_WEIGHT = 6.0  # a judgement is one token; a reply has forty
FARTHEST = 1300  # how far apart a memory and its use may be made to lie


@dataclass(frozen=True, slots=True)
class Row:
    """One document. `trunk_end`: a token of a branch sees the trunk before it; on the trunk it is 0."""

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    segments: NDArray[np.int64]
    trunk_end: NDArray[np.int64]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Batch:
    tokens: torch.Tensor
    positions: torch.Tensor
    visible: torch.Tensor  # [row, 1, from, to]
    wanted: torch.Tensor  # the positions of each row at which something is learned; the rest of it weighs 0
    labels: torch.Tensor  # at these positions
    weights: torch.Tensor
    real_tokens: int  # without the padding


class Encoder:
    """Turns documents into rows, through the tokenizer's own chat template."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._end = int(tokenizer.convert_tokens_to_ids("<|end|>"))

    def row(self, document: Document, rng: random.Random) -> Row:
        prompt = self.chat(wording.messages(document.prompt))
        reply = self.text(document.reply)
        segments = [_Segment(prompt + reply, _shifted(len(prompt + reply), prompt, self._end, rng), 0, 0)]
        segments[0].learn(len(prompt) - 1, [*reply, self._end], 1.0 if document.is_model else 0.0)
        for number, branch in enumerate(document.branches, start=1):
            cut = len(prompt) + max(1, round(branch.share * len(reply)))
            said = [self._end, *self.chat([{"role": "user", "content": branch.said}])]
            answer = self.text(branch.answer)
            tokens = said if branch.is_judgement else said + answer
            start = segments[0].positions[cut - 1] + 1
            segment = _Segment(tokens, list(range(start, start + len(tokens))), number, cut)
            learned = answer if branch.is_judgement else [*answer, self._end]
            segment.learn(len(said) - 1, learned, JUDGEMENT_WEIGHT if branch.is_judgement else 1.0)
            segments.append(segment)
        return _joined(segments)

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        text = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return self.text(str(text))

    def text(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def batches(rows: Iterator[Row], budget_tokens: int, rng: random.Random, pool: int = 384) -> Iterator[Batch]:
    """Rows of like length side by side, at most `budget_tokens` with the padding, in random order."""
    while True:
        waiting = sorted((next(rows) for _ in range(pool)), key=len)
        groups: list[list[Row]] = [[]]
        for row in waiting:
            if groups[-1] and (len(groups[-1]) + 1) * len(row) > budget_tokens:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for group in groups:
            yield collate(group)


def collate(rows: Sequence[Row]) -> Batch:
    def padded(arrays: Sequence[NDArray[Any]], value: int) -> torch.Tensor:
        full = np.full((len(arrays), max(map(len, arrays))), value, dtype=arrays[0].dtype)
        for index, array in enumerate(arrays):
            full[index, : len(array)] = array
        return torch.from_numpy(full)

    segments = padded([row.segments for row in rows], -1)
    trunk_end = padded([row.trunk_end for row in rows], 0)
    index = torch.arange(segments.shape[1])
    own = segments[:, :, None] == segments[:, None, :]
    trunk = (segments[:, None, :] == 0) & (index[None, None, :] < trunk_end[:, :, None])
    visible = (own | trunk) & (index[None, None, :] <= index[None, :, None])
    wanted = [np.flatnonzero(row.weights) for row in rows]
    return Batch(
        tokens=padded([row.tokens for row in rows], 0),
        positions=padded([row.positions for row in rows], 0),
        visible=visible[:, None],
        wanted=padded(wanted, 0),
        labels=padded([row.labels[chosen] for row, chosen in zip(rows, wanted, strict=True)], 0),
        weights=padded([row.weights[chosen] for row, chosen in zip(rows, wanted, strict=True)], 0),
        real_tokens=sum(len(row) for row in rows),
    )


class _Segment:
    """The trunk or a branch while its row is put together."""

    def __init__(self, tokens: list[int], positions: list[int], number: int, trunk_end: int) -> None:
        self.tokens, self.positions, self.number, self.trunk_end = tokens, positions, number, trunk_end
        self.labels = [0] * len(tokens)
        self.weights = [0.0] * len(tokens)

    def learn(self, start: int, targets: list[int], weight: float) -> None:
        """From `start` on, each token is to be followed by the next target."""
        self.labels[start : start + len(targets)] = targets
        self.weights[start : start + len(targets)] = [weight] * len(targets)


def _joined(segments: list[_Segment]) -> Row:
    def together(lists: list[list[int]]) -> NDArray[np.int64]:
        return np.array([value for values in lists for value in values], dtype=np.int64)

    return Row(
        tokens=together([segment.tokens for segment in segments]),
        positions=together([segment.positions for segment in segments]),
        segments=together([[segment.number] * len(segment.tokens) for segment in segments]),
        trunk_end=together([[segment.trunk_end] * len(segment.tokens) for segment in segments]),
        labels=together([segment.labels for segment in segments]),
        weights=np.array([weight for segment in segments for weight in segment.weights], dtype=np.float32),
    )


def _shifted(length: int, prompt: list[int], end: int, rng: random.Random) -> list[int]:
    """Positions; in a fifth of the rows with a gap behind the system message, as if much had been said."""
    positions = list(range(length))
    if rng.random() < 0.2:
        gap, behind = rng.randint(1, FARTHEST), prompt.index(end) + 1
        positions[behind:] = [position + gap for position in positions[behind:]]
    return positions
