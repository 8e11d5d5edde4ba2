"""The tables of the audit, as SQLAlchemy Core sees them.

What each column means for a reader is written in ``docs/audit.md``. A change here needs a migration;
a test compares the two on both databases.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from airflow_sf_dedup.database.columns import UtcDateTime

metadata = MetaData()

_SCOPE = ("org_id", "sobject", "external_id_field", "key_hash")


def _key_of_scope() -> list[Column[str]]:
    """What makes a key one and the same, for claims, doubts and watermarks."""
    return [Column(name, Text, nullable=False) for name in _SCOPE]


load = Table(
    "sf_dedup_load",
    metadata,
    Column("load_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("sobject", Text, nullable=False),
    Column("external_id_field", Text, nullable=False),
    Column("dag_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("policy", Text),
    Column("api", Text),
    Column("settings", JSON, nullable=False),
    Column("rows_read", BigInteger),
    Column("partitions", Integer),
    Column("ended_at", UtcDateTime),
    Column("api_calls", BigInteger, nullable=False, server_default="0"),
    Column("predicted_calls", BigInteger),
    Column("kind", Text, nullable=False, server_default="load"),
    Column("digest", Text),
    Index("ix_sf_dedup_load_run", "dag_id", "run_id"),
    Index("ix_sf_dedup_load_sobject", "org_id", "sobject", "external_id_field"),
)

#: No foreign key to the load: it would cost a look-up a row. The writer holds the load's row instead.
entry = Table(
    "sf_dedup_entry",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("key", Text),
    Column("row_hash", Text),
    Column("action", Text, nullable=False),
    Column("record_id", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("reason", Text),
    Column("partition", Integer, nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("try_number", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("waited_seconds", Float(53), nullable=False, server_default="0"),
    Column("error_fields", Text),
    Column("twin_group", BigInteger),
    PrimaryKeyConstraint("load_id", "row_number", name="pk_sf_dedup_entry"),
    Index("ix_sf_dedup_entry_action", "load_id", "action", "row_number"),
    Index("ix_sf_dedup_entry_key", "key"),
)

match = Table(
    "sf_dedup_match",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("sobject", Text, nullable=False),
    Column("duplicate_rule", Text),
    Column("matching_rule", Text),
    Column("engine", Text),
    Column("confidence", Float(53)),
    Column("allow_save", Boolean),
    Column("is_deleted", Boolean),
    Column("key", Text),
    Column("field_differences", JSON(none_as_null=True)),
    Column("field_states", JSON(none_as_null=True)),
    Column("cautions", Text),
    Column("state", Text),
    Column("deleted_at", UtcDateTime),
    Column("deleted_by", Text),
    Column("leads_to", Text),
    PrimaryKeyConstraint("load_id", "row_number", "position", name="pk_sf_dedup_match"),
    ForeignKeyConstraint(
        ["load_id", "row_number"],
        ["sf_dedup_entry.load_id", "sf_dedup_entry.row_number"],
        name="fk_sf_dedup_match_entry",
        ondelete="CASCADE",
    ),
    Index("ix_sf_dedup_match_record", "record_id"),
    Index("ix_sf_dedup_match_key", "key"),
)

#: ``field_values`` and not ``values``: that word must be quoted in SQLite.
payload = Table(
    "sf_dedup_payload",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("field_values", JSON, nullable=False),
    PrimaryKeyConstraint("load_id", "row_number", name="pk_sf_dedup_payload"),
    ForeignKeyConstraint(
        ["load_id", "row_number"],
        ["sf_dedup_entry.load_id", "sf_dedup_entry.row_number"],
        name="fk_sf_dedup_payload_entry",
        ondelete="CASCADE",
    ),
)

#: Rows that waited for a rule which was switched off; it outlives the entries that say so.
rule_wait = Table(
    "sf_dedup_rule_wait",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("waiting_since", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("load_id", "row_number", name="pk_sf_dedup_rule_wait"),
)

#: The duplicate record sets in which records stand that a load saved.
rule_report = Table(
    "sf_dedup_rule_report",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("record_set_id", Text, nullable=False),
    Column("duplicate_rule", Text, nullable=False),
    Column("reported_at", UtcDateTime),
    Column("records", Integer, nullable=False),
    Column("other_ids", Text),
    PrimaryKeyConstraint("load_id", "row_number", "record_set_id", name="pk_sf_dedup_rule_report"),
)

event = Table(
    "sf_dedup_event",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("load_id", Text),
    Column("at", UtcDateTime, nullable=False),
    Column("event", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Index("ix_sf_dedup_event_load", "load_id", "id"),
)

record_claim = Table(
    "sf_dedup_record_claim",
    metadata,
    Column("org_id", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("load_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("org_id", "record_id", name="pk_sf_dedup_record_claim"),
    Index("ix_sf_dedup_record_claim_expires", "expires_at"),
)

key_claim = Table(
    "sf_dedup_key_claim",
    metadata,
    *_key_of_scope(),
    Column("token", Text, nullable=False),
    Column("load_id", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("org_time", UtcDateTime, nullable=False),
    Column("left_by", Text),
    Column("left_since", UtcDateTime),
    PrimaryKeyConstraint(*_SCOPE, name="pk_sf_dedup_key_claim"),
    Index("ix_sf_dedup_key_claim_token", "token"),
    Index("ix_sf_dedup_key_claim_expires", "expires_at"),
)

#: Since when a key may have been sent by a process of a load that left its claim behind.
key_doubt = Table(
    "sf_dedup_key_doubt",
    metadata,
    Column("load_id", Text, nullable=False),
    *_key_of_scope(),
    Column("since", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("load_id", *_SCOPE, name="pk_sf_dedup_key_doubt"),
)

#: An order's text compares byte by byte, whatever language the database sorts in. One line a key, with an empty
#: ``raised_by``, is the newest state that was written; the others are states of which nobody has said so yet.
watermark = Table(
    "sf_dedup_watermark",
    metadata,
    *_key_of_scope(),
    Column("kind", Text, nullable=False),
    Column("newest", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False),
    Column("raised_by", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint(*_SCOPE, "raised_by", name="pk_sf_dedup_watermark"),
)

call_count = Table(
    "sf_dedup_call_count",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("round_number", Integer, nullable=False),
    Column("calls", BigInteger, nullable=False),
    PrimaryKeyConstraint("load_id", "round_number", name="pk_sf_dedup_call_count"),
)

#: A duplicate rule that a load wants switched off, one line for each that does; it outlives the load.
rule_switch = Table(
    "sf_dedup_rule_switch",
    metadata,
    Column("org_id", Text, nullable=False),
    Column("sobject", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("conn_id", Text, nullable=False),
    Column("was_active", Boolean, nullable=False),
    Column("definition", Text, nullable=False),
    Column("seen_running", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("org_id", "sobject", "rule", "holder", name="pk_sf_dedup_rule_switch"),
    Index("ix_sf_dedup_rule_switch_holder", "holder"),
)

#: How far the search for what a load let through has come.
duplicate_job = Table(
    "sf_dedup_duplicate_job",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("every", BigInteger, nullable=False),
    Column("through_row", BigInteger, nullable=False),
    Column("checked", BigInteger, nullable=False),
    Column("unchecked", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    PrimaryKeyConstraint("load_id", name="pk_sf_dedup_duplicate_job"),
)

#: What it found. Records that hang together have one ``group_id``, the smallest id among them.
found_match = Table(
    "sf_dedup_found_match",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("matched_record_id", Text, nullable=False),
    Column("matched_sobject", Text, nullable=False),
    Column("group_id", Text, nullable=False),
    Column("duplicate_rule", Text),
    Column("matching_rule", Text),
    Column("engine", Text),
    Column("confidence", Float(53)),
    PrimaryKeyConstraint("load_id", "row_number", "position", name="pk_sf_dedup_found_match"),
    *(
        Index(f"ix_sf_dedup_found_match_{column}", "load_id", column)
        for column in ("record_id", "matched_record_id", "group_id")
    ),
)

#: How much of a load created, changed or was blocked, as its entries say; ``waiting``: blocked rows that have none yet.
volume = Table(
    "sf_dedup_volume",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("created", BigInteger, nullable=False, server_default="0"),
    Column("changed", BigInteger, nullable=False, server_default="0"),
    Column("blocked", BigInteger, nullable=False, server_default="0"),
    Column("waiting", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("load_id", "partition", name="pk_sf_dedup_volume"),
)

#: What a row is about to change in a record that was there before. No foreign key to the entry: the change is there
#: first.
change = Table(
    "sf_dedup_change",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("sobject", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    Column("not_kept", Text),
    Column("reason", Text),
    Column("system_modstamp", UtcDateTime),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("load_id", "row_number", "record_id", "field", name="pk_sf_dedup_change"),
    Index("ix_sf_dedup_change_record", "record_id"),
)

revert = Table(
    "sf_dedup_revert",
    metadata,
    Column("revert_id", Text, nullable=False),
    Column("load_id", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    PrimaryKeyConstraint("load_id", "revert_id", name="pk_sf_dedup_revert"),
)

#: What a revert did about a change; the change itself stays as it is.
reverted = Table(
    "sf_dedup_reverted",
    metadata,
    Column("load_id", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("revert_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("error_code", Text),
    Column("system_modstamp", UtcDateTime),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("load_id", "row_number", "record_id", "field", "revert_id", name="pk_sf_dedup_reverted"),
)
