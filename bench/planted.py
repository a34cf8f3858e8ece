"""Rated answers planted in the store, as a day would have left them, without anybody having to ask.

The answers are the base's own; the stars are a simulated person's, truthful or dealt out anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from bench.people import EMOJI, NOISE, SimulatedPerson
from bot import ratings
from bot.context import Context
from bot.events import Person, Platform
from bot.store import tables
from bot.store.recorded_replies import prompt_json, request_of
from engine.judging.judge import Judge
from engine.judging.rubric import manner_questions
from engine.types import Prompt, Role, Sampling, Turn
from practice import world

RATINGS: Final = 36
POOL: Final = 240


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the base's own replies, with what the judge found in it."""

    prompt: Prompt
    text: str
    manners: dict[str, float]


async def pool_of(context: Context, seed: int) -> list[Answer]:
    """The base's own replies to everyday requests, each described once."""
    judge = Judge(context.backend, manner_questions(context.rubric.manners))

    async def answer(number: int) -> Answer | None:
        asked = world.request(random.Random(seed + number), held_out=False)
        prompt = Prompt(turns=(Turn(role=Role.USER, text=asked.text),))
        prefix = context.backend.encode(prompt)
        sampling = Sampling(max_tokens=160, seed=seed + number)
        (made,) = await context.backend.sample(prefix, n=1, sampling=sampling)
        if not made.finished:
            return None
        (verdict,) = await judge.score(prefix, [made.token_ids])
        return Answer(prompt, context.backend.decode(made.token_ids), verdict.answers)

    made: list[Answer] = []
    for start in range(0, POOL, 40):
        found = await asyncio.gather(*(answer(number) for number in range(start, start + 40)))
        made += [answer for answer in found if answer is not None]
    return made


async def plant(context: Context, pool: Sequence[Answer], who: SimulatedPerson, *, is_shuffled: bool) -> None:
    """Rated answers in the store, as a day would have left them."""
    answers = who.rng.sample(pool, min(RATINGS, len(pool)))
    stars = []
    for answer in answers:
        met = who.preference.share_met(world.manner_of(answer.text))
        stars.append(who.rng.randint(1, 5) if who.rng.random() < NOISE else 1 + round(4 * met))
    if is_shuffled:
        who.rng.shuffle(stars)
    await context.store.people.meet(Person(key=who.name, platform=Platform.WEB))
    await context.store.people.change(who.name, learning=True)
    rows, searches, reactions = [], [], []
    for number, (answer, rating) in enumerate(zip(answers, stars, strict=True)):
        row, at = f"{who.name}-{number}", context.clock() - timedelta(minutes=RATINGS - number)
        rows.append(_row(context, who.name, row, number, answer, at))
        searches.append({"reply": row, "alternatives": [], "prompt": prompt_json(answer.prompt), "tree": []})
        reactions.append(
            {
                "reply": row,
                "person": who.name,
                "emoji": ratings.normal(EMOJI[rating]),
                "is_on": True,
                "at": at,
            }
        )

    async def work(connection: Any) -> None:  # Any: the store's connection
        await connection.execute(tables.replies.insert(), rows)
        await connection.execute(tables.searches.insert(), searches)
        await connection.execute(tables.reactions.insert(), reactions)

    await context.store.database.write(work)


def _row(context: Context, person: str, row: str, number: int, answer: Answer, at: Any) -> dict[str, Any]:
    return {
        "id": row,
        "person": person,
        "conversation": f"c{number}",
        "text": answer.text,
        "request": request_of(answer.prompt),
        "model": context.backend.model,
        "seed": number,
        "mode": "fast",
        "answers": {},
        "manners": answer.manners,
        "actions": [],
        "delivery": "imported",
        "at": at,
    }
