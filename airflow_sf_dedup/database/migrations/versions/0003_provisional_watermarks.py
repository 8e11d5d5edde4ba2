"""A watermark is confirmed, or it is the word of one row that nobody has settled yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_sf_dedup.database.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SCOPE = ("org_id", "sobject", "external_id_field", "key_hash")
_COLUMNS = ", ".join((*_SCOPE, "kind", "newest", "raised_by", "at"))

#: The load and the row in ``raised_by``, such as ``6f1c/17``; null where nobody is named.
_RAISER = {
    "postgresql": ("split_part(raised_by, '/', 1)", "CAST(nullif(split_part(raised_by, '/', 2), '') AS BIGINT)"),
    "sqlite": (
        "substr(raised_by, 1, instr(raised_by, '/') - 1)",
        "CAST(nullif(substr(raised_by, instr(raised_by, '/') + 1), '') AS INTEGER)",
    ),
}

#: With what became of the row that raised each watermark; nothing where its load was purged.
_FROM = """
    FROM (SELECT *, {load} AS load_id, {row} AS row_number FROM sf_dedup_watermark_before) AS mark
    LEFT JOIN sf_dedup_load AS load ON load.load_id = mark.load_id
    LEFT JOIN sf_dedup_entry AS entry ON entry.load_id = mark.load_id AND entry.row_number = mark.row_number
"""
_WRITTEN = "entry.action IN ('created', 'updated', 'matched_updated', 'saved_anyway')"
_OPEN = "load.load_id IS NOT NULL AND (entry.action IS NULL OR entry.action IN ('unknown', 'failed', 'not_sent'))"


def upgrade() -> None:
    """Part each watermark into what is confirmed and what a row without a last word raised above it."""
    op.rename_table("sf_dedup_watermark", "sf_dedup_watermark_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_sf_dedup_watermark RENAME TO pk_sf_dedup_watermark_before")
    _create()
    # The time of an open one is that of its load: the row may have been sent since then.
    _fill("mark.kind, mark.newest, mark.raised_by, load.started_at", _OPEN)
    _fill("mark.kind, mark.newest, '', mark.at", f"mark.raised_by = '' OR load.load_id IS NULL OR {_WRITTEN}")
    # A kind is one letter, and a colon follows it.
    _fill(
        "substr(mark.before, 1, 1), substr(mark.before, 3), '', mark.at",
        f"mark.before IS NOT NULL AND load.load_id IS NOT NULL AND NOT coalesce({_WRITTEN}, FALSE)",
    )
    op.drop_table("sf_dedup_watermark_before")


def _fill(values: str, condition: str) -> None:
    load, row = _RAISER[op.get_bind().dialect.name]
    scope = ", ".join(f"mark.{name}" for name in _SCOPE)
    source = _FROM.format(load=load, row=row)
    op.execute(f"INSERT INTO sf_dedup_watermark ({_COLUMNS}) SELECT {scope}, {values} {source} WHERE {condition}")


def _create() -> None:
    op.create_table(
        "sf_dedup_watermark",
        *(sa.Column(name, sa.Text, nullable=False) for name in _SCOPE),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("newest", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("raised_by", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint(*_SCOPE, "raised_by", name="pk_sf_dedup_watermark"),
    )
