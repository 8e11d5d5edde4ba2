"""How much of a load created, changed or was blocked, by partition."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and count the entries that are there."""
    counts = [
        sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
        for name in ("created", "changed", "blocked", "waiting")
    ]
    op.create_table(
        "sf_dedup_volume",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        *counts,
        sa.PrimaryKeyConstraint("load_id", "partition", name="pk_sf_dedup_volume"),
    )
    # As the counting of that release did; what counts later is another migration's affair.
    op.execute(
        """
        INSERT INTO sf_dedup_volume (load_id, partition, created, changed, blocked)
        SELECT load_id, partition,
               SUM(CASE WHEN action IN ('created', 'saved_anyway') THEN 1 ELSE 0 END),
               SUM(CASE WHEN action IN ('updated', 'matched_updated') THEN 1 ELSE 0 END),
               SUM(CASE WHEN error_code = 'DUPLICATES_DETECTED' THEN 1 ELSE 0 END)
        FROM sf_dedup_entry GROUP BY load_id, partition
        """
    )
