"""`nightloom check` looks at everything at once: what is wrong in one place hides nothing in another."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from aiohttp import web

from adapters.cli import check as checks
from engine.errors import ModelError
from engine.models.catalogue import open_model


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTLOOM_BACKEND__KIND", "scripted")
    monkeypatch.setenv("NIGHTLOOM_WEB__PORT", "0")


async def wrong() -> list[str]:
    return [finding.text for finding in await checks.all_findings() if not finding.is_good]


async def test_a_wrong_setting_does_not_hide_what_else_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("nightloom-data").mkdir()
    Path("nightloom-data/nightloom.db").write_bytes(b"no database " * 1000)
    monkeypatch.setenv("NIGHTLOOM_LIMITS__MODE", "slow")
    monkeypatch.setenv("NIGHTLOOM_NONSENSE", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("NIGHTLOOM_WEB__PORT", str(taken.getsockname()[1]))
        found = await wrong()
    assert [text.split()[0] for text in found] == ["NIGHTLOOM_NONSENSE", "limits.mode", "database:", "web"]


async def test_a_channels_own_rubric_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_DISCORD__CHANNEL_RUBRICS", '{"42": "nowhere.toml"}')
    (found,) = await wrong()
    assert found.startswith("rubric of discord 42: ")


async def test_every_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def models(request: web.Request) -> web.Response:
        del request
        return web.json_response({"data": []})

    served = web.Application()
    served.router.add_get("/v1/models", models)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    up = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setenv("NIGHTLOOM_BACKEND__KIND", "servers")
    monkeypatch.setenv("NIGHTLOOM_BACKEND__URLS", f'["{up}", "http://127.0.0.1:1", "{up}/else", "gpu1"]')
    found = await wrong()
    await runner.cleanup()
    assert [text.split()[1] for text in found] == ["http://127.0.0.1:1", f"{up}/else", "gpu1"]
    assert all("NIGHTLOOM_BACKEND__URLS" in text for text in found)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("practise", "Did you mean practice?"),
        ("./nowhere", "There is no model folder ./nowhere."),
        ("nowhere.gguf", "There is no model file nowhere.gguf."),
        ("nobody/nothing", "There is no model folder nobody/nothing here, and HF_HUB_OFFLINE keeps it"),
    ],
)
async def test_a_model_that_is_not_there_is_the_same_error_as_at_a_start(
    monkeypatch: pytest.MonkeyPatch, model: str, said: str
) -> None:
    monkeypatch.setenv("NIGHTLOOM_BACKEND__KIND", "vllm")
    monkeypatch.setenv("NIGHTLOOM_MODEL", model)
    (found,) = await wrong()
    assert said in found
    with pytest.raises(ModelError) as refused:
        open_model(model, print)
    assert found == f"model: {refused.value}"


async def test_a_model_is_told_by_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_BACKEND__KIND", "vllm")
    monkeypatch.setenv("NIGHTLOOM_MODEL", "practice")
    (said,) = [finding.text for finding in await checks.all_findings() if finding.text.startswith("model:")]
    assert "3.0 million parameters, 6 MB, reads 768 tokens; a toy" in said


async def test_the_real_model_is_made_at_the_first_start_and_not_by_a_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NIGHTLOOM_BACKEND__KIND", "vllm")
    monkeypatch.setenv("NIGHTLOOM_CACHE", str(tmp_path / "cache"))
    said = [finding.text for finding in await checks.all_findings() if finding.text.startswith("model:")]
    assert "made at the first start: 93 MB are fetched, 273 MB are kept in" in said[0]
    assert said[0].endswith(f"{tmp_path}/cache/models/smollm2-135m-instruct")
    assert not (tmp_path / "cache").exists()
