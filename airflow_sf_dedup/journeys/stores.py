"""What a journey remembers, and where: all of it in one database."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.locks.base import KeyClaims, RecordClaims, Watermarks


@dataclass(frozen=True, slots=True)
class Stores:
    """The ports to one database."""

    audit: SqlAudit
    key_claims: KeyClaims
    record_claims: RecordClaims
    watermarks: Watermarks
