"""Which rows of a load may be twins of one another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; rows that are there do not say."""
    op.add_column("sf_dedup_entry", sa.Column("twin_group", sa.BigInteger))
