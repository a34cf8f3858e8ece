"""Asks yes/no questions about replies and turns the answers into one score. Knows no search and no chat.

A question comes last, after the very tokens that generated the reply and under the same LoRA, so a
backend with a prefix cache computes only the question's own few tokens. The wording of a question is
added here, once: a backend's `encode_question` only sets the text into the chat template.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine import wording
from engine.ports import Backend
from engine.types import LoraRef, TokenIds

# Beyond this a score says no more than "certain", and a search over it would never look elsewhere.
MAX_SCORE = 12.0
# Nothing more is looked for once each wish is seen to be met, and no fault is seen. Wishes are often missed,
# faults are rare: so the former must be probable, and soundness only not improbable.
WISH_MET_FROM, FAULTLESS_FROM = 0.8, 0.3
# Of a reply that does the first thing wanted with less than this probability a glance asks nothing more.
REFUSED_BELOW = 0.1
ABOUT_NOTE = "note: "
SHIPPED_RUBRIC = Path(__file__).with_name("rubric.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A yes/no question about a reply. A negative weight means that no is the good answer.

    `is_wish`: it asks for what one person wants, not for what holds for everybody.
    """

    name: str
    text: str
    weight: float = 1.0
    is_wish: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """A way in which replies differ. Of the manners in one group a reply has one.

    `note` is the standing note of somebody who wants it, `opposite` of somebody who wants the contrary;
    it is empty where the contrary is no wish of its own, as in a group of several manners.
    """

    name: str
    group: str
    text: str
    note: str
    opposite: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    questions: tuple[Question, ...] = ()
    manners: tuple[Manner, ...] = ()

    def group_of(self, manner: str | None) -> str | None:
        """The group of a manner, or with a "!" before its name of its contrary, if it is in the rubric."""
        name = (manner or "").removeprefix("!")
        return next((one.group for one in self.manners if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge thinks of one reply. `answers`: the probability of yes, by question."""

    score: float
    answers: dict[str, float] = field(default_factory=dict)
    opinion: float = 0.0  # the taste's part of the score


UNASKED = Verdict(score=0.0)

# Turns the answers of a reply, and its tokens' text, into log-odds that the person likes it.
Opinion = Callable[[Mapping[str, float], str], float]


class RubricError(ValueError):
    """The rubric file cannot be used. The text names the entry and what to do."""


def load_rubric(path: Path) -> Rubric:
    """The rubric that an operator can edit. Raises RubricError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RubricError(f"The rubric {path} cannot be read: {error}") from error
    questions = tuple(_question(entry, path) for entry in _tables(document, "question", path))
    manners = tuple(_manner(entry, path) for entry in _tables(document, "manner", path))
    names = [question.name for question in questions] + [manner.name for manner in manners]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RubricError(f"The rubric {path} uses a name twice: {', '.join(twice)}. Rename one of them.")
    return Rubric(questions=questions, manners=manners)


def note_questions(notes: Sequence[str], *, weight: float = 2.0) -> tuple[Question, ...]:
    """One question for each of a person's notes. They weigh more than what holds for everybody."""
    return tuple(
        Question(name=ABOUT_NOTE + note, text=wording.note_question(note), weight=weight, is_wish=True)
        for note in dict.fromkeys(notes)
    )


def text_of_note(name: str) -> str:
    """The text of a question about a note, from its name."""
    return wording.note_question(name.removeprefix(ABOUT_NOTE))


def manner_questions(manners: Sequence[Manner]) -> tuple[Question, ...]:
    """The questions that describe a reply. They weigh nothing: a taste says what they are worth."""
    return tuple(Question(name=manner.name, text=manner.text, weight=0.0) for manner in manners)


class Judge:
    """Scores replies to one prompt by their answers to a fixed set of questions.

    The score is the log-odds that every weighted question is answered as it should be; an `opinion`
    (a person's taste) adds its own log-odds. With no question at all every score is 0.
    """

    def __init__(
        self,
        backend: Backend,
        questions: Sequence[Question],
        lora: LoraRef | None = None,
        taste: Opinion | None = None,
    ) -> None:
        self.questions = tuple(questions)
        self._backend = backend
        self._lora = lora
        self._opinion = taste
        heaviest = max((abs(question.weight) for question in self.questions), default=0.0)
        # A taste needs every answer that it has an opinion about.
        self._glanced = tuple(
            question
            for question in self.questions
            if abs(question.weight) == heaviest or (taste and not question.weight)
        )
        self._asked_first = self._glanced if taste else self._glanced[:1]
        self._suffixes = {
            question.name: backend.encode_question(wording.question(question.text))
            for question in self.questions
        }

    @property
    def has_preference(self) -> bool:
        """Whether its scores can differ at all: without one there is nothing to choose by."""
        return self._opinion is not None or any(question.weight for question in self.questions)

    @property
    def longest_question(self) -> int:
        """Tokens of context that must stay free after a reply for it to be judged."""
        return max((len(suffix) for suffix in self._suffixes.values()), default=0) + 1

    async def score(self, prompt_ids: TokenIds, replies: Sequence[TokenIds]) -> Sequence[Verdict]:
        """A verdict for each reply. All questions about all replies go in one call."""
        return await self._answered(prompt_ids, replies, self.questions, [UNASKED] * len(replies))

    async def glance(self, prompt_ids: TokenIds, replies: Sequence[TokenIds]) -> Sequence[Verdict]:
        """Verdicts by what weighs most, to find out what deserves a closer look.

        What the first question refuses is asked no other: its score is as much as it could come to.
        """
        unasked = [UNASKED] * len(replies)
        verdicts = list(await self._answered(prompt_ids, replies, self._asked_first, unasked))
        if len(self._asked_first) < len(self._glanced):
            left = [number for number, verdict in enumerate(verdicts) if not self._is_refused(verdict)]
            known = [verdicts[number] for number in left]
            asked = await self._answered(prompt_ids, [replies[n] for n in left], self._glanced, known)
            for number, verdict in zip(left, asked, strict=True):
                verdicts[number] = verdict
        return verdicts

    async def complete(
        self, prompt_ids: TokenIds, replies: Sequence[TokenIds], verdicts: Sequence[Verdict]
    ) -> Sequence[Verdict]:
        """The verdicts after everything was asked that a glance left out."""
        return await self._answered(prompt_ids, replies, self.questions, verdicts)

    def is_complete(self, verdict: Verdict) -> bool:
        return all(question.name in verdict.answers for question in self.questions)

    def is_content(self, verdict: Verdict) -> bool:
        """Whether nothing is left to wish for: wishes are met, and no fault is seen.

        Where no wish was put into words, the taste must be for it.
        """
        if self._opinion is not None and not any(question.is_wish for question in self.questions):
            is_liked = verdict.opinion > 0.0
        else:
            is_liked = any(
                question.weight and question.name in verdict.answers for question in self.questions
            )
        return is_liked and suffices(self.questions, verdict.answers)

    def _is_refused(self, verdict: Verdict) -> bool:
        return any(_wanted(q, verdict.answers[q.name]) < REFUSED_BELOW for q in self._asked_first)

    async def _answered(
        self,
        prompt_ids: TokenIds,
        replies: Sequence[TokenIds],
        questions: Sequence[Question],
        known: Sequence[Verdict],
    ) -> Sequence[Verdict]:
        """The verdicts by the answers to these questions; what is known already is not asked again."""
        missing = [[q.name for q in questions if q.name not in one.answers] for one in known]
        prompts = [
            prompt_ids + reply + self._suffixes[name]
            for reply, asked in zip(replies, missing, strict=True)
            for name in asked
        ]
        log_odds = iter(await self._backend.ask(prompts, lora=self._lora) if prompts else ())
        found = [{name: probability(next(log_odds)) for name in asked} for asked in missing]
        return [
            self._verdict(questions, {**verdict.answers, **new}, reply)
            for reply, verdict, new in zip(replies, known, found, strict=True)
        ]

    def _verdict(self, questions: Sequence[Question], known: Mapping[str, float], reply: TokenIds) -> Verdict:
        answers = {question.name: known[question.name] for question in questions}
        opinion = self._opinion(answers, self._backend.decode(reply)) if self._opinion else 0.0
        score = bounded(combined(questions, answers) + opinion)
        return Verdict(score=score, answers=answers, opinion=opinion)


def plain_features(text: str) -> dict[str, float]:
    """What is seen of a reply without asking, each from 0 to 1."""
    return {"plain: words": min(math.log1p(len(text.split())) / math.log1p(400), 1.0)}


def combined(questions: Sequence[Question], answers: Mapping[str, float]) -> float:
    """The log-odds that all weighted questions are answered as they should be.

    Unlike a plain sum of log-odds this does not let one certain yes pay for a no elsewhere.
    """
    weighted = [question for question in questions if question.weight and question.name in answers]
    if not weighted:
        return 0.0
    log_p = sum(abs(q.weight) * math.log(max(_wanted(q, answers[q.name]), 1e-9)) for q in weighted)
    log_p /= sum(abs(q.weight) for q in weighted) / len(weighted)
    return bounded(log_p - math.log(max(-math.expm1(log_p), 1e-9)))


def bounded(score: float) -> float:
    """A score that is finite, whatever it was: what is no number says nothing."""
    return 0.0 if math.isnan(score) else min(max(score, -MAX_SCORE), MAX_SCORE)


def probability(log_odds: float) -> float:
    if math.isnan(log_odds):
        return 0.5
    return 1.0 / (1.0 + math.exp(-min(max(log_odds, -30.0), 30.0)))


def _wanted(question: Question, p_yes: float) -> float:
    return p_yes if question.weight > 0 else 1.0 - p_yes


def suffices(questions: Sequence[Question], answers: Mapping[str, float]) -> bool:
    """Whether every wish that was asked about is seen to be met, and no fault is seen."""
    return all(
        _wanted(question, answers[question.name]) >= (WISH_MET_FROM if question.is_wish else FAULTLESS_FROM)
        for question in questions
        if question.weight and question.name in answers
    )


def _tables(document: Mapping[str, object], key: str, path: Path) -> list[Mapping[str, object]]:
    entries = document.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RubricError(f"In the rubric {path}, write every {key} as a table headed [[{key}]].")
    return entries


def _question(entry: Mapping[str, object], path: Path) -> Question:
    weight = entry.get("weight", 1.0)
    if not isinstance(weight, (int, float)) or not math.isfinite(weight):
        raise RubricError(
            f"In the rubric {path}, the weight of question {entry.get('name')!r} must be a number."
        )
    return Question(
        name=_text(entry, "name", "question", path),
        text=_text(entry, "text", "question", path),
        weight=float(weight),
    )


def _manner(entry: Mapping[str, object], path: Path) -> Manner:
    return Manner(
        name=_text(entry, "name", "manner", path),
        group=_text(entry, "group", "manner", path),
        text=_text(entry, "text", "manner", path),
        note=_text(entry, "note", "manner", path),
        opposite=_text(entry, "opposite", "manner", path) if "opposite" in entry else "",
    )


def _text(entry: Mapping[str, object], key: str, kind: str, path: Path) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RubricError(
            f"In the rubric {path}, {kind} {entry.get('name', '?')!r} needs a text for {key!r}."
        )
    return value
