"""May a change be taken back? Field by field, from what was written and what the org holds now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from airflow_sf_dedup.core.changes import Change
from airflow_sf_dedup.core.likeness import Likeness, likeness
from airflow_sf_dedup.core.opt_outs import is_opt_out, opts_out
from airflow_sf_dedup.core.sobjects import Field


class RevertState(StrEnum):
    """How far the revert of a change is."""

    #: A call that puts the value back is about to be made, or was: its answer is not known.
    ANNOUNCED = "announced"
    #: The value is back. No revert ever touches this change again.
    REVERTED = "reverted"
    #: It was not put back; the reason says why. A later revert looks again.
    LEFT = "left"


class Left(StrEnum):
    """Why a change was not taken back."""

    #: The field holds another value than the load wrote; or somebody has written a record that was to be deleted.
    CHANGED_SINCE = "changed_since"
    #: The field holds what it held before the load: there is nothing to put back.
    ALREADY_BACK = "already_back"
    #: The audit does not keep what the field held.
    NOT_KEPT = "not_kept"
    #: Nobody can tell whether the field holds what the load wrote: a parent that the row names by its key.
    NOT_COMPARED = "not_compared"
    #: The load set an opt-out, which nobody takes back unless asked to.
    OPTED_OUT = "opted_out"
    #: The API user may not write the field, or does not see it.
    NOT_WRITABLE = "not_writable"
    #: The row's entry says that the record was not written.
    NOT_WRITTEN = "not_written"
    #: The record is in the recycle bin.
    RECORD_DELETED = "record_deleted"
    #: The record was merged into another one.
    RECORD_MERGED_AWAY = "record_merged_away"
    #: The record is gone for good, or the API user cannot see it.
    RECORD_GONE = "record_gone"
    #: A load, or another revert, has the record or its key in flight.
    IN_FLIGHT = "in_flight"
    #: Its refusal passes, such as that of a lock, and lasted longer than all tries of the task.
    TRIES_USED_UP = "tries_used_up"
    #: Salesforce refused the update, or to delete the record.
    REFUSED = "refused"
    #: The record is in the recycle bin, and this revert has not put it there.
    ALREADY_DELETED = "already_deleted"
    #: Other records would be deleted with it, or nobody can tell.
    HAS_CHILDREN = "has_children"
    #: Another load has written the record, too.
    OTHER_LOAD = "other_load"
    #: The audit does not tell for certain that the load created the record, or brought it back.
    DOUBTFUL = "doubtful"
    #: The record left the recycle bin, and stays live unless asked.
    NOT_ASKED = "not_asked"
    #: No answer tells what became of the call.
    NO_ANSWER = "no_answer"


#: What passes by itself: the task fails, and its retry tries these again.
PASSES = frozenset({Left.IN_FLIGHT, Left.NO_ANSWER, Left.TRIES_USED_UP})


@dataclass(frozen=True, slots=True)
class PutBack:
    """The field gets this value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Done:
    """An earlier call, whose answer is not known, has put the value back."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A call that was to put the value back, and of which nobody knows the answer."""

    #: SystemModstamp of the record right before it, UTC.
    system_modstamp: datetime | None


@dataclass(frozen=True, slots=True)
class FieldNow:
    """A field as the org holds it."""

    value: Any
    #: ``None``: the user does not see it.
    described: Field | None
    #: Of its record, UTC.
    system_modstamp: datetime | None = None


def verdict(
    changes: Sequence[Change], now: FieldNow, announced: Announced | None = None, *, clear_opt_outs: bool = False
) -> PutBack | Done | Left:
    """What is to be done about one field of one record.

    :param changes: of one load to that field, none of them taken back, oldest first.
    :param announced: an earlier call for it.
    :param clear_opt_outs: whether an opt-out that the load set is taken back, too.
    """
    field, newest = now.described, changes[-1]
    if any(change.not_kept for change in changes):
        return Left.NOT_KEPT
    if field is None:
        return Left.NOT_WRITABLE
    target = _target(changes, field)
    if likeness(target, now.value, field) is Likeness.SAME:
        return Done() if announced else Left.ALREADY_BACK
    if (why := _why_not(newest.after, now, announced)) is not None:
        return why
    if not field.updateable:
        return Left.NOT_WRITABLE
    if is_opt_out(field.name) and opts_out(now.value) and not opts_out(target) and not clear_opt_outs:
        return Left.OPTED_OUT
    return PutBack(target)


def _why_not(written: Any, now: FieldNow, announced: Announced | None) -> Left | None:
    """A record that was written after the announced call was about to be made is no longer as the load left it."""
    alike = likeness(written, now.value, now.described)
    if alike is Likeness.UNTOLD:
        return Left.NOT_COMPARED
    if alike is not Likeness.SAME:
        return Left.CHANGED_SINCE
    if announced is not None and announced.system_modstamp != now.system_modstamp:
        return Left.CHANGED_SINCE
    return None


def _target(changes: Sequence[Change], field: Field) -> Any:
    """What the field held before the first of those changes that follow one another without a change by others."""
    target = changes[-1].before
    for earlier in reversed(changes[:-1]):
        if likeness(earlier.after, target, field) is not Likeness.SAME:
            break
        target = earlier.before
    return target
