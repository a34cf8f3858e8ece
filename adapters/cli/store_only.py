"""A backend that only knows its model's name: for commands that need the store and no answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from bot.settings import Settings
from engine.errors import EngineDownError
from engine.models.catalogue import look_at
from engine.ports import Backend, BackendState, Watch
from engine.types import Completion, LoraRef, Prompt, Sampling, TokenIds


class UnloadedBackend(Backend):
    """Nothing is loaded. What a service would load when it starts is not loaded here either."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def model(self) -> str:
        return self._model

    @cached_property
    def _model(self) -> str:
        kind = self._settings.backend.kind
        name = self._settings.model
        if kind == "scripted":
            return "scripted"
        # Where the model is still to be made or fetched, nothing was trained on it, and its name will do.
        folder = look_at(name)
        return name if folder is None else folder.id

    @property
    def state(self) -> BackendState:
        return BackendState.STOPPED

    @property
    def max_context(self) -> int:
        return self._settings.backend.max_context

    async def start(self, report: Callable[[str], None]) -> None:
        del report

    async def stop(self) -> None: ...

    def encode(self, prompt: Prompt) -> TokenIds:
        raise _not_loaded()

    def encode_text(self, text: str) -> TokenIds:
        raise _not_loaded()

    def encode_question(self, text: str) -> TokenIds:
        raise _not_loaded()

    def decode(self, token_ids: TokenIds) -> str:
        raise _not_loaded()

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        raise _not_loaded()

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        raise _not_loaded()

    async def load(self, lora: LoraRef) -> None: ...

    async def unload(self, lora: LoraRef) -> None: ...


def _not_loaded() -> EngineDownError:
    return EngineDownError("This command works without the model.")
