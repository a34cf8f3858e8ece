"""vLLM in process keeps the contract, serves LoRAs side by side, and comes back when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import torch
from safetensors.torch import save_file

from engine.backends.vllm_local import VllmLocalBackend, VllmSettings, _sampling_params
from engine.errors import EngineDownError, LoraError, ModelError
from engine.ports import BackendState
from engine.types import LoraRef, Sampling, TokenIds
from tests.engine.backends.contract import PROMPT, QUESTION, BackendContract
from tests.engine.tiny_chat_model import save_random_lora, save_tokenizer

in_session = pytest.mark.asyncio(loop_scope="session")
GREEDY = Sampling(max_tokens=16, temperature=0)


@pytest.fixture(scope="session")
def settings(chat_model: Path) -> VllmSettings:
    return VllmSettings(model=str(chat_model), max_context=1024, cpu_cache_gib=0.25, max_loras=4)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(settings: VllmSettings) -> AsyncIterator[VllmLocalBackend]:
    backend = VllmLocalBackend(settings)
    said: list[str] = []
    await backend.start(said.append)
    assert said[-1] == "Ready"
    yield backend
    await backend.stop()
    assert backend.state is BackendState.STOPPED


@pytest.fixture
def backend(running: VllmLocalBackend) -> VllmLocalBackend:
    return running


@pytest.fixture
def lora(request: pytest.FixtureRequest, chat_model: Path, tmp_path: Path) -> LoraRef:
    return make_lora(chat_model, tmp_path, seed=1)


def make_lora(base: Path, folder: Path, *, seed: int, rank: int = 4) -> LoraRef:
    number = time.monotonic_ns() % 2**30
    path = save_random_lora(folder / f"lora-{number}", base, seed=seed, rank=rank)
    return LoraRef(name=f"lora-{number}", id=number, path=path)


async def greedy(backend: VllmLocalBackend, lora: LoraRef | None = None) -> TokenIds:
    (sample,) = await backend.sample(backend.encode(PROMPT), n=1, sampling=GREEDY, lora=lora)
    return sample.token_ids


async def until_ready(backend: VllmLocalBackend) -> None:
    async with asyncio.timeout(240):
        while backend.state is not BackendState.READY:
            await asyncio.sleep(0.2)


@pytest.mark.real
@in_session
class TestContract(BackendContract):
    """Every promise of a backend, kept by vLLM in process."""


@pytest.mark.real
@in_session
async def test_many_seeded_requests_at_once_do_not_kill_the_engine(backend: VllmLocalBackend) -> None:
    """More prompt tokens than vLLM reads at once: in parts, they would be its death on a CPU."""
    prompts = [(*range(10, 90), 10 + number) for number in range(60)]
    sampling = Sampling(max_tokens=4, seed=3)
    found = await asyncio.gather(*(backend.sample(ids, n=2, sampling=sampling) for ids in prompts))
    assert all(len(samples) == 2 for samples in found)


@pytest.mark.real
@in_session
async def test_every_way_of_sampling_reaches_the_model(backend: VllmLocalBackend) -> None:
    prefix = backend.encode(PROMPT)
    (greedy,) = await backend.sample(prefix, n=1, sampling=GREEDY)
    likeliest = replace(GREEDY, temperature=1.5, top_k=1, seed=1)
    (same,) = await backend.sample(prefix, n=1, sampling=likeliest)
    assert same.token_ids[:8] == greedy.token_ids[:8]  # later, two tokens may be equally likely
    varied = replace(GREEDY, max_tokens=64, repetition_penalty=2.0)
    (unlike,) = await backend.sample(prefix, n=1, sampling=varied)
    assert unlike.token_ids[:16] != greedy.token_ids


@pytest.mark.real
@in_session
class TestLoras:
    async def test_a_batch_full_of_loras_and_the_base_answer_side_by_side_as_they_do_alone(
        self, backend: VllmLocalBackend, chat_model: Path, tmp_path: Path
    ) -> None:
        loras = [None, *(make_lora(chat_model, tmp_path, seed=seed) for seed in range(4))]
        alone = [await greedy(backend, lora) for lora in loras]
        assert len(set(alone)) == len(loras)
        assert await asyncio.gather(*(greedy(backend, lora) for lora in loras)) == alone

    async def test_the_judge_answers_under_the_lora_it_is_given(
        self, backend: VllmLocalBackend, lora: LoraRef
    ) -> None:
        prompt = backend.encode(PROMPT) + backend.encode_question(QUESTION)
        assert await backend.ask([prompt]) != pytest.approx(await backend.ask([prompt], lora=lora), abs=1e-3)

    async def test_a_damaged_lora_is_refused_and_the_engine_goes_on(
        self, backend: VllmLocalBackend, lora: LoraRef
    ) -> None:
        (lora.path / "adapter_model.safetensors").write_bytes(b"no tensors at all")
        with pytest.raises(LoraError, match=lora.name):
            await backend.load(lora)
        with pytest.raises(LoraError):
            await greedy(backend, lora)
        assert await greedy(backend)

    async def test_a_lora_for_another_base_is_refused_and_the_engine_goes_on(
        self, backend: VllmLocalBackend, chat_model: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        config = json.loads((chat_model / "config.json").read_text())
        (other / "config.json").write_text(json.dumps(config | {"hidden_size": config["hidden_size"] + 16}))
        with pytest.raises(LoraError):
            await backend.load(make_lora(other, tmp_path, seed=1))
        assert await greedy(backend)

    async def test_a_lora_whose_files_are_gone_is_an_error_of_that_request_alone(
        self, backend: VllmLocalBackend, lora: LoraRef
    ) -> None:
        await backend.load(lora)
        (lora.path / "adapter_config.json").unlink()
        with pytest.raises(LoraError, match="gone"):
            await greedy(backend, lora)
        assert await greedy(backend)

    async def test_a_name_or_an_id_is_not_taken_twice(
        self, backend: VllmLocalBackend, chat_model: Path, tmp_path: Path, lora: LoraRef
    ) -> None:
        await backend.load(lora)
        await backend.load(lora)
        other = make_lora(chat_model, tmp_path, seed=5)
        with pytest.raises(LoraError, match="used before"):
            await backend.load(LoraRef(name=lora.name, id=other.id, path=other.path))
        with pytest.raises(LoraError, match="used before"):
            await backend.load(LoraRef(name=other.name, id=lora.id, path=other.path))
        await backend.unload(lora)
        await backend.unload(lora)

    async def test_more_loras_than_fit_in_one_batch_all_answer(
        self, backend: VllmLocalBackend, chat_model: Path, tmp_path: Path
    ) -> None:
        loras = [make_lora(chat_model, tmp_path, seed=seed) for seed in range(6)]
        alone = [await greedy(backend, lora) for lora in loras]
        assert await asyncio.gather(*(greedy(backend, lora) for lora in loras)) == alone


@pytest.mark.real
@in_session
async def test_a_branch_of_the_tree_finds_its_prefix_in_the_cache(backend: VllmLocalBackend) -> None:
    prefix = backend.encode(PROMPT) + backend.encode_text("Once upon a time there was an otter. " * 4)
    await backend.sample(prefix, n=1, sampling=GREEDY)
    branch = prefix + backend.encode_text("And")
    output = await backend._generate(branch, _sampling_params(max_tokens=1), None)
    assert output.num_cached_tokens >= len(prefix) - 40


@pytest.mark.real
@in_session
async def test_a_cancelled_generation_is_aborted_in_the_engine(backend: VllmLocalBackend) -> None:
    long = Sampling(max_tokens=900, temperature=1.0, seed=1)
    task = asyncio.ensure_future(backend.sample(backend.encode(PROMPT), n=8, sampling=long))
    await asyncio.sleep(0.1)
    assert backend.requests_in_flight > 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert backend.requests_in_flight == 0


@pytest.mark.real
@in_session
async def test_an_engine_that_is_killed_says_so_and_comes_back_with_its_loras(
    backend: VllmLocalBackend, lora: LoraRef
) -> None:
    before = await greedy(backend, lora)
    long = Sampling(max_tokens=900, seed=1)
    waiting = asyncio.ensure_future(backend.sample(backend.encode(PROMPT), n=8, sampling=long))
    await asyncio.sleep(0.1)
    for child in psutil.Process().children(recursive=True):
        if "VLLM" in " ".join(child.cmdline()):
            os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(EngineDownError):
        await waiting
    assert backend.state is BackendState.RESTARTING
    with pytest.raises(EngineDownError):
        await greedy(backend)
    await until_ready(backend)
    assert await greedy(backend, lora) == before


class _Sleeper:
    """An engine that neither falls asleep nor wakes up."""

    errored = False

    def get_num_unfinished_requests(self) -> int:
        return 0

    async def sleep(self, *, level: int) -> None:
        await asyncio.Event().wait()

    async def wake_up(self) -> None:
        await asyncio.Event().wait()


async def test_an_engine_that_is_cut_off_while_it_wakes_up_is_started_afresh() -> None:
    backend = VllmLocalBackend(VllmSettings(model="none"))
    backend._engine, backend._state = _Sleeper(), BackendState.ASLEEP
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await backend.wake()
    assert backend.state is BackendState.RESTARTING


async def test_an_engine_that_is_cut_off_while_it_falls_asleep_is_started_afresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vllm.platforms.current_platform.is_cpu", lambda: False)
    backend = VllmLocalBackend(VllmSettings(model="none", can_sleep=True))
    backend._engine, backend._state = _Sleeper(), BackendState.READY
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await backend.sleep()
    assert backend.state is BackendState.RESTARTING


async def test_a_folder_without_weights_is_named_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds no weights"):
        await VllmLocalBackend(VllmSettings(model=str(tmp_path))).start(lambda _: None)


async def test_a_model_that_is_no_folder_and_no_name_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "there"
    with pytest.raises(ModelError, match="no model folder"):
        await VllmLocalBackend(VllmSettings(model=str(missing))).start(lambda _: None)


@pytest.mark.real
async def test_too_little_memory_is_said_and_not_tried(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    settings = VllmSettings(model=str(tmp_path), cpu_cache_gib=1e6)
    with pytest.raises(ModelError, match="GiB are free"):
        await VllmLocalBackend(settings).start(lambda _: None)


STARTED_AND_STOPPED = """
import asyncio, gc, sys
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings

async def start_and_stop():
    backend = VllmLocalBackend(VllmSettings(model=sys.argv[1], max_context=1024, cpu_cache_gib=0.25))
    await backend.start(lambda line: None)
    gc.freeze()
    await backend.stop()

if __name__ == "__main__":
    asyncio.run(start_and_stop())
"""


@pytest.mark.real
async def test_a_process_that_served_a_model_begins_and_ends_without_a_word(
    chat_model: Path, tmp_path: Path
) -> None:
    script = tmp_path / "start_and_stop.py"
    script.write_text(STARTED_AND_STOPPED)
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, chat_model, stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.timeout(240):
        said, _ = await process.communicate()
    assert (process.returncode, said.decode()) == (0, "")


async def test_before_it_is_started_it_is_down_and_not_broken() -> None:
    backend = VllmLocalBackend(VllmSettings(model="nowhere"))
    assert backend.state is BackendState.LOADING
    with pytest.raises(EngineDownError, match="not loaded yet"):
        backend.encode(PROMPT)
