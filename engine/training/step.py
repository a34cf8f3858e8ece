"""One training step: the lessons of several trainees through the model, each row under its own LoRA.

Knows the model, the bank and the losses. Does not know who has which slot or for how long, and no files.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from engine.errors import ModelError, TrainingError
from engine.learning.lessons import Kind, Lesson, Recipe, Trial
from engine.models.chat_tokens import ChatTokens
from engine.training import losses
from engine.training.bank import Bank
from engine.training.memory import MemoryBoundError, used_bytes
from engine.types import TokenIds

SMALLEST_PASS_TOKENS = 256
# On a CPU what lies between two layers should stay in the cache; a GPU wants to be filled.
CPU_PASS_TOKENS, GPU_PASS_TOKENS = 1024, 8192
DIVERGENCE_LESSONS = 16
# Of the memory that the job is allowed, for what the base says to the lessons: it is the same in every pass.
KNOWN_SHARE = 0.25
LogProbs: TypeAlias = tuple[float, float | None]  # of a trial's reply, and of the reply it was preferred to


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence through the model: its tokens, where the reply begins, whose LoRA (None: the base)."""

    tokens: TokenIds
    start: int
    slot: int | None

    @property
    def reply_tokens(self) -> int:
        return len(self.tokens) - self.start


@dataclass(frozen=True, slots=True)
class StepReport:
    """Of each slot, the mean loss of a step, and how far its rated replies have moved on average."""

    losses: dict[int, float]
    baselines: dict[int, float]


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """Logits and targets of all reply tokens, and the row that each token belongs to."""

    logits: Tensor
    targets: Tensor
    owner: Tensor
    lengths: Tensor

    def token_log_probs(self) -> Tensor:
        return losses.token_log_probs(self.logits, self.targets)

    def row_log_probs(self) -> Tensor:
        return losses.total(self.token_log_probs(), self.owner, len(self.lengths))


class _OutputPositions(threading.local):
    """The positions that reach the output layer in this thread's pass: rows and places; None: all of them."""

    positions: tuple[Tensor, Tensor] | None = None


class TrainingStep:
    def __init__(self, bank: Bank, recipe: Recipe) -> None:
        model = bank.model
        self._bank, self._model, self._recipe = bank, model, recipe
        self._device = next(model.parameters()).device
        by_device = CPU_PASS_TOKENS if self._device.type == "cpu" else GPU_PASS_TOKENS
        self._pass_tokens = recipe.tokens_per_step or by_device
        self.width = int(model.config.get_text_config().hidden_size)
        self._cores = torch.get_num_threads() if self._device.type == "cpu" else 1
        self._threads = ThreadPoolExecutor(self._cores)
        self._output = _OutputPositions()
        self._known: dict[Row, Tensor] = {}
        self._known_room = recipe.memory_gib * 2**30 * KNOWN_SHARE
        output = model.get_output_embeddings()
        # Only the replies' positions reach the output layer: on a wide vocabulary it is the larger half.
        output.register_forward_pre_hook(self._keep_replies)

    def backward(self, work: Mapping[int, Sequence[Lesson]], baselines: Mapping[int, float]) -> StepReport:
        """Adds the gradients of each slot's lessons to its LoRA. A slot's loss is the mean over its lessons.

        On a CPU every core takes some of the slots: threads that share each product wait for each other. When
        it raises, no thread adds anything any more.
        """
        slots = sorted(work)
        parts = [slots[first :: self._cores] for first in range(min(self._cores, len(slots)))]

        def backward(part: Sequence[int]) -> StepReport:
            torch.set_num_threads(max(1, self._cores // len(parts)))
            return self._backward({slot: work[slot] for slot in part}, baselines)

        running = [self._threads.submit(backward, part) for part in parts]
        wait(running)
        reports = [part.result() for part in running]
        return StepReport(
            {slot: loss for report in reports for slot, loss in report.losses.items()},
            {slot: baseline for report in reports for slot, baseline in report.baselines.items()},
        )

    def _backward(self, work: Mapping[int, Sequence[Lesson]], baselines: Mapping[int, float]) -> StepReport:
        shares = {slot: 1 / max(1e-9, sum(row.weight for row in items)) for slot, items in work.items()}
        slot_losses = dict.fromkeys(work, 0.0)
        moved: dict[int, list[float]] = {}
        tagged = [(slot, lesson) for slot, items in work.items() for lesson in items]
        for kind in Kind:
            of_kind = [(slot, lesson) for slot, lesson in tagged if lesson.kind is kind]
            for chunk in packed(of_kind, self._pass_tokens):
                values, gains = self._losses(kind, chunk, baselines)
                weights = torch.tensor(
                    [lesson.weight * shares[slot] for slot, lesson in chunk], device=self._device
                )
                (values * weights).sum().backward()
                for (slot, _), value in zip(chunk, (values * weights).tolist(), strict=True):
                    slot_losses[slot] += value
                for (slot, _), gain in zip(chunk, gains, strict=False):
                    moved.setdefault(slot, []).append(gain)
                self._watch_memory()
        means = {slot: max(0.0, sum(gains) / len(gains)) for slot, gains in moved.items()}
        return StepReport(slot_losses, means)

    def _losses(
        self, kind: Kind, chunk: Sequence[tuple[int, Lesson]], baselines: Mapping[int, float]
    ) -> tuple[Tensor, list[float]]:
        """One value per lesson of a chunk, all of one kind; for ratings also how far each has moved."""
        recipe = self._recipe
        if kind is Kind.PAIR:
            return self._pair_losses(chunk), []
        if kind is Kind.ASK:
            rows = [Row((*lesson.prefix, 0), len(lesson.prefix), slot) for slot, lesson in chunk]
            mine = self._forward(rows)
            yes, no = (torch.tensor(ids, device=self._device) for ids in self._answers())
            wanted = torch.tensor([lesson.wanted for _, lesson in chunk], device=self._device)
            return losses.answer_loss(mine.logits, yes, no, wanted), []
        mine = self._forward([_reply_row(lesson, slot) for slot, lesson in chunk])
        count = len(chunk)
        if kind is Kind.SAY:
            return losses.token_loss(mine.row_log_probs(), mine.lengths), []
        base = self._base([_base_row(lesson, lesson.reply) for _, lesson in chunk], mine)
        if kind is Kind.RATED:
            gain = mine.row_log_probs() - base.row_log_probs()
            is_good = torch.tensor([lesson.wanted > 0.5 for _, lesson in chunk], device=self._device)
            baseline = torch.tensor([baselines[slot] for slot, _ in chunk], device=self._device)
            return losses.rating_loss(gain, is_good, baseline, beta=recipe.rating_beta), gain.tolist()
        per_token = losses.divergence(base.logits, mine.logits, is_reverse=recipe.is_reverse_divergence)
        return losses.total(per_token / mine.lengths[mine.owner], mine.owner, count), []

    def _answers(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tokens that read as yes and as no."""
        if not self._recipe.yes_ids:
            tokens = ChatTokens(Path(self._recipe.model))
            self._recipe = replace(self._recipe, yes_ids=tokens.yes_ids, no_ids=tokens.no_ids)
        return self._recipe.yes_ids, self._recipe.no_ids

    def _pair_losses(self, chunk: Sequence[tuple[int, Lesson]]) -> Tensor:
        recipe = self._recipe
        better = [_reply_row(lesson, slot) for slot, lesson in chunk]
        worse = [Row(lesson.prefix + lesson.against, len(lesson.prefix), slot) for slot, lesson in chunk]
        mine = self._forward(better + worse)
        replies = [(lesson, lesson.reply) for _, lesson in chunk]
        replies += [(lesson, lesson.against) for _, lesson in chunk]
        base = self._base([_base_row(lesson, reply) for lesson, reply in replies], mine)
        count = len(chunk)
        now, before = mine.row_log_probs(), base.row_log_probs()
        return losses.pair_loss(
            now[:count],
            now[count:],
            before[:count],
            before[count:],
            beta=recipe.pair_beta,
            lengths=(mine.lengths[:count], mine.lengths[count:]) if recipe.is_pair_per_token else None,
        )

    def forget(self, lessons: Iterable[Lesson]) -> None:
        """Frees the base's logits of lessons that nobody has any more."""
        for lesson in lessons:
            for reply in (lesson.reply, lesson.against):
                logits = self._known.pop(_base_row(lesson, reply), None)
                self._known_room += 0 if logits is None else logits.nbytes

    @torch.no_grad()
    def divergence(self, slot: int, lessons: Sequence[Lesson]) -> float:
        """How far a slot's LoRA is from the base, in nats per token of replies that it learned to give."""
        shown = [lesson for lesson in lessons if lesson.kind in (Kind.DISTIL, Kind.SAY)]
        # Whoever has no words of their own and no notes learns from pairs alone, and may drift all the same.
        shown = shown or [lesson for lesson in lessons if lesson.kind in (Kind.PAIR, Kind.RATED)]
        spread, tokens = 0.0, 0
        for chunk in packed([(slot, lesson) for lesson in shown[:DIVERGENCE_LESSONS]], self._pass_tokens):
            rows = [_reply_row(lesson, slot) for _, lesson in chunk]
            mine = self._forward(rows)
            base = self._forward([Row(row.tokens, row.start, None) for row in rows])
            spread += float(losses.divergence(mine.logits, base.logits).sum())
            tokens += len(mine.targets)
            self._watch_memory()
        return spread / max(1, tokens)

    @torch.no_grad()
    def trial_log_probs(self, trials: Sequence[Trial], slot: int | None) -> list[LogProbs]:
        """The log-probabilities of held-out feedback under a slot's LoRA, or under the base."""
        rows = [_reply_row(trial, slot) for trial in trials]
        against = [trial for trial in trials if trial.against]
        rows += [Row(trial.prefix + trial.against, len(trial.prefix), slot) for trial in against]
        values: list[float] = []
        size = max(1, self._pass_tokens // max(len(row.tokens) for row in rows))
        for start in range(0, len(rows), size):
            values += self._forward(rows[start : start + size]).row_log_probs().tolist()
            self._watch_memory()
        others = iter(values[len(trials) :])
        return [
            (values[index], next(others) if trial.against else None) for index, trial in enumerate(trials)
        ]

    @torch.no_grad()
    def _base(self, rows: Sequence[Row], same: ForwardPass) -> ForwardPass:
        """The base's logits in `rows`, whose replies are those of `same`. Kept for the next time."""
        known = self._known  # what another thread drops meanwhile is still here
        fresh = [row for row in dict.fromkeys(rows) if row not in known]
        found = {}
        if fresh:
            logits = self._forward(fresh).logits.split([row.reply_tokens for row in fresh])
            found = dict(zip(fresh, logits, strict=True))
        for row, logit in found.items():
            if logit.nbytes <= self._known_room:
                known[row] = logit.clone()  # a mere view would keep the whole pass in memory
                self._known_room -= logit.nbytes
        logits = torch.cat([found[row] if row in found else known[row] for row in rows])
        return replace(same, logits=logits)

    def _forward(self, rows: Sequence[Row]) -> ForwardPass:
        """All rows at once, padded on the right: a causal model never looks there, so no mask is needed."""
        longest = max(len(row.tokens) for row in rows)
        tokens = torch.zeros(len(rows), longest, dtype=torch.long)
        for index, row in enumerate(rows):
            tokens[index, : len(row.tokens)] = torch.tensor(row.tokens)
        lengths = torch.tensor([row.reply_tokens for row in rows])
        owner = torch.repeat_interleave(torch.arange(len(rows)), lengths)
        position = torch.cat([torch.arange(row.start - 1, len(row.tokens) - 1) for row in rows])
        targets = tokens[owner, position + 1]
        slots = [row.slot for row in rows]
        with self._keeping(owner.to(self._device), position.to(self._device)), self._in_slots(slots):
            output = self._model(input_ids=tokens.to(self._device), use_cache=False)
        logits = output.logits[0].float()
        return ForwardPass(
            logits, targets.to(self._device), owner.to(self._device), lengths.to(self._device, logits.dtype)
        )

    @contextmanager
    def _in_slots(self, slots: Sequence[int | None]) -> Iterator[None]:
        known = [slot for slot in slots if slot is not None]
        if known and len(known) < len(slots):
            raise TrainingError("rows of the base and of LoRAs do not mix in one pass")
        with self._bank.in_slots(torch.tensor(known, device=self._device) if known else None):
            yield

    @contextmanager
    def _keeping(self, owner: Tensor, position: Tensor) -> Iterator[None]:
        self._output.positions = (owner, position)
        try:
            yield
        finally:
            self._output.positions = None

    def _keep_replies(self, _module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self._output.positions is None:
            return arguments
        return (arguments[0][self._output.positions].unsqueeze(0), *arguments[1:])

    def _watch_memory(self) -> None:
        """Over the bound the base's logits are dropped, then passes get smaller, and at last the job ends."""
        if used_bytes(self._device) <= self._recipe.memory_gib * 2**30:
            return
        if self._known:
            self._known, self._known_room = {}, 0.0
            return
        if self._pass_tokens <= SMALLEST_PASS_TOKENS:
            raise MemoryBoundError(
                f"training needs more than the {self._recipe.memory_gib:g} GiB it is allowed: "
                "allow more memory, lower the rank, or train a smaller model"
            )
        self._pass_tokens //= 2


def load_model(recipe: Recipe) -> PreTrainedModel:
    """The base, frozen: float32 on a CPU, where it is small, bfloat16 on a GPU."""
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    device = recipe.device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    try:
        model = AutoModelForCausalLM.from_pretrained(recipe.model, dtype=dtype, attn_implementation="sdpa")
    except (OSError, ValueError) as error:
        raise ModelError(f"the base model {recipe.model} cannot be loaded for training: {error}") from error
    return model.to(device).eval()


def packed(items: Iterable[tuple[int, Lesson]], tokens_per_pass: int) -> Iterator[list[tuple[int, Lesson]]]:
    """Chunks of lessons of like length whose padded rows stay within the bound. One item always fits."""
    chunk: list[tuple[int, Lesson]] = []
    for item in sorted(items, key=lambda item: _longest(item[1])):
        longest = _longest(item[1])  # the sort makes it the chunk's longest
        if chunk and longest * sum(_rows(lesson) for _, lesson in (*chunk, item)) > tokens_per_pass:
            yield chunk
            chunk = []
        chunk.append(item)
    if chunk:
        yield chunk


def _reply_row(lesson: Lesson | Trial, slot: int | None) -> Row:
    return Row(lesson.prefix + lesson.reply, len(lesson.prefix), slot)


def _base_row(lesson: Lesson, reply: TokenIds) -> Row:
    """A reply for the base to score: with the notes in sight, where the lesson has them."""
    teacher = lesson.teacher or lesson.prefix
    return Row(teacher + reply, len(teacher), None)


def _rows(lesson: Lesson) -> int:
    return 2 if lesson.kind is Kind.PAIR else 1


def _longest(lesson: Lesson) -> int:
    return max(len(lesson.prefix), len(lesson.teacher)) + max(len(lesson.reply), len(lesson.against))
