"""Brings a database to the schema of this version, by Alembic's migrations. Knows no query."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from bot.errors import StoreError

MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"
MIGRATION_LOCK: Final = 0x6E6C6F6F  # any number that nobody else locks in the same database


def upgrade(connection: Connection) -> None:
    """Apply what is missing, in the caller's transaction. Raises StoreError for a newer database."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    config = configuration()
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise StoreError(
            "database_newer",
            f"The database was made by a newer Nightloom (schema {current}): update Nightloom, "
            "or point database.url at another database.",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_newest(connection: Connection) -> bool:
    """Whether there is nothing to apply."""
    return MigrationContext.configure(connection).get_current_revision() == newest()


@cache
def newest() -> str:
    """The schema of this version."""
    return str(ScriptDirectory.from_config(configuration()).get_current_head())


def configuration() -> Config:
    """Alembic's settings; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config
