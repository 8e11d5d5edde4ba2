"""What state a matched record was in, who deleted it when, and what it has become."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_sf_dedup.database.columns import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; matches that are there do not say."""
    for name, kind in (("state", sa.Text), ("deleted_at", UtcDateTime), ("deleted_by", sa.Text), ("leads_to", sa.Text)):
        op.add_column("sf_dedup_match", sa.Column(name, kind))
