"""The OpenAPI document is true: generated requests, good and bad, get the answers that it promises."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from adapters.web.operations import OPERATIONS
from tests.adapters.web.service import TOKEN, Service, serving

DESIGNED = {
    "POST /api/messages",
    "GET /api/messages/{id}",
    "GET /api/conversations",
    "GET /api/conversations/{conversation}",
    "PATCH /api/messages/{id}",
    "DELETE /api/messages/{id}",
    "GET /api/replies/{id}",
    "POST /api/replies/{id}/reactions",
    "POST /api/replies/{id}/thread",
    "POST /api/replies/{id}/choose",
    "GET /api/replies/{id}/why",
    "POST /api/nights",
    "GET /api/nights/{id}",
    "GET /api/people/{person}",
    "PATCH /api/people/{person}",
    "DELETE /api/people/{person}/notes/{id}",
    "POST /api/people/{person}/undo",
    "GET /api/people/{person}/export",
    "POST /api/people/{person}/import",
    "DELETE /api/people/{person}",
}


async def test_the_document_describes_every_call_that_is_served(service: Service) -> None:
    _, document = await service.call("GET", "/api/openapi.json")
    described = {f"{method.upper()} {path}" for path, calls in document["paths"].items() for method in calls}
    assert described == {f"{operation.method} {operation.path}" for operation in OPERATIONS}
    assert described >= DESIGNED


async def test_every_post_takes_a_wait(service: Service) -> None:
    _, document = await service.call("GET", "/api/openapi.json")
    for path, calls in document["paths"].items():
        if "post" in calls:
            assert "wait" in {parameter["name"] for parameter in calls["post"]["parameters"]}, path


async def test_no_body_takes_unknown_fields(service: Service) -> None:
    _, document = await service.call("GET", "/api/openapi.json")
    schemas = document["components"]["schemas"]
    for calls in document["paths"].values():
        for call in calls.values():
            body = (
                call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            )
            if "$ref" in body:
                body = schemas[body["$ref"].rpartition("/")[2]]
            assert not body or body["additionalProperties"] is False


@pytest.mark.real
async def test_generated_requests_get_what_the_document_promises(tmp_path: Path) -> None:
    limits = {"messages_per_minute": 100_000}
    async with serving(tmp_path, limits=limits) as service:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("st")),
            "run",
            str(service.address / "api/openapi.json"),
            "--header",
            f"Authorization: Bearer {TOKEN}",
            "--max-examples=10",
            "--continue-on-failure",
            "--generation-deterministic",
            "--request-timeout=60",
            "--suppress-health-check=all",
            "--no-color",
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6000:]
