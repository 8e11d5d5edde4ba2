"""The clock that is used where none is handed in."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time of this machine, UTC."""
    return datetime.now(UTC)
