"""Whether a record goes into the recycle bin is told by what the org says of who wrote it last, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_sf_dedup.core.deletes import AsCreated, AsWritten, Delete, RecordNow, verdict_on_record
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.reverts import Left

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
US, SALES = "005000000000001AAA", "005000000000002AAA"
OURS = RecordNow(RecordState.LIVE, NOON, US, NOON, US, NOON)


def written(seconds: float, by: str = US) -> RecordNow:
    at = NOON + timedelta(seconds=seconds)
    return replace(OURS, modified_at=at, modified_by=by, system_modstamp=at)


@pytest.mark.parametrize("seconds", [-60, 0, 2.5, 4])
def test_a_write_of_ours_may_seem_later_than_its_entry(seconds: float) -> None:
    """The org's time is known to a second or three: from a header that its servers renew now and then."""
    assert verdict_on_record(written(seconds), AsWritten(NOON, US)) == Delete()


@pytest.mark.parametrize(("seconds", "by"), [(0, SALES), (-60, SALES), (6, US), (3600, US)])
def test_what_another_user_or_a_later_call_wrote_is_left(seconds: float, by: str) -> None:
    assert verdict_on_record(written(seconds, by), AsWritten(NOON, US)) is Left.CHANGED_SINCE


@pytest.mark.parametrize(("now", "expected"), [(OURS, Delete()), (written(0.001), Left.CHANGED_SINCE)])
def test_a_created_record_needs_no_clock(now: RecordNow, expected: object) -> None:
    assert verdict_on_record(now, AsCreated()) == expected
