"""Teaches everybody of a job in one bank: who sits where, which lessons are next, the steps, the exports.

Seats are taken like places in a queue: whoever has the most to learn comes first, and a slot that falls
free is taken by the next, so people with little and much do not wait for each other. A person's batches,
steps and learning rate depend on that person alone.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engine.errors import TrainingError
from engine.learning.job_folder import JobFolder, clean
from engine.learning.lessons import Lesson, Recipe, Result, Trainee, with_ends
from engine.loras import format as lora_format
from engine.training.bank import Bank
from engine.training.optimizer import BankOptimizer
from engine.training.step import TrainingStep, load_model

WIDEST_RATE = 3e-3
RATE_TIMES_WIDTH = 0.8  # 3e-3 for the practice model, 2e-4 for a width of 4096
PROGRESS_EVERY_S = 0.25


@dataclass(slots=True)
class Slot:
    """A person in training."""

    trainee: Trainee
    lessons: list[Lesson]
    plan: list[list[int]]  # the lessons of each step
    step: int = 0
    baseline: float = 0.0  # how far rated replies have moved on average (KTO)
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


class TrainingLoop:
    def __init__(
        self, folder: JobFolder, recipe: Recipe, *, say: Callable[[dict[str, object]], None], started: float
    ) -> None:
        self._folder, self._recipe, self._say = folder, recipe, say
        self._started = started
        self._saved = self._said = time.monotonic()
        self._done = self._total = 0
        self._slots: dict[int, Slot] = {}

    def teach(self, trainees: Sequence[Trainee]) -> None:
        """Everybody gets a result: a LoRA, or the reason why not."""
        recipe = self._recipe
        model = load_model(recipe)
        queue = self._queue(trainees)
        self._room = TrainingStep(model, recipe)
        # Of all, not of those who are left: the last bit of a sum depends on the bank's size.
        slots = self._slot_count(model, len(trainees))
        self._bank = Bank(model, slots=slots, rank=recipe.rank, alpha=recipe.alpha)
        self._room.bank = self._bank
        self._optimizer = BankOptimizer(self._bank)
        self._resume(queue)
        while queue or self._slots:
            self._fill(queue)
            if time.monotonic() - self._started > recipe.deadline_s:
                self._give_up(
                    [*(slot.trainee for slot in self._slots.values()), *(slot.trainee for slot in queue)]
                )
                return
            self._step()
            self._release()
            self._report()
            self._checkpoint()

    def _queue(self, trainees: Sequence[Trainee]) -> list[Slot]:
        """Everybody who still has to learn, the longest first."""
        slots = []
        for trainee in trainees:
            with self._unless_forgotten(trainee.key):
                lessons = [with_ends(one, self._recipe.end_ids) for one in self._folder.lessons(trainee.key)]
            if not self._folder.has(trainee.key):
                continue
            plan = batches(len(lessons), self._recipe.batch_lessons, self._recipe.passes, trainee.seed)
            self._total += len(lessons) * self._recipe.passes
            if self._folder.result(trainee.key) is not None:
                self._done += len(lessons) * self._recipe.passes
            elif not lessons:
                reason = "there was nothing to learn"
                self._folder.write_result(Result(key=trainee.key, is_trained=False, reason=reason))
            else:
                slots.append(Slot(trainee, lessons, plan))
        return sorted(slots, key=lambda slot: (-len(slot.plan), slot.trainee.key))

    def _slot_count(self, model: torch.nn.Module, people: int) -> int:
        """As many slots as the memory allows beside the model and one forward pass."""
        probe = sum(
            self._recipe.rank * (module.in_features + module.out_features)
            for module in model.modules()
            if isinstance(module, torch.nn.Linear)
        )
        room = self._recipe.memory_gib * 2**30 * 0.5
        return max(1, min(people, self._recipe.slots, int(room / (probe * 4 * 4))))

    def _fill(self, queue: list[Slot]) -> None:
        for number in range(self._bank.slots):
            if number not in self._slots and queue:
                slot = queue.pop(0)
                self._bank.start_slot(number, slot.trainee.seed)
                self._optimizer.reset(number)
                self._slots[number] = slot

    def _step(self) -> None:
        """Everybody who sits takes one step."""
        began = time.monotonic()
        work = {
            number: [slot.lessons[index] for index in slot.plan[slot.step]]
            for number, slot in self._slots.items()
        }
        baselines = {number: slot.baseline for number, slot in self._slots.items()}
        told = self._room.lesson(work, baselines)
        self._optimizer.step({number: self._rate(slot) for number, slot in self._slots.items()})
        share_s = (time.monotonic() - began) / len(self._slots)
        for number, slot in self._slots.items():
            slot.step += 1
            slot.seconds += share_s
            slot.losses.append(told.losses[number])
            slot.baseline = told.baselines.get(number, slot.baseline)
            self._done += len(work[number])

    def _rate(self, slot: Slot) -> float:
        """Up over the first tenth of a person's own steps, then down to a tenth of the rate."""
        peak = self._recipe.learning_rate
        if peak is None:
            peak = min(WIDEST_RATE, RATE_TIMES_WIDTH / self._room.width)
        steps = len(slot.plan)
        warm = max(1, steps // 10)
        if slot.step < warm:
            return peak * (slot.step + 1) / warm
        return peak * (1 - 0.9 * (slot.step - warm) / max(1, steps - warm))

    def _release(self) -> None:
        """Whoever is through gets their LoRA and their result, and the slot falls free."""
        for number, slot in list(self._slots.items()):
            if slot.step < len(slot.plan):
                continue
            key = slot.trainee.key
            if self._folder.has(key):
                with self._unless_forgotten(key):
                    self._write(number, slot)
            if not self._folder.has(key):
                clean(self._folder.person(key))
            self._room.forget(slot.lessons)
            del self._slots[number]

    @contextmanager
    def _unless_forgotten(self, key: str) -> Iterator[None]:
        """What cannot be read or written since the person is forgotten in this moment fails nobody else."""
        try:
            yield
        except (TrainingError, OSError):
            if self._folder.has(key):
                raise

    def _write(self, number: int, slot: Slot) -> None:
        key = slot.trainee.key
        # A LoRA that was being written when the machine died is written anew.
        shutil.rmtree(self._folder.lora(key), ignore_errors=True)
        lora_format.write(
            self._folder.lora(key),
            self._bank.copy_slot(number),
            rank=self._bank.rank,
            alpha=self._bank.alpha,
            base_model=self._recipe.model,
        )
        self._folder.write_result(self._result(number, slot))

    def _result(self, number: int, slot: Slot) -> Result:
        key = slot.trainee.key
        divergence = self._room.divergence(number, slot.lessons)
        trials = [with_ends(one, self._recipe.end_ids) for one in self._folder.trials(key)]
        scores = self._room.trials(number, trials, slot.trainee.current)
        edge = max(1, len(slot.losses) // 5)
        return Result(
            key=key,
            is_trained=True,
            steps=slot.step,
            lessons=len(slot.lessons),
            seconds=round(slot.seconds, 3),
            first_loss=sum(slot.losses[:edge]) / edge,
            last_loss=sum(slot.losses[-edge:]) / edge,
            divergence=divergence,
            trials=scores,
        )

    def _give_up(self, trainees: Sequence[Trainee]) -> None:
        reason = f"the deadline of {self._recipe.deadline_s:.0f} s came before the end of the training"
        for trainee in trainees:
            self._folder.write_result(Result(key=trainee.key, is_trained=False, reason=reason))

    def _report(self) -> None:
        if time.monotonic() - self._said < PROGRESS_EVERY_S and self._slots:
            return
        self._said = time.monotonic()
        seconds = round(self._said - self._started, 1)
        self._say({"phase": "training", "done": self._done, "total": self._total, "seconds": seconds})

    def _checkpoint(self) -> None:
        if time.monotonic() - self._saved < self._recipe.checkpoint_s or not self._slots:
            return
        tensors: dict[str, torch.Tensor] = {}
        for number in self._slots:
            for index, part in enumerate(self._bank.parameters()):
                tensors[f"{number}.{index}.part"] = part[number].detach().cpu().clone()
                tensors[f"{number}.{index}.first"] = self._optimizer.first[index][number].cpu().clone()
                tensors[f"{number}.{index}.second"] = self._optimizer.second[index][number].cpu().clone()
        state = {
            str(number): {
                "key": slot.trainee.key,
                "step": slot.step,
                "baseline": slot.baseline,
                "losses": slot.losses,
                "seconds": slot.seconds,
            }
            for number, slot in self._slots.items()
        }
        part_path = self._folder.checkpoint.with_suffix(".part")
        save_file(tensors, part_path, metadata={"state": json.dumps(state)})
        _to_disk(part_path)
        part_path.replace(self._folder.checkpoint)
        self._saved = time.monotonic()

    @torch.no_grad()
    def _resume(self, queue: list[Slot]) -> None:
        """Seats those whom the checkpoint has and who are not done. A damaged one costs only its time."""
        try:
            with safe_open(self._folder.checkpoint, framework="pt") as saved:
                state = json.loads(saved.metadata()["state"])
                tensors = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118 (no mapping)
        except Exception:  # noqa: BLE001 (missing or damaged in whatever way: starting over loses nothing)
            return
        waiting = {slot.trainee.key: slot for slot in queue}
        for name, was in state.items():
            slot, number = waiting.get(was["key"]), len(self._slots)
            if slot is None or number == self._bank.slots:
                continue
            queue.remove(slot)
            for index, part in enumerate(self._bank.parameters()):
                part[number] = tensors[f"{name}.{index}.part"].to(part)
                self._optimizer.first[index][number] = tensors[f"{name}.{index}.first"].to(part)
                self._optimizer.second[index][number] = tensors[f"{name}.{index}.second"].to(part)
            self._optimizer.steps[number] = slot.step = was["step"]
            slot.baseline, slot.losses, slot.seconds = was["baseline"], was["losses"], was["seconds"]
            self._done += sum(len(batch) for batch in slot.plan[: slot.step])
            self._slots[number] = slot


def batches(count: int, size: int, passes: int, seed: int) -> list[list[int]]:
    """The lessons of each step: every pass shuffles anew and is cut into even batches of at most `size`."""
    if count == 0:
        return []
    if size < 1 or passes < 1:
        raise TrainingError("batch_lessons and passes must be at least 1")
    random_source = random.Random(seed)
    per_pass = -(-count // size)
    plan = []
    for _ in range(passes):
        order = list(range(count))
        random_source.shuffle(order)
        edges = [count * index // per_pass for index in range(per_pass + 1)]
        plan += [order[start:end] for start, end in pairwise(edges)]
    return plan


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
