"""What loads changed in records that were there before, and which of it was taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_sf_dedup.database.columns import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; of earlier loads nothing is known."""
    op.create_table(
        "sf_dedup_change",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("sobject", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True)),
        sa.Column("after", sa.JSON(none_as_null=True)),
        sa.Column("not_kept", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("system_modstamp", UtcDateTime),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("load_id", "row_number", "record_id", "field", name="pk_sf_dedup_change"),
    )
    op.create_index("ix_sf_dedup_change_record", "sf_dedup_change", ["record_id"])
    op.create_table(
        "sf_dedup_revert",
        sa.Column("revert_id", sa.Text, nullable=False),
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.PrimaryKeyConstraint("load_id", "revert_id", name="pk_sf_dedup_revert"),
    )
    op.create_table(
        "sf_dedup_reverted",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("row_number", sa.BigInteger, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("revert_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("error_code", sa.Text),
        sa.Column("system_modstamp", UtcDateTime),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint(
            "load_id", "row_number", "record_id", "field", "revert_id", name="pk_sf_dedup_reverted"
        ),
    )
