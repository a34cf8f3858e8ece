"""Alive, ready, counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.adapters.web.service import Service, serving


async def test_ready_when_the_model_is_loaded_and_the_store_answers(service: Service) -> None:
    assert await service.call("GET", "/healthz") == (200, {"alive": True})
    status, said = await service.call("GET", "/readyz")
    assert (status, said["ready"], said["state"]) == (200, True, "ready")


async def test_while_the_model_loads_it_says_what_it_does(tmp_path: Path) -> None:
    async with serving(tmp_path, is_started=False) as loading:
        assert (await loading.call("GET", "/healthz"))[0] == 200
        status, said = await loading.call("GET", "/readyz")
    assert (status, said["ready"]) == (503, False)
    assert said["detail"] == "Reading the weights: 2 of 5 files."


async def test_without_its_database_it_is_not_ready_and_does_not_break(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(key: str) -> None:
        raise OperationalError("SELECT", {}, OSError(f"the disk is gone, and {key!r} with it"))

    monkeypatch.setattr(service.app.store.people, "get", gone)
    status, said = await service.call("GET", "/readyz")
    assert (status, said["store"], said["state"]) == (503, False, "ready")
    assert (await service.call("GET", "/healthz"))[0] == 200


async def test_metrics_count_what_was_answered(service: Service) -> None:
    await service.ask("ana", "hello")
    async with service.client.get("/metrics") as response:
        text = await response.text()
        assert response.content_type == "text/plain"
    assert "nightloom_replies_total{mode=" in text
    assert "nightloom_phase_seconds_bucket" in text
