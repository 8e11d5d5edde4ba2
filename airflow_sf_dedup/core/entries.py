"""What the audit remembers of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.rule_reports import RuleReport
from airflow_sf_dedup.core.rule_waits import RuleWait


class Action(StrEnum):
    """The final word on one source row of one load."""

    CREATED = "created"
    UPDATED = "updated"
    #: The only live match was updated and now carries the key.
    MATCHED_UPDATED = "matched_updated"
    #: Saved although an alert rule named duplicates.
    SAVED_ANYWAY = "saved_anyway"
    SKIPPED = "skipped"
    AWAITING_REVIEW = "awaiting_review"
    #: Waits behind an earlier row of its key that is not settled.
    HELD = "held"
    #: A later (or earlier) row of the same key was sent in its place.
    SUPERSEDED = "superseded"
    #: Never sent: no usable key, or a value its field cannot hold.
    INVALID = "invalid"
    FAILED = "failed"
    NOT_SENT = "not_sent"
    NOT_FOUND = "not_found"
    UNCHANGED = "unchanged"
    #: Sent, and no answer tells what became of it.
    UNKNOWN = "unknown"


class AuditValues(StrEnum):
    """Whose field values the audit keeps, beside those of rows that await a person."""

    NONE = "none"
    DUPLICATES = "duplicates"
    ALL = "all"


#: The reason of a tombstone: what was kept of the row is no more.
ERASED = "erased"

#: The reason of a row that a plan did not look at: only a part of the rows was planned.
NOT_IN_SAMPLE = "not_in_sample"

#: The reason of a row that a plan foresees as if it were alone: a row that may be its twin would be in the org by then.
MAY_MEET_TWIN = "may_meet_twin"

#: The reason of a row that was left, since what its load would have done with it is not what was planned.
BEYOND_PLAN = "beyond_plan"

#: With these actions the row's values are in the org.
WRITTEN = frozenset({Action.CREATED, Action.UPDATED, Action.MATCHED_UPDATED, Action.SAVED_ANYWAY})

#: The same, where nothing was left to write; what a record kept of its own is no state of the row's any more.
IN_THE_ORG = WRITTEN | {Action.UNCHANGED}

#: Rows with these actions are sent again when their task runs again.
UNSETTLED = frozenset({Action.FAILED, Action.UNKNOWN, Action.NOT_SENT})

#: Rows with these actions were never sent.
UNSENT = frozenset(
    {Action.INVALID, Action.SUPERSEDED, Action.HELD, Action.NOT_SENT, Action.NOT_FOUND, Action.UNCHANGED}
)

#: What ``max_failed`` counts.
COUNTED_AS_FAILED = UNSETTLED | {Action.INVALID}


@dataclass(frozen=True, slots=True)
class MatchEntry(Match):
    """A match as the audit keeps it, with what was read of the record."""

    #: In the recycle bin; ``None`` when the record could not be read.
    is_deleted: bool | None = None
    #: The value its external-ID field held when it was read.
    key: str | None = None
    #: Field name to ``[value in the row, value in the record]``, where they differ.
    field_differences: Mapping[str, Any] | None = None
    #: Field name to a word of :class:`~airflow_sf_dedup.core.differences.Difference`, for every field that was read.
    #: ``None`` when the record could not be read.
    field_states: Mapping[str, str] | None = None
    #: What a person who decides should know of the match, in words of :class:`~airflow_sf_dedup.core.cautions.Caution`.
    cautions: tuple[str, ...] = ()
    #: ``None``: it was not read.
    state: RecordState | None = None
    #: When and by whom a record in the recycle bin was deleted, as far as the org says: UTC, a user's id.
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    #: The record it was merged into, or the contact that a converted lead has become.
    leads_to: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One source row's line in the audit."""

    #: Place in the source, from 1.
    row_number: int
    action: Action
    #: When it was decided, UTC.
    at: datetime
    key: str | None = None
    row_hash: str | None = None
    record_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    #: API names of the fields that the error is about, as far as Salesforce names them.
    error_fields: tuple[str, ...] = ()
    #: One word that explains the action further, such as ``several_matches``.
    reason: str | None = None
    #: The partition that held the row; -1 where there is none.
    partition: int = -1
    #: Airflow's map index and try number of the task that wrote the entry.
    map_index: int = -1
    try_number: int = 1
    #: How often this try sent the row, where it did.
    attempts: int = 1
    #: Seconds from its first to its last sending.
    waited_seconds: float = 0.0
    #: The row of the load that goes first among those that this one may be a twin of, which all have this number.
    #: ``None``: it has no suspected twin.
    twin_group: int | None = None
    matches: tuple[MatchEntry, ...] = field(default=())
    #: Field values, kept as ``audit_values`` says; ``None`` where nothing is kept.
    values: Mapping[str, Any] | None = None
    #: How it waited for a rule that was switched off; an entry that says nothing of it leaves what is known.
    rule_wait: RuleWait | None = None
    #: The duplicate record sets in which its record stands, where it was asked for them.
    reports: tuple[RuleReport, ...] = ()

    @property
    def matched_ids(self) -> tuple[str, ...]:
        """The matched records, each once, however many rules name it."""
        return tuple(dict.fromkeys(match.record_id for match in self.matches))

    @property
    def cautions(self) -> tuple[str, ...]:
        """Those of all matches, each once."""
        return tuple(dict.fromkeys(caution for match in self.matches for caution in match.cautions))
