"""May a record that a load created, or took out of the recycle bin, go there? Only where nobody touched it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_sf_dedup.core.entries import WRITTEN, Action
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.reverts import Announced, Done, Left

#: Why a record is not there to be deleted.
_GONE: Mapping[RecordState, Left] = {
    RecordState.UNREADABLE: Left.RECORD_GONE,
    RecordState.MERGED_AWAY: Left.RECORD_MERGED_AWAY,
    RecordState.CONVERTED: Left.CHANGED_SINCE,
}

#: How far behind an org's time may be told: ``Date`` leaves out what is less than a second, and servers make it anew
#: each second or when they get to it. What other users and other loads write in that time is told by other means.
_SLACK = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Delete:
    """The record goes into the recycle bin."""


@dataclass(frozen=True, slots=True)
class RecordNow:
    """A record as the org holds it: UTC by the org's clock, users of 18 characters; ``None``: it does not say."""

    state: RecordState
    created_at: datetime | None = None
    created_by: str | None = None
    modified_at: datetime | None = None
    modified_by: str | None = None
    system_modstamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class AsCreated:
    """The load created the record, and left it so."""

    def is_touched(self, now: RecordNow) -> bool:
        """Whether it was written after it was created, or by another user, an automation of the org included."""
        stamps = {now.modified_at, now.system_modstamp or now.created_at}
        return stamps != {now.created_at} or now.modified_by != now.created_by


@dataclass(frozen=True, slots=True)
class AsWritten:
    """The load wrote a record that was there before, and left it so.

    :ivar at: when the row's entry was made, by the org's clock.
    :ivar by: the load's user.
    """

    at: datetime
    by: str | None

    def is_touched(self, now: RecordNow) -> bool:
        """Whether it was written later, or by another user."""
        latest = max(filter(None, (now.modified_at, now.system_modstamp)), default=None)
        return latest is None or latest > self.at + _SLACK or now.modified_by != self.by


def is_created_for_certain(action: Action | None, reason: str | None) -> bool:
    """Whether the row's own call said that it created the record: no date was asked, and nothing overwrites it."""
    return action is Action.CREATED and reason is None


def is_undeleted_for_certain(action: Action | None, reason: str | None) -> bool:
    """Whether the load took the record out of the recycle bin, and wrote it then."""
    return action in WRITTEN and reason == "undeleted"


def verdict_on_record(
    now: RecordNow, left: AsCreated | AsWritten, announced: Announced | None = None
) -> Delete | Done | Left:
    """What is to be done about a record.

    :param left: how the load left it.
    :param announced: an earlier call that was to delete it, and of which nobody knows the answer.
    """
    if now.state is RecordState.DELETED:
        return Done() if announced else Left.ALREADY_DELETED
    if (gone := _GONE.get(now.state)) is not None:
        return gone
    if now.created_at is None or now.modified_at is None:
        return Left.NOT_COMPARED
    if left.is_touched(now) or (announced is not None and announced.system_modstamp != now.system_modstamp):
        return Left.CHANGED_SINCE
    return Delete()
