"""Each check finds what it is for: a run that is right has no findings, the same run doctored has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_sf_dedup.audit.storable import key_hash
from airflow_sf_dedup.core.entries import Action, Entry
from tests.chaos.checks import Evidence, Line, LoadEvidence, Snapshot, findings
from tests.chaos.expected import expected_of
from tests.chaos.scenario import KEY_FIELDS, ORDER, LoadPlan, Scenario, Schedule

KEY = "Folded_Key__c"
NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
HELD = {"Id": "00Q_held", "LastName": "Held", "Marker__c": "before/1", "Email": "a@example.com"}


def source_row(number: int, key: str, **values: Any) -> dict[str, Any]:
    return {KEY: key, "Marker__c": f"load1/{number}", "LastName": f"Name {number}", **values}


ROWS = (
    source_row(1, "K-1", City="Bonn"),
    source_row(2, "K-2"),
    source_row(3, "k-1", City="Rome"),
    source_row(4, "K-3", Email="a@example.com"),
)
PLAN = LoadPlan("load1", ROWS, 1, "in_order", "update_existing | ask_reviewer", False, None, 1, 1, 1)
SCENARIO = Scenario(1, "plain", "sqlite", KEY_FIELDS[0], (HELD,), (PLAN,), (), {}, Schedule(False, 1, 1))


def line(seq: int, verb: str, record_id: str | None, number: int, **before: Any) -> Line:
    values = ROWS[number - 1]
    return Line(seq, seq, NOW, verb, record_id, values[KEY], values["Marker__c"], values, before)


def refused(seq: int, key: str, error: str) -> Line:
    return Line(seq, seq, NOW, "refused", None, key, None, {KEY: key}, {}, error)


LINES = (
    line(1, "created", "00Q_1", 1),
    line(2, "created", "00Q_2", 2),
    refused(3, "K-3", "DUPLICATES_DETECTED"),
    line(4, "updated", "00Q_1", 3, **{KEY: "K-1", "City": "Bonn"}),
    line(5, "updated", "00Q_held", 4, **{KEY: None}),
)


def entry(number: int, action: Action, record_id: str | None, **more: Any) -> Entry:
    return Entry(row_number=number, action=action, at=NOW, key=ROWS[number - 1][KEY], record_id=record_id, **more)


ENTRIES = (
    entry(1, Action.CREATED, "00Q_1"),
    entry(2, Action.CREATED, "00Q_2"),
    entry(3, Action.UPDATED, "00Q_1"),
    entry(4, Action.MATCHED_UPDATED, "00Q_held"),
)
RECORDS = {
    "00Q_1": {"Id": "00Q_1", **ROWS[0], **ROWS[2]},
    "00Q_2": {"Id": "00Q_2", **ROWS[1]},
    "00Q_held": {**HELD, **ROWS[3]},
}
EARLIER = Snapshot(last_call=2, settled={"load1": {1: ENTRIES[0], 2: ENTRIES[1]}})


def document(entries: tuple[Entry, ...]) -> Mapping[str, Any]:
    names = sorted(str(each.action) for each in entries)
    return {"rows": len(entries), "actions": {name: names.count(name) for name in names}}


def load(entries: tuple[Entry, ...] = ENTRIES, **changes: Any) -> LoadEvidence:
    return replace(LoadEvidence(PLAN, "id-1", entries, len(ROWS), document(entries), ()), **changes)


def evidence(**changes: Any) -> Evidence:
    right = Evidence(SCENARIO, LINES, RECORDS, {"load1": load()}, (EARLIER,))
    return replace(right, **changes)


def with_entry(number: int, **changes: Any) -> Evidence:
    entries = tuple(replace(each, **changes) if each.row_number == number else each for each in ENTRIES)
    return evidence(loads={"load1": load(entries)})


def with_lines(*more: Line) -> Evidence:
    return evidence(lines=(*LINES, *more))


def doctored_line(seq: int, **changes: Any) -> Evidence:
    return evidence(lines=[replace(each, **changes) if each.seq == seq else each for each in LINES])


def doctored_record(record_id: str, **changes: Any) -> Evidence:
    return evidence(records={**RECORDS, record_id: {**RECORDS[record_id], **changes}})


def without_record(record_id: str) -> Evidence:
    return evidence(records={name: each for name, each in RECORDS.items() if name != record_id})


def claim(**changes: Any) -> dict[str, Any]:
    claimed = {"key_hash": key_hash("k-1"), "load_id": "id-1", "task": "upsert", "token": "a", "record_id": "00Q_held"}
    return {**claimed, **changes}


def checks_of(found: Evidence) -> set[int]:
    return {finding.check for finding in findings(found)}


def test_a_run_that_is_right_has_no_findings() -> None:
    assert findings(evidence()) == []


DOCTORED: dict[str, tuple[int, Callable[[], Evidence]]] = {
    "a key created twice": (1, lambda: with_lines(line(6, "created", "00Q_9", 1))),
    "a key created that a record held before": (
        1,
        lambda: evidence(scenario=replace(SCENARIO, held_before=({**HELD, KEY: "k-2"},))),
    ),
    "a record created without a key": (1, lambda: doctored_line(2, key=None)),
    "a row without an entry": (2, lambda: evidence(loads={"load1": load(ENTRIES[:3])})),
    "a row with two entries": (2, lambda: evidence(loads={"load1": load((*ENTRIES, ENTRIES[0]))})),
    "an entry without a row": (
        2,
        lambda: evidence(loads={"load1": load((*ENTRIES, replace(ENTRIES[0], row_number=5)))}),
    ),
    "a row that stays unknown": (2, lambda: with_entry(2, action=Action.UNKNOWN)),
    "a row that stays not sent": (2, lambda: with_entry(2, action=Action.NOT_SENT, reason="key_in_flight")),
    "rows that were not read": (2, lambda: evidence(loads={"load1": load(rows_read=3)})),
    "a document that counts otherwise": (
        2,
        lambda: evidence(loads={"load1": load(document={"rows": 4, "actions": {"created": 4}})}),
    ),
    "a success that no line tells of": (3, lambda: evidence(lines=[each for each in LINES if each.seq != 2])),
    "a success that the org does not hold": (3, lambda: without_record("00Q_2")),
    "a success under another key": (3, lambda: doctored_record("00Q_2", **{KEY: "K-9"})),
    "a success with another record": (3, lambda: with_entry(2, record_id="00Q_1")),
    "a success with other values": (3, lambda: doctored_line(2, values={**ROWS[1], "LastName": "Else"})),
    "a success with more values": (3, lambda: doctored_line(4, values={**ROWS[2], "Phone": "1"})),
    "a saved row that is called failed": (3, lambda: with_entry(2, action=Action.FAILED)),
    "a saved row that is called skipped": (3, lambda: with_entry(2, action=Action.SKIPPED)),
    "an update that is called created": (3, lambda: with_entry(3, action=Action.CREATED)),
    "a create that is called updated": (3, lambda: with_entry(2, action=Action.UPDATED)),
    "a sent row that is called superseded": (3, lambda: with_entry(2, action=Action.SUPERSEDED)),
    "an older row over a newer one": (4, lambda: with_lines(replace(LINES[0], seq=6, call=2, verb="updated"))),
    "a value that the ledger did not write": (4, lambda: doctored_record("00Q_1", City="Oslo")),
    "a record that got another key": (5, lambda: doctored_line(4, before={KEY: "K-8"})),
    "a record that was stamped twice": (5, lambda: with_lines(replace(LINES[4], seq=6))),
    "a first decision that was changed": (6, lambda: with_entry(1, at=NOW.replace(year=2027))),
    "a first decision that is gone": (6, lambda: evidence(loads={"load1": load(ENTRIES[1:])})),
    "a settled row that was sent again": (
        7,
        lambda: with_lines(replace(line(6, "updated", "00Q_2", 2), before={KEY: "K-2"})),
    ),
    "a race among ourselves": (8, lambda: with_lines(refused(6, "K-2", "DUPLICATE_VALUE"))),
    "red for nothing": (9, lambda: evidence(loads={"load1": load(complaints=("red",))})),
    "green with a lost row": (9, lambda: evidence(lines=[each for each in LINES if each.seq != 2])),
    "a key that stays claimed": (10, lambda: evidence(key_claims=[claim()])),
    "a record that stays claimed": (10, lambda: evidence(record_claims=[claim()])),
}


@pytest.mark.parametrize(("check", "doctored"), DOCTORED.values(), ids=DOCTORED)
def test_a_doctored_run_is_found(check: int, doctored: Callable[[], Evidence]) -> None:
    assert check in checks_of(doctored())


def test_every_check_is_doctored() -> None:
    assert {check for check, _ in DOCTORED.values()} == set(range(1, 11))


def test_an_older_state_over_a_newer_one_is_found_across_loads() -> None:
    rows = {name: {**ROWS[1], "Marker__c": f"{name}/1", ORDER: order} for name, order in (("load1", 5), ("load2", 9))}
    plans = {name: replace(PLAN, name=name, rows=(values,), newer_than=True) for name, values in rows.items()}

    def written(seq: int, verb: str, name: str) -> Line:
        values = {field: value for field, value in rows[name].items() if field != ORDER}
        return Line(seq, seq, NOW, verb, "00Q_2", "K-2", f"{name}/1", values, {KEY: "K-2"} if seq > 1 else {})

    def of(first: str, second: str) -> set[int]:
        lines = (written(1, "created", first), written(2, "updated", second))
        actions = {first: Action.CREATED, second: Action.UPDATED}
        entries = {name: (Entry(1, actions[name], NOW, key="K-2", record_id="00Q_2"),) for name in rows}
        loads = {
            name: LoadEvidence(plan, name, entries[name], 1, document(entries[name]), ())
            for name, plan in plans.items()
        }
        scenario = replace(SCENARIO, held_before=(), loads=tuple(plans.values()))
        return checks_of(Evidence(scenario, lines, {"00Q_2": {"Id": "00Q_2", **lines[1].values}}, loads))

    assert of("load1", "load2") == set()
    assert of("load2", "load1") == {4}


@pytest.mark.parametrize(
    "found",
    [
        evidence(key_claims=[claim(task="killed")], ended_early=frozenset({"killed"})),
        evidence(key_claims=[claim(token="")], scenario=replace(SCENARIO, late_calls=True)),
        with_entry(3, action=Action.CREATED, reason="answer_lost"),
        with_entry(2, action=Action.UPDATED, reason="created_or_updated"),
    ],
    ids=["left behind by a kill", "left for a late call", "created by date", "says not whether created"],
)
def test_what_is_documented_is_excused_and_counted(found: Evidence) -> None:
    assert checks_of(found) <= {6}
    assert sum(found.excused.values()) == 1


@pytest.mark.parametrize(
    ("on_repeat", "sent", "superseded"),
    [
        ("last", [2, 3, 4], {1}),
        ("first", [1, 2, 4], {3}),
        ("in_order", [1, 2, 3, 4], set()),
        ("merge_fields", [2, 3, 4], {1}),
    ],
)
def test_what_is_sent_of_a_source(on_repeat: str, sent: list[int], superseded: set[int]) -> None:
    expected = expected_of(replace(PLAN, on_repeat=on_repeat), KEY_FIELDS[0])
    assert sorted(expected.sent) == sent
    assert expected.superseded == superseded


def test_a_merged_row_has_the_fields_of_all() -> None:
    rows = (source_row(1, "K-1", City="Bonn"), source_row(2, "K-1", Title="Dr."))
    merged = expected_of(replace(PLAN, rows=rows, on_repeat="merge_fields"), KEY_FIELDS[0]).sent[2]
    assert merged.values == {**rows[0], **rows[1]}
