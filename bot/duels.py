"""Now and then an answer is shown beside another of the search's: which other, and whether it is time.

Asked where the taste is least certain, so that one choice teaches most. Shows nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from bot import noting
from bot.kit import Kit
from bot.store.choices import ChoiceKind
from bot.store.people import Known
from bot.store.replies import Draft
from engine.judge import Judge, manner_questions, plain_features
from engine.ports import EngineError
from engine.taste import Taste, most_informative_pair

MOST_WEIGHED: Final = 6  # of the other answers, the best ones


async def opponent(kit: Kit, person: Known, draft: Draft) -> str | None:
    """The other answer to show beside this one with "which is better?"; None: this one alone."""
    others = draft.branches[:MOST_WEIGHED]
    may_learn = person.learning is True and bool(kit.rubric.manners)
    if not (others and may_learn and await _is_time(kit, person.key, kit.settings.duels.one_in)):
        return None
    try:
        described = await _described(kit, draft, [draft.text, *(other.text for other in others)])
    except EngineError:  # the answer is what matters
        return None
    pair = await asyncio.to_thread(most_informative_pair, taste_of(kit, person), described, beside=0)
    return others[pair.second - 1].id if pair else None


def taste_of(kit: Kit, person: Known) -> Taste:
    """What their ratings have told so far; nothing, where the rubric has changed since."""
    manners = kit.rubric.manners
    return Taste.restored(person.taste or {}, manners) or Taste.blank(manners)


async def _is_time(kit: Kit, person: str, one_in: int) -> bool:
    """Whether so many answers went by since the person was last asked to choose."""
    if one_in < 1:
        return False
    recent = await kit.store.replies.of_person(person, limit=one_in - 1) if one_in > 1 else ()
    if len(recent) < one_in - 1 or any(one.reply.duel for one in recent):
        return False
    chosen = {c.reply for c in await kit.store.choices.of_person(person) if c.kind is ChoiceKind.DUEL}
    return not any(one.reply.id in chosen for one in recent)


async def _described(kit: Kit, draft: Draft, texts: Sequence[str]) -> list[Mapping[str, float]]:
    judge = Judge(kit.backend, manner_questions(kit.rubric.manners))
    prefix = kit.backend.encode(noting.last_exchange(draft.prompt))
    verdicts = await judge.score(prefix, [kit.backend.encode_text(text) for text in texts])
    return [v.answers | plain_features(text) for v, text in zip(verdicts, texts, strict=True)]
