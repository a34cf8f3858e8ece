"""Opens the database that an address names, and says in one line what is wrong with it if it cannot."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bot.errors import StoreError
from bot.store.database import Database
from bot.store.database.postgres import Postgres
from bot.store.database.sqlite import Sqlite

DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


async def open_database(address: str) -> Database:
    """Connect and migrate. Raises StoreError in words, whatever is wrong."""
    url = _parsed(address)
    database = Sqlite(url) if url.get_backend_name() == "sqlite" else Postgres(url)
    try:
        await database.open()
    except StoreError:
        await database.close()
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        await database.close()
        raise _explained(url, error) from error
    return database


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
    except SQLAlchemyError as error:  # its text may hold the password
        form = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        raise StoreError("database_url", f"database.url is no address: write {form}.") from error
    driver = DRIVERS.get(url.drivername.partition("+")[0])
    if driver is None:
        raise StoreError("database_url", "database.url must begin with sqlite:// or postgresql://.")
    if driver == DRIVERS["sqlite"] and url.database in (None, "", ":memory:"):
        raise StoreError("database_url", "database.url names no file: write sqlite:///nightloom.db.")
    return url.set(drivername=driver)


def _explained(url: URL, error: Exception) -> StoreError:
    """What is wrong with the database, in one line with the next step."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    place, low = _place(url), text.lower()
    if url.get_backend_name() != "sqlite":
        return StoreError("database_unreachable", f"{place} cannot be used: {text}. Check database.url.")
    if "not a database" in low or "malformed" in low:
        return StoreError("database_corrupt", f"{place} is damaged ({text}): restore it from a backup.")
    if "readonly" in low or "read-only" in low:
        return StoreError("database_read_only", f"{place} is read-only: make file and folder writable.")
    if "unable to open" in low or isinstance(error, OSError):
        advice = "check that its folder exists and is writable"
        return StoreError("database_unreachable", f"{place} cannot be opened: {advice}.")
    return StoreError("database", f"{place} cannot be used: {text}.")


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"The database {url.database}"
    return f"The database {url.render_as_string(hide_password=True)}"
