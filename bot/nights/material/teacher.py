"""The replies that a night teaches: the model's own under the notes, and better ones over worse ones.

The base judges which replies keep to the notes. It answers without any LoRA, so it does not change while a
LoRA learns from it. Reads no feedback and trains nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.answering.respond import limits_of
from bot.context import Context
from bot.nights.material import judge_lessons
from bot.settings import LearningSettings
from bot.store.people import KnownPerson
from engine.errors import EngineDownError, EngineError
from engine.judging import scope
from engine.judging.judge import Judge, Verdict, combined
from engine.judging.rubric import Question, note_questions
from engine.learning import dataset
from engine.learning.dataset import Feedback, Source
from engine.learning.lessons import Kind, Lesson
from engine.search.compose import compose
from engine.types import Mode, Prompt, Role, TokenIds, Turn
from engine.wording import last_request

MAX_OWN_REQUESTS: Final = 40
AT_ONCE: Final = 48  # requests to the model under way for one person
CLEAR_GAP: Final = 2.0  # between two replies, in the judge's log-odds, for one to be taught over the other
KEPT_FROM: Final = 0.5  # the share of replies that must keep to a note for the others to be dropped
CERTAIN: Final = 1.0  # log-odds; a judge that answers less clearly drops nothing
HELD_EVERY: Final = 7  # replies, one is trained with the notes in sight, so that both together work too
ASKED_EVERY: Final = 7  # replies, one is asked about, so that the judge goes on judging as the base does
SEARCH_TOKENS: Final = 512  # of one request that is answered anew
_SETTINGS: Final = LearningSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonMix:
    """Which lessons there are, and how many. The default was chosen by the ablation in docs/log."""

    replies: int = _SETTINGS.replies
    has_pairs: bool = True
    has_ratings: bool = False
    holds_noted: bool = True
    keeps_judging: bool = True
    judged_pairs: int = _SETTINGS.judged_pairs


@dataclass(frozen=True, slots=True)
class NotedReply:
    """A reply that the model gave under the notes that are meant for its request."""

    prompt: Prompt
    notes: tuple[str, ...]
    reply: TokenIds
    verdict: Verdict  # on these notes, and on what holds for everybody


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """Makes lessons for one person. `own`: the person's requests that are trained on, the newest first."""

    context: Context
    person: KnownPerson
    notes: Sequence[str]
    own: Sequence[Prompt]
    mix: LessonMix
    seed: int

    async def noted_lessons(
        self, on_progress: Callable[[int, int], None]
    ) -> tuple[list[Lesson], list[Lesson]]:
        """Lessons to give such replies without the notes in sight, and the judge's lessons beside them."""
        replies = await self._noted_replies(on_progress)
        kept = _kept(replies, (*self.context.rubric.questions, *note_questions(self.notes)))
        source = random.Random(self.seed)
        lessons: list[Lesson] = []
        for_judge: list[Lesson] = []
        for number, noted in enumerate(kept):
            lesson = dataset.distilled(
                noted.prompt, noted.notes, noted.reply, encode=self.context.backend.encode
            )
            lessons.append(lesson)
            if self.mix.holds_noted and number % HELD_EVERY == 0:
                lessons.append(Lesson(kind=Kind.HOLD, prefix=lesson.teacher, reply=noted.reply))
            if self.mix.keeps_judging and noted.notes and number % ASKED_EVERY == 0:
                note = source.choice(noted.notes)
                for_judge.append(judge_lessons.as_judged(self.context, lesson, note, noted.verdict))
        return lessons, for_judge

    async def judged_feedback(self) -> list[Feedback]:
        """Earlier requests and others like them, answered anew by search without the notes: best over worst.

        Where the judge sees little between the two, or could have been won over by a trick, nothing is
        learned.
        """
        again = self._earlier_requests(self.mix.judged_pairs, self.seed + 1)
        found = await asyncio.gather(*(self._best_over_worst(*numbered) for numbered in enumerate(again)))
        return [feedback for feedback in found if feedback is not None]

    # --- replies under the notes ---

    async def _noted_replies(self, on_progress: Callable[[int, int], None]) -> list[NotedReply]:
        prompts = self._requests(self.mix.replies, self.seed)
        gate, done = asyncio.Semaphore(AT_ONCE), 0

        async def ask(number: int, prompt: Prompt) -> NotedReply | None:
            nonlocal done
            async with gate:
                meant = await scope.meant(self.context.backend, self.notes, last_request(prompt))
                noted = await self._noted_reply(prompt, meant, self.seed + number)
            done += 1
            on_progress(done, len(prompts))
            return noted

        replies = await asyncio.gather(*(ask(number, prompt) for number, prompt in enumerate(prompts)))
        return [noted for noted in replies if noted is not None]

    async def _noted_reply(self, prompt: Prompt, meant: tuple[str, ...], seed: int) -> NotedReply | None:
        """One whole reply with the judge's verdict; None where the model did not finish or refused."""
        backend, judge = self.context.backend, _judge(self.context, meant)
        prefix = backend.encode(replace(prompt, notes=meant))
        free_tokens = backend.max_context - len(prefix) - judge.longest_question
        if free_tokens < 2:
            return None
        sampling = limits_of(self.context).sampling(free_tokens, seed % 2**31)
        try:
            (completion,) = await backend.sample(prefix, n=1, sampling=sampling)
            if not completion.finished or not backend.decode(completion.token_ids).strip():
                return None
            (verdict,) = await judge.score(prefix, [completion.token_ids])
        except EngineDownError:
            raise
        except EngineError:
            return None  # one request less; the night goes on with the others
        return NotedReply(prompt, meant, completion.token_ids, verdict)

    # --- better replies over worse ones ---

    async def _best_over_worst(self, number: int, prompt: Prompt) -> Feedback | None:
        limits = limits_of(self.context)
        meant = await scope.meant(self.context.backend, self.notes, last_request(prompt))
        try:
            searched = await compose(
                self.context.backend,
                prompt,
                judge=_judge(self.context, meant),
                mode=Mode.WEAVE,
                limits=replace(limits, budget_tokens=min(limits.budget_tokens, SEARCH_TOKENS)),
                seed=(self.seed + number) % 2**31,
            )
        except EngineDownError:
            raise
        except EngineError:
            return None
        best, worst = searched.best, searched.others[-1] if searched.others else searched.best
        if best.score - worst.score < CLEAR_GAP or not dataset.is_honest_gain(best.text, worst.text):
            return None
        return Feedback(
            id=f"judged{number}",
            source=Source.JUDGED,
            thread=0,
            at=self.context.clock(),
            prompt=prompt,
            reply=worst.text,
            better=best.text,
        )

    # --- what is asked ---

    def _requests(self, count: int, seed: int) -> list[Prompt]:
        """The person's own requests, the newest first, and everyday ones in the same setting."""
        own = [prompt.bare() for prompt in self.own[:MAX_OWN_REQUESTS]][:count]
        blank = Prompt(turns=(), persona=self.context.settings.persona, name=self.person.name)
        setting = own[0] if own else blank
        others = self.context.everyday.draw(count - len(own), seed=seed)
        return own + [_with_request(setting, text) for text in others]

    def _earlier_requests(self, count: int, seed: int) -> list[Prompt]:
        """Some of the person's earlier requests, the newest, and for each another that is near it."""
        earlier = self._requests(-(-count // 2), seed)
        near = [
            self.context.everyday.near(last_request(prompt), seed=seed + number)
            for number, prompt in enumerate(earlier, start=1)
        ]
        return [*earlier, *map(_with_request, earlier, near)][:count]


def requests_of(feedback: Sequence[Feedback]) -> list[Prompt]:
    """The requests that feedback was given on: each once, the newest first."""
    found: dict[str, Prompt] = {}
    for piece in sorted(feedback, key=lambda piece: piece.at, reverse=True):
        found.setdefault(last_request(piece.prompt), piece.prompt.bare())
    return list(found.values())


def _with_request(setting: Prompt, text: str) -> Prompt:
    return replace(setting, turns=(Turn(role=Role.USER, text=text),))


def _judge(context: Context, notes: Sequence[str]) -> Judge:
    """The base, asked about what holds for everybody and about these notes."""
    return Judge(context.backend, (*context.rubric.questions, *note_questions(notes)))


def _kept(replies: Sequence[NotedReply], questions: Sequence[Question]) -> list[NotedReply]:
    """The replies that are in order and keep to every note meant for them that replies keep to at all.

    A note that hardly any reply keeps to is not understood, or the judge cannot see it.
    """
    clear = []
    for question in questions:
        # 0 where the question was not asked: the note is for other requests.
        asked = [odds for noted in replies if (odds := combined([question], noted.verdict.answers))]
        is_certain = sum(map(abs, asked)) > CERTAIN * len(asked)
        if question.weight and is_certain and sum(odds > 0 for odds in asked) > KEPT_FROM * len(asked):
            clear.append(question)
    return [
        noted
        for noted in replies
        if all(combined([question], noted.verdict.answers) >= 0 for question in clear)
    ]
