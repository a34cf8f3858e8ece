"""Every note that made room says for which one, and what was said in passing by which message."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("notes", sa.Column("message", sa.String(length=64), nullable=True))
    op.add_column("notes", sa.Column("replaced_by", sa.String(length=64), nullable=True))
    # What was said in passing was numbered behind its message's id: "f0", "w1".
    op.execute(
        "UPDATE notes SET message = substr(id, 1, length(id) - 2) "
        "WHERE origin = 'message' AND import_key IS NULL"
    )
    op.execute(
        "UPDATE notes SET replaced_by = "
        "(SELECT max(later.id) FROM notes AS later WHERE later.replaces = notes.id)"
    )
    op.drop_column("notes", "replaces")
