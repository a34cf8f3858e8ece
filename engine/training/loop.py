"""Trains everybody of a job in one bank: who has which slot, which lessons come next, and who is done.

Slots are given out as in a queue. The trainee with the most lessons comes first, and a free slot goes to the
next, so that people with many lessons and people with few do not wait for each other. A trainee's batches,
steps and learning rate depend on that trainee alone. What goes wrong with a trainee ends that trainee's
training only.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import torch

from engine.errors import EngineError, LoraError, TrainingError
from engine.learning.job_folder import JobFolder, clean
from engine.learning.lessons import Lesson, Recipe, Result, Trainee, Trial, TrialScore, with_ends
from engine.loras import format as lora_format
from engine.training import checkpoint
from engine.training.bank import Bank
from engine.training.checkpoint import TraineeProgress
from engine.training.memory import MemoryBoundError
from engine.training.optimizer import BankOptimizer
from engine.training.step import LogProbs, TrainingStep, load_model

WIDEST_RATE: Final = 3e-3
RATE_TIMES_WIDTH: Final = 0.8  # 3e-3 for the practice model, 2e-4 for a width of 4096
PROGRESS_EVERY_S: Final = 0.25


@dataclass(slots=True)
class TraineeWork:
    """A trainee's lessons, in which step each of them comes, and how far the trainee is."""

    trainee: Trainee
    lessons: list[Lesson]
    plan: list[list[int]]  # the lessons of each step
    progress: TraineeProgress = field(default_factory=TraineeProgress)

    @property
    def next_lessons(self) -> list[Lesson]:
        return [self.lessons[index] for index in self.plan[self.progress.step]]

    @property
    def is_done(self) -> bool:
        return self.progress.step >= len(self.plan)


class TrainingLoop:
    def __init__(
        self, folder: JobFolder, recipe: Recipe, *, say: Callable[[dict[str, object]], None], started: float
    ) -> None:
        self._folder, self._recipe, self._say = folder, recipe, say
        self._started = started
        self._saved = self._said = time.monotonic()
        self._done = self._total = 0
        self._slots: dict[int, TraineeWork] = {}

    def run(self, trainees: Sequence[Trainee]) -> None:
        """Everybody gets a result: a LoRA, or the reason why there is none."""
        recipe = self._recipe
        model = load_model(recipe)
        queue = self._queue(trainees)
        # Of all, not of those who are left: the last bit of a sum depends on the bank's size.
        slots = self._slot_count(model, len(trainees))
        self._bank = Bank(model, slots=slots, rank=recipe.rank, alpha=recipe.alpha)
        self._training_step = TrainingStep(self._bank, recipe)
        self._optimizer = BankOptimizer(self._bank)
        self._resume(queue)
        while queue or self._slots:
            self._fill(queue)
            if time.monotonic() - self._started > recipe.deadline_s:
                self._end_at_deadline([*self._slots.values(), *queue])
                return
            self._step()
            self._release()
            self._report()
            self._checkpoint()

    def _queue(self, trainees: Sequence[Trainee]) -> list[TraineeWork]:
        """Everybody who still has to learn, the longest first."""
        queue = []
        for trainee in trainees:
            with self._for_one_alone(trainee.key):
                lessons = [with_ends(row, self._recipe.end_ids) for row in self._folder.lessons(trainee.key)]
                plan = batches(len(lessons), self._recipe.batch_lessons, self._recipe.passes, trainee.seed)
                self._total += len(lessons) * self._recipe.passes
                if self._folder.result(trainee.key) is not None:
                    self._done += len(lessons) * self._recipe.passes
                elif not lessons:
                    self._end_untrained(trainee.key, "there was nothing to learn")
                else:
                    queue.append(TraineeWork(trainee, lessons, plan))
        return sorted(queue, key=lambda work: (-len(work.plan), work.trainee.key))

    def _slot_count(self, model: torch.nn.Module, people: int) -> int:
        """As many slots as the memory allows beside the model and one forward pass."""
        numbers_per_slot = sum(
            self._recipe.rank * (module.in_features + module.out_features)
            for module in model.modules()
            if isinstance(module, torch.nn.Linear)
        )
        free_bytes = self._recipe.memory_gib * 2**30 * 0.5
        return max(1, min(people, self._recipe.slots, int(free_bytes / (numbers_per_slot * 4 * 4))))

    def _fill(self, queue: list[TraineeWork]) -> None:
        for slot in range(self._bank.slots):
            if slot not in self._slots and queue:
                work = queue.pop(0)
                self._bank.start_slot(slot, work.trainee.seed)
                self._optimizer.reset(slot)
                self._slots[slot] = work

    def _step(self) -> None:
        """Everybody in a slot takes one step."""
        began = time.monotonic()
        lessons = {slot: work.next_lessons for slot, work in self._slots.items()}
        baselines = {slot: work.progress.baseline for slot, work in self._slots.items()}
        try:
            report = self._training_step.backward(lessons, baselines)
        except MemoryBoundError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, most trainees have no part in it)
            self._bank.clear_gradients()
            self._end_faulty(lessons, baselines, error)
            return
        self._optimizer.step({slot: self._rate(work) for slot, work in self._slots.items()})
        share_s = (time.monotonic() - began) / len(self._slots)
        for slot, work in self._slots.items():
            work.progress.step += 1
            work.progress.seconds += share_s
            work.progress.losses.append(report.losses[slot])
            work.progress.baseline = report.baselines.get(slot, work.progress.baseline)
            self._done += len(lessons[slot])

    def _end_faulty(
        self, lessons: Mapping[int, Sequence[Lesson]], baselines: Mapping[int, float], error: Exception
    ) -> None:
        """Tries everybody's step alone. Whoever fails alone is done; the others take the step again."""
        faults: dict[int, Exception] = {}
        for slot, own in lessons.items():
            try:
                self._training_step.backward({slot: own}, baselines)
            except MemoryBoundError:
                raise
            except Exception as fault:  # noqa: BLE001 (it becomes this trainee's result)
                faults[slot] = fault
            finally:
                self._bank.clear_gradients()
        if not faults:
            raise error
        for slot, reason in faults.items():
            with self._for_one_alone(self._slots.pop(slot).trainee.key):
                raise reason

    def _rate(self, work: TraineeWork) -> float:
        """Up over the first tenth of a trainee's own steps, then down to a tenth of the rate."""
        peak = self._recipe.learning_rate
        if peak is None:
            peak = min(WIDEST_RATE, RATE_TIMES_WIDTH / self._training_step.width)
        step, steps = work.progress.step, len(work.plan)
        warm = max(1, steps // 10)
        if step < warm:
            return peak * (step + 1) / warm
        return peak * (1 - 0.9 * (step - warm) / max(1, steps - warm))

    def _release(self) -> None:
        """Whoever is done gets a LoRA and a result, and the slot falls free."""
        for slot, work in list(self._slots.items()):
            if not work.is_done:
                continue
            key = work.trainee.key
            with self._for_one_alone(key):
                if self._folder.has(key):
                    self._write(slot, work)
            if not self._folder.has(key):
                clean(self._folder.person(key))
            self._training_step.forget(work.lessons)
            del self._slots[slot]

    @contextmanager
    def _for_one_alone(self, key: str) -> Iterator[None]:
        """What goes wrong inside is this trainee's result. Whoever is forgotten in this moment gets none."""
        try:
            yield
        except MemoryBoundError:
            raise
        except Exception as error:  # noqa: BLE001 (odd data of one person must not cost the others their night)
            if not self._folder.has(key):
                return
            sys.stderr.write(traceback.format_exc())
            is_known = isinstance(error, EngineError)
            self._end_untrained(key, str(error) if is_known else f"{type(error).__name__}: {error}")

    def _write(self, slot: int, work: TraineeWork) -> None:
        key = work.trainee.key
        # A LoRA that was being written when the machine died is written anew.
        shutil.rmtree(self._folder.lora(key), ignore_errors=True)
        lora_format.write(
            self._folder.lora(key),
            self._bank.copy_slot(slot),
            rank=self._bank.rank,
            alpha=self._bank.alpha,
            base_model=self._recipe.model,
        )
        self._folder.write_result(self._result(slot, work))

    def _result(self, slot: int, work: TraineeWork) -> Result:
        key, progress = work.trainee.key, work.progress
        divergence = self._training_step.divergence(slot, work.lessons)
        scores, set_aside = self._scores(slot, work.trainee)
        edge = max(1, len(progress.losses) // 5)
        return Result(
            key=key,
            is_trained=True,
            steps=progress.step,
            lessons=len(work.lessons),
            seconds=round(progress.seconds, 3),
            first_loss=sum(progress.losses[:edge]) / edge,
            last_loss=sum(progress.losses[-edge:]) / edge,
            divergence=divergence,
            trials=scores,
            set_aside=set_aside,
        )

    def _scores(self, slot: int, trainee: Trainee) -> tuple[tuple[TrialScore, ...], str]:
        """The trials under the new LoRA, the live LoRA and the base.

        A live LoRA that does not fit the slot is set aside: the base stands in, and the reason is given. The
        slot holds the live LoRA afterwards, so the new one must have been saved.
        """
        trials = [with_ends(row, self._recipe.end_ids) for row in self._folder.trials(trainee.key)]
        if not trials:
            return (), ""
        step, set_aside = self._training_step, ""
        candidate, base = step.trial_log_probs(trials, slot), step.trial_log_probs(trials, None)
        current = base
        if trainee.current is not None:
            live = Path(trainee.current)
            try:
                scale = lora_format.read_config(live).scale
                self._bank.load_slot(slot, lora_format.read(live), scale=scale)
            except LoraError as error:
                set_aside = str(error)
            else:
                current = step.trial_log_probs(trials, slot)
        rows = zip(trials, candidate, current, base, strict=True)
        return tuple(_score(*row) for row in rows), set_aside

    def _end_untrained(self, key: str, reason: str) -> None:
        self._folder.write_result(Result(key=key, is_trained=False, reason=reason))

    def _end_at_deadline(self, unfinished: Sequence[TraineeWork]) -> None:
        reason = f"the deadline of {self._recipe.deadline_s:.0f} s came before the end of the training"
        for work in unfinished:
            self._end_untrained(work.trainee.key, reason)

    def _report(self) -> None:
        if time.monotonic() - self._said < PROGRESS_EVERY_S and self._slots:
            return
        self._said = time.monotonic()
        seconds = round(self._said - self._started, 1)
        self._say({"phase": "training", "done": self._done, "total": self._total, "seconds": seconds})

    def _checkpoint(self) -> None:
        if time.monotonic() - self._saved < self._recipe.checkpoint_s or not self._slots:
            return
        trainees = {slot: (work.trainee.key, work.progress) for slot, work in self._slots.items()}
        checkpoint.write(self._folder.checkpoint, trainees, self._bank, self._optimizer)
        self._saved = time.monotonic()

    @torch.no_grad()
    def _resume(self, queue: list[TraineeWork]) -> None:
        """Gives slots to those whom the checkpoint has and who are not done."""
        saved = checkpoint.read(self._folder.checkpoint)
        waiting = {work.trainee.key: work for work in queue}
        for key in () if saved is None else saved.progress:
            work, slot = waiting.get(key), len(self._slots)
            if saved is None or work is None or slot == self._bank.slots:
                continue
            queue.remove(work)
            work.progress = saved.restore(key, slot, self._bank, self._optimizer)
            self._done += sum(len(batch) for batch in work.plan[: work.progress.step])
            self._slots[slot] = work


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


def _score(trial: Trial, candidate: LogProbs, current: LogProbs, base: LogProbs) -> TrialScore:
    return TrialScore(
        id=trial.id,
        rating=trial.rating,
        tokens=len(trial.reply),
        candidate=candidate[0],
        current=current[0],
        base=base[0],
        candidate_against=candidate[1],
        current_against=current[1],
        base_against=base[1],
    )
