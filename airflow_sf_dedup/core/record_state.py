"""Is a record that a row met still there? Told apart from whether it holds the same values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RecordState(StrEnum):
    """What a record is when it is read."""

    LIVE = "live"
    #: In the recycle bin, by itself or with the record it belonged to.
    DELETED = "deleted"
    #: In the recycle bin since it was merged into another record.
    MERGED_AWAY = "merged_away"
    #: A lead that has become a contact: it cannot be written to any more.
    CONVERTED = "converted"
    #: The user cannot read it, or nobody tried; or it is gone for good.
    UNREADABLE = "unreadable"

    @property
    def in_recycle_bin(self) -> bool | None:
        """``None``: nobody knows."""
        return None if self is RecordState.UNREADABLE else self in (RecordState.DELETED, RecordState.MERGED_AWAY)

    @property
    def is_gone(self) -> bool:
        """Nothing that may be written to."""
        return self in (RecordState.DELETED, RecordState.MERGED_AWAY, RecordState.CONVERTED)


@dataclass(frozen=True, slots=True)
class Deletion:
    """When, by whom and why a record went into the recycle bin, as far as the org says.

    Salesforce keeps no date of a deletion: it is the last change of the deleted record (``SystemModstamp``,
    ``LastModifiedById``).
    """

    #: UTC, by the org's clock.
    at: datetime | None = None
    #: The user's id, 18 characters.
    by: str | None = None
    #: The record it was merged into (``MasterRecordId``), 18 characters; ``None``: it was deleted.
    merged_into: str | None = None
