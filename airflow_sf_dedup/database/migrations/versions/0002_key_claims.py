"""One writer per key: claims, watermarks and counted calls; how often and how long a row was tried."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_sf_dedup.database.columns import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SCOPE = ("org_id", "sobject", "external_id_field", "key_hash")


def upgrade() -> None:
    """Create the new tables, and add the new columns to those that are there."""
    _create_key_claim()
    _create_key_doubt()
    _create_watermark()
    _create_call_count()
    op.add_column("sf_dedup_load", sa.Column("predicted_calls", sa.BigInteger))
    op.add_column("sf_dedup_entry", sa.Column("attempts", sa.Integer, nullable=False, server_default="1"))
    op.add_column("sf_dedup_entry", sa.Column("waited_seconds", sa.Float(53), nullable=False, server_default="0"))


def _scope_columns() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in _SCOPE]


def _create_key_claim() -> None:
    op.create_table(
        "sf_dedup_key_claim",
        *_scope_columns(),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("claimed_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("org_time", UtcDateTime, nullable=False),
        sa.Column("left_by", sa.Text),
        sa.Column("left_since", UtcDateTime),
        sa.PrimaryKeyConstraint(*_SCOPE, name="pk_sf_dedup_key_claim"),
    )
    op.create_index("ix_sf_dedup_key_claim_token", "sf_dedup_key_claim", ["token"])
    op.create_index("ix_sf_dedup_key_claim_expires", "sf_dedup_key_claim", ["expires_at"])


def _create_key_doubt() -> None:
    op.create_table(
        "sf_dedup_key_doubt",
        sa.Column("load_id", sa.Text, nullable=False),
        *_scope_columns(),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("load_id", *_SCOPE, name="pk_sf_dedup_key_doubt"),
    )


def _create_watermark() -> None:
    op.create_table(
        "sf_dedup_watermark",
        *_scope_columns(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("newest", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("raised_by", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint(*_SCOPE, name="pk_sf_dedup_watermark"),
    )


def _create_call_count() -> None:
    op.create_table(
        "sf_dedup_call_count",
        sa.Column("load_id", sa.Text, nullable=False),
        sa.Column("round_number", sa.Integer, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("load_id", "round_number", name="pk_sf_dedup_call_count"),
    )
