"""Whole replies, several at once: some steered to begin or end as wanted, none written on that is lost.

Knows no budget over several calls and no deadline: what has been written so far is in `begun` at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from engine.judging.judge import SOUND_FROM, Judge
from engine.ports import Backend
from engine.search.endings import before_repeats, shortened
from engine.search.steering import CLOSING_TOKENS, closed, closings, openings
from engine.types import Completion, Limits, LoraRef, TokenIds

# After so many tokens it is looked at whether a reply can still become what is wanted.
LOOKED_AT_EVERY: Final = 16


class Samples:
    """Draws whole replies to one prompt."""

    def __init__(
        self,
        backend: Backend,
        prompt_ids: TokenIds,
        judge: Judge,
        limits: Limits,
        *,
        room: int,
        lora: LoraRef | None,
    ) -> None:
        self._backend, self._prompt_ids, self._judge = backend, prompt_ids, judge
        self._limits, self._room, self._lora = limits, room, lora
        self._openings, self._closings = openings(judge.wishes), closings(judge.wishes)
        self.begun: dict[int, TokenIds] = {}  # what is being written, by the number of the sample

    async def draw(self, count: int, *, first: int, seed: int) -> Sequence[Completion]:
        """So many replies; they are numbered from `first` on. Number 0 is written to its end in any case."""
        steered = count // 2 if self._openings else 0
        opening = self._openings[seed % len(self._openings)] if steered else ""
        drawn = await asyncio.gather(
            self._whole(count - steered, (), first=first, seed=seed),
            self._whole(
                steered, self._backend.encode_text(opening), first=first + count - steered, seed=seed + count
            ),
        )
        replies = [self._ended(reply) for reply in (*drawn[0], *drawn[1])]
        if not self._closings:
            return replies
        return await asyncio.gather(
            *(self._closed(reply, number, seed) for number, reply in enumerate(replies, start=first))
        )

    async def _whole(self, count: int, opening: TokenIds, *, first: int, seed: int) -> Sequence[Completion]:
        if not count:
            return ()

        def watch(number: int, token_ids: TokenIds) -> bool:
            self.begun[first + number] = opening + token_ids
            return len(token_ids) % LOOKED_AT_EVERY > 0 or self._goes_on(
                first + number, self._backend.decode(opening + token_ids)
            )

        completions = await self._backend.sample(
            self._prompt_ids + opening,
            n=count,
            sampling=self._limits.sampling(self._room - len(opening), seed),
            lora=self._lora,
            watch=watch,
        )
        for number in range(count):
            self.begun.pop(first + number, None)
        return [replace(completion, token_ids=opening + completion.token_ids) for completion in completions]

    def _goes_on(self, number: int, text: str) -> bool:
        """Whether a half-written reply is worth going on with."""
        if self._judge.soundness(text) < SOUND_FROM:
            return False
        # One is written to its end whatever it misses, so that there is an answer in any case.
        is_kept = number == 0 and not self._judge.bounds_length
        return is_kept or not self._judge.is_lost(text)

    def _ended(self, reply: Completion) -> Completion:
        """A reply that grew too long, up to the last sentence at which it was still short enough."""
        if reply.finished or not self._judge.bounds_length:
            return reply
        text = shortened(before_repeats(self._text(reply)), self._judge.is_short_enough)
        if text is None:
            return reply
        return Completion(token_ids=self._backend.encode_text(text), finished=True)

    async def _closed(self, reply: Completion, number: int, seed: int) -> Completion:
        """Every other finished reply that does not end as wanted, with a sentence behind it that does."""
        room = min(self._room - len(reply.token_ids), CLOSING_TOKENS)
        if not reply.finished or number % 2 == 0 or room < 8 or self._judge.ends_as_wanted(self._text(reply)):
            return reply
        starter = self._closings[(seed + number) % len(self._closings)]
        begun = self._backend.encode_text(self._text(reply).rstrip() + starter)
        (more,) = await self._backend.sample(
            self._prompt_ids + begun,
            n=1,
            sampling=self._limits.sampling(room, seed + number),
            lora=self._lora,
        )
        text = closed(self._backend.decode(more.token_ids))
        if text is None:
            return reply
        whole = self._backend.decode(begun) + text
        return Completion(token_ids=self._backend.encode_text(whole), finished=True)

    def _text(self, reply: Completion) -> str:
        return self._backend.decode(reply.token_ids)
