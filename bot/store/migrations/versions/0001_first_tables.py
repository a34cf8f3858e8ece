"""The tables of the first release."""

from __future__ import annotations

from alembic import op

from bot.store.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
