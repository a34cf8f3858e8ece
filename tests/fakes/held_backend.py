"""The scripted backend, held back or broken as a test wishes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from engine.backends.scripted import ScriptedBackend
from engine.errors import RequestError
from engine.ports import Watch
from engine.types import Completion, LoraRef, Sampling, TokenIds


class HeldBackend(ScriptedBackend):
    """Samples only while `is_free`; with `is_broken` it refuses every sample."""

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False
        self.is_free = asyncio.Event()
        self.is_free.set()

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        await self.is_free.wait()
        if self.is_broken:
            raise RequestError("broken")
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)
