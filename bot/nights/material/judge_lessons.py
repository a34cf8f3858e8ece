"""The judge's lessons: a LoRA answers questions about replies as the base does, or as the stars say.

Without them a LoRA that learned to answer a person would lose the judge's yes and no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bot.context import Context
from bot.store.recorded_replies import RecordedReply
from bot.teaching.note_wording import manner_of
from engine.judging.judge import Verdict
from engine.judging.rubric import ABOUT_NOTE
from engine.learning import dataset
from engine.learning.lessons import Kind, Lesson
from engine.types import TokenIds
from engine.wording import note_question, question

MAX_RATED: Final = 6  # the newest rated replies, on which the judge learns what the stars meant
WEIGHT: Final = 0.5


def as_judged(context: Context, distilled: Lesson, note: str, verdict: Verdict) -> Lesson:
    """The question about a note is answered as the base answered it."""
    wanted = verdict.answers.get(ABOUT_NOTE + note, 0.5)
    return _question_lesson(context, distilled.teacher + distilled.reply, note, wanted)


def as_rated(context: Context, rated: Sequence[RecordedReply], notes: Sequence[str]) -> list[Lesson]:
    """Where the stars say something else than the judge, the judge learns from the stars."""
    lessons = []
    for reply in rated[:MAX_RATED]:
        described = {note: _described(context, reply, note) for note in notes}
        answers = {note: p for note, p in described.items() if p is not None}
        if not answers or reply.reply.rating is None:
            continue
        by_stars = dataset.as_rated(answers, reply.reply.rating)
        note = max(by_stars, key=lambda note: abs(by_stars[note] - answers[note]))
        prefix = context.backend.encode(replace(reply.prompt.bare(), notes=tuple(notes)))
        judged = prefix + context.backend.encode_text(reply.reply.text)
        lessons.append(_question_lesson(context, judged, note, by_stars[note]))
    return lessons


def _described(context: Context, reply: RecordedReply, note: str) -> float | None:
    """The judge's P that a described reply keeps to a note; None where the rubric has no manner for it."""
    manner, found = manner_of(context.rubric, note) or "", reply.manners or {}
    if manner.removeprefix("!") not in found:
        return None
    p = found[manner.removeprefix("!")]
    return 1 - p if manner.startswith("!") else p


def _question_lesson(context: Context, judged: TokenIds, note: str, wanted: float) -> Lesson:
    ending = context.backend.encode_question(question(note_question(note)))
    return Lesson(kind=Kind.ASK, prefix=judged + ending, wanted=wanted, weight=WEIGHT)
