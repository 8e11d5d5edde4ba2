"""With ``keep_before``, what a row overwrites in the record that holds its key is kept before the call that writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.changes import Change, ChangeKind, NotKept
from airflow_sf_dedup.core.entries import Action, AuditValues, Entry
from airflow_sf_dedup.core.field_rules import FieldRule, FieldRules
from airflow_sf_dedup.core.write_modes import WriteMode
from airflow_sf_dedup.journeys.sending.known import WriteRules
from airflow_sf_dedup.testing.fake_org import KEY, LEAD, FakeOrg, lead_id, row, stored, taken
from tests.journeys.loaded import Loaded

ONE = lead_id(101)
STAMPED = "2026-03-01T06:00:00.000+0000"
AT = datetime(2026, 3, 1, 6, tzinfo=UTC)
KEPT = WriteRules(FieldRules(KEY), keep_before=True)


class Task(Loaded):
    """Reads what the load kept of what it overwrote."""

    def __call__(self, *rows: Any, rules: WriteRules = KEPT, try_number: int = 1, **settings: Any) -> list[Change]:
        self.tried(*rows, entries=settings, try_number=try_number, write_rules=rules)
        return self.changes()

    def entry(self) -> Entry:
        [entry] = self.entries().values()
        return entry


@pytest.fixture
def org() -> FakeOrg:
    org = FakeOrg(held={"A": (ONE,)})
    org.records[ONE] = stored(ONE, **{KEY: "A"}, LastName="Old", Phone="1", SystemModstamp=STAMPED)
    return org


@pytest.fixture
def task(sql_engine: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Task:
    return Task(sql_engine, new_load(), org)


def told(field: str, before: Any, after: Any, **more: Any) -> Change:
    return Change(1, ONE, "Lead", ChangeKind.UPDATE_BY_KEY, field, before, after, system_modstamp=AT, **more)


def test_fields_that_differ_are_kept_with_the_records_stamp(task: Task, org: FakeOrg) -> None:
    assert task(row(1, "A", LastName="New", Phone="1")) == [told("LastName", "Old", "New")]
    assert task.entry().action is Action.UPDATED
    assert org.kinds() == ["holders", "by_id", "upsert"], "one query and one retrieve more"


def test_nothing_is_kept_nor_read_unless_asked(task: Task, org: FakeOrg) -> None:
    assert task(row(1, "A", LastName="New"), rules=WriteRules(FieldRules(KEY))) == []
    assert org.kinds() == ["upsert"]


def test_of_a_new_record_there_is_nothing_to_keep(task: Task) -> None:
    assert task(row(1, "B", LastName="New")) == []
    assert (task.entry().action, task.entry().reason) == (Action.CREATED, None)


def test_what_rules_hold_back_is_not_changed(task: Task) -> None:
    rules = WriteRules(FieldRules(KEY, {"phone": FieldRule.ONLY_BLANKS}, field_of=LEAD.field), keep_before=True)
    assert task(row(1, "A", LastName="New", Phone="2"), rules=rules) == [told("LastName", "Old", "New")]


def test_update_only_keeps_too(task: Task) -> None:
    rules = WriteRules(FieldRules(KEY), WriteMode.UPDATE_ONLY, keep_before=True)
    assert task(row(1, "A", LastName="New"), rules=rules) == [told("LastName", "Old", "New")]


@pytest.mark.parametrize(
    "settings", [{"masked_fields": ["lastname"]}, {"audit_values": AuditValues.NONE}], ids=["masked", "no values"]
)
def test_a_mask_holds_for_what_was_there(task: Task, settings: Any) -> None:
    [change] = task(row(1, "A", LastName="New"), **settings)
    assert (change.before, change.after, change.not_kept) == (None, None, NotKept.MASKED)


def test_a_record_that_cannot_be_read_is_told_so(task: Task, org: FakeOrg) -> None:
    del org.records[ONE]
    [change] = task(row(1, "A", LastName="New"))
    assert (change.field, change.before, change.not_kept) == ("LastName", None, NotKept.NOT_READ)


def test_they_are_committed_before_the_call(task: Task, org: FakeOrg) -> None:
    seen: list[list[Change]] = []
    upsert = org.upsert

    def noted(*args: Any, **more: Any) -> Any:
        seen.append(task.changes())
        return upsert(*args, **more)

    org.upsert = noted  # type: ignore[method-assign]
    task(row(1, "A", LastName="New"))
    assert seen == [[told("LastName", "Old", "New")]]


def test_a_try_that_wrote_and_died_keeps_what_it_met(task: Task, org: FakeOrg) -> None:
    """The next try finds its own values there: they are not what was there before."""
    upsert = org.upsert

    def killed(*args: Any, **more: Any) -> Any:
        upsert(*args, **more)
        raise KeyboardInterrupt

    org.upsert = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        task(row(1, "A", LastName="New"))
    org.upsert = upsert  # type: ignore[method-assign]
    assert task(row(1, "A", LastName="New"), try_number=2) == [told("LastName", "Old", "New")]


def test_a_try_that_did_not_write_gives_way_to_one_that_does(task: Task, org: FakeOrg) -> None:
    def killed(*args: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    upsert, org.upsert = org.upsert, killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        task(row(1, "A", LastName="New"))
    org.upsert = upsert  # type: ignore[method-assign]
    org.records[ONE] = stored(ONE, **{KEY: "A"}, LastName="Sales", SystemModstamp=STAMPED)
    assert task(row(1, "A", LastName="New"), try_number=2) == [told("LastName", "Sales", "New")]


def test_a_key_that_somebody_came_to_hold_meanwhile_is_read_then(task: Task, org: FakeOrg) -> None:
    """The row was to be inserted; it is written to who holds its key, and what that has is kept before."""
    held, org.held = org.held, {}
    org.answers["A"] = [taken(ONE)]
    upsert = org.upsert

    def raced(*args: Any, **more: Any) -> Any:
        org.held = held
        return upsert(*args, **more)

    org.upsert = raced  # type: ignore[method-assign]
    assert task(row(1, "A", LastName="New")) == [told("LastName", "Old", "New")]
    assert task.entry().action is Action.UPDATED


def test_rows_of_one_key_are_kept_one_after_the_other(task: Task, org: FakeOrg) -> None:
    first, second = row(1, "A", LastName="New"), row(2, "A", wave=1, LastName="Newer")
    changes = task(first, second)
    assert [(each.row_number, each.before, each.after) for each in changes] == [(1, "Old", "New"), (2, "New", "Newer")]
