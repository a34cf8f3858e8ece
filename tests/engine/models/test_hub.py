"""A model on the hub is asked for what it needs before anything of it is fetched."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from engine.errors import ModelError
from engine.models import hub
from engine.models.free_memory import free_bytes, machine_bytes

FILES = {
    "model-1.safetensors": 3_000_000_000,
    "model-2.safetensors": 1_000_000_000,
    "tokenizer.json": 2_000_000,
}
KNOWN: dict[str, dict[str, object]] = {
    "org/huge": {"files": {"model.safetensors": 10**18}, "is": "LlamaForCausalLM"},
    "org/chat": {
        "files": {**FILES, "pytorch_model.bin": 4_000_000_000, "README.md": 9_000},
        "is": "LlamaForCausalLM",
    },
    "org/quants": {"files": {"model-Q4.gguf": 1_000_000, "config.json": 400}, "is": "LlamaForCausalLM"},
    "org/notes": {"files": {"config.json": 400}, "is": "LlamaForCausalLM"},
}


class Hub(BaseHTTPRequestHandler):
    """The hub's interface, as far as it is asked."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].removeprefix("/api/models/")
        if name == "org/gated":
            return self._refuse(403, "GatedRepo")
        if name not in KNOWN:
            return self._refuse(404, "RepoNotFound")
        files, architecture = KNOWN[name]["files"], KNOWN[name]["is"]
        assert isinstance(files, dict)
        body = json.dumps(
            {
                "id": name,
                "modelId": name,
                "private": False,
                "tags": [],
                "config": {"architectures": [architecture]},
                "siblings": [{"rfilename": file, "size": size} for file, size in files.items()],
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture(autouse=True)
def _hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def refusal(model: str) -> str:
    with pytest.raises(ModelError) as refused:
        hub.ask(model)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_only_what_is_fetched_counts() -> None:
    needs = hub.ask("org/chat")
    assert (needs.fetched_bytes, needs.weight_bytes) == (4_002_000_000, 4_000_000_000)
    assert str(needs) == "4.0 GB to fetch, about 5.1 GB of memory to run"


def test_a_name_that_the_hub_does_not_know_is_told() -> None:
    assert "the hub has no model of that name" in refusal("org/nothing")


def test_a_model_whose_terms_must_be_taken_says_where() -> None:
    assert "take them on https://huggingface.co/org/gated, and set HF_TOKEN" in refusal("org/gated")


def test_a_model_of_gguf_files_says_how_to_name_one() -> None:
    assert "hf download org/quants FILE.gguf" in refusal("org/quants")


def test_a_model_without_weights_is_refused() -> None:
    assert "holds no weights" in refusal("org/notes")


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    assert "the hub cannot be reached" in refusal("org/chat")


def test_what_this_machine_cannot_hold_is_refused_before_it_is_fetched() -> None:
    said: list[str] = []
    with pytest.raises(ModelError, match=r"org/huge takes 1000000000\.0 GB of disk"):
        hub.fetch("org/huge", said.append)
    assert said == []
    huge = hub.Needs(fetched_bytes=1, weight_bytes=10**15)
    with pytest.raises(ModelError, match=r"takes about 1000001\.1 GB of .*memory"):
        hub.shortages("org/huge", huge)
    assert hub.shortages("org/huge", huge, runs_here=False) == ()


def test_too_little_free_memory_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "gpu_bytes", lambda: None)
    free, most = free_bytes(), machine_bytes()
    assert free is not None
    assert most is not None
    needs = hub.Needs(fetched_bytes=1, weight_bytes=(free + most) // 2 - hub.BESIDE_BYTES)
    (warning,) = hub.shortages("org/large", needs)
    assert "is free now" in warning
    assert hub.shortages("org/small", hub.Needs(fetched_bytes=1, weight_bytes=1)) == ()


def test_a_gpu_counts_by_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "gpu_bytes", lambda: 8 * 2**30)
    with pytest.raises(ModelError, match=r"GPU memory; this machine has 8\.6 GB"):
        hub.shortages("org/large", hub.Needs(fetched_bytes=1, weight_bytes=8 * 2**30))


@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "org/a.b_c-d"])
def test_a_name_on_the_hub_is_owner_and_name(model: str) -> None:
    assert hub.is_name(model)


@pytest.mark.parametrize(
    "model", ["practice", "./mine", "../mine", "/mine", "~/mine", "a/b/c", "org/a..b", ""]
)
def test_a_path_or_a_bare_word_is_no_name_on_the_hub(model: str) -> None:
    assert not hub.is_name(model)
