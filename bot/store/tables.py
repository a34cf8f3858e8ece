"""All tables. Knows no query.

Whatever is a person's hangs on `people` and goes with them when they are erased. Times are aware and
UTC. Ids are short random strings; only the inbox and the LoRAs count upwards.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB


class UtcTime(TypeDecorator[datetime]):
    """An aware time, kept as UTC. SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times must be aware")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

Id = String(64)
Key = String(200)
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Counter = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only a plain INTEGER upwards


def _belongs_to(table: str, column: str, *, name: str, is_optional: bool = False) -> Column[str]:
    """A reference that vanishes with what it belongs to."""
    target = ForeignKey(f"{table}.{column}", ondelete="CASCADE")
    return Column(name, Key if table == "people" else Id, target, nullable=is_optional, index=True)


people = Table(
    "people",
    metadata,
    Column("key", Key, primary_key=True),
    Column("platform", String(16), nullable=False),
    Column("name", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("learning", Boolean),  # null: not asked yet
    Column("consent_asked_at", UtcTime),
    Column("memory", Boolean, nullable=False, server_default=true()),
    Column("lora", Boolean, nullable=False, server_default=true()),
    Column("mode", String(16)),  # null: the operator's default
    Column("timezone", String(64), nullable=False, server_default="UTC"),
    Column("is_blocked", Boolean, nullable=False, server_default=false()),
    Column("live_lora", Integer),  # loras.id; going live is this one pointer
    Column("taste", Json),  # engine.judging.taste.Taste
    Column("night_told_at", UtcTime),  # the last morning note
    Column("withdrew_at", UtcTime),  # when the person last took back something that they had said
)

# Every platform delivery that was taken. A repeated one finds its row and changes nothing.
events = Table(
    "events",
    metadata,
    Column("platform", String(16), primary_key=True),
    Column("event", Key, primary_key=True),  # hashed: the platform's id may name a person
    Column("kind", String(16), nullable=False),
    Column("subject", Id),  # the inbox row that it made or changed
    Column("at", UtcTime, nullable=False),
    Index("ix_events_at", "at"),
)

# Questions and thread replies: whatever has to be worked on and answered.
inbox = Table(
    "inbox",
    metadata,
    Column("seq", Counter, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # message | thread_reply
    _belongs_to("people", "key", name="person"),
    Column("platform", String(16), nullable=False),
    Column("ref_channel", Key, nullable=False),
    Column("ref_id", Key, nullable=False),
    Column("place_channel", Key, nullable=False),
    Column("place_thread", Key),
    Column("is_private", Boolean, nullable=False),
    Column("conversation", Key, nullable=False),
    Column("text", Text, nullable=False),
    Column("mode", String(16)),
    Column("reply_to", Id),  # the reply that it goes on from, or that it teaches about
    Column("is_correction", Boolean),
    Column("at", UtcTime, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("state", String(16), nullable=False),  # events.MessageState
    Column("problem", Text),  # why it failed or was cancelled, in words for the person
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("owner", Id),  # the process that works on it
    Column("revision", Integer, nullable=False, server_default="0"),  # how often the question was edited
    Column("never_learn", Boolean, nullable=False, server_default=false()),
    Column("outcome", Json),  # of a remark: {"kind", "note"}; of what was refused: {"refused": its code}
    Index("ix_inbox_ref", "platform", "ref_channel", "ref_id"),
    Index("ix_inbox_state", "state", "seq"),
    Index("ix_inbox_conversation", "person", "conversation", "seq"),
)

_HAS_DUEL: Final = text("duel IS NOT NULL")

replies = Table(
    "replies",
    metadata,
    Column("seq", Counter, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    _belongs_to("inbox", "id", name="message", is_optional=True),  # the question; null: imported
    _belongs_to("inbox", "id", name="cause", is_optional=True),  # what it was made for; it is sent there
    _belongs_to("people", "key", name="person"),
    Column("conversation", Key, nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),  # of the question
    Column("revises", Id),
    Column("text", Text, nullable=False),  # what the person sees now
    Column("model", Text, nullable=False),
    Column("lora", Integer),  # loras.id; null: the bare base
    Column("seed", BigInteger, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("score", Float),
    Column("answers", Json, nullable=False),  # question → probability of yes
    Column("manners", Json),  # the same for the rubric's manners; asked once the reply is rated
    Column("generated_tokens", Integer, nullable=False, server_default="0"),
    Column("seconds", Float, nullable=False, server_default="0"),
    Column("heading", Text),
    Column("duel", Id),
    Column("actions", Json, nullable=False),  # [events.Action], as they were posted
    Column("never_learn", Boolean, nullable=False, server_default=false()),
    Column("is_current", Boolean, nullable=False, server_default=true()),  # false: the question was edited
    Column("delivery", String(16), nullable=False),  # recorded_replies.Delivery
    Column("delivery_problem", Text),
    Column("posting", Integer, nullable=False, server_default="0"),  # counts the texts that were to be shown
    Column("owner", Id),  # the process that sends it
    Column("at", UtcTime, nullable=False),
    Column("import_key", Key),  # what makes an import repeatable
    Column("request", Text, nullable=False, server_default=""),  # what was asked, before any critique
    UniqueConstraint("person", "import_key"),
    Index("ix_replies_delivery", "delivery", "seq"),
    Index("ix_replies_conversation", "person", "conversation", "seq"),
    Index("ix_replies_duel", "person", "seq", sqlite_where=_HAS_DUEL, postgresql_where=_HAS_DUEL),
)

# What the search for a reply began with and what it found. It is many times as long as the reply's row, and
# SQLite reads a long row to its end for any column that stands behind the long ones.
searches = Table(
    "searches",
    metadata,
    Column("reply", Id, ForeignKey("replies.id", ondelete="CASCADE"), primary_key=True),
    Column("alternatives", Json, nullable=False),  # [{id, text, score, answers}], best first
    Column("prompt", Json, nullable=False),  # engine.types.Prompt, exactly as it was sent
    Column("tree", Json, nullable=False),  # [engine.types.TreeNode]
)

reply_refs = Table(
    "reply_refs",
    metadata,
    Column("platform", String(16), primary_key=True),
    Column("channel", Key, primary_key=True),
    Column("id", Key, primary_key=True),
    _belongs_to("replies", "id", name="reply"),
    Column("piece", Integer, nullable=False),
)

# One row for each emoji ever put on; a taken-back one stays with `is_on` false, so that a late
# delivery of the earlier event is known to be late.
reactions = Table(
    "reactions",
    metadata,
    Column("reply", Id, ForeignKey("replies.id", ondelete="CASCADE"), primary_key=True),
    Column("person", Key, ForeignKey("people.key", ondelete="CASCADE"), primary_key=True),
    Column("emoji", String(100), primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_reactions_newest", "person", "at"),
)

teachings = Table(
    "teachings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person", Key, ForeignKey("people.key", ondelete="CASCADE"), nullable=False),
    _belongs_to("replies", "id", name="reply"),  # what was taught about
    _belongs_to("inbox", "id", name="message", is_optional=True),  # the thread reply; null: imported
    Column("kind", String(16), nullable=False),  # events.TeachingKind
    Column("text", Text, nullable=False),  # as the person wrote it
    Column("wanted", Text),  # of a correction: the text that was wanted
    Column("note", Id),
    Column("revision", Id, index=True),  # the reply that was made under the critique
    Column("attempts", Json, nullable=False),  # [{text, score, answers}]
    Column("never_learn", Boolean, nullable=False, server_default=false()),
    Column("at", UtcTime, nullable=False),
    Column("import_key", Key),
    UniqueConstraint("person", "import_key"),
    Index("ix_teachings_newest", "person", "at", "id"),
)

notes = Table(
    "notes",
    metadata,
    Column("id", Id, primary_key=True),
    _belongs_to("people", "key", name="person"),
    Column("kind", String(16), nullable=False),  # note | fact
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),  # what the person had said
    Column("origin", String(16), nullable=False),  # feedback.notes.Origin
    Column("manner", String(64)),  # the rubric's manner that it asks for; with a "!" for its contrary
    Column("teaching", Id, index=True),  # the teaching that made it
    Column("message", Id, index=True),  # the question that stated it in passing
    Column("replaced_by", Id, index=True),  # the note that it made room for
    Column("created_at", UtcTime, nullable=False),
    Column("deleted_at", UtcTime),
    Column("import_key", Key),
    UniqueConstraint("person", "import_key"),
)

# Two finished replies to one prompt, and which of them the person preferred.
choices = Table(
    "choices",
    metadata,
    Column("id", Id, primary_key=True),
    _belongs_to("people", "key", name="person"),
    _belongs_to("replies", "id", name="reply"),
    Column("kind", String(16), nullable=False),  # taken | duel
    Column("alternative", Id, nullable=False),
    Column("chosen_text", Text, nullable=False),
    Column("rejected_text", Text, nullable=False),
    Column("manners", Json),  # the rubric's manners in both texts; asked once a taste learns from them
    Column("at", UtcTime, nullable=False),
    Column("import_key", Key),
    UniqueConstraint("person", "import_key"),
)

# Texts that a person gave. They are kept and go out again; nothing learns from them.
documents = Table(
    "documents",
    metadata,
    Column("id", Id, primary_key=True),
    _belongs_to("people", "key", name="person"),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("import_key", Key),
    UniqueConstraint("person", "import_key"),
)

loras = Table(
    "loras",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _belongs_to("people", "key", name="person"),
    Column("version", Integer, nullable=False),
    Column("name", Key, nullable=False, unique=True),
    Column("path", Text, nullable=False),  # below the data folder
    Column("model", Text, nullable=False),  # what it was trained on
    Column("rank", Integer),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("metrics", Json, nullable=False),
    Column("night", Id),
    Column("created_at", UtcTime, nullable=False),
    Column("promoted_at", UtcTime),
    UniqueConstraint("person", "version"),
    sqlite_autoincrement=True,  # an id is never used twice, not even after an erasure
)

nights = Table(
    "nights",
    metadata,
    Column("id", Id, primary_key=True),
    Column("state", String(16), nullable=False),  # running | done | failed
    Column("was_asked", Boolean, nullable=False, server_default=false()),  # false: for whoever was due
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, index=True),
    Column("problem", Text),
)

night_people = Table(
    "night_people",
    metadata,
    Column("night", Id, ForeignKey("nights.id", ondelete="CASCADE"), primary_key=True),
    Column("person", Key, ForeignKey("people.key", ondelete="CASCADE"), primary_key=True, index=True),
    Column("outcome", String(16)),  # promoted | kept | skipped | failed; null: not there yet
    Column("reason", Text),
    Column("version", Integer),
    Column("used", Json, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("told_at", UtcTime),
)

# What only one process may do at a time. A lease that ran out may be taken by another.
leases = Table(
    "leases",
    metadata,
    Column("name", Key, primary_key=True),
    Column("owner", Id, nullable=False),
    Column("until", UtcTime, nullable=False),
)

# Who was erased of late: every process that lives looks here, and forgets them too. Names nobody.
erasures = Table(
    "erasures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person", Id, nullable=False),  # their folder's name, which leads to nobody
    Column("loras", Json, nullable=False),  # [[loras.id, loras.name]]
    Column("owner", Id, nullable=False),  # the process that erased them, and has forgotten them itself
    Column("at", UtcTime, nullable=False),
)

slack_installations = Table(
    "slack_installations",
    metadata,
    Column("team", Key, primary_key=True),
    Column("data", Json, nullable=False),
    Column("installed_at", UtcTime, nullable=False),
)
