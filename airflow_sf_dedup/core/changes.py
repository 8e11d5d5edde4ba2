"""What a load is about to change in a record that was there before it, field by field: the values before and after.

They are told before the call that writes, so that whatever becomes of the call can be taken back. A change says what
was to be done; whether it was done, the row's entry says, and the record itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from airflow_sf_dedup.core.likeness import Likeness, likeness

#: The field that says whether a record is in the recycle bin.
IS_DELETED = "IsDeleted"


class ChangeKind(StrEnum):
    """By which decision a record is changed."""

    UPDATE_MATCH = "update_match"
    UPDATE_OTHER = "update_other"
    #: By none: the row is written to the record that holds its key.
    UPDATE_BY_KEY = "update_by_key"
    #: The update of a record that has just left the recycle bin; of :data:`IS_DELETED`, that it leaves it.
    UNDELETE = "undelete"
    #: The look-up field of the row's own record is filled in.
    LINK = "link"
    #: By none: the record is new. Nothing is kept of it, since the row's entry tells.
    CREATE = "create"
    #: Nothing: a rule of the policy, or an opt-out, keeps the row's value back.
    KEPT_BACK = "kept_back"


class NotKept(StrEnum):
    """Why the values of a change are not known."""

    #: A setting says that values of this field, or all, are not kept.
    MASKED = "masked"
    #: The org did not tell what the field held.
    NOT_READ = "not_read"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one record, that a row is about to write to."""

    row_number: int
    #: 18 characters; empty: of the record that the row itself creates.
    record_id: str
    #: Of the record.
    sobject: str
    kind: ChangeKind
    #: Of the record.
    field: str
    #: As the org told it.
    before: Any = None
    #: As it is sent; of a value that is kept back, the same as before.
    after: Any = None
    #: ``None``: both values are kept.
    not_kept: NotKept | None = None
    #: Of a value that is kept back, why, in one word.
    reason: str | None = None
    #: Of the record when ``before`` was read, UTC; ``None``: the org did not tell.
    system_modstamp: datetime | None = None


def replaces(kept: Change, told: Change) -> bool:
    """Whether a later try of a row knows better what its field held before the load.

    It does not, where the field holds by then what an earlier try was about to write: that try has written it.
    """
    if told.kind is ChangeKind.KEPT_BACK and kept.kind is not ChangeKind.KEPT_BACK:
        return False
    if kept.kind is ChangeKind.KEPT_BACK or kept.not_kept:
        return True
    if told.not_kept:
        return False
    return likeness(kept.after, told.before, None) > Likeness.LIKE
