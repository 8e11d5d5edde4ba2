"""The answer of one row, before any wire format: saved or refused, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MatchRecord:
    """One existing record that a matching rule found."""

    sobject: str
    record_id: str
    #: In percent, 0 to 100.
    match_confidence: float
    #: What the caller sees of the record beside its Id; empty unless record details were asked for.
    fields: dict[str, Any]
    #: Field name and SAME, DIFFERENT or NULL; empty unless record details were asked for.
    field_diffs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What one matching rule found."""

    rule: str
    #: The sobject that was searched, which may differ from the one being saved.
    entity_type: str
    match_engine: str
    match_records: tuple[MatchRecord, ...]


@dataclass(frozen=True, slots=True)
class DuplicateResult:
    """What one duplicate rule says about one row."""

    duplicate_rule: str
    sobject: str
    allow_save: bool
    alert_text: str
    match_results: tuple[MatchResult, ...]


@dataclass(frozen=True, slots=True)
class RowError:
    code: str
    message: str
    fields: tuple[str, ...] = ()
    duplicate: DuplicateResult | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    record_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class Refused:
    errors: tuple[RowError, ...]
    #: Known for rows that name a record; a rolled-back row may keep the id it would have had.
    record_id: str | None = None
    #: Records that hold the key, when that is why the row is refused.
    holders: tuple[str, ...] = ()


RowResult = Saved | Refused

ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
