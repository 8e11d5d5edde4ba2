"""A load that keeps to its plan: after a crash, a lost answer, a race, what its own tries did is within the plan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load, LoadKind
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry, MatchEntry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import TransientCallError
from airflow_sf_dedup.journeys.keeping.kept import within_plan
from airflow_sf_dedup.journeys.upsert import Upsert
from airflow_sf_dedup.journeys.write_rules import write_rules_of
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.salesforce.ports import Origin
from airflow_sf_dedup.testing.fake_org import KEY, KEY_RULE, LEAD, FakeOrg, lead_id, row, stored, taken
from airflow_sf_dedup.testing.workshops import workshop
from tests.journeys.rows_under_way import clear

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
HELD, OTHER = lead_id(100), lead_id(101)
REFUSED = "DUPLICATES_DETECTED"


class Kept:
    """A plan, and loads that keep to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.audit, self.org = engine, SqlAudit(engine), FakeOrg(writes=False)
        self.org_id = uuid4().hex[:18]
        self.plan, self.load = (
            Load(uuid4().hex, self.org_id, "Lead", KEY, "leads", "manual", task, NOW, kind=kind, rows_read=9)
            for task, kind in (("plan", LoadKind.PLAN), ("upsert", LoadKind.LOAD))
        )
        for each in (self.plan, self.load):
            self.audit.open_load(each)

    def planned(self, *entries: Entry) -> None:
        self.audit.remember(self.plan.load_id, entries)

    def hold(self, key: str, record_id: str, **values: Any) -> None:
        self.org.held[key] = (record_id,)
        self.org.records[record_id] = stored(record_id, **{KEY: key, **values})

    def upsert(self, *, policy: str = "update_existing | ask_reviewer", **how: Any) -> Upsert:
        rules = write_rules_of(WriteSettings(strict=True), LEAD, KEY_RULE)
        return workshop(
            self.engine,
            self.load,
            self.org,
            policy=policy,
            org_id=self.org_id,
            write_rules=within_plan(rules, self.audit, self.plan.load_id),
            **how,
        ).upsert()

    def run(self, *rows: Record, **how: Any) -> list[tuple[str, str | None, str | None]]:
        self.upsert(**how).run(rows)
        return self.said()

    def said(self) -> list[tuple[str, str | None, str | None]]:
        return [(str(each.action), each.reason, each.record_id) for each in self.audit.entries(self.load.load_id)]


@pytest.fixture
def kept(engine: Engine) -> Iterator[Kept]:
    yield Kept(engine)


def planned(number: int, action: Action, record_id: str | None = None, **more: Any) -> Entry:
    return Entry(number, action, NOW, key=f"key-{number}", record_id=record_id, **more)


def planned_match(number: int, record_id: str, action: Action = Action.MATCHED_UPDATED) -> Entry:
    found = MatchEntry(record_id, "Lead", "Leads_by_mail", "By_mail", None, 95.0, True)
    return planned(
        number,
        action,
        record_id if action is Action.MATCHED_UPDATED else None,
        error_code=REFUSED,
        matches=(found,),
    )


def test_a_row_is_written_as_it_was_planned_and_to_the_record_that_was_planned(kept: Kept) -> None:
    kept.hold("key-2", HELD)
    kept.hold("key-3", OTHER)
    kept.planned(
        planned(1, Action.CREATED),
        planned(2, Action.UPDATED, HELD),
        planned(3, Action.UPDATED, HELD),
        planned(4, Action.UPDATED, HELD),
        planned(5, Action.CREATED),
    )
    kept.hold("key-5", lead_id(105))
    said = kept.run(*map(row, range(1, 7)))
    assert [(action, reason) for action, reason, _ in said] == [
        ("created", None),
        ("updated", None),
        ("skipped", "beyond_plan"),
        ("skipped", "beyond_plan"),
        ("skipped", "beyond_plan"),
        # The plan does not have it at all.
        ("skipped", "beyond_plan"),
    ]
    assert kept.org.sent("upsert") == [[["key-1"], ["key-2"]]]


def test_a_match_is_updated_without_the_row_being_sent_before(kept: Kept) -> None:
    kept.org.records[HELD] = stored(HELD)
    kept.planned(planned_match(1, HELD))
    assert kept.run(row(1)) == [("matched_updated", None, HELD)]
    assert "upsert" not in kept.org.kinds()
    assert "look_up" not in kept.org.kinds()


@pytest.mark.parametrize("policy", ["update_existing | ask_reviewer", "update_existing | save_anyway"])
def test_a_match_that_is_gone_is_not_replaced_by_a_new_record(kept: Kept, policy: str) -> None:
    kept.planned(planned_match(1, HELD))
    [(action, _, _)] = kept.run(row(1), policy=policy)
    assert action in ("skipped", "awaiting_review")
    assert not {"upsert", "save_anyway", "update"} & set(kept.org.kinds())


def test_a_match_that_an_earlier_try_has_stamped_is_within_the_plan(kept: Kept) -> None:
    kept.hold("key-1", HELD)
    kept.planned(planned_match(1, HELD))
    [(action, _, record_id)] = kept.run(row(1), try_number=2)
    assert (action, record_id) in (("updated", HELD), ("matched_updated", HELD))


def test_a_row_that_the_plan_would_not_write_ends_as_the_plan_says(kept: Kept) -> None:
    kept.planned(
        planned(1, Action.SKIPPED, reason="stale"),
        planned(2, Action.AWAITING_REVIEW, error_code="DUPLICATE_EXTERNAL_ID", reason="key_held_by_many"),
        planned(3, Action.FAILED, error_code="CANNOT_UPDATE_CONVERTED_LEAD", reason="key_held_by_converted"),
    )
    assert [(action, reason) for action, reason, _ in kept.run(*map(row, range(1, 4)))] == [
        ("skipped", "stale"),
        ("awaiting_review", "key_held_by_many"),
        ("failed", "key_held_by_converted"),
    ]
    assert "upsert" not in kept.org.kinds()


def test_a_record_that_comes_to_hold_the_key_between_question_and_write_is_not_written_to(kept: Kept) -> None:
    kept.planned(planned(1, Action.CREATED))
    kept.org.answers["key-1"] = [taken(HELD)]
    kept.org.records[HELD] = stored(HELD, **{KEY: "key-1", "LastName": "Sales"})
    asked: list[Any] = []

    def holders(keys: Any) -> Any:
        asked.append(keys)
        return {} if len(asked) == 1 else {"key-1": (HELD,)}

    kept.org.holders = holders  # type: ignore[method-assign]
    kept.upsert().run([row(1)])
    assert [(action, reason) for action, reason, _ in kept.said()] == [("skipped", "beyond_plan")]
    assert kept.org.records[HELD].values["LastName"] == "Sales"


def test_what_the_call_of_a_killed_process_created_is_within_the_plan(kept: Kept) -> None:
    kept.planned(planned(1, Action.CREATED))
    now = datetime.now(UTC).replace(microsecond=0)
    claims = SqlKeyClaims(kept.engine, timedelta(0), clock=lambda: now)
    clear(kept.upsert(key_claims=claims).clearance, [row(1)])
    kept.hold("key-1", lead_id(1), LastName="Name 1")
    kept.org.created[lead_id(1)] = Origin(now + timedelta(seconds=1), None, now + timedelta(seconds=1), None)
    kept.run(row(1), key_claims=SqlKeyClaims(kept.engine), try_number=2)
    assert kept.said() == [("created", "answer_lost", lead_id(1))]
    assert kept.org.sent("upsert") == []


def test_a_record_that_was_there_before_a_killed_try_is_left(kept: Kept) -> None:
    kept.planned(planned(1, Action.CREATED))
    now = datetime.now(UTC).replace(microsecond=0)
    claims = SqlKeyClaims(kept.engine, timedelta(0), clock=lambda: now)
    clear(kept.upsert(key_claims=claims).clearance, [row(1)])
    kept.hold("key-1", HELD, LastName="Sales")
    long_ago = now - timedelta(days=9)
    kept.org.created[HELD] = Origin(long_ago, None, long_ago, None)
    kept.run(row(1), key_claims=SqlKeyClaims(kept.engine), try_number=2)
    assert [(action, reason) for action, reason, _ in kept.said()] == [("skipped", "beyond_plan")]
    assert kept.org.records[HELD].values["LastName"] == "Sales"


def test_a_call_that_fails_leaves_rows_that_a_later_try_sends(kept: Kept) -> None:
    kept.planned(planned(1, Action.CREATED), planned_match(2, HELD))
    kept.org.records[HELD] = stored(HELD)
    kept.org.errors[2] = TransientCallError("down", code="CONNECT_FAILED")
    with pytest.raises(TransientCallError):
        kept.run(row(1), row(2))
    assert {action for action, _, _ in kept.said()} == {"not_sent"}
    kept.org.errors.clear()
    assert [action for action, _, _ in kept.run(row(1), row(2), try_number=2)] == ["created", "matched_updated"]
