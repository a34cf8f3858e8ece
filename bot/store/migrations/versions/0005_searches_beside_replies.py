"""What a search began with and found stands beside its reply; what was asked stands in the reply."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

PER_STEP: Final = 500
# The words that stood under every critique when this was written.
REVISION_REQUEST: Final = "Answer again with this in mind."


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("reply", sa.String(length=64), nullable=False),
        sa.Column("alternatives", Json, nullable=False),
        sa.Column("prompt", Json, nullable=False),
        sa.Column("tree", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["reply"], ["replies.id"], name=op.f("fk_searches_reply"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("reply", name=op.f("pk_searches")),
    )
    op.execute(
        "INSERT INTO searches (reply, alternatives, prompt, tree) "
        "SELECT id, alternatives, prompt, tree FROM replies"
    )
    for column in (
        "tree",
        "alternatives",
        "prompt",
    ):  # the longest first: the rest is written again each time
        op.drop_column("replies", column)
    op.add_column("replies", sa.Column("request", sa.Text(), nullable=False, server_default=""))
    _say_what_was_asked()
    op.create_index("ix_reactions_newest", "reactions", ["person", "at"])
    op.drop_index("ix_reactions_person", "reactions")
    op.create_index("ix_teachings_newest", "teachings", ["person", "at", "id"])
    op.drop_index("ix_teachings_person", "teachings")
    op.create_index("ix_teachings_revision", "teachings", ["revision"])


def _say_what_was_asked() -> None:
    connection = op.get_bind()
    replies = sa.table("replies", sa.column("seq"), sa.column("id"), sa.column("request"))
    searches = sa.table("searches", sa.column("reply"), sa.column("prompt", Json))
    query = (
        sa.select(replies.c.seq, searches.c.prompt)
        .join(searches, searches.c.reply == replies.c.id)
        .where(replies.c.seq > sa.bindparam("after"))
        .order_by(replies.c.seq)
        .limit(PER_STEP)
    )
    this = replies.update().where(replies.c.seq == sa.bindparam("of"))
    after = -1
    while rows := connection.execute(query, {"after": after}).all():
        asked = [{"of": row.seq, "asked": _request(row.prompt)} for row in rows]
        connection.execute(this.values(request=sa.bindparam("asked")), asked)
        after = rows[-1].seq


def _request(prompt: dict[str, Any]) -> str:  # Any: JSON
    """What the person said last, before any critique."""
    turns = prompt.get("turns", [])
    while len(turns) > 2 and turns[-1]["text"].endswith(REVISION_REQUEST):
        turns = turns[:-2]
    return next((turn["text"] for turn in reversed(turns) if turn["role"] == "user"), "")
