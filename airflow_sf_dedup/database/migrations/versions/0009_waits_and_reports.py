"""How a row waits for a duplicate rule that was switched off, and what rules report of rows that they let through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_sf_dedup.database.columns import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; no row has waited yet, and nothing was asked."""
    op.create_table(
        "sf_dedup_rule_wait",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("waiting_since", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("load_id", "row_number", name="pk_sf_dedup_rule_wait"),
    )
    op.create_table(
        "sf_dedup_rule_report",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("record_set_id", sa.Text, nullable=False),
        sa.Column("duplicate_rule", sa.Text, nullable=False),
        sa.Column("reported_at", UtcDateTime),
        sa.Column("records", sa.Integer, nullable=False),
        sa.Column("other_ids", sa.Text),
        sa.PrimaryKeyConstraint("load_id", "row_number", "record_set_id", name="pk_sf_dedup_rule_report"),
    )
