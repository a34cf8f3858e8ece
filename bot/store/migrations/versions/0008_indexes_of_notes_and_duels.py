"""What is asked for by every answer, and whenever something is taken back, is found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for column in ("teaching", "message", "replaced_by"):
        op.create_index(f"ix_notes_{column}", "notes", [column])
    op.create_index("ix_nights_ended_at", "nights", ["ended_at"])
    is_duel = sa.text("duel IS NOT NULL")
    op.create_index(
        "ix_replies_duel", "replies", ["person", "seq"], sqlite_where=is_duel, postgresql_where=is_duel
    )
