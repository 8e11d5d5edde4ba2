"""How each field of a match compares with the row, and what a person who decides should know of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; matches that are there do not say."""
    op.add_column("sf_dedup_match", sa.Column("field_states", sa.JSON))
    op.add_column("sf_dedup_match", sa.Column("cautions", sa.Text))
