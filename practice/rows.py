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
from practice.branches import Branch
from practice.corpus import Document

JUDGEMENT_WEIGHT = 6.0  # a judgement is one token; a reply has forty
# Which point is made is chance, and most of a reply's words; manners are decided between the points.
MANNER_WEIGHT = 4.0
FARTHEST = 1300  # how far apart a memory and its use may be made to lie


@dataclass(frozen=True, slots=True)
class Row:
    """One document. A token of a branch sees the trunk from `trunk_start` to before `trunk_end`; on the trunk
    both are 0."""

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    segments: NDArray[np.int64]
    trunk_start: NDArray[np.int64]
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
        prompt = self.chat(wording.messages(document.prompt, wording.CLASSIC))
        reply, weights = self._weighed(document.reply, document.points)
        if document.asked is None:
            weights[0] = JUDGEMENT_WEIGHT  # the yes or no about two notes is a judgement too
        segments = [_Segment(prompt + reply, _shifted(len(prompt + reply), prompt, self._end, rng), 0)]
        if document.is_model:
            segments[0].learn(len(prompt) - 1, [*reply, self._end], weights)
        for number, branch in enumerate(document.branches, start=1):
            cut = len(prompt) + (0 if branch.is_gist else _cut(reply, branch))
            said = self.said(branch)
            answer, weights = self._weighed(branch.answer, branch.points)
            tokens = said if branch.is_judgement else said + answer
            start = segments[0].positions[cut - 1] + 1
            seen = (cut - 1 if branch.is_gist else 0, cut)
            segment = _Segment(tokens, list(range(start, start + len(tokens))), number, seen)
            if branch.is_judgement:
                segment.learn(len(said) - 1, answer, [JUDGEMENT_WEIGHT])
            else:
                segment.learn(len(said) - 1, [*answer, self._end], weights)
            segments.append(segment)
        return _joined(segments)

    def judged(self, reply: Sequence[int], branch: Branch) -> Judged:
        """A reply, without the token that ends it, and a question about it."""
        [answer] = self.text(branch.answer)
        return Judged([*reply[: _cut(reply, branch)], *self.said(branch)], answer)

    def said(self, branch: Branch) -> list[int]:
        """The turn behind a reply, up to where the model answers it."""
        return [self._end, *self.chat([{"role": "user", "content": branch.said}])]

    def _weighed(self, text: str, points: Sequence[str]) -> tuple[list[int], list[float]]:
        """The tokens of a text, and what each of them and the end behind them counts.

        Within a point they count less than where one begins or has ended: that depends on what came before,
        so the odds that are learned stay right.
        """
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=bool(points))
        tokens = list(encoded["input_ids"])
        if not points:
            return tokens, [1.0] * (len(tokens) + 1)
        inside, behind = np.zeros(len(text), dtype=bool), 0
        for point in points:
            start = text.lower().index(point.lower(), behind)
            behind = start + len(point)
            inside[start + 1 : behind] = True
        starts = (start + (text[start] in " \n") for start, _ in encoded["offset_mapping"])
        return tokens, [*(1.0 if inside[start] else MANNER_WEIGHT for start in starts), MANNER_WEIGHT]

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        text = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return self.text(str(text))

    def text(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def batches(rows: Iterator[Row], budget_tokens: int, rng: random.Random, pool: int = 384) -> Iterator[Batch]:
    """Rows of like length side by side, at most `budget_tokens` with the padding, in random order."""
    while True:
        groups = _grouped([next(rows) for _ in range(pool)], budget_tokens)
        rng.shuffle(groups)
        for group in groups:
            yield collate(group)


def batched(rows: Sequence[Row], budget_tokens: int) -> list[Batch]:
    """These rows and no others, likewise; the shortest first."""
    return [collate(group) for group in _grouped(rows, budget_tokens)]


def _grouped(rows: Sequence[Row], budget_tokens: int) -> list[list[Row]]:
    groups: list[list[Row]] = []
    for row in sorted(rows, key=len):
        if not groups or (len(groups[-1]) + 1) * len(row) > budget_tokens:
            groups.append([])
        groups[-1].append(row)
    return groups


@dataclass(frozen=True, slots=True)
class Judged:
    """A reply, or as much of it as there is, with the judge's question behind it and the right answer."""

    tokens: list[int]
    answer: int


def replies_row(
    prompt: Sequence[int],
    replies: Sequence[Sequence[int]],
    weights: Sequence[Sequence[float]],
    judged: Sequence[Judged] = (),
) -> Row:
    """One prompt with many replies, each beginning behind the prompt's last token and seeing no other; and
    with replies that are judged, likewise."""
    *trunk, last = prompt
    segments = [_Segment(trunk, list(range(len(trunk))), 0)]

    def hung(behind: Sequence[int]) -> _Segment:
        tokens = [last, *behind]
        positions = list(range(len(trunk), len(trunk) + len(tokens)))
        segments.append(_Segment(tokens, positions, len(segments), (0, len(trunk))))
        return segments[-1]

    for reply, weighed in zip(replies, weights, strict=True):
        hung(reply[:-1]).learn(0, list(reply), list(weighed))
    for one in judged:
        hung(one.tokens).learn(len(one.tokens), [one.answer], [JUDGEMENT_WEIGHT])
    return _joined(segments)


def collate(rows: Sequence[Row]) -> Batch:
    def padded(arrays: Sequence[NDArray[Any]], value: int) -> torch.Tensor:
        full = np.full((len(arrays), max(map(len, arrays))), value, dtype=arrays[0].dtype)
        for index, array in enumerate(arrays):
            full[index, : len(array)] = array
        return torch.from_numpy(full)

    segments = padded([row.segments for row in rows], -1)
    trunk_start = padded([row.trunk_start for row in rows], 0)[:, :, None]
    trunk_end = padded([row.trunk_end for row in rows], 0)[:, :, None]
    index = torch.arange(segments.shape[1])
    own = segments[:, :, None] == segments[:, None, :]
    trunk = (segments[:, None, :] == 0) & (index >= trunk_start) & (index < trunk_end)
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

    def __init__(
        self, tokens: list[int], positions: list[int], number: int, trunk: tuple[int, int] = (0, 0)
    ) -> None:
        self.tokens, self.positions, self.number, self.trunk = tokens, positions, number, trunk
        self.labels = [0] * len(tokens)
        self.weights = [0.0] * len(tokens)

    def learn(self, start: int, targets: list[int], weights: list[float]) -> None:
        """From `start` on, each token is to be followed by the next target."""
        self.labels[start : start + len(targets)] = targets
        self.weights[start : start + len(targets)] = weights


def _joined(segments: list[_Segment]) -> Row:
    def together(lists: list[list[int]]) -> NDArray[np.int64]:
        return np.array([value for values in lists for value in values], dtype=np.int64)

    return Row(
        tokens=together([segment.tokens for segment in segments]),
        positions=together([segment.positions for segment in segments]),
        segments=together([[segment.number] * len(segment.tokens) for segment in segments]),
        trunk_start=together([[segment.trunk[0]] * len(segment.tokens) for segment in segments]),
        trunk_end=together([[segment.trunk[1]] * len(segment.tokens) for segment in segments]),
        labels=together([segment.labels for segment in segments]),
        weights=np.array([weight for segment in segments for weight in segment.weights], dtype=np.float32),
    )


def _cut(reply: Sequence[int], branch: Branch) -> int:
    """How many tokens of a reply there are when something is said behind it."""
    return max(1, round(branch.share * len(reply))) if branch.share else 0


def _shifted(length: int, prompt: list[int], end: int, rng: random.Random) -> list[int]:
    """Positions; in a fifth of the rows with a gap behind the system message, as if much had been said."""
    positions = list(range(length))
    if rng.random() < 0.2:
        gap, behind = rng.randint(1, FARTHEST), prompt.index(end) + 1
        positions[behind:] = [position + gap for position in positions[behind:]]
    return positions
