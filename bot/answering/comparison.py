"""Now and then an answer is shown beside another of the search's: which other, and whether it is time.

Asked where the taste is least certain, so that one choice teaches most; when it is time, a question that
teaches more than most of the last ones would have is waited for. Shows nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from bot import permission
from bot.answering.taste import taste_of
from bot.context import Context
from bot.store.people import KnownPerson
from bot.store.recorded_replies import Draft
from engine import wording
from engine.errors import EngineError
from engine.judging.judge import Judge, plain_features
from engine.judging.rubric import manner_questions
from engine.judging.taste import (
    Pair,
    is_worth_showing,
    most_informative_pair,
)

MOST_WEIGHED: Final = 6  # of the other answers, the best ones
BEST_OF: Final = 4  # of so many questions for which it is time, the one that teaches most is asked
PATIENCE: Final = 2  # after so many times the setting's answers the best question there is


async def opponent(context: Context, person: KnownPerson, draft: Draft) -> str | None:
    """The other answer to show beside this one with "which is better?"; None: this one alone."""
    others, one_in = draft.branches[:MOST_WEIGHED], context.settings.comparison.one_in
    may_learn = permission.may_learn(context.settings, person)
    if not (others and may_learn and context.rubric.manners and one_in):
        return None
    waited = 1 + await context.store.choices.answers_since_duel(person.key)
    if waited < one_in:
        return None
    try:
        described = await _described(context, draft, [draft.text, *(other.text for other in others)])
    except EngineError:  # the answer is what matters
        return None
    pair = await asyncio.to_thread(
        most_informative_pair, await taste_of(context, person), described, beside=0
    )
    is_worth_it = _is_worth_it(context, person.key, pair)
    return others[pair.second - 1].id if pair and (is_worth_it or waited >= PATIENCE * one_in) else None


def _is_worth_it(context: Context, person: str, pair: Pair | None) -> bool:
    """Whether the question teaches more than most of the last ones; it is one of them from now on."""
    is_worth_it = is_worth_showing(pair, context.caches.comparison_worths.of(person), every=BEST_OF)
    context.caches.comparison_worths.saw(person, pair.information if pair else 0.0)
    return is_worth_it


async def _described(context: Context, draft: Draft, texts: Sequence[str]) -> list[Mapping[str, float]]:
    judge = Judge(context.backend, manner_questions(context.rubric.manners))
    prefix = context.backend.encode(wording.last_exchange(draft.prompt))
    verdicts = await judge.score(prefix, [context.backend.encode_text(text) for text in texts])
    return [v.answers | plain_features(text) for v, text in zip(verdicts, texts, strict=True)]
