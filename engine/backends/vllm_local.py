"""vLLM in this process: token ids in and out, restarted when it dies. Knows no tree, no judge and no chat.

vLLM runs its model in processes of its own; here are its client, the LoRAs it holds and its supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from engine.backends import defaults, vllm_cpu
from engine.backends.vllm_requests import check_request, log_odds
from engine.errors import EngineDownError, EngineError, LoraError, ModelError, RequestError
from engine.loras import format as lora_format
from engine.models.card import ModelCard
from engine.models.catalogue import ModelFolder, open_model
from engine.models.chat_tokens import ChatTokens
from engine.models.profile import CAREFUL, Profile, known
from engine.models.sampling import SamplingDefaults
from engine.ports import Backend, BackendState, Watch
from engine.types import Completion, LoraRef, Prompt, Sampling, TokenIds

log = structlog.get_logger(__name__)

# A block of the prefix cache holds this many tokens; only whole blocks are found again, so short branches
# want small ones, and 32 is the smallest that the CPU kernels like.
BLOCK_TOKENS = 32
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
CPU_BATCH_TOKENS = 8192
MAX_YES_NO_IDS = 64
WATCH_S = 0.5
DRAIN_S = 60.0
END_S = 2.0  # until vLLM's processes are killed
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmSettings:
    """How vLLM is to run. The defaults suit the practice model on a laptop."""

    model: str  # a folder, or a name on the hub
    max_context: int = defaults.MAX_CONTEXT
    cpu_cache_gib: float = defaults.CPU_CACHE_GIB  # on a CPU; a GPU fills `gpu_memory_share`
    gpu_memory_share: float = defaults.GPU_MEMORY_SHARE
    tensor_parallel: int = 1
    dtype: str = "auto"
    max_loras: int = defaults.MAX_LORAS
    max_lora_rank: int = defaults.MAX_LORA_RANK
    max_sequences: int = 256
    profiles: Path | None = None  # where the profiles of measured models are kept
    can_sleep: bool = False  # on a GPU: lends its memory to a training


class VllmLocalBackend(Backend):
    """A model served by vLLM from this process. `start` first; `stop` ends vLLM's processes too."""

    def __init__(self, settings: VllmSettings) -> None:
        self._settings = settings
        self._state = BackendState.LOADING
        # Any: vLLM's AsyncLLM, whose types are skipped; importing vLLM takes seconds, so `start` does it.
        self._engine: Any = None
        self._folder: ModelFolder | None = None
        self._profile = CAREFUL
        self._tokens: ChatTokens | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._loaded: dict[str, LoraRef] = {}
        self._loading = asyncio.Lock()
        self._numbers = itertools.count()
        self._lost = False  # it is to be started afresh, and has not been yet

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
        if self._state is BackendState.READY and self._engine.errored:
            return BackendState.RESTARTING
        return self._state

    @property
    def max_context(self) -> int:
        return min(self._settings.max_context, self._opened.max_context)

    @property
    def cache_block_tokens(self) -> int:
        return BLOCK_TOKENS

    @property
    def requests_in_flight(self) -> int:
        """Sequences that vLLM is generating or about to."""
        in_flight: int = self._running.get_num_unfinished_requests()
        return in_flight

    async def start(self, report: Callable[[str], None]) -> None:
        self._state = BackendState.LOADING
        report("Looking at the model")
        self._folder = await asyncio.to_thread(open_model, self._settings.model, report)
        self._tokens = await asyncio.to_thread(ChatTokens, self._folder.path)
        self._profile = known(self._folder.id, self._settings.profiles)
        report(f"Starting vLLM with {self._folder.id}")
        await self._launch()
        report("Ready")
        self._watcher = asyncio.create_task(self._watch(), name="vllm-watcher")

    async def stop(self) -> None:
        self._state = BackendState.STOPPED
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        await self._shut_down()

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
        check_request(prefix, self.max_context, n=n, max_tokens=sampling.max_tokens)
        with self._failures():
            request = await self._lora_request(lora)
            wanted = {
                "max_tokens": min(sampling.max_tokens, self.max_context - len(prefix)),
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
                "repetition_penalty": sampling.repetition_penalty,
                "frequency_penalty": sampling.frequency_penalty,
            }
            if watch is None:
                params = _sampling_params(n=n, seed=sampling.seed, **wanted)
                output = await self._generate(prefix, params, request)
                return [_completion(out) for out in sorted(output.outputs, key=lambda out: out.index)]
            # As vLLM itself does with n of one request; apart, each can be ended alone.
            seeds = [None if sampling.seed is None else sampling.seed + number for number in range(n)]
            return await _together(
                [
                    self._watched(prefix, _sampling_params(seed=seed, **wanted), request, number, watch)
                    for number, seed in enumerate(seeds)
                ]
            )

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        for prompt in prompts:
            check_request(prompt, self.max_context)
        yes, no = self._text.yes_ids, self._text.no_ids
        with self._failures():
            request = await self._lora_request(lora)
            params = _sampling_params(max_tokens=1, temperature=0.0, logprob_token_ids=[*yes, *no])
            outputs = await _together([self._generate(prompt, params, request) for prompt in prompts])
        found = [{i: entry.logprob for i, entry in out.outputs[0].logprobs[0].items()} for out in outputs]
        return [log_odds(logprobs, yes, no) for logprobs in found]

    async def load(self, lora: LoraRef) -> None:
        with self._failures():
            await self._load(lora)

    async def unload(self, lora: LoraRef) -> None:
        if self._loaded.pop(lora.name, None) is not None:
            with self._failures():
                await self._running.remove_lora(lora.id)

    async def forget_prefixes(self) -> None:
        with self._failures():
            # Refused while anything is being generated; what is under way then begins anew, to the same end.
            if not await self._running.reset_prefix_cache():
                await self._running.reset_prefix_cache(reset_running_requests=True)

    async def sleep(self) -> bool:
        from vllm.platforms import current_platform

        if not self._settings.can_sleep or current_platform.is_cpu():
            return False
        engine = self._running
        self._state = BackendState.ASLEEP  # nothing new begins; what is under way is finished
        try:
            async with asyncio.timeout(DRAIN_S):
                while engine.get_num_unfinished_requests():  # noqa: ASYNC110 (vLLM tells nobody)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            log.warning("answers that take too long are broken off for the training")
        try:
            # Level 1 keeps the weights in main memory; the KV cache is given up, with all that it knew.
            await engine.sleep(level=1)
        except BaseException as error:  # whatever it is, a fresh start is the one answer to it
            self._start_afresh()
            if not isinstance(error, Exception):
                raise  # cut off half-way
            raise EngineError(
                "vLLM could not lend its memory to the training, and is being restarted: "
                "set NIGHTLOOM_LEARNING__GPU to share."
            ) from error
        return True

    async def wake(self) -> None:
        if self._state is not BackendState.ASLEEP:
            return
        try:
            await self._engine.wake_up()
        except BaseException as error:  # whatever it is, a fresh start is the one answer to it
            self._start_afresh()
            if not isinstance(error, Exception):
                raise  # cut off half-way
            raise EngineDownError("vLLM did not wake up and is being restarted.") from error
        self._state = BackendState.READY

    def _start_afresh(self) -> None:
        self._state = BackendState.RESTARTING
        self._lost = True

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

    @property
    def _running(self) -> Any:  # vLLM's AsyncLLM
        if self.state is not BackendState.READY:
            raise EngineDownError(f"The model is {self.state}; try again in a moment.")
        return self._engine

    async def _generate(self, prefix: TokenIds, params: Any, lora: Any) -> Any:
        """One request's final output. Cancelling it makes vLLM abort the generation."""
        from vllm.inputs import tokens_input

        stream: AsyncIterator[Any] = self._running.generate(
            tokens_input(list(prefix)), params, f"{next(self._numbers)}", lora_request=lora
        )
        return [output async for output in stream][-1]

    async def _watched(
        self, prefix: TokenIds, params: Any, lora: Any, number: int, watch: Watch
    ) -> Completion:
        """One continuation, told of while it comes. What is not wanted any more is aborted."""
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind

        params.output_kind = RequestOutputKind.CUMULATIVE
        stream: AsyncGenerator[Any] = self._running.generate(
            tokens_input(list(prefix)), params, f"{next(self._numbers)}", lora_request=lora
        )
        completion = Completion(token_ids=(), finished=False)
        async with contextlib.aclosing(stream):
            async for output in stream:
                completion = _completion(output.outputs[0])
                if not watch(number, completion.token_ids) and not output.finished:
                    break
        return completion

    async def _load(self, lora: LoraRef) -> None:
        async with self._loading:
            engine = self._running
            known = self._loaded.get(lora.name)
            if known == lora:
                return
            # vLLM's prefix cache tells LoRAs apart by name and path alone: used again, they serve stale text.
            if known is not None or any(other.id == lora.id for other in self._loaded.values()):
                raise LoraError(
                    f"The LoRA name {lora.name} or its id {lora.id} was used before; choose new ones."
                )
            await asyncio.to_thread(lora_format.check_servable, lora, max_rank=self._lora_rank)
            try:
                accepted = await engine.add_lora(_lora_request(lora))
            except Exception as error:  # vLLM hands on whatever its loader raised, by message only
                if engine.errored:
                    raise
                raise LoraError(f"The LoRA {lora.name} does not fit the model: {error}") from error
            if not accepted:
                raise LoraError(f"vLLM did not take the LoRA {lora.name}.")
            self._loaded[lora.name] = lora

    async def _lora_request(self, lora: LoraRef | None) -> Any:
        """A request with a LoRA that cannot be read would take the whole engine down, so look before."""
        if lora is None:
            return None
        if self._loaded.get(lora.name) != lora:
            await self._load(lora)
        elif not lora_format.exists(lora.path):
            raise LoraError(f"The files of the LoRA {lora.name} are gone from {lora.path}.")
        return _lora_request(lora)

    @property
    def _lora_rank(self) -> int:
        fitting = [rank for rank in LORA_RANKS if rank >= self._settings.max_lora_rank]
        if not fitting:
            raise ModelError(f"max_lora_rank is {self._settings.max_lora_rank}; vLLM takes 512 at most.")
        return fitting[0]

    @contextlib.contextmanager
    def _failures(self) -> Any:
        """vLLM's errors as the engine's: this request failed, or the engine did."""
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        try:
            yield
        except EngineDeadError as error:
            raise EngineDownError("vLLM died and is being restarted; try again in a moment.") from error
        except (VLLMClientError, EngineGenerateError, ValueError) as error:
            reason = error.__cause__ or error
            raise RequestError(f"vLLM refused the request: {reason}") from error

    async def _launch(self) -> None:
        """A new engine, warmed up. A start that is cancelled half-way is shut down when it is through."""
        await asyncio.to_thread(self._import)
        starting = asyncio.get_running_loop().run_in_executor(None, self._create)
        try:
            self._engine = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_discard)
            raise
        self._loaded.clear()
        self._state = BackendState.READY
        try:
            await self._warm_up()
        except BaseException:
            self._state = BackendState.RESTARTING
            await self._shut_down()
            raise

    async def _warm_up(self) -> None:
        """The first request of each kind compiles for seconds; let that be nobody's question."""
        prefix = self._text.encode_question("Ready?")
        await self.sample(prefix, n=2, sampling=Sampling(max_tokens=2, seed=0))
        await self.ask([prefix, prefix])

    def _import(self) -> None:
        """Import vLLM, in a call of its own.

        It keeps the error of a library that it can do without, and with it every local name of those who
        were importing. An engine among them would never go away.
        """
        _set_environment(self._settings)
        importlib.import_module("vllm.v1.engine.async_llm")

    def _create(self) -> Any:
        """Start vLLM; takes many seconds and blocks."""
        folder = self._opened
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        on_cpu = current_platform.is_cpu()
        if on_cpu:
            # With LoRAs nothing of the model is compiled on a CPU; what else torch would compile costs
            # seconds at the first request, and a C++ compiler, which a plain machine does not have.
            os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
        arguments = self._arguments(on_cpu)
        try:
            return AsyncLLM.from_engine_args(arguments)
        except Exception as error:  # vLLM's are of every kind here; none can be answered but by settings
            raise ModelError(
                f"vLLM could not start {folder.id}: {error} Its own lines above say why; most often there is "
                "too little memory (lower `cpu_cache_gib`, `gpu_memory_share` or `max_context`) or this vLLM "
                "does not serve models of that kind."
            ) from error

    def _arguments(self, on_cpu: bool) -> Any:
        from vllm.engine.arg_utils import AsyncEngineArgs

        wanted = self._settings
        of_device: dict[str, Any] = (
            vllm_cpu.arguments(wanted.dtype, self._opened.weight_bytes, wanted.cpu_cache_gib)
            if on_cpu
            else {"dtype": wanted.dtype, "gpu_memory_utilization": wanted.gpu_memory_share}
        )
        return AsyncEngineArgs(
            model=str(self._opened.path),
            max_model_len=self.max_context,
            max_num_seqs=wanted.max_sequences,
            tensor_parallel_size=wanted.tensor_parallel,
            distributed_executor_backend="uni" if wanted.tensor_parallel == 1 else "mp",
            block_size=BLOCK_TOKENS,
            enable_prefix_caching=True,
            # On a CPU vLLM dies when a seeded request's prompt is read in parts ("does not use offset").
            enable_chunked_prefill=not on_cpu,
            max_num_batched_tokens=max(self.max_context, CPU_BATCH_TOKENS) if on_cpu else None,
            enforce_eager=on_cpu,
            enable_lora=True,
            max_loras=wanted.max_loras,
            max_lora_rank=self._lora_rank,
            max_logprobs=MAX_YES_NO_IDS,
            disable_log_stats=True,
            enable_sleep_mode=wanted.can_sleep and not on_cpu,
            use_tqdm_on_load=False,
            **of_device,
        )

    async def _shut_down(self) -> None:
        reading = getattr(self._engine, "output_handler", None)
        if reading is not None:
            reading.cancel()  # it would report the engine's end as a failure
        ending, self._engine = [self._engine], None
        await asyncio.to_thread(_end, ending)

    async def _watch(self) -> None:
        """Restart vLLM whenever it has died, after longer and longer pauses while that fails."""
        while True:
            await asyncio.sleep(WATCH_S)
            has_died = self._engine is not None and self._engine.errored
            if not (self._lost or has_died):
                continue
            self._start_afresh()
            log.error("vLLM died; it is being restarted", model=self._opened.id)
            try:
                await self._shut_down()
                await self._restart()
            except Exception:  # it is tried again at the next look
                log.exception("vLLM could not be restarted")
            else:
                self._lost = False

    async def _restart(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._launch()
            except (ModelError, EngineDownError, RequestError) as error:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                log.error("vLLM could not be restarted", reason=str(error), next_try_s=pause_s)
            else:
                log.info("vLLM is back", model=self._opened.id)
                return


def _completion(output: Any) -> Completion:
    """What vLLM generated, without the token that ended it."""
    is_finished = output.finish_reason == "stop"
    return Completion(token_ids=tuple(output.token_ids[: -1 if is_finished else None]), finished=is_finished)


def _sampling_params(**wanted: Any) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY, skip_clone=True, **wanted
    )


def _lora_request(lora: LoraRef) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest(lora.name, lora.id, str(lora.path))


async def _together(calls: Sequence[Any]) -> list[Any]:
    """All results in order; when one fails or the caller gives up, the others are aborted."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _set_environment(settings: VllmSettings) -> None:
    """vLLM takes some of its settings from the environment only. What the operator set there stays."""
    wanted = {
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        # The engine is alone on its machine; without this vLLM looks up a route to the outside.
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        # Lets a model on one CPU run inside vLLM's engine process instead of one more beside it, which would
        # poll for work and take a core away: the search is a third faster so.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "1" if settings.tensor_parallel > 1 else "0",
        "TORCH_LOGS": "-all",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        # vLLM looks at what torch is about to drop; nobody who runs a bot can do anything about it.
        "PYTHONWARNINGS": "ignore::FutureWarning:vllm.triton_utils.dispatcher",
    }
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def _discard(starting: asyncio.Future[Any]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        _end([starting.result()])


def _end(engines: list[Any]) -> None:
    """Shut engines down and let go of them now: at the interpreter's end vLLM's own clean-up would fail."""
    while engines:
        engine = engines.pop()
        if engine is not None:
            engine.shutdown(timeout=END_S)
        del engine
    # A host may have frozen what was loaded, and the collector does not see that.
    was_frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if was_frozen:
        gc.freeze()
