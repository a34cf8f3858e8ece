"""Tells a test that the bot has looked for something and not found it: the moment that a race is about."""

from __future__ import annotations

import asyncio

import pytest


def looking(monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> asyncio.Event:
    """Set once this method was called there and gave None."""
    look, looked = getattr(where, name), asyncio.Event()

    async def look_and_say(*what: object) -> object:
        found = await look(*what)
        if found is None:
            looked.set()
        return found

    monkeypatch.setattr(where, name, look_and_say)
    return looked
