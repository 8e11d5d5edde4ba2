"""Whether a load sent its rows or was only planned, and of a plan a digest of what it read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is there sent its rows."""
    op.add_column("sf_dedup_load", sa.Column("kind", sa.Text, nullable=False, server_default="load"))
    op.add_column("sf_dedup_load", sa.Column("digest", sa.Text))
