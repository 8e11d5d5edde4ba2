"""Which duplicate rules are switched off around a load, and what a load let through meanwhile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_sf_dedup.database.columns import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _create_rule_switch()
    _create_duplicate_job()
    _create_found_match()


def _create_rule_switch() -> None:
    op.create_table(
        "sf_dedup_rule_switch",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("sobject", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("conn_id", sa.Text, nullable=False),
        sa.Column("was_active", sa.Boolean, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("seen_running", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("taken_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "sobject", "rule", "holder", name="pk_sf_dedup_rule_switch"),
    )
    op.create_index("ix_sf_dedup_rule_switch_holder", "sf_dedup_rule_switch", ["holder"])


def _create_duplicate_job() -> None:
    op.create_table(
        "sf_dedup_duplicate_job",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("every", sa.BigInteger, nullable=False),
        sa.Column("through_row", sa.BigInteger, nullable=False),
        sa.Column("checked", sa.BigInteger, nullable=False),
        sa.Column("unchecked", sa.BigInteger, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.PrimaryKeyConstraint("load_id", name="pk_sf_dedup_duplicate_job"),
    )


def _create_found_match() -> None:
    op.create_table(
        "sf_dedup_found_match",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("matched_record_id", sa.Text, nullable=False),
        sa.Column("matched_sobject", sa.Text, nullable=False),
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("duplicate_rule", sa.Text),
        sa.Column("matching_rule", sa.Text),
        sa.Column("engine", sa.Text),
        sa.Column("confidence", sa.Float(53)),
        sa.PrimaryKeyConstraint("load_id", "row_number", "position", name="pk_sf_dedup_found_match"),
    )
    for column in ("record_id", "matched_record_id", "group_id"):
        op.create_index(f"ix_sf_dedup_found_match_{column}", "sf_dedup_found_match", ["load_id", column])
