"""Prepares one person's part of a night: what is trained, what the gate is shown, and what was used for it.

Trains nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.context import Context
from bot.nights.material import history, judge_lessons
from bot.nights.material.teacher import LessonMix, Teacher, requests_of
from bot.nights.material.wishes import Wishes, wishes_of
from bot.store.people import KnownPerson
from engine.learning import dataset
from engine.learning.dataset import Dataset
from engine.learning.lessons import Kind, Lesson, Trial
from engine.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMaterial:
    """What a person's training needs. `judge_lessons`: the answers to questions about replies."""

    lessons: tuple[Lesson, ...]
    judge_lessons: tuple[Lesson, ...]
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMaterial:
    """What the gate needs of a person. `prior`: how sure it is, before training, that they want the notes."""

    notes: tuple[str, ...]
    prior: float
    held_out: tuple[Prompt, ...]  # the person's requests that the gate asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One person's part of a night. `used`: how much feedback of each kind it was made of."""

    person: str
    used: Mapping[str, int]
    training: TrainingMaterial
    gate: GateMaterial


class NothingToLearn(Exception):
    """There is nothing to train for this person. The text says why, for the person."""


async def prepare(
    context: Context,
    person: KnownPerson,
    mix: LessonMix,
    *,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> Material:
    """Everything that this person's night works with. Raises NothingToLearn, EngineError."""
    feedback = await history.feedback_of(context, person)
    data = Dataset.of(feedback, max_chars=context.backend.max_context * 4)
    wishes = await wishes_of(context, person, {piece.id for piece in data.train})
    lessons = _lessons_of_feedback(context, data, mix)
    for_judge: list[Lesson] = []
    if not wishes.notes and not lessons:
        raise NothingToLearn("nothing clear enough to learn from has been said yet")
    if wishes.notes:
        teacher = Teacher(
            context=context,
            person=person,
            notes=wishes.notes,
            own=requests_of(data.train),
            mix=mix,
            seed=seed,
        )
        noted, for_judge = await teacher.noted_lessons(on_progress)
        judged = dataset.lessons(
            await teacher.judged_feedback(),
            encode=context.backend.encode,
            encode_text=context.backend.encode_text,
        )
        lessons += [*judged, *noted]
        if mix.keeps_judging:
            for_judge += judge_lessons.as_rated(context, wishes.rated, wishes.notes)
    training = TrainingMaterial(
        lessons=_fitting_lessons(context, lessons),
        judge_lessons=_fitting_lessons(context, for_judge),
        trials=await _trials(context, person, data),
    )
    if not training.lessons:
        reason = (
            "the model gave no reply that keeps to the notes, and there is no other feedback to learn from"
        )
        raise NothingToLearn(reason)
    return Material(
        person=person.key,
        used=_counts(data, wishes, training.lessons),
        training=training,
        gate=GateMaterial(notes=wishes.notes, prior=wishes.prior, held_out=_held_out_requests(context, data)),
    )


def _lessons_of_feedback(context: Context, data: Dataset, mix: LessonMix) -> list[Lesson]:
    """The lessons that the person's feedback itself gives."""
    if not (mix.has_pairs or mix.has_ratings):
        return []
    made = dataset.lessons(data.train, encode=context.backend.encode, encode_text=context.backend.encode_text)
    return [lesson for lesson in dataset.balanced(made) if mix.has_ratings or lesson.kind is not Kind.RATED]


async def _trials(context: Context, person: KnownPerson, data: Dataset) -> tuple[Trial, ...]:
    """Held-out feedback from before the live LoRA has had its say about it, so only the later is tried."""
    since = await _live_since(context, person)
    fresh = [piece for piece in data.held_out if since is None or piece.at > since]
    made = dataset.trials(fresh, encode=context.backend.encode, encode_text=context.backend.encode_text)
    return tuple(trial for trial in made if _fits(context, trial))


async def _live_since(context: Context, person: KnownPerson) -> datetime | None:
    """When the live LoRA was made."""
    live = await context.store.loras.live(person.key, model=context.backend.model)
    return None if live is None else live.created_at


def _held_out_requests(context: Context, data: Dataset) -> tuple[Prompt, ...]:
    """Those that leave half of the context to the reply."""
    most_tokens = (context.backend.max_context - 1) // 2
    requests = requests_of(data.held_out)
    return tuple(prompt for prompt in requests if len(context.backend.encode(prompt)) <= most_tokens)


def _fitting_lessons(context: Context, lessons: Sequence[Lesson]) -> tuple[Lesson, ...]:
    return tuple(lesson for lesson in lessons if _fits(context, lesson))


def _fits(context: Context, row: Lesson | Trial) -> bool:
    """Whether the longest sequence of a lesson or a trial, with its end, fits into the model's context."""
    teacher = row.teacher if isinstance(row, Lesson) else ()
    tokens = max(len(row.prefix), len(teacher)) + max(len(row.reply), len(row.against)) + 1
    return tokens <= context.backend.max_context - 1


def _counts(data: Dataset, wishes: Wishes, lessons: Sequence[Lesson]) -> dict[str, int]:
    counts = {**data.counts(), "notes": len(wishes.notes), "lessons": len(lessons)}
    return {**counts, "notes_from_reactions": len(wishes.seen)} if wishes.seen else counts
