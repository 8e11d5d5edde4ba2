"""What a load changes in matched records is told before the call that writes, without a call of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, delete

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.changes import Change, ChangeKind, NotKept
from airflow_sf_dedup.core.entries import AuditValues
from airflow_sf_dedup.core.record_state import Deletion
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading
from airflow_sf_dedup.errors import OutcomeUnknownError
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    KEY,
    STAMP,
    FakeOrg,
    blocked_by,
    contact_id,
    lead_id,
    match,
    row,
    stored,
)
from tests.journeys.loaded import Loaded

ONE = lead_id(1)
STAMPED = "2026-03-01T06:00:00.000+0000"
AT = datetime(2026, 3, 1, 6, tzinfo=UTC)
SILENT = OutcomeUnknownError("no answer", code="CONNECTION_BROKEN")


class Kept(Loaded):
    """Reads what the load said it would change."""

    def __call__(self, policy: str, *rows: Any, try_number: int = 1, **settings: Any) -> list[Change]:
        self.tried(*rows, entries=settings, policy=policy, try_number=try_number)
        return self.changes()

    def of(self, field: str) -> tuple[Any, Any]:
        [change] = [each for each in self.changes() if each.field == field]
        return change.before, change.after

    def all_rows(self) -> list[Any]:
        query = tables.change.select().where(tables.change.c.load_id == self.load.load_id)
        with reading(self.engine) as connection:
            return list(connection.execute(query))


@pytest.fixture
def org() -> FakeOrg:
    org = FakeOrg(answers={"A": [BLOCKED]}, lookups={"A": blocked_by(match(ONE))})
    org.records[ONE] = stored(ONE, LastName="Old", Phone="1", SystemModstamp=STAMPED)
    return org


@pytest.fixture
def kept(unclaimed: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Kept:
    return Kept(unclaimed, new_load(), org)


def told(field: str, before: Any, after: Any, kind: ChangeKind = ChangeKind.UPDATE_MATCH, **more: Any) -> Change:
    return Change(1, more.pop("record_id", ONE), "Lead", kind, field, before, after, system_modstamp=AT, **more)


def test_an_update_keeps_what_was_there_of_the_fields_that_differ(kept: Kept, org: FakeOrg) -> None:
    calls = org.kinds()
    changes = kept("update_existing | ask_reviewer", row(1, "A", Phone="1", LastName="New"))
    assert sorted(changes, key=lambda each: each.field) == [told(KEY, None, "A"), told("LastName", "Old", "New")]
    assert org.kinds() == [*calls, "upsert", "look_up", "holders", "by_id", "update"], "nothing is read for it"


def test_it_is_committed_before_the_call(kept: Kept, org: FakeOrg) -> None:
    seen: list[int] = []
    update = org.update

    def watched(*args: Any, **more: Any) -> Any:
        seen.append(len(kept.changes()))
        return update(*args, **more)

    org.update = watched  # type: ignore[method-assign]
    kept("update_existing", row(1, "A", LastName="New"))
    assert seen == [2]


def test_an_undelete_keeps_what_the_deleted_record_held(kept: Kept, org: FakeOrg) -> None:
    org.records[ONE] = replace(
        stored(ONE, deletion=Deletion(datetime.now(UTC))), values={KEY: None, "LastName": "Old", "Phone": "1"}
    )
    changes = kept("undelete | ask_reviewer", row(1, "A", Phone="2"))
    assert {(each.kind, each.field, each.before, each.after) for each in changes} == {
        (ChangeKind.UNDELETE, KEY, None, "A"),
        (ChangeKind.UNDELETE, "LastName", "Old", "Name 1"),
        (ChangeKind.UNDELETE, "Phone", "1", "2"),
        (ChangeKind.UNDELETE, "IsDeleted", True, False),
    }


def test_what_was_not_read_is_told_so(kept: Kept, org: FakeOrg) -> None:
    """An org without SOAP tells of a deleted record little but its key."""
    org.records[ONE] = stored(ONE, deletion=Deletion(datetime.now(UTC)))
    changes = {each.field: each for each in kept("undelete | ask_reviewer", row(1, "A"))}
    assert (changes["LastName"].not_kept, changes["LastName"].before) == (NotKept.NOT_READ, None)
    assert changes[KEY].not_kept is None


def test_another_sobject_is_told_by_its_own_fields(kept: Kept, org: FakeOrg) -> None:
    ann = contact_id(1)
    org.lookups["A"] = blocked_by(match(ann, sobject="Contact"))
    org.records[ann] = stored(ann, LastName="Ann", Phone="1", **{STAMP: None})
    policy = f"update_other(sobject='Contact', fields={{'LastName': 'LastName'}}, stamp='{STAMP}')"
    changes = kept(policy, row(1, "A", LastName="New"))
    assert {(each.kind, each.sobject, each.record_id, each.field, each.before, each.after) for each in changes} == {
        (ChangeKind.UPDATE_OTHER, "Contact", ann, STAMP, None, "A"),
        (ChangeKind.UPDATE_OTHER, "Contact", ann, "LastName", "Ann", "New"),
    }


def test_a_link_tells_the_field_of_the_record_that_the_row_becomes(kept: Kept, org: FakeOrg) -> None:
    ann = contact_id(1)
    org.answers.clear()
    org.lookups["A"] = blocked_by(match(ann, sobject="Contact", allow_save=True))
    org.records[ann] = stored(ann, LastName="Ann")
    kept("link(field='Contact__c')", row(1, "A"))
    [made] = kept.audit.changes(kept.load.load_id)
    assert (made.change.kind, made.change.field, made.change.before, made.change.after) == (
        ChangeKind.LINK,
        "Contact__c",
        None,
        ann,
    )
    assert (made.change.record_id, made.record_id) == ("", lead_id(1)), "the entry names it"


@pytest.mark.parametrize(
    ("settings", "kept_fields"),
    [
        ({"audit_values": AuditValues.NONE}, set()),
        ({"masked_fields": ["LastName"]}, {KEY}),
    ],
    ids=["no values", "a mask"],
)
def test_values_that_the_audit_may_not_keep_are_not_kept(
    kept: Kept, org: FakeOrg, settings: Any, kept_fields: set[str]
) -> None:
    changes = kept("update_existing", row(1, "A", LastName="New"), **settings)
    assert {each.field for each in changes if each.not_kept is None} == kept_fields
    assert {each.not_kept for each in changes if each.field == "LastName"} == {NotKept.MASKED}
    assert "Old" not in repr(kept.all_rows())


def test_a_mask_covers_the_field_of_another_sobject_that_gets_the_value(kept: Kept, org: FakeOrg) -> None:
    ann = contact_id(1)
    org.lookups["A"] = blocked_by(match(ann, sobject="Contact"))
    org.records[ann] = stored(ann, LastName="Ann", Phone="SECRET", **{STAMP: None})
    policy = f"update_other(sobject='Contact', fields={{'LastName': 'Phone'}}, stamp='{STAMP}')"
    changes = kept(policy, row(1, "A", LastName="New"), masked_fields=["lastname"])
    assert {each.field: each.not_kept for each in changes} == {STAMP: None, "Phone": NotKept.MASKED}
    assert "SECRET" not in repr(kept.all_rows())


def test_what_a_rule_keeps_back_is_told_with_the_reason(kept: Kept, org: FakeOrg) -> None:
    kept("update_existing(fields={'LastName': 'keep'})", row(1, "A", LastName="New"))
    [back] = [each for each in kept.all_rows() if each.kind == "kept_back"]
    assert (back.field, back.reason, back.before) == ("LastName", "keep", "Old")
    assert org.records[ONE].values["LastName"] == "Old"
    assert {each.field for each in kept.changes()} == {KEY}, "it is no change"


def test_a_try_after_one_that_wrote_leaves_what_was_there_before_the_load(kept: Kept, org: FakeOrg) -> None:
    """The first try writes, and ends before its entry says so."""
    kept("update_existing", row(1, "A", LastName="New"))
    _forget_entries(kept)
    kept("update_existing", row(1, "A", LastName="New"), try_number=2)
    assert kept.of("LastName") == ("Old", "New")
    assert kept.of(KEY) == (None, "A")


def test_a_try_after_one_that_did_not_write_tells_what_is_there_now(kept: Kept, org: FakeOrg) -> None:
    org.errors = {5: SILENT}
    with pytest.raises(OutcomeUnknownError):
        kept("update_existing", row(1, "A", LastName="New"))
    assert kept.of("LastName") == ("Old", "New")
    org.records[ONE] = replace(org.records[ONE], values={**org.records[ONE].values, "LastName": "Sales"})
    kept("update_existing", row(1, "A", LastName="New"), try_number=2)
    assert kept.of("LastName") == ("Sales", "New")


def _forget_entries(kept: Kept) -> None:
    with kept.engine.begin() as connection:
        connection.execute(delete(tables.entry).where(tables.entry.c.load_id == kept.load.load_id))
