"""Answers yes/no questions about replies and turns the answers into one score. Knows no search and no chat.

What code can count is counted: it costs no token and is exact, on half-written replies too. Everything else
is asked of the model, where its profile says that it tells. Such a question comes last, after the very tokens
that generated the reply and under the same LoRA, so a backend with a prefix cache computes only the
question's own few tokens. The wording of a question is added here, once: a backend's `encode_question` only
sets the text into the chat template.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine import wording
from engine.judging.measures import MEASURES, Course, Occasion, Outlook, Relation, Wish
from engine.judging.rubric import Question
from engine.judging.soundness import Fault, faults
from engine.ports import Backend
from engine.types import LoraRef, TokenIds

# Beyond this a score says no more than "certain", and a search over it would never look elsewhere.
MAX_SCORE = 12.0
# Nothing more is looked for once each wish is seen to be met, and no fault is seen. Wishes are often missed,
# faults are rare: so the former must be probable, and soundness only not improbable.
WISH_MET_FROM, FAULTLESS_FROM = 0.8, 0.3
# Of a reply that does the first thing wanted with less than this probability a glance asks nothing more.
REFUSED_BELOW = 0.1
# What is counted is certain, up to what is finite. A near miss is worth more than a far one, less than half.
MET, NOT_MET, NEAR, UNDECIDED = 0.99, 0.01, 0.4, 0.5
# What is no fault here: a beginning is cut by its nature, and what only echoes is told by other means.
TOLERATED = (Fault.CUT, Fault.ECHO, Fault.EMPTY)
LENGTHS = ("words", "sentences")  # measures that grow with the reply
SOUND_FROM = 0.5  # a reply that comes apart is never chosen while something whole is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge thinks of one reply. `answers`: the probability of yes, by question."""

    score: float
    answers: dict[str, float] = field(default_factory=dict)
    opinion: float = 0.0  # the taste's part of the score
    soundness: float = 1.0  # 0: it has come apart

    @property
    def is_sound(self) -> bool:
        return self.soundness >= SOUND_FROM


UNASKED = Verdict(score=0.0)

# Turns the answers of a reply, and its tokens' text, into log-odds that the person likes it.
Opinion = Callable[[Mapping[str, float], str], float]


class Judge:
    """Scores replies to one prompt by their answers to a fixed set of questions.

    The score is the log-odds that every weighted question is answered as it should be; an `opinion`
    (a person's taste) adds its own log-odds. With no question at all every sound reply scores 0.
    """

    def __init__(
        self,
        backend: Backend,
        questions: Sequence[Question],
        lora: LoraRef | None = None,
        taste: Opinion | None = None,
        *,
        occasion: Occasion | None = None,
    ) -> None:
        tells = backend.profile.tells
        self.questions = tuple(
            question for question in questions if question.wish or tells(question.kind or question.name)
        )
        self._backend = backend
        self._lora = lora
        self._opinion = taste
        self._occasion = occasion or Occasion()
        languages = [
            wish.measure.removeprefix("language_") for wish in self.wishes if "language_" in wish.measure
        ]
        self._language = next(iter(languages), None)
        counted = tuple(question for question in self.questions if question.wish)
        asked = tuple(question for question in self.questions if not question.wish)
        heaviest = max((abs(question.weight) for question in asked), default=0.0)
        # A taste needs every answer that it has an opinion about.
        glanced = tuple(
            question
            for question in asked
            if abs(question.weight) == heaviest or (taste and not question.weight)
        )
        self._glanced = (*counted, *glanced)
        self._asked_first = self._glanced if taste else (*counted, *glanced[:1])
        self._suffixes = {
            question.name: backend.encode_question(wording.question(question.text)) for question in asked
        }

    @property
    def has_preference(self) -> bool:
        """Whether its scores can differ at all: without one there is nothing to choose by."""
        return self._opinion is not None or any(question.weight for question in self.questions)

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What the person wants, as far as code can count it."""
        return tuple(q.wish for q in self.questions if q.wish is not None and q.is_wish and q.weight > 0)

    @property
    def bounds_length(self) -> bool:
        """Whether the person wants no more than so many words or sentences."""
        return bool(self._length_bounds)

    def is_short_enough(self, text: str) -> bool:
        return all(wish.is_met(text, self._occasion) for wish in self._length_bounds)

    @property
    def _length_bounds(self) -> tuple[Wish, ...]:
        return tuple(
            wish for wish in self.wishes if wish.measure in LENGTHS and wish.relation is not Relation.AT_LEAST
        )

    def ends_as_wanted(self, text: str) -> bool:
        """Whether a finished reply meets the wishes about its end."""
        return all(
            wish.is_met(text, self._occasion)
            for wish in self.wishes
            if MEASURES[wish.measure].course is Course.END
        )

    def soundness(self, text: str) -> float:
        """1 for a reply that hangs together, less for one that comes apart, whatever was wished."""
        found = faults(text, request=self._occasion.request, language=self._language)
        return 1.0 - max((fault.severity for fault in found if fault not in TOLERATED), default=0.0)

    @property
    def longest_question(self) -> int:
        """Tokens of context that must stay free after a reply for it to be judged."""
        return max((len(suffix) for suffix in self._suffixes.values()), default=0) + 1

    async def score(self, prompt_ids: TokenIds, replies: Sequence[TokenIds]) -> Sequence[Verdict]:
        """A verdict for each finished reply. All questions about all replies go in one call."""
        whole = [True] * len(replies)
        return await self._answered(prompt_ids, replies, whole, self.questions, [UNASKED] * len(replies))

    async def glance(
        self, prompt_ids: TokenIds, replies: Sequence[TokenIds], finished: Sequence[bool]
    ) -> Sequence[Verdict]:
        """Verdicts by what weighs most, to find out what deserves a closer look.

        What the first question refuses is asked no other: its score is as much as it could come to.
        """
        unasked = [UNASKED] * len(replies)
        verdicts = list(await self._answered(prompt_ids, replies, finished, self._asked_first, unasked))
        if len(self._asked_first) < len(self._glanced):
            left = [number for number, verdict in enumerate(verdicts) if not self._is_refused(verdict)]
            asked = await self._answered(
                prompt_ids,
                [replies[number] for number in left],
                [finished[number] for number in left],
                self._glanced,
                [verdicts[number] for number in left],
            )
            for number, verdict in zip(left, asked, strict=True):
                verdicts[number] = verdict
        return verdicts

    async def complete(
        self, prompt_ids: TokenIds, replies: Sequence[TokenIds], verdicts: Sequence[Verdict]
    ) -> Sequence[Verdict]:
        """The verdicts on finished replies after everything was asked that a glance left out."""
        return await self._answered(prompt_ids, replies, [True] * len(replies), self.questions, verdicts)

    def is_complete(self, verdict: Verdict) -> bool:
        return all(question.name in verdict.answers for question in self.questions)

    def is_content(self, verdict: Verdict) -> bool:
        """Whether nothing is left to wish for: it is sound, wishes are met, and no fault is seen.

        Where no wish was put into words, the taste must be for it.
        """
        if self._opinion is not None and not any(question.is_wish for question in self.questions):
            is_liked = verdict.opinion > 0.0
        else:
            is_liked = any(
                question.weight and question.name in verdict.answers for question in self.questions
            )
        return is_liked and verdict.is_sound and suffices(self.questions, verdict.answers)

    def is_lost(self, text: str) -> bool:
        """Whether a half-written reply can no longer become what the person wants, whatever follows."""
        return any(
            question.is_wish and counted(question.wish, text, self._occasion, is_finished=False) <= NOT_MET
            for question in self.questions
            if question.wish is not None and question.weight > 0
        )

    def _is_refused(self, verdict: Verdict) -> bool:
        return not verdict.is_sound or any(
            _wanted(question, verdict.answers[question.name]) < REFUSED_BELOW
            for question in self._asked_first
            if question.weight
        )

    async def _answered(
        self,
        prompt_ids: TokenIds,
        replies: Sequence[TokenIds],
        finished: Sequence[bool],
        questions: Sequence[Question],
        known: Sequence[Verdict],
    ) -> Sequence[Verdict]:
        """The verdicts by the answers to these questions; what the model said already is not asked again."""
        missing = [
            [q.name for q in questions if not q.wish and q.name not in verdict.answers] for verdict in known
        ]
        prompts = [
            prompt_ids + reply + self._suffixes[name]
            for reply, names in zip(replies, missing, strict=True)
            for name in names
        ]
        log_odds = iter(await self._backend.ask(prompts, lora=self._lora) if prompts else ())
        found = [{name: probability(next(log_odds)) for name in names} for names in missing]
        return [
            self._verdict(questions, {**verdict.answers, **new}, self._backend.decode(reply), is_finished)
            for reply, is_finished, verdict, new in zip(replies, finished, known, found, strict=True)
        ]

    def _verdict(
        self, questions: Sequence[Question], known: Mapping[str, float], text: str, is_finished: bool
    ) -> Verdict:
        answers = {
            question.name: known[question.name]
            if question.wish is None
            else counted(question.wish, text, self._occasion, is_finished=is_finished)
            for question in questions
        }
        opinion = self._opinion(answers, text) if self._opinion else 0.0
        whole = self.soundness(text)
        score = combined(questions, answers) + opinion + math.log(max(whole, 1e-3))
        return Verdict(score=bounded(score), answers=answers, opinion=opinion, soundness=whole)


def counted(wish: Wish, text: str, occasion: Occasion, *, is_finished: bool) -> float:
    """How far a reply is as wanted, as a probability."""
    if not is_finished:
        outlook = wish.outlook(text, occasion, is_finished=False)
        return {Outlook.MET: MET, Outlook.OPEN: UNDECIDED, Outlook.LOST: NOT_MET}[outlook]
    if wish.is_met(text, occasion):
        return MET
    return NOT_MET + NEAR * wish.closeness(text, occasion)


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
