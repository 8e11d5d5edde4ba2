"""Which fields of a row Salesforce objects to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; rows that are there do not say."""
    op.add_column("sf_dedup_entry", sa.Column("error_fields", sa.Text))
