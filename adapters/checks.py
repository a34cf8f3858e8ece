"""`nightloom check`: everything that is wrong at once, each with what to do. Starts and changes nothing."""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from adapters import wiring
from bot import settings as settings_module
from bot.errors import StoreError
from bot.settings import Settings, SettingsError
from engine.backends.model_folder import open_model
from engine.judge import RubricError, load_rubric
from engine.ports import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. Where it is not good, the text says what to do."""

    is_good: bool
    text: str


async def all_findings() -> list[Finding]:
    """What there is to say about the settings; where those can be read, about all that they name."""
    try:
        settings = settings_module.load()
    except SettingsError as error:
        return [_bad(problem) for problem in error.problems]
    return [_good(f"settings: {_origin()}"), *[finding async for finding in _findings(settings)]]


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    yield await _store(settings)
    yield await asyncio.to_thread(_model, settings)
    yield _rubric(settings)
    yield _web(settings)
    for finding in _platforms(settings):
        yield finding
    if settings.discord.token is not None:
        from adapters import discord_check

        for finding in await discord_check.check(settings.discord):
            yield finding
    if settings.slack.bot_token is not None or settings.slack.client_id is not None:
        from adapters import slack_check

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
    """Whether the model's folder is whole. A model of the hub is looked for only on this machine."""
    kind = settings.backend.kind
    if kind == "scripted":
        return _good("model: none, the scripted backend echoes")
    if kind == "servers":
        if not settings.backend.urls:
            return _bad("model: backend.kind is `servers`; set NIGHTLOOM_BACKEND__URLS to their addresses.")
        return _good(f"model: {settings.model} on {', '.join(settings.backend.urls)}")
    if importlib.util.find_spec("vllm") is None:
        return _bad("model: vLLM is not installed. Run `make demo`, which installs it, or set backend.kind.")
    name = wiring.model_of(settings)
    if not Path(name).expanduser().is_dir() and os.sep not in name.lstrip("./"):
        return _good(f"model: {name}, fetched from the hub at the first start")
    try:
        folder = open_model(name, lambda text: None)
    except ModelError as error:
        return _bad(f"model: {error}")
    return _good(f"model: {folder.id}, {folder.weight_bytes / 2**20:.0f} MiB")


def _rubric(settings: Settings) -> Finding:
    try:
        rubric = load_rubric(settings.rubric or wiring.OWN_RUBRIC)
    except RubricError as error:
        return _bad(f"rubric: {error}")
    return _good(f"rubric: {len(rubric.questions)} questions")


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
