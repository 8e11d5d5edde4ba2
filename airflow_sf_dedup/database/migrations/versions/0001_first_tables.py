"""The first tables: load, entry, match, payload, event, record claim."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_sf_dedup.database.columns import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    _create_load()
    _create_entry()
    _create_match()
    _create_payload()
    _create_event()
    _create_record_claim()


def _create_load() -> None:
    op.create_table(
        "sf_dedup_load",
        sa.Column("load_id", sa.Text, primary_key=True),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("sobject", sa.Text, nullable=False),
        sa.Column("external_id_field", sa.Text, nullable=False),
        sa.Column("dag_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("policy", sa.Text),
        sa.Column("api", sa.Text),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("rows_read", sa.BigInteger),
        sa.Column("partitions", sa.Integer),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("api_calls", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("ix_sf_dedup_load_run", "sf_dedup_load", ["dag_id", "run_id"])
    op.create_index("ix_sf_dedup_load_sobject", "sf_dedup_load", ["org_id", "sobject", "external_id_field"])


def _create_entry() -> None:
    op.create_table(
        "sf_dedup_entry",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("row_hash", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("record_id", sa.Text),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("load_id", "row_number", name="pk_sf_dedup_entry"),
    )
    op.create_index("ix_sf_dedup_entry_action", "sf_dedup_entry", ["load_id", "action", "row_number"])
    op.create_index("ix_sf_dedup_entry_key", "sf_dedup_entry", ["key"])


def _of_entry(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["load_id", "row_number"],
        ["sf_dedup_entry.load_id", "sf_dedup_entry.row_number"],
        name=name,
        ondelete="CASCADE",
    )


def _create_match() -> None:
    op.create_table(
        "sf_dedup_match",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("sobject", sa.Text, nullable=False),
        sa.Column("duplicate_rule", sa.Text),
        sa.Column("matching_rule", sa.Text),
        sa.Column("engine", sa.Text),
        sa.Column("confidence", sa.Float(53)),
        sa.Column("allow_save", sa.Boolean),
        sa.Column("is_deleted", sa.Boolean),
        sa.Column("key", sa.Text),
        sa.Column("field_differences", sa.JSON),
        sa.PrimaryKeyConstraint("load_id", "row_number", "position", name="pk_sf_dedup_match"),
        _of_entry("fk_sf_dedup_match_entry"),
    )
    op.create_index("ix_sf_dedup_match_record", "sf_dedup_match", ["record_id"])
    op.create_index("ix_sf_dedup_match_key", "sf_dedup_match", ["key"])


def _create_payload() -> None:
    op.create_table(
        "sf_dedup_payload",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("field_values", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("load_id", "row_number", name="pk_sf_dedup_payload"),
        _of_entry("fk_sf_dedup_payload_entry"),
    )


def _create_event() -> None:
    op.create_table(
        "sf_dedup_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("load_id", sa.Text),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    op.create_index("ix_sf_dedup_event_load", "sf_dedup_event", ["load_id", "id"])


def _create_record_claim() -> None:
    op.create_table(
        "sf_dedup_record_claim",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("claimed_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "record_id", name="pk_sf_dedup_record_claim"),
    )
    op.create_index("ix_sf_dedup_record_claim_expires", "sf_dedup_record_claim", ["expires_at"])
