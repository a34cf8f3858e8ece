"""Databases whose tables are there already: to copy a file takes a quarter of what migrating takes."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import create_engine

from bot.settings import Settings
from bot.store import schema


def migrated(settings: Settings) -> str:
    """The address of these settings' SQLite database, which is laid there if it is missing."""
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    if not file.exists():
        file.write_bytes(_empty())
    return settings.database_url


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "nightloom.db"
        engine = create_engine(f"sqlite:///{file}")
        with engine.begin() as connection:
            schema.upgrade(connection)
        engine.dispose()
        return file.read_bytes()
