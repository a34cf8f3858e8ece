"""A person's taste as their ratings have told it, and what people want on the whole, where it begins.

Learned from those alone who agreed to be learned from. Only shares of many come out of it, so nothing in it
is any one person's.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from bot import permission
from bot.context import Context
from bot.store.people import KnownPerson
from engine.judging.taste import Population, Taste

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
    crowd, now = context.crowd, context.clock()
    if crowd.looked_at is None or now - crowd.looked_at > LOOK_AGAIN:
        before, crowd.looked_at = crowd.looked_at, now  # whoever asks meanwhile takes what is known
        try:
            crowd.population = await asyncio.to_thread(_of, await _tastes(context))
        except BaseException:  # an edit of the question that asked, or a database that is away
            crowd.looked_at = before
            raise
    return crowd.population


async def _tastes(context: Context) -> list[Taste]:
    """What those want of whom that is known: the same whatever is known of the others."""
    manners = context.rubric.manners
    agreed = [one for one in await context.store.people.all() if permission.may_learn(context.settings, one)]
    tastes = [Taste.restored(one.taste, manners) for one in agreed if one.taste]
    known = [one for one in tastes if one is not None and one.ratings >= FEWEST_RATINGS]
    return known[:MOST_PEOPLE]


def _of(tastes: list[Taste]) -> Population:
    return Population.of(tastes) if len(tastes) >= FEWEST_PEOPLE else Population()
