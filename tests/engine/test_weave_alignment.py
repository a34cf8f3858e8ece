"""Where the first chunk of a search ends, on a backend that caches whole blocks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.backends.scripted import ScriptedBackend
from engine.compose import compose
from engine.judge import Judge, Question
from engine.types import Completion, Limits, LoraRef, Mode, Prompt, Role, Sampling, TokenIds, Turn

BLOCK = 32


class Blocks(ScriptedBackend):
    """Caches in blocks, and keeps what was asked of it first."""

    first: tuple[int, int] | None = None  # tokens of the prompt, and of the continuation at most

    @property
    def cache_block_tokens(self) -> int:
        return BLOCK

    async def sample(
        self, prompt: TokenIds, *, n: int, sampling: Sampling, lora: LoraRef | None = None
    ) -> Sequence[Completion]:
        self.first = self.first or (len(prompt), sampling.max_tokens)
        return await super().sample(prompt, n=n, sampling=sampling, lora=lora)


@pytest.mark.parametrize("length", range(1, 40, 3))
async def test_the_first_chunk_ends_with_a_block_and_has_half_of_one(length: int) -> None:
    backend = Blocks()
    await compose(
        backend,
        Prompt(turns=(Turn(role=Role.USER, text="a" * length),)),
        judge=Judge(backend, [Question(name="good", text="Is it good?")]),
        mode=Mode.WEAVE,
        limits=Limits(max_reply_tokens=64, budget_tokens=2304, deadline_s=20.0),
        seed=7,
    )
    assert backend.first is not None
    prompt_tokens, first_chunk = backend.first
    assert BLOCK // 2 <= first_chunk < BLOCK // 2 + BLOCK
    assert (prompt_tokens + first_chunk) % BLOCK == 1  # all but the last token were read
