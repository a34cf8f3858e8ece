"""When a person last took back something; what was taken back before has no words any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.store.tables import UtcTime

revision = "0006"
down_revision = "0005"

WITHDRAWN = "SELECT id FROM inbox WHERE state = 'cancelled' AND problem = 'withdrawn'"
ANSWERS = f"SELECT id FROM replies WHERE message IN ({WITHDRAWN}) OR cause IN ({WITHDRAWN})"
EMPTY_PROMPT = '{"turns": [{"role": "user", "text": ""}]}'


def upgrade() -> None:
    op.add_column("people", sa.Column("withdrew_at", UtcTime(), nullable=True))
    op.execute(
        f"UPDATE notes SET text = '', source = '' WHERE message IN ({WITHDRAWN}) "
        f"OR teaching IN (SELECT id FROM teachings WHERE message IN ({WITHDRAWN}))"
    )
    op.execute(
        "UPDATE teachings SET text = '', wanted = NULL, attempts = '[]' "
        f"WHERE message IN ({WITHDRAWN}) OR reply IN ({ANSWERS})"
    )
    op.execute(f"UPDATE choices SET chosen_text = '', rejected_text = '' WHERE reply IN ({ANSWERS})")
    op.execute(
        f"UPDATE searches SET alternatives = '[]', tree = '[]', prompt = '{EMPTY_PROMPT}' "
        f"WHERE reply IN ({ANSWERS})"
    )
    op.execute(
        "UPDATE replies SET text = '', request = '', heading = NULL, duel = NULL, answers = '{}', "
        f"actions = '[]', is_current = false, never_learn = true WHERE id IN ({ANSWERS})"
    )
    op.execute(
        "UPDATE inbox SET text = '', outcome = NULL WHERE state = 'cancelled' AND problem = 'withdrawn'"
    )
