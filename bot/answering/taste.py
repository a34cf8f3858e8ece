"""A person's taste as their ratings have told it, and what people want on the whole, where it begins.

Learned from those alone who agreed to be learned from. Only shares of many come out of it, so nothing in it
is any one person's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from bot import permission
from bot.context import Context
from bot.events import Platform
from bot.store.people import KnownPerson
from engine.judging.hypotheses import Population
from engine.judging.rubric import Manner
from engine.judging.taste import Taste, population_of

LOOK_AGAIN: Final = timedelta(hours=6)
FEWEST_PEOPLE: Final = 12  # of fewer, one would weigh too much
MOST_PEOPLE: Final = 200
FEWEST_RATINGS: Final = 12  # from which a taste tells something


async def taste_of(context: Context, person: KnownPerson) -> Taste:
    """What their ratings have told so far; nothing, where the rubric has changed since."""
    manners, everybody = context.rubric.manners, await population(context)
    return Taste.restored(person.taste or {}, manners, everybody) or Taste.blank(manners, everybody)


async def population(context: Context) -> Population:
    """What everybody wants, as far as it is known; looked at anew every few hours."""
    known, now = context.caches.population, context.clock()
    if known.looked_at is None or now - known.looked_at > LOOK_AGAIN:
        before, known.looked_at = known.looked_at, now  # whoever asks meanwhile takes what is known
        try:
            states = await _sample(context)
            known.population = await asyncio.to_thread(_population_of, states, context.rubric.manners)
        except BaseException:  # an edit of the question that asked, or a database that is away
            known.looked_at = before
            raise
    return known.population


async def _sample(context: Context) -> Sequence[Mapping[str, object]]:
    """The stored tastes of some of those who agreed to be learned from and whose taste tells something."""
    allowed = [platform for platform in Platform if permission.is_allowed(context.settings, platform)]
    return await context.store.people.tastes(allowed, min_ratings=FEWEST_RATINGS, at_most=MOST_PEOPLE)


def _population_of(states: Sequence[Mapping[str, object]], manners: Sequence[Manner]) -> Population:
    """What these people want. Each taste is what is known of that person alone."""
    restored = (Taste.restored(state, manners) for state in states)
    tastes = [taste for taste in restored if taste is not None]
    return population_of(tastes) if len(tastes) >= FEWEST_PEOPLE else Population()
