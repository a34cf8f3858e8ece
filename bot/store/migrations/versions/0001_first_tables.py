"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from bot.store.tables import UtcTime

revision = "0001"
down_revision = None

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("event", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "event", name=op.f("pk_events")),
    )
    op.create_index("ix_events_at", "events", ["at"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("until", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "nights",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked", Json, nullable=True),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nights")),
    )
    op.create_table(
        "people",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("learning", sa.Boolean(), nullable=True),
        sa.Column("consent_asked_at", UtcTime(), nullable=True),
        sa.Column("memory", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("lora", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=True),
        sa.Column("timezone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("is_blocked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("live_lora", sa.Integer(), nullable=True),
        sa.Column("taste", Json, nullable=True),
        sa.Column("night_told_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_people")),
    )
    op.create_table(
        "slack_installations",
        sa.Column("team", sa.String(length=200), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("installed_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("team", name=op.f("pk_slack_installations")),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("import_key", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["person"], ["people.key"], name=op.f("fk_documents_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("person", "import_key", name=op.f("uq_documents_person_import_key")),
    )
    op.create_index(op.f("ix_documents_person"), "documents", ["person"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("seq", Counter, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("ref_channel", sa.String(length=200), nullable=False),
        sa.Column("ref_id", sa.String(length=200), nullable=False),
        sa.Column("place_channel", sa.String(length=200), nullable=False),
        sa.Column("place_thread", sa.String(length=200), nullable=True),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("conversation", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=True),
        sa.Column("reply_to", sa.String(length=64), nullable=True),
        sa.Column("is_correction", sa.Boolean(), nullable=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("never_learn", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("outcome", Json, nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.key"], name=op.f("fk_inbox_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_inbox")),
        sa.UniqueConstraint("id", name=op.f("uq_inbox_id")),
    )
    op.create_index("ix_inbox_conversation", "inbox", ["person", "conversation", "seq"], unique=False)
    op.create_index(op.f("ix_inbox_person"), "inbox", ["person"], unique=False)
    op.create_index("ix_inbox_ref", "inbox", ["platform", "ref_channel", "ref_id"], unique=False)
    op.create_index("ix_inbox_state", "inbox", ["state", "seq"], unique=False)
    op.create_table(
        "loras",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("metrics", Json, nullable=False),
        sa.Column("night", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("promoted_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.key"], name=op.f("fk_loras_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loras")),
        sa.UniqueConstraint("name", name=op.f("uq_loras_name")),
        sa.UniqueConstraint("person", "version", name=op.f("uq_loras_person_version")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_loras_person"), "loras", ["person"], unique=False)
    op.create_table(
        "night_people",
        sa.Column("night", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("used", Json, nullable=False),
        sa.Column("metrics", Json, nullable=False),
        sa.Column("told_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["night"], ["nights.id"], name=op.f("fk_night_people_night"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["people.key"], name=op.f("fk_night_people_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("night", "person", name=op.f("pk_night_people")),
    )
    op.create_index(op.f("ix_night_people_person"), "night_people", ["person"], unique=False)
    op.create_table(
        "notes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("manner", sa.String(length=64), nullable=True),
        sa.Column("teaching", sa.String(length=64), nullable=True),
        sa.Column("replaces", sa.String(length=64), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("deleted_at", UtcTime(), nullable=True),
        sa.Column("import_key", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.key"], name=op.f("fk_notes_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        sa.UniqueConstraint("person", "import_key", name=op.f("uq_notes_person_import_key")),
    )
    op.create_index(op.f("ix_notes_person"), "notes", ["person"], unique=False)
    op.create_table(
        "replies",
        sa.Column("seq", Counter, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=64), nullable=True),
        sa.Column("cause", sa.String(length=64), nullable=True),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("conversation", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("revises", sa.String(length=64), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("prompt", Json, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("lora", sa.Integer(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("answers", Json, nullable=False),
        sa.Column("manners", Json, nullable=True),
        sa.Column("alternatives", Json, nullable=False),
        sa.Column("tree", Json, nullable=False),
        sa.Column("generated_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Float(), server_default="0", nullable=False),
        sa.Column("heading", sa.Text(), nullable=True),
        sa.Column("duel", sa.String(length=64), nullable=True),
        sa.Column("actions", Json, nullable=False),
        sa.Column("never_learn", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_current", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("delivery", sa.String(length=16), nullable=False),
        sa.Column("delivery_problem", sa.Text(), nullable=True),
        sa.Column("posting", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("import_key", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["cause"], ["inbox.id"], name=op.f("fk_replies_cause"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["message"], ["inbox.id"], name=op.f("fk_replies_message"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["people.key"], name=op.f("fk_replies_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_replies")),
        sa.UniqueConstraint("id", name=op.f("uq_replies_id")),
        sa.UniqueConstraint("person", "import_key", name=op.f("uq_replies_person_import_key")),
    )
    op.create_index(op.f("ix_replies_cause"), "replies", ["cause"], unique=False)
    op.create_index("ix_replies_conversation", "replies", ["person", "conversation", "seq"], unique=False)
    op.create_index("ix_replies_delivery", "replies", ["delivery", "seq"], unique=False)
    op.create_index(op.f("ix_replies_message"), "replies", ["message"], unique=False)
    op.create_index(op.f("ix_replies_person"), "replies", ["person"], unique=False)
    op.create_table(
        "choices",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("reply", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("alternative", sa.String(length=64), nullable=False),
        sa.Column("chosen_text", sa.Text(), nullable=False),
        sa.Column("rejected_text", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("import_key", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["person"], ["people.key"], name=op.f("fk_choices_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["reply"], ["replies.id"], name=op.f("fk_choices_reply"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_choices")),
        sa.UniqueConstraint("person", "import_key", name=op.f("uq_choices_person_import_key")),
    )
    op.create_index(op.f("ix_choices_person"), "choices", ["person"], unique=False)
    op.create_index(op.f("ix_choices_reply"), "choices", ["reply"], unique=False)
    op.create_table(
        "reactions",
        sa.Column("reply", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("emoji", sa.String(length=100), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["people.key"], name=op.f("fk_reactions_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reply"], ["replies.id"], name=op.f("fk_reactions_reply"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("reply", "person", "emoji", name=op.f("pk_reactions")),
    )
    op.create_index(op.f("ix_reactions_person"), "reactions", ["person"], unique=False)
    op.create_table(
        "reply_refs",
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=200), nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("reply", sa.String(length=64), nullable=False),
        sa.Column("piece", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reply"], ["replies.id"], name=op.f("fk_reply_refs_reply"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("platform", "channel", "id", name=op.f("pk_reply_refs")),
    )
    op.create_index(op.f("ix_reply_refs_reply"), "reply_refs", ["reply"], unique=False)
    op.create_table(
        "teachings",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("reply", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=True),
        sa.Column("note", sa.String(length=64), nullable=True),
        sa.Column("revision", sa.String(length=64), nullable=True),
        sa.Column("attempts", Json, nullable=False),
        sa.Column("never_learn", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("import_key", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["message"], ["inbox.id"], name=op.f("fk_teachings_message"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["people.key"], name=op.f("fk_teachings_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reply"], ["replies.id"], name=op.f("fk_teachings_reply"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teachings")),
        sa.UniqueConstraint("person", "import_key", name=op.f("uq_teachings_person_import_key")),
    )
    op.create_index(op.f("ix_teachings_message"), "teachings", ["message"], unique=False)
    op.create_index(op.f("ix_teachings_person"), "teachings", ["person"], unique=False)
    op.create_index(op.f("ix_teachings_reply"), "teachings", ["reply"], unique=False)
