"""A load is green only when every row that was read is accounted for and few enough failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.audit.base import NOTES_BEGINNINGS, Load, Totals
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.collect import (
    Thresholds,
    account_for_missing_rows,
    begun_partitions,
    complaints,
    failed_codes,
    failed_rows,
    in_short,
    join,
    may_still_be_sent,
    warnings_of,
    why_failed,
)
from airflow_sf_dedup.journeys.summary import MOST_BYTES
from airflow_sf_dedup.testing.fake_org import ORG_ID, row
from tests.journeys.conftest import NOW

LOAD = Load("load", ORG_ID, "Lead", "Key__c", "leads", "manual", "partition", NOW, rows_read=100)


def totals(**actions: int) -> Totals:
    counts = {Action(name): rows for name, rows in actions.items()}
    reasons = {(action, "CODE", None): rows for action, rows in counts.items() if action is not Action.CREATED}
    return Totals(counts, reasons)


RED: dict[str, tuple[Totals, dict[str, Any], list[str]]] = {
    "all created": (totals(created=100), {}, []),
    "one failed": (totals(created=99, failed=1), {}, ["1 of 100 rows failed (max_failed=0): 1 failed CODE"]),
    "none failed": (
        totals(created=55, not_sent=45),
        {},
        ["45 of 100 rows were not sent (max_failed=0): 45 not_sent CODE"],
    ),
    "all may be in the org": (
        totals(unknown=100),
        {},
        ["100 of 100 rows are unknown (max_failed=0): 100 unknown CODE"],
    ),
    "none usable": (totals(invalid=100), {}, ["100 of 100 rows are invalid (max_failed=0): 100 invalid CODE"]),
    "in several ways": (
        totals(created=3, not_sent=90, failed=2, unknown=5),
        {},
        [
            "97 of 100 rows are not known to be in the org, 90 not sent, 5 unknown, 2 failed (max_failed=0): "
            "90 not_sent CODE, 5 unknown CODE, 2 failed CODE"
        ],
    ),
    "as many as allowed": (totals(created=99, failed=1), {"max_failed": 1}, []),
    "not counted": (totals(created=90, skipped=5, superseded=3, held=2), {}, []),
    "any number": (totals(failed=100), {"max_failed": None}, []),
    "percent reached": (totals(created=95, failed=5), {"max_failed": None, "max_failed_pct": 5}, []),
    "percent passed": (
        totals(created=94, failed=6),
        {"max_failed": None, "max_failed_pct": 5},
        ["6 of 100 rows failed (max_failed_pct=5, it is 6.00 %): 6 failed CODE"],
    ),
    "too many waiting": (
        totals(created=97, awaiting_review=3),
        {"max_awaiting_review": 2},
        ["3 of 100 rows await a person (max_awaiting_review=2)"],
    ),
    "percent of those that wait": (
        totals(created=97, awaiting_review=3),
        {"max_awaiting_review_pct": 2.5},
        ["3 of 100 rows await a person (max_awaiting_review_pct=2.5, it is 3.00 %)"],
    ),
    "rows lost": (totals(created=98), {"max_failed": None}, ["2 of 100 rows have no entry in the audit"]),
    "rows too many": (totals(created=101), {}, ["the audit has 101 rows, but only 100 were read"]),
}


@pytest.mark.parametrize(("found", "thresholds", "expected"), RED.values(), ids=RED.keys())
def test_why_a_load_is_red(found: Totals, thresholds: dict[str, Any], expected: list[str]) -> None:
    assert complaints(LOAD, found, Thresholds(**thresholds)) == expected


def test_rows_that_staging_lost_are_red_whatever_is_allowed_and_however_often_they_are_judged() -> None:
    found = Totals({Action.UNKNOWN: 100}, {(Action.UNKNOWN, "NO_ENTRY", "staged_row_unreadable"): 100})
    lenient = Thresholds(max_failed=None)
    assert complaints(LOAD, found, lenient, unreadable=["partition 3 cannot be read"]) == ["partition 3 cannot be read"]
    [again] = complaints(LOAD, found, lenient)
    assert "100 rows" in again


def test_a_source_that_was_not_read_to_its_end_is_red() -> None:
    assert complaints(replace(LOAD, rows_read=None), totals(created=1), Thresholds(max_failed=None)) == [
        "the source was not read to its end"
    ]


def test_zero_rows_are_green() -> None:
    assert complaints(replace(LOAD, rows_read=0), totals(), Thresholds(max_failed_pct=0)) == []


@pytest.mark.parametrize(
    ("action", "reason", "expected"),
    [
        (Action.FAILED, "tries_used_up", 1),
        (Action.FAILED, "other_unique_field", 0),
        (Action.UNKNOWN, None, 1),
        (Action.NOT_SENT, "key_in_flight", 1),
        (Action.NOT_SENT, "earlier_row_not_settled", 0),
        (Action.NOT_SENT, "erased", 0),
        (Action.UNKNOWN, "erased", 0),
        (Action.INVALID, "missing_key", 0),
    ],
)
def test_a_repeat_may_bring_in_what_was_not_sent_or_failed_for_now(
    action: Action, reason: str | None, expected: int
) -> None:
    assert may_still_be_sent(Totals({action: 1}, {(action, "CODE", reason): 1})).rows == expected


def test_two_reasons_of_one_code_are_told_apart() -> None:
    found = Totals({Action.FAILED: 3}, {(Action.FAILED, "X", None): 2, (Action.FAILED, "X", "tries_used_up"): 1})
    assert why_failed(found) == "2 failed X, 1 failed X (tries_used_up)"


def test_a_reason_names_the_fields_that_most_of_its_rows_are_about() -> None:
    missing, locked = (
        (Action.FAILED, "REQUIRED_FIELD_MISSING", None),
        (Action.FAILED, "UNABLE_TO_LOCK_ROW", "tries_used_up"),
    )
    taken = (Action.FAILED, "DUPLICATE_VALUE", "other_unique_field")
    counted = {"A": 1, "Company": 290, "LastName": 9, "B": 1, "C": 1}
    found = Totals(
        {Action.FAILED: 305}, {missing: 299, locked: 4, taken: 2}, {missing: counted, taken: {"Badge__c": 2}}
    )
    assert why_failed(found) == (
        "299 failed REQUIRED_FIELD_MISSING (Company, LastName, A and 2 more), "
        "4 failed UNABLE_TO_LOCK_ROW (tries_used_up), 2 failed DUPLICATE_VALUE (other_unique_field: Badge__c)"
    )


@pytest.mark.parametrize(("reasons", "end"), [(3, "A2"), (4, "and 1 further reason"), (5, "and 2 further reasons")])
def test_reasons_beyond_those_that_are_named_are_counted(reasons: int, end: str) -> None:
    found = Totals({Action.FAILED: reasons}, {(Action.FAILED, f"A{number}", None): 1 for number in range(reasons)})
    assert why_failed(found).endswith(end)


def test_failed_invalid_unknown_and_not_sent_rows_count_as_failed() -> None:
    assert failed_rows(totals(**{action.value: 1 for action in Action})) == 4


def test_codes_are_counted_over_all_reasons_of_the_rows_that_failed() -> None:
    found = Totals(
        {Action.FAILED: 20, Action.INVALID: 1, Action.SKIPPED: 4},
        {
            (Action.FAILED, "X", None): 2,
            (Action.FAILED, "X", "tries_used_up"): 1,
            **{(Action.FAILED, f"CODE_{number}", None): 1 for number in range(17)},
            (Action.INVALID, None, "missing_key"): 1,
            (Action.SKIPPED, "X", "stale"): 4,
        },
    )
    assert failed_codes(found) == {"X": 3, **{f"CODE_{number}": 1 for number in range(17)}}


@pytest.mark.parametrize("value", [-1, True, "3", float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["max_failed", "max_failed_pct", "max_awaiting_review", "max_awaiting_review_pct"])
def test_a_threshold_that_is_no_number_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=name):
        Thresholds(**{name: value})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (totals(created=100), []),
        (totals(created=95, awaiting_review=5), []),
        (totals(created=90, awaiting_review=10), ["green, but 10 of 100 rows await a person"]),
        (totals(created=90_000, awaiting_review=1_000), ["green, but 1,000 of 91,000 rows await a person"]),
        (totals(created=98, failed=1, unknown=1), ["green, but 2 of 100 rows are not known to be in the org"]),
        (totals(failed=50, awaiting_review=50), ["are not known to be in the org", "await a person"]),
        (totals(created=90, awaiting_review=4, held=6), ["4 of 100 rows await a person, 6 more are held behind"]),
        (totals(created=99, held=1), []),
        (totals(), []),
    ],
    ids=[
        "good",
        "few wait",
        "many of few wait",
        "many wait",
        "failed within the limits",
        "both",
        "held",
        "few held",
        "no rows",
    ],
)
def test_a_green_load_that_a_person_should_look_at_says_so(found: Totals, expected: list[str]) -> None:
    said = warnings_of(found)
    assert len(said) == len(expected)
    assert all(words in sentence for words, sentence in zip(expected, said, strict=True))


def test_many_complaints_are_one_short_message() -> None:
    assert in_short(["a", "b"]) == "a; b"
    assert in_short([str(number) for number in range(1024)]) == "0; 1; 2; and 1021 more: see the log"


def ref(partition: int, rows: int) -> PartitionRef:
    return PartitionRef("load", partition, 2, rows, "/p", "0", "Lead", "Key__c", ORG_ID, "salesforce_default")


def test_staged_rows_of_a_task_that_ended_early_become_unknown_once(
    sql_audit: SqlAudit, new_load: Callable[..., Load]
) -> None:
    load = new_load(rows_read=2502)
    sql_audit.remember(load.load_id, [Entry(1, Action.CREATED, NOW, partition=0)])
    staged = [(ref(0, 2500), [row(n) for n in range(1, 2501)]), (ref(1, 2), [row(2501), row(2502)])]
    assert account_for_missing_rows(sql_audit, load, staged, lambda: NOW) == []
    before = list(sql_audit.entries(load.load_id))
    assert sql_audit.totals(load.load_id).actions == {Action.CREATED: 1, Action.UNKNOWN: 2501}
    assert account_for_missing_rows(sql_audit, load, staged, lambda: NOW) == []
    assert [entry.row_number for entry in sql_audit.entries(load.load_id)] == [entry.row_number for entry in before]
    [last] = [entry for entry in sql_audit.entries(load.load_id, partition=1) if entry.row_number == 2502]
    assert (last.error_code, last.reason) == ("NO_ENTRY", "task_ended_early")


def test_staged_rows_of_a_partition_that_no_task_began_to_send_were_not_sent(
    sql_audit: SqlAudit, new_load: Callable[..., Load]
) -> None:
    load = new_load(rows_read=2, settings={NOTES_BEGINNINGS: True})
    load = replace(load, settings={NOTES_BEGINNINGS: True})
    sql_audit.note_beginning(load.load_id, 1)
    account_for_missing_rows(sql_audit, load, [(ref(0, 1), [row(1)]), (ref(1, 1), [row(2)])], lambda: NOW)
    said = {entry.row_number: (entry.action, entry.reason) for entry in sql_audit.entries(load.load_id)}
    assert said == {1: (Action.NOT_SENT, "not_begun"), 2: (Action.UNKNOWN, "task_ended_early")}


def test_a_beginning_whose_number_was_erased_may_be_any_partitions(
    sql_audit: SqlAudit, new_load: Callable[..., Load]
) -> None:
    load = replace(new_load(), settings={NOTES_BEGINNINGS: True})
    sql_audit.note_beginning(load.load_id, 1)
    sql_audit.remember(load.load_id, [Entry(1, Action.CREATED, NOW, key="partition")])
    sql_audit.erase("partition")
    assert begun_partitions(sql_audit, load) is None


def summary(load_id: str, *, failed: int = 1) -> dict[str, Any]:
    return {
        "version": 1,
        "load_id": load_id,
        "rows": 10,
        "actions": {"created": 10 - failed, "failed": failed},
        "api_calls": 3,
        "predicted_calls": 4,
        "reasons": [{"action": "failed", "code": "CODE", "reason": None, "rows": failed}],
        "audit": {"audit_conn_id": None, "table": "sf_dedup_entry", "load_id": load_id},
        "sample": [{"row": 1, "key": "ab…cd", "action": "failed", "matched": [], "load": load_id}],
    }


def test_one_load_is_its_own_document() -> None:
    assert join([summary("a")], [LOAD]) == summary("a")


def test_several_loads_are_summed_with_their_reasons_and_samples() -> None:
    document = join([summary("a"), summary("b", failed=2)], [LOAD, LOAD])
    assert (document["rows"], document["api_calls"], document["predicted_calls"]) == (20, 6, 8)
    assert document["actions"] == {"created": 17, "failed": 3}
    assert document["reasons"] == [{"action": "failed", "code": "CODE", "reason": None, "rows": 3}]
    assert document["audit"]["run"] == {"dag_id": "leads", "run_id": "manual", "task_ids": ["partition"]}
    assert [sample["load"] for sample in document["sample"]] == ["a", "b"]


def test_a_run_of_many_loads_still_fits() -> None:
    ids = [f"00000000-0000-0000-0000-{n:012d}" for n in range(500)]
    document = join([summary(load_id) for load_id in ids], [LOAD] * 500)
    assert len(json.dumps(document)) <= MOST_BYTES
    assert document["rows"] == 5000
