"""Column types that read the same in both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import TIMESTAMP, Dialect, Text
from sqlalchemy.types import TypeDecorator, TypeEngine


@lru_cache(maxsize=64)
def utc_text(at: datetime) -> str:
    """``2026-03-01 06:00:00.000000+00:00``: sorts as text, and compares with SQLite's ``datetime('now')``.

    :raises ValueError: for a time without a time zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; the audit keeps UTC.")
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(" ", "microseconds")


class UtcDateTime(TypeDecorator[datetime]):
    """``TIMESTAMPTZ`` in PostgreSQL, ISO text in SQLite; always an aware UTC ``datetime`` in Python."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type of the column."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """From Python to the database."""
        if value is None:
            return None
        text = utc_text(value)
        return value.astimezone(UTC) if dialect.name == "postgresql" else text

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database to Python."""
        if value is None:
            return None
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return at.astimezone(UTC)
