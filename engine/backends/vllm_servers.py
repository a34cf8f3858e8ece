"""vLLM servers over HTTP, several replicas of one model. Knows no person: a LoRA sticks to its replica.

The servers are vLLM's own OpenAI-compatible ones, started with `--enable-lora` and
VLLM_ALLOW_RUNTIME_LORA_UPDATING=True; token ids travel both ways. They read LoRAs from the same paths as
this process writes them to, so that folder is shared.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import structlog

from engine.backends import defaults
from engine.backends.replica import Away, Json, Refused, Replica
from engine.backends.vllm_requests import check_request, log_odds
from engine.errors import EngineDownError, ModelError, RequestError
from engine.loras.format import check_servable
from engine.models.card import ModelCard
from engine.models.catalogue import ModelFolder, open_model
from engine.models.chat_tokens import ChatTokens
from engine.models.profile import CAREFUL, Profile, known
from engine.models.sampling import SamplingDefaults
from engine.ports import Backend, BackendState, Watch
from engine.types import Completion, LoraRef, Prompt, Sampling, TokenIds

log = structlog.get_logger(__name__)

WATCH_S = 2.0
CONNECT_TIMEOUT_S = 5.0
ASKED_AT_ONCE = 128
# Without a LoRA a conversation is told by its opening: long enough to tell people apart, and all branches
# of a tree, and the judge's questions about them, begin with it.
OPENING_TOKENS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersSettings:
    """Where the servers are, and which model they all serve."""

    urls: tuple[str, ...]
    model: str  # a folder, or a name on the hub: its tokenizer and its fingerprint are read here
    max_context: int = defaults.MAX_CONTEXT  # less where the servers serve less
    max_lora_rank: int = defaults.MAX_LORA_RANK
    profiles: Path | None = None  # where the profiles of measured models are kept
    request_timeout_s: float = 120.0
    start_timeout_s: float = defaults.START_TIMEOUT_S


class VllmServersBackend(Backend):
    """Replicas of one model behind one backend. `start` waits until one of them answers."""

    def __init__(self, settings: ServersSettings) -> None:
        self._settings = settings
        self._state = BackendState.LOADING
        self._replicas: list[Replica] = []
        self._folder: ModelFolder | None = None
        self._profile = CAREFUL
        self._tokens: ChatTokens | None = None
        self._session: aiohttp.ClientSession | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def model(self) -> str:
        return self._opened.id

    @property
    def card(self) -> ModelCard | None:
        return None if self._folder is None else self._folder.card

    @property
    def sampling_defaults(self) -> SamplingDefaults:
        return self._opened.sampling

    @property
    def profile(self) -> Profile:
        return self._profile

    def adopt(self, profile: Profile) -> None:
        self._profile = profile

    @property
    def state(self) -> BackendState:
        if self._state is BackendState.READY and not any(replica.is_up for replica in self._replicas):
            return BackendState.RESTARTING
        return self._state

    @property
    def max_context(self) -> int:
        served = [replica.max_context for replica in self._replicas if replica.max_context]
        return min(self._settings.max_context, self._opened.max_context, *served)

    async def start(self, report: Callable[[str], None]) -> None:
        if not self._settings.urls:
            raise ModelError('No server is named: set `backend.urls`, as ["http://gpu1:8000"].')
        self._state = BackendState.LOADING
        self._folder = await asyncio.to_thread(open_model, self._settings.model, report, runs_here=False)
        self._tokens = await asyncio.to_thread(ChatTokens, self._folder.path)
        self._profile = known(self._folder.id, self._settings.profiles)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        self._replicas = [
            Replica(url, self._session, self._settings.request_timeout_s) for url in self._settings.urls
        ]
        try:
            await self._wait_for_one(report)
        except BaseException:
            await self._session.close()
            raise
        self._state = BackendState.READY
        report("Ready")
        self._watcher = asyncio.create_task(self._watch(), name="vllm-servers-watcher")

    async def stop(self) -> None:
        self._state = BackendState.STOPPED
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        if self._session is not None:
            await self._session.close()

    def encode(self, prompt: Prompt) -> TokenIds:
        return self._text.encode(prompt, self._profile.layout)

    def encode_text(self, text: str) -> TokenIds:
        return self._text.encode_text(text)

    def encode_question(self, text: str) -> TokenIds:
        return self._text.encode_question(text)

    def decode(self, token_ids: TokenIds) -> str:
        return self._text.decode(token_ids)

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        # The servers are not listened to while they write: `watch` hears of whole continuations.
        check_request(prefix, self.max_context, n=n, max_tokens=sampling.max_tokens)
        request: Json = {
            "prompt": list(prefix),
            "n": n,
            "max_tokens": min(sampling.max_tokens, self.max_context - len(prefix)),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "repetition_penalty": sampling.repetition_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            "seed": sampling.seed,
            "return_token_ids": True,
        }
        answer = await self._complete(request, lora, prefix)
        completions = [_completion(choice) for choice in _choices(answer, n)]
        if watch is not None:
            for number, completion in enumerate(completions):
                watch(number, completion.token_ids)
        return completions

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        for prompt in prompts:
            check_request(prompt, self.max_context)
        batches = [prompts[start : start + ASKED_AT_ONCE] for start in range(0, len(prompts), ASKED_AT_ONCE)]
        answers = await asyncio.gather(*(self._ask(batch, lora) for batch in batches))
        return [odds for answer in answers for odds in answer]

    async def load(self, lora: LoraRef) -> None:
        """On every replica that is up: only then may a pointer move to this LoRA."""
        up = self._up()
        await asyncio.to_thread(check_servable, lora, max_rank=self._settings.max_lora_rank)
        results = await asyncio.gather(*(replica.load(lora) for replica in up), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        for failure in failures:
            if not isinstance(failure, Away):
                await self.unload(lora)
                raise failure
        if len(failures) == len(up):
            raise EngineDownError("No vLLM server answers; try again in a moment.")

    async def unload(self, lora: LoraRef) -> None:
        await asyncio.gather(*(replica.unload(lora) for replica in self._replicas))

    async def forget_prefixes(self) -> None:
        await asyncio.gather(*(replica.forget_prefixes() for replica in self._up()))

    @property
    def _opened(self) -> ModelFolder:
        if self._folder is None:
            raise EngineDownError("The model is not loaded yet; try again in a moment.")
        return self._folder

    @property
    def _text(self) -> ChatTokens:
        if self._tokens is None:
            raise EngineDownError("The model is not loaded yet; try again in a moment.")
        return self._tokens

    def _up(self) -> list[Replica]:
        if self._state is not BackendState.READY:
            raise EngineDownError(f"The model is {self._state}; try again in a moment.")
        return [replica for replica in self._replicas if replica.is_up]

    async def _ask(self, prompts: Sequence[TokenIds], lora: LoraRef | None) -> list[float]:
        yes, no = self._text.yes_ids, self._text.no_ids
        request: Json = {
            "prompt": [list(prompt) for prompt in prompts],
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": len(yes) + len(no),
            "logprob_token_ids": [*yes, *no],
            "return_tokens_as_token_ids": True,
        }
        answer = await self._complete(request, lora, prompts[0])
        return [log_odds(_logprobs(choice), yes, no) for choice in _choices(answer, len(prompts))]

    async def _complete(self, request: Json, lora: LoraRef | None, prefix: TokenIds) -> Json:
        """Ask the replica that the request sticks to; where it is away, the next one."""
        key = lora.name if lora else repr(prefix[:OPENING_TOKENS])
        for replica in ranked(self._up(), key):
            try:
                return await replica.complete(request, lora)
            except Away as away:
                replica.lost()
                log.warning("A vLLM server is away", url=replica.url, reason=str(away))
            except Refused as refused:
                raise RequestError(f"vLLM refused the request: {refused}") from refused
        raise EngineDownError("No vLLM server answers; try again in a moment.")

    async def _wait_for_one(self, report: Callable[[str], None]) -> None:
        urls = ", ".join(self._settings.urls)
        report(f"Waiting for {urls}")
        deadline = asyncio.get_running_loop().time() + self._settings.start_timeout_s
        while not any([await replica.look(self._text.encode_text) for replica in self._replicas]):
            if asyncio.get_running_loop().time() > deadline:
                raise ModelError(
                    f"No vLLM server answered in {self._settings.start_timeout_s:.0f} s at {urls}. "
                    "Check `backend.urls` and the servers."
                )
            await asyncio.sleep(WATCH_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            for replica in self._replicas:
                was_up = replica.is_up
                try:
                    await replica.look(self._text.encode_text)
                except ModelError as error:
                    replica.lost()
                    log.error("A vLLM server cannot be used", url=replica.url, reason=str(error))
                if replica.is_up is not was_up:
                    log.info("A vLLM server came or went", url=replica.url, is_up=replica.is_up)


def ranked(replicas: Sequence[Replica], key: str) -> list[Replica]:
    """Rendezvous hashing: a key's favourite first. When a replica goes, only its own keys move."""

    def weight(replica: Replica) -> bytes:
        return hashlib.blake2b(f"{replica.url}\n{key}".encode(), digest_size=8).digest()

    return sorted(replicas, key=weight, reverse=True)


def _choices(answer: Json, count: int) -> list[Json]:
    choices = sorted(answer.get("choices", ()), key=lambda choice: int(choice["index"]))
    if len(choices) != count:
        raise RequestError(f"The server gave {len(choices)} answers, not {count}.")
    return choices


def _completion(choice: Json) -> Completion:
    is_finished = choice["finish_reason"] == "stop"
    token_ids = tuple(choice["token_ids"])
    return Completion(token_ids=token_ids[:-1] if is_finished else token_ids, finished=is_finished)


def _logprobs(choice: Json) -> dict[int, float]:
    (found,) = choice["logprobs"]["top_logprobs"]
    return {int(name.rpartition(":")[2]): float(value) for name, value in found.items()}
