"""What the guard on volume counts: of all partitions and tries, written down or not."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.volume import Volume, VolumeLimits
from airflow_sf_dedup.errors import VolumeGuardError
from airflow_sf_dedup.journeys.volume_guard import VolumeGuard
from airflow_sf_dedup.testing.fake_org import BLOCKED, KEY, FakeOrg, blocked_by, lead_id, match, row, stored
from airflow_sf_dedup.testing.workshops import workshop

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
REFUSED = "DUPLICATES_DETECTED"


@pytest.fixture
def load(engine: Engine) -> Load:
    made = Load(uuid4().hex, uuid4().hex[:18], "Lead", KEY, "leads", "manual", "upsert", NOW, rows_read=100)
    SqlAudit(engine).open_load(made)
    return made


@pytest.fixture
def audit(engine: Engine) -> SqlAudit:
    return SqlAudit(engine)


def guard(audit: SqlAudit, load: Load, partition: int = 0, **limits: Any) -> VolumeGuard:
    return VolumeGuard(load.load_id, partition, VolumeLimits(**limits), rows=100, audit=audit)


def blocked_entry(number: int, action: Action = Action.AWAITING_REVIEW, **more: Any) -> Entry:
    return Entry(number, action, NOW, key=f"key-{number}", partition=0, **{"error_code": REFUSED, **more})


def see(guard: VolumeGuard, *rows: int) -> None:
    guard.see({number: Volume(blocked=1) for number in rows})


def test_rows_that_another_partition_has_blocked_and_not_settled_yet_count(audit: SqlAudit, load: Load) -> None:
    mine, other = (guard(audit, load, partition, max_blocked_pct=30) for partition in (0, 1))
    mine.check()
    other.check()
    see(mine, *range(1, 21))
    mine.check()
    see(other, *range(21, 32))
    with pytest.raises(VolumeGuardError, match="31 blocked of 100 rows") as raised:
        other.check()
    assert raised.value.code == "VOLUME_GUARD"


def test_a_row_that_is_settled_counts_once(audit: SqlAudit, load: Load) -> None:
    mine, other = (guard(audit, load, partition, max_blocked_pct=30) for partition in (0, 1))
    mine.check()
    see(mine, *range(1, 31))
    mine.check()
    settled = [blocked_entry(number) for number in range(1, 31)]
    mine.settle(settled)
    audit.remember(load.load_id, settled)
    mine.check()
    other.check()
    assert audit.volumes(load.load_id) == {0: Volume(blocked=30)}


def test_a_load_that_blocked_rows_stopped_is_stopped_again_before_they_are_sent(audit: SqlAudit, load: Load) -> None:
    first = guard(audit, load, max_blocked_pct=30)
    first.check()
    see(first, *range(1, 32))
    with pytest.raises(VolumeGuardError):
        first.check()
    given_up = [blocked_entry(n, Action.NOT_SENT, error_code="VOLUME_GUARD") for n in range(1, 32)]
    first.settle(given_up)
    audit.remember(load.load_id, given_up)

    with pytest.raises(VolumeGuardError, match="31 blocked"):
        guard(audit, load, max_blocked_pct=30).check()

    allowed = guard(audit, load, max_blocked_pct=60)
    allowed.check()
    see(allowed, *range(1, 32))
    allowed.check()
    assert audit.volumes(load.load_id) == {0: Volume(waiting=31)}, "sent again, and blocked again: the same rows"


def test_what_is_about_to_be_written_is_asked_with_what_was(audit: SqlAudit, load: Load) -> None:
    asked = guard(audit, load, max_created=10)
    asked.check(Volume(created=10))
    with pytest.raises(VolumeGuardError, match=r"0 created.*would add 11 created"):
        asked.check(Volume(created=11))


def test_a_plan_is_asked_before_anything_else(audit: SqlAudit, load: Load) -> None:
    planned = replace(guard(audit, load, max_created=10), planned=Volume(created=11))
    with pytest.raises(VolumeGuardError, match="the plan foresees 11 created"):
        planned.check()


def test_what_an_earlier_load_did_is_said(audit: SqlAudit, load: Load) -> None:
    asked = replace(guard(audit, load, max_created=0), earlier=lambda: "the latest load of this task had 3 created")
    with pytest.raises(VolumeGuardError, match=r"11 created.*the latest load of this task had 3 created"):
        asked.check(Volume(created=11))


def run(engine: Engine, load: Load, org: FakeOrg, rows: range, partition: int, *, try_number: int = 1) -> None:
    audit = SqlAudit(engine)
    made = workshop(
        engine,
        load,
        org,
        policy="update_existing",
        org_id=load.org_id,
        try_number=try_number,
        volume=guard(audit, load, partition, max_created=30, max_changed_pct=30),
    )
    made.part = replace(made.part, partition=partition)
    made.upsert().run([row(number) for number in rows])


def test_two_partitions_at_once_stop_at_what_they_did_together(engine: Engine, audit: SqlAudit, load: Load) -> None:
    org = FakeOrg()
    org.rows_per_chunk = 5

    def task(partition: int) -> bool:
        first = 1 + 50 * partition
        try:
            run(engine, load, org, range(first, first + 50), partition)
        except VolumeGuardError:
            return True
        return False

    with ThreadPoolExecutor(2) as pool:
        stopped = list(pool.map(task, (0, 1)))

    actions = Counter(entry.action for entry in audit.entries(load.load_id))
    assert any(stopped)
    assert actions.total() == 100
    assert actions[Action.CREATED] == sum(each.created for each in audit.volumes(load.load_id).values())
    assert actions[Action.CREATED] > 30
    assert actions[Action.NOT_SENT] > 0


def test_a_decision_that_would_write_too_much_is_not_carried_out(engine: Engine, audit: SqlAudit, load: Load) -> None:
    numbers = range(1, 41)
    org = FakeOrg(
        answers={f"key-{n}": [BLOCKED] for n in numbers},
        lookups={f"key-{n}": blocked_by(match(lead_id(n))) for n in numbers},
        records={lead_id(n): stored(lead_id(n)) for n in numbers},
    )
    with pytest.raises(VolumeGuardError, match=r"max_changed_pct=30: .*40 blocked.*would add 0 created, 40 changed"):
        run(engine, load, org, numbers, 0)

    assert {(entry.action, entry.error_code) for entry in audit.entries(load.load_id)} == {
        (Action.NOT_SENT, "VOLUME_GUARD")
    }
    assert org.sent("update") == []
