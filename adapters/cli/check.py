"""`nightloom check`: everything that is wrong at once, each with what to do.

Starts no model and no platform, and sends nothing. Like every start it makes the data folder and brings the
database to this version's schema.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import aiohttp

from adapters import wiring
from adapters.shared.findings import Finding
from bot import settings as settings_module
from bot.errors import StoreError
from bot.settings import Settings
from engine.errors import ModelError
from engine.judging.rubric import SHIPPED_RUBRIC, RubricError, load_rubric
from engine.models.catalogue import look_at, rubric_of, what_a_start_does

SERVER_TIMEOUT_S: Final = 5.0


async def all_findings() -> list[Finding]:
    """What there is to say about the settings, and about all that they name as far as they can be read."""
    settings, problems = settings_module.read()
    told = [_bad(problem) for problem in problems] or [_good(f"settings: {_origin()}")]
    return [*told, *[finding async for finding in _findings(settings)]]


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    yield await _store(settings)
    yield await asyncio.to_thread(_model, settings)
    if settings.backend.kind == "servers":
        for finding in await _servers(settings):
            yield finding
    for finding in _rubrics(settings):
        yield finding
    yield _web(settings)
    for finding in _platforms(settings):
        yield finding
    if settings.discord.token is not None:
        from adapters.discord import check as discord_check

        for finding in await discord_check.check(settings.discord):
            yield finding
    if settings.slack.bot_token is not None or settings.slack.client_id is not None:
        from adapters.slack import check as slack_check

        for finding in await slack_check.check(settings.slack, is_web_on=settings.web.enabled):
            yield finding


async def _store(settings: Settings) -> Finding:
    try:
        async with wiring.opened(settings) as store:
            if not os.access(settings.data, os.W_OK):
                return _bad(f"data: {settings.data} cannot be written. Set NIGHTLOOM_DATA to another folder.")
            kind = "SQLite" if store.database.is_sqlite else "Postgres"
    except StoreError as error:
        return _bad(f"database: {error.message}")
    return _good(f"database: {kind}, at this version's schema; data in {settings.data}")


def _model(settings: Settings) -> Finding:
    """Whether the model is there and whole, or can be had."""
    kind = settings.backend.kind
    if kind == "scripted":
        return _good("model: none, the scripted backend echoes")
    if kind == "vllm" and importlib.util.find_spec("vllm") is None:
        return _bad("model: vLLM is not installed. Run `make demo`, which installs it, or set backend.kind.")
    try:
        folder = look_at(settings.model)
        if folder is None:
            return _good(f"model: {what_a_start_does(settings.model, runs_here=kind == 'vllm')}")
    except ModelError as error:
        return _bad(f"model: {error}")
    return _good(f"model: {folder.card.sentence()} ({folder.id})")


async def _servers(settings: Settings) -> list[Finding]:
    urls = settings.backend.urls
    if not urls:
        return [_bad("servers: backend.kind is `servers`; set NIGHTLOOM_BACKEND__URLS to their addresses.")]
    timeout = aiohttp.ClientTimeout(total=SERVER_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        return list(await asyncio.gather(*(_server(session, url) for url in urls)))


async def _server(session: aiohttp.ClientSession, url: str) -> Finding:
    try:
        async with session.get(f"{url.rstrip('/')}/v1/models") as response:
            response.raise_for_status()
    except aiohttp.ClientResponseError as error:
        return _bad(f"server: {url} answers {error.status}; is it vLLM? See NIGHTLOOM_BACKEND__URLS.")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        return _bad(
            f"server: {url} does not answer ({reason}). Start it, or correct NIGHTLOOM_BACKEND__URLS."
        )
    return _good(f"server: {url} answers")


def _rubrics(settings: Settings) -> Iterator[Finding]:
    yield _rubric("rubric", settings.rubric or rubric_of(settings.model) or SHIPPED_RUBRIC)
    for (platform, channel), file in wiring.channel_rubric_files(settings).items():
        yield _rubric(f"rubric of {platform} {channel}", file)


def _rubric(name: str, file: Path) -> Finding:
    try:
        rubric = load_rubric(file)
    except RubricError as error:
        return _bad(f"{name}: {error}")
    return _good(f"{name}: {len(rubric.questions)} questions")


def _web(settings: Settings) -> Finding:
    web = settings.web
    if not web.enabled:
        return _good("web chat: off")
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((web.host, web.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return _bad(
                    f"web chat: port {web.port} is in use. Set NIGHTLOOM_WEB__PORT to one that is free."
                )
            return _bad(f"web chat: cannot listen on {web.host}:{web.port} ({error.strerror}).")
    return _good(f"web chat: {web.host}:{web.port} is free")


def _platforms(settings: Settings) -> list[Finding]:
    slack = settings.slack.bot_token or settings.slack.client_id
    if not settings.web.enabled and settings.discord.token is None and slack is None:
        return [_bad("platforms: none is on. Set NIGHTLOOM_WEB__ENABLED, or a token of Discord or Slack.")]
    return []


def _origin() -> str:
    file = settings_module.settings_file()
    return f"{file} and the environment" if file.exists() else f"the environment (there is no {file})"


def _good(text: str) -> Finding:
    return Finding(is_good=True, text=text)


def _bad(text: str) -> Finding:
    return Finding(is_good=False, text=text)
