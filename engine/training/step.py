"""One step's work: lessons of several people through the model, each row under its own LoRA, to their losses.

Knows the model and the losses; not who sits where or for how long, and no files but a LoRA's.
"""

from __future__ import annotations

import re
import resource
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from engine.errors import ModelError, TrainingError
from engine.learning.lessons import Kind, Lesson, Recipe, Trial, TrialScore
from engine.loras import format as lora_format
from engine.models.chat_tokens import ChatTokens
from engine.training import losses
from engine.training.bank import Bank
from engine.types import TokenIds

SMALLEST_PASS_TOKENS = 256
# On a CPU what lies between two layers should stay in the cache; a GPU wants to be filled.
CPU_PASS_TOKENS, GPU_PASS_TOKENS = 1024, 8192
DIVERGENCE_LESSONS = 16
# Of the memory that the job is allowed, for what the base says to the lessons: it is the same in every pass.
KNOWN_SHARE = 0.25
FORGET_THE_PEAK = "5"  # as proc_pid_clear_refs(5) numbers what can be forgotten


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
class Told:
    """What a step says afterwards, by slot: its mean loss, and how far its rated replies have moved."""

    losses: dict[int, float]
    baselines: dict[int, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A forward pass: logits and targets of all reply tokens, and the row that each belongs to."""

    logits: Tensor
    targets: Tensor
    owner: Tensor
    lengths: Tensor

    def token_log_probs(self) -> Tensor:
        return losses.token_log_probs(self.logits, self.targets)

    def row_log_probs(self) -> Tensor:
        return losses.total(self.token_log_probs(), self.owner, len(self.lengths))


class _Kept(threading.local):
    """Which positions of the pass under way reach the output layer: rows and places; None: all of them."""

    positions: tuple[Tensor, Tensor] | None = None


class TrainingStep:
    bank: Bank

    def __init__(self, model: PreTrainedModel, recipe: Recipe) -> None:
        self._model, self._recipe = model, recipe
        self._device = next(model.parameters()).device
        by_device = CPU_PASS_TOKENS if self._device.type == "cpu" else GPU_PASS_TOKENS
        self._pass_tokens = recipe.tokens_per_step or by_device
        self.width = int(model.config.get_text_config().hidden_size)
        self._cores = torch.get_num_threads() if self._device.type == "cpu" else 1
        self._threads = ThreadPoolExecutor(self._cores)
        self._kept = _Kept()
        self._known: dict[Row, Tensor] = {}
        self._known_room = recipe.memory_gib * 2**30 * KNOWN_SHARE
        output = model.get_output_embeddings()
        # Only the replies' positions reach the output layer: on a wide vocabulary it is the larger half.
        output.register_forward_pre_hook(self._keep_replies)

    def lesson(self, work: Mapping[int, Sequence[Lesson]], baselines: Mapping[int, float]) -> Told:
        """The gradients of one step for everybody in `work`. Each person's loss is their own mean.

        On a CPU every core teaches some of the slots: threads that share each product wait for each other.
        """
        slots = sorted(work)
        parts = [slots[first :: self._cores] for first in range(min(self._cores, len(slots)))]

        def taught(part: Sequence[int]) -> Told:
            torch.set_num_threads(max(1, self._cores // len(parts)))
            return self._lesson({slot: work[slot] for slot in part}, baselines)

        told = list(self._threads.map(taught, parts))
        return Told(
            {slot: loss for one in told for slot, loss in one.losses.items()},
            {slot: baseline for one in told for slot, baseline in one.baselines.items()},
        )

    def _lesson(self, work: Mapping[int, Sequence[Lesson]], baselines: Mapping[int, float]) -> Told:
        shares = {slot: 1 / max(1e-9, sum(one.weight for one in items)) for slot, items in work.items()}
        told_losses = dict.fromkeys(work, 0.0)
        moved: dict[int, list[float]] = {}
        tagged = [(slot, one) for slot, items in work.items() for one in items]
        for kind in Kind:
            mine = [(slot, one) for slot, one in tagged if one.kind is kind]
            for chunk in packed(mine, self._pass_tokens):
                values, gains = self._losses(kind, chunk, baselines)
                weights = torch.tensor(
                    [one.weight * shares[slot] for slot, one in chunk], device=self._device
                )
                (values * weights).sum().backward()
                for (slot, _), value in zip(chunk, (values * weights).tolist(), strict=True):
                    told_losses[slot] += value
                for (slot, _), gain in zip(chunk, gains, strict=False):
                    moved.setdefault(slot, []).append(gain)
                self._watch_memory()
        fresh = {slot: max(0.0, sum(gains) / len(gains)) for slot, gains in moved.items()}
        return Told(told_losses, fresh)

    def _losses(
        self, kind: Kind, chunk: Sequence[tuple[int, Lesson]], baselines: Mapping[int, float]
    ) -> tuple[Tensor, list[float]]:
        """One value per lesson of a chunk, all of one kind; for ratings also how far each has moved."""
        recipe = self._recipe
        if kind is Kind.PAIR:
            return self._pair_losses(chunk), []
        if kind is Kind.ASK:
            mine = self._forward([Row((*one.prefix, 0), len(one.prefix), slot) for slot, one in chunk])
            yes, no = (torch.tensor(some, device=self._device) for some in self._answers())
            wanted = torch.tensor([one.wanted for _, one in chunk], device=self._device)
            return losses.answer_loss(mine.logits, yes, no, wanted), []
        mine = self._forward([Row(one.prefix + one.reply, len(one.prefix), slot) for slot, one in chunk])
        count = len(chunk)
        if kind is Kind.SAY:
            return losses.token_loss(mine.row_log_probs(), mine.lengths), []
        base = self._base([_base_row(one, one.reply) for _, one in chunk], mine)
        if kind is Kind.RATED:
            gain = mine.row_log_probs() - base.row_log_probs()
            is_good = torch.tensor([one.wanted > 0.5 for _, one in chunk], device=self._device)
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
        better = [Row(one.prefix + one.reply, len(one.prefix), slot) for slot, one in chunk]
        worse = [Row(one.prefix + one.against, len(one.prefix), slot) for slot, one in chunk]
        mine = self._forward(better + worse)
        replies = [(one, one.reply) for _, one in chunk] + [(one, one.against) for _, one in chunk]
        base = self._base([_base_row(one, reply) for one, reply in replies], mine)
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
        """Lets go of what the base said to lessons that nobody has any more."""
        for one in lessons:
            for reply in (one.reply, one.against):
                logits = self._known.pop(_base_row(one, reply), None)
                self._known_room += 0 if logits is None else logits.nbytes

    @torch.no_grad()
    def divergence(self, slot: int, lessons: Sequence[Lesson]) -> float:
        """How far a slot's LoRA is from the base, in nats per token of replies that it learned to give."""
        said = [one for one in lessons if one.kind in (Kind.DISTIL, Kind.SAY)]
        # Whoever has no words of their own and no notes learns from pairs alone, and may drift all the same.
        told = (said or [one for one in lessons if one.kind in (Kind.PAIR, Kind.RATED)])[:DIVERGENCE_LESSONS]
        spread, tokens = 0.0, 0
        for chunk in packed([(slot, one) for one in told], self._pass_tokens):
            rows = [Row(one.prefix + one.reply, len(one.prefix), slot) for _, one in chunk]
            mine = self._forward(rows)
            base = self._forward([Row(row.tokens, row.start, None) for row in rows])
            spread += float(losses.divergence(mine.logits, base.logits).sum())
            tokens += len(mine.targets)
            self._watch_memory()
        return spread / max(1, tokens)

    @torch.no_grad()
    def trials(self, slot: int, trials: Sequence[Trial], current: str | None) -> tuple[TrialScore, ...]:
        """What the new LoRA, the one that answers now and the base make of held-out feedback.

        The slot's LoRA is replaced by the current one on the way: it must have been saved.
        """
        if not trials:
            return ()
        candidate = self._trial_log_probs(trials, slot)
        base = self._trial_log_probs(trials, None)
        now = base
        if current is not None:
            folder = Path(current)
            scale = lora_format.read_config(folder).scale
            self.bank.load_slot(slot, lora_format.read(folder), scale=scale)
            now = self._trial_log_probs(trials, slot)
        return tuple(
            TrialScore(
                id=trial.id,
                rating=trial.rating,
                tokens=len(trial.reply),
                candidate=candidate[index][0],
                current=now[index][0],
                base=base[index][0],
                candidate_against=candidate[index][1],
                current_against=now[index][1],
                base_against=base[index][1],
            )
            for index, trial in enumerate(trials)
        )

    def _trial_log_probs(self, trials: Sequence[Trial], slot: int | None) -> list[tuple[float, float | None]]:
        rows = [Row(trial.prefix + trial.reply, len(trial.prefix), slot) for trial in trials]
        rows += [Row(one.prefix + one.against, len(one.prefix), slot) for one in trials if one.against]
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
    def _base(self, rows: Sequence[Row], same: Outcome) -> Outcome:
        """What the base says in `rows`, whose replies are those of `same`. Kept for the next pass."""
        known = self._known  # what another thread lets go of meanwhile is still here
        fresh = [row for row in dict.fromkeys(rows) if row not in known]
        found = {}
        if fresh:
            logits = self._forward(fresh).logits.split([row.reply_tokens for row in fresh])
            found = dict(zip(fresh, logits, strict=True))
        for row, logit in found.items():
            if logit.nbytes <= self._known_room:
                known[row] = logit.clone()  # a mere part would hold on to the whole
                self._known_room -= logit.nbytes
        said = torch.cat([found[row] if row in found else known[row] for row in rows])
        return replace(same, logits=said)

    def _forward(self, rows: Sequence[Row]) -> Outcome:
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
        return Outcome(
            logits, targets.to(self._device), owner.to(self._device), lengths.to(self._device, logits.dtype)
        )

    @contextmanager
    def _in_slots(self, slots: Sequence[int | None]) -> Iterator[None]:
        known = [slot for slot in slots if slot is not None]
        if known and len(known) < len(slots):
            raise TrainingError("rows of the base and of LoRAs do not mix in one pass")
        with self.bank.in_slots(torch.tensor(known, device=self._device) if known else None):
            yield

    @contextmanager
    def _keeping(self, owner: Tensor, position: Tensor) -> Iterator[None]:
        self._kept.positions = (owner, position)
        try:
            yield
        finally:
            self._kept.positions = None

    def _keep_replies(self, _module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self._kept.positions is None:
            return arguments
        return (arguments[0][self._kept.positions].unsqueeze(0), *arguments[1:])

    def _watch_memory(self) -> None:
        """Over the bound less is kept, then the passes get smaller; at last the job ends, not the machine."""
        bound = self._recipe.memory_gib * 2**30
        if self._device.type == "cuda":
            used = float(torch.cuda.max_memory_allocated())
            torch.cuda.reset_peak_memory_stats()
        else:
            used = peak_bytes()
        if used <= bound:
            return
        if self._known:
            self._known, self._known_room = {}, 0.0
            return
        if self._pass_tokens <= SMALLEST_PASS_TOKENS:
            raise TrainingError(
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
        if chunk and longest * sum(_rows(one) for _, one in (*chunk, item)) > tokens_per_pass:
            yield chunk
            chunk = []
        chunk.append(item)
    if chunk:
        yield chunk


def peak_bytes() -> float:
    """The most that this process has held since it was last asked. What a pass needs is gone after it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    try:
        Path("/proc/self/clear_refs").write_text(FORGET_THE_PEAK, encoding="ascii")
    except OSError:  # a peak that is never forgotten would stay over the bound, whatever is given up
        return _bytes(status, "VmRSS")
    return _bytes(status, "VmHWM")


def _bytes(status: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    return 0.0 if found is None else int(found[1]) * 1024.0


def _base_row(lesson: Lesson, reply: TokenIds) -> Row:
    """A reply as the base is asked about it: with the notes in sight, where the lesson has them."""
    teacher = lesson.teacher or lesson.prefix
    return Row(teacher + reply, len(teacher), None)


def _rows(lesson: Lesson) -> int:
    return 2 if lesson.kind is Kind.PAIR else 1


def _longest(lesson: Lesson) -> int:
    return max(len(lesson.prefix), len(lesson.teacher)) + max(len(lesson.reply), len(lesson.against))
