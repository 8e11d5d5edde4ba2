"""What a load keeps beyond its own process: its audit, its claims and the watermarks of its keys."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_sf_dedup.audit.base import Audit
from airflow_sf_dedup.audit.changes import ChangeLog
from airflow_sf_dedup.locks.base import KeyClaims, RecordClaims, Watermarks


@dataclass(frozen=True, slots=True)
class Stores:
    """All stores of one load. They belong together: whatever one says of a key or a row, the others say of the same."""

    audit: Audit
    #: What is about to change in records that were there before, and what was taken back.
    changes: ChangeLog
    #: Keys in flight.
    key_claims: KeyClaims
    #: Matched records that a key is about to be stamped on.
    record_claims: RecordClaims
    #: How new the written states of keys are (``newer_than``).
    watermarks: Watermarks
