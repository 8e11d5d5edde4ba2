"""Whether a load sent its rows or was only planned, which plan it was given, and a digest of what it read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is there sent its rows, and was given no plan."""
    op.add_column("sf_dedup_load", sa.Column("kind", sa.Text, nullable=False, server_default="load"))
    for name in ("plan_id", "digest"):
        op.add_column("sf_dedup_load", sa.Column(name, sa.Text))
