"""vLLM over HTTP keeps the contract, spreads LoRAs over its replicas, and survives the loss of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from engine.backends.replica import Replica
from engine.backends.vllm_servers import ServersSettings, VllmServersBackend, ranked
from engine.errors import EngineDownError, LoraError, ModelError
from engine.ports import BackendState
from engine.types import LoraRef, Sampling
from tests.engine.backends.contract import PROMPT, QUESTION, BackendContract
from tests.engine.tiny_chat_model import save_random_lora

in_session = pytest.mark.asyncio(loop_scope="session")
GREEDY = Sampling(max_tokens=16, temperature=0)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server_url(chat_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM's own server, as an operator would start it."""
    port = free_port()
    options = {
        "model": chat_model,
        "served-model-name": "base",
        "host": "127.0.0.1",
        "port": port,
        "max-model-len": 1024,
        "block-size": 32,
        "max-logprobs": 64,
        "max-loras": 4,
        "max-lora-rank": 16,
    }
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager", "--enable-lora"]
    command += [f"--{name}={value}" for name, value in options.items()]
    environment = os.environ | {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_HOST_IP": "127.0.0.1",
        "TORCHDYNAMO_DISABLE": "1",
    }
    log = tmp_path_factory.mktemp("server") / "log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, env=environment, stdout=stream, stderr=stream) as it,
    ):
        yield f"http://127.0.0.1:{port}"
        it.terminate()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(server_url: str, chat_model: Path) -> AsyncIterator[VllmServersBackend]:
    settings = ServersSettings(urls=(server_url,), model=str(chat_model), start_timeout_s=240)
    backend = VllmServersBackend(settings)
    await backend.start(lambda _: None)
    yield backend
    await backend.stop()


@pytest.fixture
def backend(running: VllmServersBackend) -> VllmServersBackend:
    return running


@pytest.fixture
def lora(chat_model: Path, tmp_path: Path) -> LoraRef:
    path = save_random_lora(tmp_path / "lora", chat_model, seed=1)
    return LoraRef(name=f"lora-{tmp_path.name}", id=1, path=path)


@pytest.mark.real
@in_session
class TestContract(BackendContract):
    """Every promise of a backend, kept by vLLM over HTTP."""


@pytest.mark.real
@in_session
async def test_every_way_of_sampling_reaches_the_model(backend: VllmServersBackend) -> None:
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
    async def test_a_lora_answers_otherwise_than_the_base_and_so_does_its_judge(
        self, backend: VllmServersBackend, lora: LoraRef
    ) -> None:
        prefix = backend.encode(PROMPT)
        under = await backend.sample(prefix, n=1, sampling=GREEDY, lora=lora)
        assert under != await backend.sample(prefix, n=1, sampling=GREEDY)
        question = prefix + backend.encode_question(QUESTION)
        assert await backend.ask([question], lora=lora) != pytest.approx(
            await backend.ask([question]), abs=1e-3
        )
        await backend.unload(lora)

    async def test_a_server_that_forgot_a_lora_is_given_it_again(
        self, backend: VllmServersBackend, lora: LoraRef, server_url: str
    ) -> None:
        await backend.load(lora)
        async with aiohttp.ClientSession() as session:
            url = f"{server_url}/v1/unload_lora_adapter"
            async with session.post(url, json={"lora_name": lora.name}) as response:
                assert response.status == 200
        assert await backend.sample(backend.encode(PROMPT), n=1, sampling=GREEDY, lora=lora)

    async def test_a_damaged_lora_is_refused_and_the_server_goes_on(
        self, backend: VllmServersBackend, lora: LoraRef
    ) -> None:
        (lora.path / "adapter_model.safetensors").write_bytes(b"no tensors at all")
        with pytest.raises(LoraError, match=lora.name):
            await backend.load(lora)
        assert await backend.sample(backend.encode(PROMPT), n=1, sampling=GREEDY)


@pytest.mark.real
@in_session
async def test_when_a_replica_is_away_the_other_answers(
    server_url: str, chat_model: Path, running: VllmServersBackend
) -> None:
    """Every key is asked for, so some of them stick to the one that is away."""
    dead = f"http://127.0.0.1:{free_port()}"
    backend = VllmServersBackend(ServersSettings(urls=(dead, server_url), model=str(chat_model)))
    await backend.start(lambda _: None)
    backend._replicas[0].is_up = True
    for text in "abcdefgh":
        assert await backend.sample(backend.encode_text(text), n=1, sampling=Sampling(max_tokens=1))
    assert not backend._replicas[0].is_up
    assert backend.state is BackendState.READY
    await backend.stop()


async def test_a_server_that_never_answers_is_named(chat_model: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    backend = VllmServersBackend(ServersSettings(urls=(url,), model=str(chat_model), start_timeout_s=0.1))
    with pytest.raises(ModelError, match=url):
        await backend.start(lambda _: None)


async def test_no_server_at_all_is_a_setting_to_correct() -> None:
    with pytest.raises(ModelError, match=r"backend\.urls"):
        await VllmServersBackend(ServersSettings(urls=(), model="nowhere")).start(lambda _: None)


async def test_a_server_with_another_models_tokens_is_not_used(chat_model: Path) -> None:
    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "other", "max_model_len": 512}]})

    async def tokenize(_: web.Request) -> web.Response:
        return web.json_response({"tokens": [1, 2, 3]})

    app = web.Application()
    app.add_routes([web.get("/v1/models", models), web.post("/tokenize", tokenize)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    settings = ServersSettings(urls=(f"http://127.0.0.1:{port}",), model=str(chat_model))
    with pytest.raises(ModelError, match="same model"):
        await VllmServersBackend(settings).start(lambda _: None)
    await runner.cleanup()


async def test_when_every_server_went_away_the_engine_is_down_and_not_the_request_wrong(
    chat_model: Path,
) -> None:
    backend = VllmServersBackend(ServersSettings(urls=("http://127.0.0.1:1",), model=str(chat_model)))
    with pytest.raises(EngineDownError):
        await backend.load(LoraRef(name="ann-1", id=1, path=chat_model))


async def test_keys_spread_over_replicas_and_only_those_of_a_lost_one_move() -> None:
    async with aiohttp.ClientSession() as session:
        replicas = [Replica(f"http://gpu{number}:8000", session, 1.0) for number in range(4)]
        keys = [f"person-{number}" for number in range(400)]
        before = {key: ranked(replicas, key)[0] for key in keys}
        shares = [list(before.values()).count(replica) for replica in replicas]
        assert min(shares) > 60
        left = replicas[1:]
        moved = [key for key in keys if ranked(left, key)[0] is not before[key]]
        assert moved == [key for key in keys if before[key] is replicas[0]]
