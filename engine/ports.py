"""What the engine asks of the world below it: a model that continues tokens and answers yes or no."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol, TypeAlias

from engine.models.card import ModelCard
from engine.models.profile import CAREFUL, Profile
from engine.models.sampling import SamplingDefaults
from engine.types import Completion, LoraRef, Prompt, Sampling, TokenIds

# (number of the continuation, its tokens so far) → whether it is to go on
Watch: TypeAlias = Callable[[int, TokenIds], bool]


class BackendState(StrEnum):
    LOADING = "loading"  # the model is being read
    READY = "ready"
    RESTARTING = "restarting"  # died, coming back
    ASLEEP = "asleep"  # its memory is lent to a training
    STOPPED = "stopped"


class Backend(Protocol):
    """A model that continues token ids and answers yes/no questions about them.

    Token ids go in and come out: nothing is tokenised twice. Cancelling a call stops the generation.
    """

    @property
    def model(self) -> str:
        """Name and fingerprint of the base model: what a LoRA must have been trained on."""

    @property
    def state(self) -> BackendState: ...

    @property
    def max_context(self) -> int:
        """Tokens of prompt and reply together."""

    @property
    def cache_block_tokens(self) -> int:
        """The prefix cache finds whole blocks of so many tokens again; 1 where that makes no difference."""
        return 1

    @property
    def card(self) -> ModelCard | None:
        """What people are told of the model; None where there is none, or it is not known yet."""
        return None

    @property
    def sampling_defaults(self) -> SamplingDefaults:
        """How replies are sampled where the operator sets nothing: as the model's makers advise."""
        return SamplingDefaults()

    @property
    def profile(self) -> Profile:
        """What the model can do: how prompts are laid out for it, and what it is asked."""
        return CAREFUL

    def adopt(self, profile: Profile) -> None:
        """The model was measured: prompts are laid out by this from now on."""
        return

    async def start(self, report: Callable[[str], None]) -> None:
        """Load the model, saying in words how far it is. Raises ModelError."""

    async def stop(self) -> None: ...

    def encode(self, prompt: Prompt) -> TokenIds:
        """The prompt in the model's chat template, up to where the reply begins."""

    def encode_text(self, text: str) -> TokenIds:
        """Plain text, without any template: how a text is counted and a given reply is scored."""

    def encode_question(self, text: str) -> TokenIds:
        """What stands between the last token of a reply, whole or not, and the answer yes or no."""

    def decode(self, token_ids: TokenIds) -> str:
        """The text of a reply's tokens, without special tokens."""

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        """n continuations of the prefix. Raises RequestError or EngineDownError.

        `watch` is told of each one's tokens while they come, so that nothing is lost when the call is
        cancelled; what it does not want any more ends there, unfinished.
        """

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        """The log-odds of yes over no as each prompt's next token, finite.

        The probability that is on neither is split evenly between the two.
        """

    async def load(self, lora: LoraRef) -> None:
        """Make a LoRA ready to answer without delay. Raises LoraError."""

    async def unload(self, lora: LoraRef) -> None: ...

    async def forget_prefixes(self) -> None:
        """Keep nothing of earlier prompts: no cache finds them again. Raises EngineDownError."""
        return

    async def sleep(self) -> bool:
        """Finish what is under way and lend the accelerator's memory until `wake`; meanwhile requests raise
        EngineDownError. False, and nothing changed, where there is no memory to lend. Cut off, it may be
        asleep or not.
        """
        return False

    async def wake(self) -> None:
        """Take the memory back, if it was lent. Raises EngineDownError when it does not come back; it is
        restarted then, as after being cut off.
        """
        return
