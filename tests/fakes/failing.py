"""Lets something of the bot fail as often as a test says, as a database does that is away for a while."""

from __future__ import annotations

import asyncio

import pytest


def failing(monkeypatch: pytest.MonkeyPatch, where: object, name: str, *errors: Exception) -> asyncio.Event:
    """The next calls of this method raise these errors, one each; set once all were raised."""
    work, left, over = getattr(where, name), list(errors), asyncio.Event()

    async def fail_or_work(*what: object, **more: object) -> object:
        if not left:
            return await work(*what, **more)
        error = left.pop(0)
        if not left:
            over.set()
        raise error

    monkeypatch.setattr(where, name, fail_or_work)
    return over
