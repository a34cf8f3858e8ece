"""A night and a platform's delivery are known without the names of people, who may be erased."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("nights", sa.Column("was_asked", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE nights SET was_asked = (asked IS NOT NULL)")
    op.drop_column("nights", "asked")
    _hash_events()


def _hash_events() -> None:
    connection = op.get_bind()
    events = sa.table("events", sa.column("platform"), sa.column("event"))
    hashed = [
        {"of": row.platform, "was": row.event, "is": hashlib.sha256(row.event.encode()).hexdigest()}
        for row in connection.execute(sa.select(events))
    ]
    this = (events.c.platform == sa.bindparam("of")) & (events.c.event == sa.bindparam("was"))
    if hashed:
        connection.execute(events.update().where(this).values(event=sa.bindparam("is")), hashed)
