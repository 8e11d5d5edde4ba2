from __future__ import annotations

import csv
import io
import os
import random
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.repeats import ON_REPEAT
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.errors import PreflightError, RepeatsRefusedError, SettingError, SourceError
from airflow_sf_dedup.journeys.partition import partition_source
from airflow_sf_dedup.journeys.partition_settings import PartitionSettings
from airflow_sf_dedup.journeys.partitioning.listeners import Listeners
from airflow_sf_dedup.sources import RenamedColumns, source_of
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_manifest, read_partition

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = Field("Key__c", "Key", "string", length=255, external_id=True, unique=True)
NUMBER_KEY = Field("No__c", "No", "double", external_id=True, unique=True)
LEAD = SObject(
    "Lead",
    (
        Field("Id", "Id", "id", createable=False, updateable=False),
        KEY,
        NUMBER_KEY,
        Field("LastName", "Last Name", "string", length=80),
        Field("Notes__c", "Notes", "textarea", length=131072),
        Field("Born__c", "Born", "date"),
        Field("Legacy_Id__c", "Legacy", "string", length=20, external_id=True),
        Field("AccountId", "Account", "reference", relationship_name="Account", reference_to=("Account",)),
    ),
)


ACCOUNT = SObject("Account", (Field("Ext__c", "Ext", "string", length=80, external_id=True),))


def account(number: int) -> str:
    return to_18(f"001{number:012d}")


@dataclass
class Remembered:
    """An audit in memory."""

    load: Load | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    events: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def open_load(self, load: Load) -> None:
        self.load = load

    def update_load(self, load_id: str, **changes: Any) -> None:
        self.changes.update(changes)

    def remember(self, load_id: str, entries: Sequence[Entry]) -> None:
        self.batches.append(len(entries))
        for entry in entries:
            assert entry.row_number not in self.entries
            self.entries[entry.row_number] = entry

    def note(self, load_id: str, event: str, detail: Mapping[str, Any]) -> None:
        self.events.append((event, detail))

    def rows(self, action: Action) -> list[int]:
        return sorted(number for number, entry in self.entries.items() if entry.action == action)


class Partitioned:
    """One run over a source, with its staged records and its audit."""

    def __init__(self, folder: Path, source: Any, **changes: Any) -> None:
        self.audit = changes.pop("audit", None) or Remembered()
        self.staging = folder / "staging"
        asked: dict[str, Any] = {"external_id_field": "Key__c", "partitions": 4, "salesforce_conn_id": "sf"}
        heard = {
            name: changes.pop(name) for name in ("check_load", "on_rejected", "on_staged", "on_kin") if name in changes
        }
        self.refs: list[PartitionRef] = partition_source(
            source_of(source),
            PartitionSettings(**{**asked, **changes}),
            load=Load("load-1", "00D000000000001AAA", "Lead", "Key__c", "dag", "run", "task", NOW),
            describe=LEAD,
            parents={"Account": ACCOUNT}.__getitem__,
            staging=StagingArea(str(self.staging)),
            audit=self.audit,
            clock=lambda: NOW,
            listeners=Listeners(**heard),
        )

    @property
    def partitions(self) -> dict[int, list[Record]]:
        return {ref.partition: list(read_partition(ref)) for ref in self.refs}

    @property
    def records(self) -> list[Record]:
        return sorted((r for part in self.partitions.values() for r in part), key=lambda r: r.row_number)


def csv_in(folder: Path, content: str | bytes) -> str:
    path = folder / "leads.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_rows_are_staged_typed_and_named_as_the_org_names_them(tmp_path: Path) -> None:
    run = Partitioned(
        tmp_path,
        [{"key__c": " A-1 ", "LASTNAME": None, "born__C": "2026-01-02T00:00:00", "Account": {"Ext__c": "P"}}],
    )
    (record,) = run.records
    assert (record.row_number, record.key, record.wave) == (1, "A-1", 0)
    assert record.fields == {
        "Key__c": "A-1",
        "LastName": None,
        "Born__c": "2026-01-02",
        "Account": {"Ext__c": "P"},
    }
    assert len(record.row_hash) == 32


def test_a_reference_carries_what_the_next_task_needs(tmp_path: Path) -> None:
    (ref,) = Partitioned(tmp_path, [{"Key__c": "A-1"}], audit_conn_id="audit").refs
    assert ref.to_json() == {
        "load_id": "load-1",
        "partition": ref.partition,
        "partitions": 4,
        "rows": 1,
        "path": str(tmp_path / "staging" / "load-1" / f"part-{ref.partition:05d}.ndjson"),
        "checksum": ref.checksum,
        "sobject": "Lead",
        "external_id_field": "Key__c",
        "org_id": "00D000000000001AAA",
        "salesforce_conn_id": "sf",
        "audit_conn_id": "audit",
        "version": 1,
    }


def test_the_manifest_describes_just_the_fields_of_the_load(tmp_path: Path) -> None:
    (ref,) = Partitioned(tmp_path, [{"key__c": "A-1", "Account.Ext__c": "P"}]).refs
    manifest = read_manifest(ref)
    assert {field.name for field in manifest.sobject.fields} == {"Id", "Key__c", "AccountId"}
    assert manifest.external_id_field == "Key__c"
    assert manifest.columns == ("key__c", "Account.Ext__c")
    assert (manifest.on_repeat, manifest.allow_non_unique_key, manifest.created_at) == ("last", False, NOW)


@pytest.mark.parametrize("content", ["Key__c,LastName\n", None], ids=["header only", "no rows"])
def test_zero_rows_are_a_load_of_zero_rows(tmp_path: Path, content: str | None) -> None:
    run = Partitioned(tmp_path, csv_in(tmp_path, content) if content else [])
    assert run.refs == []
    assert run.audit.changes == {"rows_read": 0, "partitions": 0}
    assert not run.staging.exists()


def test_the_load_knows_its_rows_only_when_all_is_staged(tmp_path: Path) -> None:
    run = Partitioned(tmp_path, [{"Key__c": "A"}, {"Key__c": "a"}, {"Key__c": None}, {"Key__c": "B"}])
    assert run.audit.load is not None
    assert run.audit.changes == {"rows_read": 4, "partitions": len(run.refs)}
    assert run.audit.events == [
        (
            "partitioned",
            {"rows_read": 4, "staged": 2, "partitions": len(run.refs), "invalid": 1, "superseded": 1},
        )
    ]


def test_staged_files_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run = Partitioned(tmp_path, [{"Key__c": "A-1"}])
    finally:
        os.umask(before)
    files = [path for path in run.staging.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


# Rows that cannot be sent


@pytest.mark.parametrize(
    ("row", "code", "reason", "word"),
    [
        pytest.param({"LastName": "secret"}, "UNUSABLE_KEY", "missing_key", "Key__c", id="no key column"),
        pytest.param({"Key__c": " "}, "UNUSABLE_KEY", "missing_key", "Key__c", id="blank key"),
        pytest.param({"Key__c": 1.0}, "UNUSABLE_KEY", "key_is_a_float", "Key__c", id="float key"),
        pytest.param({"Key__c": "secret" * 99}, "UNUSABLE_KEY", "key_too_long", "Key__c", id="long key"),
        pytest.param({"Key__c": "A", "born__c": "secret"}, "MALFORMED_VALUE", "malformed_value", "born__c", id="date"),
        pytest.param(
            {"Key__c": "A", "Account": "secret"}, "MALFORMED_VALUE", "malformed_value", "Account", id="parent"
        ),
        pytest.param(
            {"Key__c": "A", "LastName": "secret\0"}, "MALFORMED_VALUE", "malformed_value", "LastName", id="NUL"
        ),
        pytest.param(
            {"Key__c": "A", "LastName": Decimal("1e-99999999")},
            "MALFORMED_VALUE",
            "malformed_value",
            "LastName",
            id="number of a hundred million zeros",
        ),
        pytest.param(
            {"Key__c": "A", "Account.Ext__c": 1.0},
            "MALFORMED_VALUE",
            "malformed_value",
            "column Account.Ext__c is a text field and the key a float",
            id="float names a parent",
        ),
        pytest.param(
            {"Key__c": "A", "Account": {"Ext__c": True}},
            "MALFORMED_VALUE",
            "malformed_value",
            "column Account.Ext__c is true or false",
            id="true names a parent",
        ),
        pytest.param(
            {"Key__c": "\ufeffsecret"}, "UNUSABLE_KEY", "key_has_bad_characters", "Key__c", id="byte order mark"
        ),
        pytest.param(["secret"], "UNREADABLE_ROW", "unreadable_row", "row 2", id="no mapping"),
    ],
)
def test_a_row_that_cannot_be_sent_is_audited_and_the_others_go_on(
    tmp_path: Path, row: Any, code: str, reason: str, word: str
) -> None:
    run = Partitioned(tmp_path, [{"Key__c": "B"}, row, {"Key__c": "C"}])
    assert [record.row_number for record in run.records] == [1, 3]
    entry = run.audit.entries[2]
    assert (entry.action, entry.error_code, entry.reason, entry.at) == (Action.INVALID, code, reason, NOW)
    assert word in str(entry.error_message)
    assert "secret" not in str(entry.error_message)
    assert entry.key == ("A" if code == "MALFORMED_VALUE" else None)
    assert entry.values is None


def test_a_malformed_date_in_one_row_of_a_thousand_is_one_invalid_row(tmp_path: Path) -> None:
    lines = [f"K-{number},2026-01-02" for number in range(1, 1001)]
    lines[700] = "K-701,02.01.2026"
    run = Partitioned(tmp_path, csv_in(tmp_path, "Key__c,Born__c\n" + "\n".join(lines)))
    assert len(run.records) == 999
    assert run.audit.rows(Action.INVALID) == [701]


def test_ragged_rows_are_invalid_rows(tmp_path: Path) -> None:
    run = Partitioned(tmp_path, csv_in(tmp_path, "Key__c,LastName\nA,1\nB\nC,1,2\nD,2\n"))
    assert [record.key for record in run.records] == ["A", "D"]
    assert run.audit.rows(Action.INVALID) == [2, 3]


def test_no_row_of_a_file_that_was_appended_becomes_another_key(tmp_path: Path) -> None:
    first, second = "Key__c,LastName\nA,1\n", "\ufeffKey__c,LastName\nB,2\n"
    for content in (first + second, first + second.lstrip("\ufeff"), first + "\ufeffC,3\nB,2\n"):
        run = Partitioned(tmp_path, csv_in(tmp_path, content))
        assert [record.key for record in run.records] == ["A", "B"]
        assert run.audit.rows(Action.INVALID) == [2]


def test_many_invalid_rows_are_remembered_many_at_a_time(tmp_path: Path) -> None:
    run = Partitioned(tmp_path, [{"Key__c": ""}] * 2500)
    assert run.audit.batches == [1000, 1000, 500]


@pytest.mark.parametrize("key", ["a/b", "a?b", "a#b", ".", "..", "Zoë 😀", "x" * 255], ids=ascii)
def test_odd_keys_are_staged_as_they_are(tmp_path: Path, key: str) -> None:
    assert [record.key for record in Partitioned(tmp_path, [{"Key__c": key}]).records] == [key]


def test_a_text_of_4_mb_is_staged_whole(tmp_path: Path) -> None:
    run = Partitioned(tmp_path, csv_in(tmp_path, "Key__c,Notes__c\nA," + "x" * 4_000_000 + "\n"))
    assert len(run.records[0].fields["Notes__c"]) == 4_000_000


# Repeats


def test_keys_that_differ_in_case_are_repeats_where_the_org_says_so(tmp_path: Path) -> None:
    run = Partitioned(tmp_path, [{"Key__c": "abc"}, {"Key__c": "ABC"}, {"Key__c": "straße"}, {"Key__c": "STRASSE"}])
    assert [record.key for record in run.records] == ["ABC", "straße", "STRASSE"]
    entry = run.audit.entries[1]
    assert (entry.action, entry.key, entry.reason) == (Action.SUPERSEDED, "abc", "on_repeat_last")
    assert entry.error_message == "superseded by row 2"
    assert entry.row_hash is not None


def test_keys_that_any_case_rule_could_take_for_one_meet_in_one_partition(tmp_path: Path) -> None:
    rows = [{"Key__c": "straße"}, {"Key__c": "STRASSE"}]
    assert [len(part) for part in Partitioned(tmp_path, rows, partitions=1024).partitions.values()] == [2]


def test_numbers_written_in_many_ways_are_repeats(tmp_path: Path) -> None:
    run = Partitioned(
        tmp_path,
        csv_in(tmp_path, "No__c\n1\n1.0\n0010\n10\n001\n"),
        external_id_field="No__c",
    )
    assert [(record.row_number, record.fields) for record in run.records] == [(4, {"No__c": 10}), (5, {"No__c": 1})]
    assert run.audit.rows(Action.SUPERSEDED) == [1, 2, 3]


def test_in_order_keeps_all_rows_wave_by_wave(tmp_path: Path) -> None:
    rows = [{"Key__c": key} for key in ("A", "B", "A", "C", "A", "B")]
    (part,) = Partitioned(tmp_path, rows, on_repeat="in_order", partitions=1).partitions.values()
    assert [(record.wave, record.row_number) for record in part] == [(0, 1), (0, 2), (0, 4), (1, 3), (1, 6), (2, 5)]


def test_fail_names_rows_and_stages_nothing(tmp_path: Path) -> None:
    audit = Remembered()
    rows = [{"Key__c": key} for key in ("secret", "B", "SECRET", "b", "C")]
    with pytest.raises(RepeatsRefusedError, match=r"2 keys occur more than once, in rows 1, 3; 2, 4\.") as refused:
        Partitioned(tmp_path, rows, on_repeat="fail", audit=audit)
    assert "secret" not in str(refused.value).lower()
    assert audit.changes == {}
    assert not (tmp_path / "staging" / "load-1").exists()


def test_fail_lets_a_source_without_repeats_pass(tmp_path: Path) -> None:
    assert len(Partitioned(tmp_path, [{"Key__c": "A"}, {"Key__c": "B"}], on_repeat="fail").records) == 2


# Order in time


def test_the_order_of_a_state_is_staged_and_its_column_is_not_sent(tmp_path: Path) -> None:
    rows = [
        {"updated_at": "2026-01-02 10:00", "Key__c": "A", "LastName": "x"},
        {"Key__c": "B", "updated_at": datetime(2026, 1, 3)},
    ]
    run = Partitioned(tmp_path, rows, newer_than="UPDATED_AT")
    plain = Partitioned(tmp_path / "plain", [{k: v for k, v in row.items() if k != "updated_at"} for row in rows])
    assert [record.order for record in run.records] == [
        "t:2026-01-02T10:00:00.000000Z",
        "t:2026-01-03T00:00:00.000000Z",
    ]
    assert [replace(record, order=None) for record in run.records] == plain.records
    assert "updated_at" not in read_manifest(run.refs[0]).columns


def test_a_field_that_is_sent_may_tell_the_order(tmp_path: Path) -> None:
    run = Partitioned(tmp_path, csv_in(tmp_path, "Key__c,born__c\nA,2026-01-02\n"), newer_than="Born__c")
    (record,) = run.records
    assert (record.order, record.fields["Born__c"]) == ("t:2026-01-02T00:00:00.000000Z", "2026-01-02")


@pytest.mark.parametrize(
    ("on_repeat", "sent", "superseded"),
    [
        ("last", [(0, 2, {"Key__c": "A", "LastName": "new"})], [1, 3]),
        ("first", [(0, 3, {"Key__c": "a", "Born__c": "1999-01-02"})], [1, 2]),
        ("merge_fields", [(0, 2, {"Key__c": "A", "LastName": "new", "Born__c": "1999-01-02"})], [1, 3]),
    ],
)
def test_repeats_are_settled_by_state_and_not_by_place(
    tmp_path: Path, on_repeat: str, sent: list[Any], superseded: list[int]
) -> None:
    rows = [
        {"Key__c": "A", "version": 9, "LastName": "old"},
        {"Key__c": "A", "version": 10, "LastName": "new"},
        {"Key__c": "a", "version": "2", "Born__c": "1999-01-02"},
    ]
    run = Partitioned(tmp_path, rows, newer_than="version", on_repeat=on_repeat)
    assert [(record.wave, record.row_number, record.fields) for record in run.records] == sent
    assert run.audit.rows(Action.SUPERSEDED) == superseded


def test_in_order_sends_the_states_of_a_key_as_they_came_about(tmp_path: Path) -> None:
    rows = [{"Key__c": key, "version": version} for key, version in (("A", 3), ("B", 1), ("A", 1), ("A", 2), ("B", 1))]
    (part,) = Partitioned(tmp_path, rows, newer_than="version", on_repeat="in_order", partitions=1).partitions.values()
    assert [(record.wave, record.row_number) for record in part] == [(0, 2), (0, 3), (1, 4), (1, 5), (2, 1)]


@pytest.mark.parametrize(
    ("row", "reason", "words"),
    [
        pytest.param({"Key__c": "B"}, "missing_order", "column Updated_At is blank", id="absent"),
        pytest.param({"Key__c": "B", "Updated_At": " "}, "missing_order", "column Updated_At is blank", id="blank"),
        pytest.param({"Key__c": "B", "Updated_At": "secret"}, "unusable_order", "column Updated_At is no", id="word"),
        pytest.param(
            {"Key__c": "B", "Updated_At": 1767312000},
            "unusable_order",
            "column Updated_At is a number after rows in which it is a time",
            id="another kind",
        ),
    ],
)
def test_a_row_without_a_usable_order_is_audited_and_the_others_go_on(
    tmp_path: Path, row: dict[str, Any], reason: str, words: str
) -> None:
    good = {"Key__c": "A", "Updated_At": "2026-01-02"}
    run = Partitioned(tmp_path, [good, row, good | {"Key__c": "C"}], newer_than="updated_at")
    assert [record.key for record in run.records] == ["A", "C"]
    entry = run.audit.entries[2]
    assert (entry.action, entry.error_code, entry.reason, entry.key) == (Action.INVALID, "UNUSABLE_ORDER", reason, "B")
    assert words in str(entry.error_message)
    assert "secret" not in str(entry.error_message)
    assert "1767312000" not in str(entry.error_message)


@pytest.mark.parametrize("source", [[{"Key__c": "A", "LastName": "x"}], "csv"], ids=["rows", "csv"])
def test_a_newer_than_that_no_row_has_is_refused_with_the_columns_there_are(tmp_path: Path, source: Any) -> None:
    if source == "csv":
        source = csv_in(tmp_path, "Key__c,LastName\nA,x\n")
    with pytest.raises(SettingError, match=r"newer_than: .*'updated_at'.*Key__c, LastName") as refused:
        Partitioned(tmp_path, source, newer_than="updated_at")
    assert refused.value.setting == "newer_than"
    assert not (tmp_path / "staging" / "load-1").exists()


def test_no_rows_need_no_order(tmp_path: Path) -> None:
    assert Partitioned(tmp_path, [], newer_than="updated_at").refs == []


def test_an_order_that_shows_up_late_is_not_taken_for_a_field(tmp_path: Path) -> None:
    rows = [{"Key__c": "A"}, {"Key__c": "B", "version": 1}, {"Key__c": "C", "LastName": "x", "version": 2}]
    run = Partitioned(tmp_path, rows, newer_than="version")
    assert [(record.key, sorted(record.fields)) for record in run.records] == [
        ("B", ["Key__c"]),
        ("C", ["Key__c", "LastName"]),
    ]
    assert run.audit.entries[1].reason == "missing_order"


@given(st.lists(st.tuples(st.sampled_from("Aa B"), st.integers(0, 5)), min_size=1, max_size=20))
def test_the_newest_state_of_every_key_is_the_one_that_is_sent(rows: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Partitioned(
            Path(folder), [{"Key__c": key, "version": version} for key, version in rows], newer_than="version"
        )
        guard: dict[str, tuple[int, int]] = {}
        for number, (key, version) in enumerate(rows, start=1):
            if key.strip():
                guard[key.lower()] = max(guard.get(key.lower(), (0, 0)), (version, number))
        assert sorted(record.row_number for record in run.records) == sorted(number for _, number in guard.values())


# Groups


def test_what_is_sent_together_is_told_wave_by_wave(tmp_path: Path) -> None:
    told: list[int] = []
    rows = [{"Key__c": key} for key in "AABCA"]
    Partitioned(tmp_path, rows, on_repeat="in_order", partitions=1, on_staged=told.extend)
    assert told == [3, 1, 1]


@pytest.mark.parametrize("rows", [7, 199, 200, 201, 600])
def test_the_rows_of_one_parent_stand_one_after_the_other(tmp_path: Path, rows: int) -> None:
    parents = [account(n % 7) for n in range(rows)]
    source = [{"Key__c": f"K-{n % 300}", "AccountId": parent} for n, parent in enumerate(parents)]
    run = Partitioned(tmp_path, source, group_by="AccountId", partitions=3, on_repeat="in_order")
    homes: dict[str, set[int]] = {}
    for partition, records in run.partitions.items():
        for _, wave in groupby(records, key=lambda record: record.wave):
            runs = [parent for parent, _ in groupby(record.fields["AccountId"] for record in wave)]
            assert len(runs) == len(set(runs))
        for record in records:
            if record.wave == 0:
                homes.setdefault(record.fields["AccountId"], set()).add(partition)
    assert all(len(partitions) == 1 for partitions in homes.values())


@pytest.mark.parametrize("group_by", ["AccountId", "account.ext__c", "Account"])
@pytest.mark.parametrize("column", ["AccountId", "Account.Ext__c", "Account"])
def test_rows_of_one_parent_meet_in_one_partition(tmp_path: Path, column: str, group_by: str) -> None:
    parents = ["P1", "p1", "P2", "P3", "P1"] * 20
    if column == "AccountId":
        parents = [account(1), account(1)[:15], account(2), account(3), account(1).lower()] * 20
    rows = [
        {"Key__c": f"K-{n}", column: {"Ext__c": parent} if column == "Account" else parent}
        for n, parent in enumerate(parents)
    ]
    run = Partitioned(tmp_path, rows, group_by=group_by, partitions=64)
    assert 1 < len(run.refs) <= 3
    assert len(run.records) == 100
    for part in run.partitions.values():
        order = [parents[record.row_number - 1].lower()[:15] for record in part]
        assert order == sorted(order)


def test_rows_without_a_parent_are_partitioned_by_key(tmp_path: Path) -> None:
    rows = [{"Key__c": f"K-{n}", "AccountId": None} for n in range(100)]
    grouped = Partitioned(tmp_path / "a", rows, group_by="AccountId")
    plain = Partitioned(tmp_path / "b", rows)
    assert grouped.partitions == plain.partitions


def test_all_rows_of_a_key_follow_its_first_row(tmp_path: Path) -> None:
    rows = [{"Key__c": "A", "AccountId": account(n)} for n in range(20)]
    run = Partitioned(tmp_path, rows, group_by="AccountId", on_repeat="in_order", partitions=64)
    (part,) = run.partitions.values()
    assert [record.wave for record in part] == list(range(20))


@pytest.mark.parametrize("source", [[{"Key__c": "A"}], "csv"], ids=["rows", "csv"])
@pytest.mark.parametrize("group_by", ["AccountId", "Nothing"])
def test_a_group_that_no_row_has_is_refused_by_name(tmp_path: Path, source: Any, group_by: str) -> None:
    if source == "csv":
        source = csv_in(tmp_path, "Key__c\nA\n")
    with pytest.raises(SettingError, match=f"group_by: .*{group_by}") as refused:
        Partitioned(tmp_path, source, group_by=group_by)
    assert refused.value.setting == "group_by"


# Columns under other names


RENAME = {
    "Kunden-Nr.": "Key__c",
    "Nachname": "LastName",
    "Geboren": "Born__c",
    "Firma": "Account.Ext__c",
    "Stand": "at",
}


@pytest.mark.parametrize("kind", ["csv", "rows"])
def test_settings_name_columns_as_they_are_renamed(tmp_path: Path, kind: str) -> None:
    rows = [(f"K-{n % 50}", f"Name {n}", "2026-01-02", f"P{n % 3}", n) for n in range(100)]
    source: Any = RenamedColumns(source_of([dict(zip(RENAME, row, strict=True)) for row in rows]), RENAME)
    if kind == "csv":
        path = csv_in(tmp_path, "".join(",".join(map(str, row)) + "\n" for row in [tuple(RENAME), *rows]))
        source = {"path": path, "rename": RENAME}
    run = Partitioned(tmp_path, source, newer_than="at", group_by="Account.Ext__c", external_id_field="Key__c")
    assert [record.row_number for record in run.records] == list(range(51, 101))
    assert run.records[0].fields == {
        "Key__c": "K-0",
        "LastName": "Name 50",
        "Born__c": "2026-01-02",
        "Account": {"Ext__c": "P2"},
    }
    assert len(run.refs) <= 3
    assert read_manifest(run.refs[0]).columns == ("Key__c", "LastName", "Born__c", "Account.Ext__c")


@pytest.mark.parametrize("setting", ["newer_than", "group_by", "external_id_field"])
def test_the_source_s_own_name_means_nothing_to_a_setting(tmp_path: Path, setting: str) -> None:
    rename = {"Kunden-Nr.": "Key__c", "Geboren": "Born__c", "Firma": "AccountId"}
    source = {"path": csv_in(tmp_path, f"{','.join(rename)}\n1,2026-01-02,\n"), "rename": rename}
    own = {"newer_than": "Geboren", "group_by": "Firma", "external_id_field": "Kunden-Nr."}[setting]
    with pytest.raises(SettingError, match=own) as refused:
        Partitioned(tmp_path, source, **{setting: own})
    assert refused.value.setting == setting


class Unreadable:
    """Fails when it is looked at."""

    def __eq__(self, other: object) -> bool:
        raise OSError("secret")

    __hash__ = object.__hash__


GOOD = {"Kunden-Nr.": "A", "Nachname": "x", "Geboren": None, "Firma": "P", "Stand": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"Geboren": "secret"}, "column Geboren ", id="value"),
        pytest.param({"Nachname": Unreadable()}, "column Nachname cannot be read (OSError)", id="unreadable"),
        pytest.param({"Stand": Unreadable()}, "column Stand cannot be read (OSError)", id="unreadable order"),
        pytest.param({"Kunden-Nr.": Unreadable()}, "column Kunden-Nr. cannot be read (OSError)", id="unreadable key"),
        pytest.param({"Kunden-Nr.": " "}, "column Kunden-Nr. is blank: the row has no key", id="no key"),
        pytest.param({"Kunden-Nr.": True}, "column Kunden-Nr. is true or false", id="no such key"),
        pytest.param({"Firma": 1.5}, "column Firma is a text field and the key a float", id="parent's key"),
        pytest.param({"Stand": "secret"}, "column Stand is no time and no number", id="order"),
        pytest.param({"Stand": None}, "column Stand is blank", id="no order"),
        pytest.param({"Stand": "2026-01-01"}, "column Stand is a time after rows in which it is a number", id="kind"),
    ],
)
def test_a_message_about_a_row_names_the_column_as_the_source_does(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    source = RenamedColumns(source_of([GOOD, {**GOOD, "Kunden-Nr.": "B", **change}]), RENAME)
    run = Partitioned(tmp_path, source, newer_than="at")
    assert run.audit.rows(Action.INVALID) == [2]
    assert str(run.audit.entries[2].error_message).startswith(message)


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ({"Ext__c": 1.5}, "column Konto.Ext__c is a text field and the key a float"),
        ("secret", "column Konto names a parent: expected a mapping"),
    ],
    ids=["key", "no mapping"],
)
def test_a_parent_in_a_renamed_column_is_told_by_that_columns_own_name(
    tmp_path: Path, parent: Any, message: str
) -> None:
    source = RenamedColumns(source_of([{"Key__c": "A", "Konto": parent}]), {"Konto": "account"})
    (entry,) = Partitioned(tmp_path, source).audit.entries.values()
    assert str(entry.error_message).startswith(message)


@pytest.mark.parametrize("kind", ["csv", "rows"])
@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("Kunden-Nr.,Nachname,Geboren,Firma,Stand,Ort", r"Ort is no field that this user can see$"),
        (
            "Kunden-Nr.,Nachname,Geboren,Firma,Stand,AccountId",
            r"Account\.Ext__c \(in the source: Firma\) and AccountId are",
        ),
    ],
    ids=["one that is not renamed", "two for one field"],
)
def test_a_column_that_cannot_be_sent_is_told_by_both_names(tmp_path: Path, kind: str, header: str, says: str) -> None:
    source: Any = {"path": csv_in(tmp_path, f"{header}\n1,x,,P,3,4\n"), "rename": RENAME}
    if kind == "rows":
        source = RenamedColumns(source_of([dict.fromkeys(header.split(","), "1")]), RENAME)
    with pytest.raises(PreflightError, match=says):
        Partitioned(tmp_path, source, newer_than="at")


def test_a_new_name_that_is_no_field_is_told_with_the_column_that_has_it(tmp_path: Path) -> None:
    source = {"path": csv_in(tmp_path, "Key__c,Nachname\nA,x\n"), "rename": {"Nachname": "LastNam"}}
    with pytest.raises(PreflightError, match=r"LastNam \(in the source: Nachname\) is no field .*nearest: LastName"):
        Partitioned(tmp_path, source)


def test_a_column_to_rename_that_no_row_has_leaves_nothing_staged(tmp_path: Path) -> None:
    source = RenamedColumns(source_of([{"Key__c": "A"}]), {"E-Mail": "LastName"})
    with pytest.raises(SourceError, match="rename: none of the 1 row "):
        Partitioned(tmp_path, source)
    assert not (tmp_path / "staging" / "load-1").exists()


# What ends a load before anything is sent


def test_a_source_that_breaks_off_leaves_nothing_staged_and_the_load_open(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield from ({"Key__c": f"K-{n}"} for n in range(1000))
        raise SourceError("the source broke off")

    audit = Remembered()
    with pytest.raises(SourceError, match="broke off"):
        Partitioned(tmp_path, rows(), audit=audit)
    assert audit.load is not None
    assert audit.changes == {}
    assert not (tmp_path / "staging").exists()


def test_an_audit_that_fails_leaves_nothing_staged(tmp_path: Path) -> None:
    class Failing(Remembered):
        def update_load(self, load_id: str, **changes: Any) -> None:
            raise RuntimeError("the audit is gone")

    with pytest.raises(RuntimeError, match="audit is gone"):
        Partitioned(tmp_path, [{"Key__c": "A"}], audit=Failing())
    assert not (tmp_path / "staging" / "load-1").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", "the file is empty", id="empty file"),
        pytest.param("Key__c,LastName,lastname\nA,1,2\n", "more than once", id="two columns of one name"),
        pytest.param("Key__c,Lastnam\nA,1\n", "Lastnam is no field", id="no such field"),
        pytest.param("Key__c,LastName\nA,Zoë\n".encode("latin-1"), "byte 21", id="wrong encoding"),
    ],
)
def test_an_unusable_file_is_an_error_before_anything_is_staged(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        Partitioned(tmp_path, csv_in(tmp_path, content))
    assert not (tmp_path / "staging").exists()


def test_a_column_that_shows_up_late_is_named_with_its_row(tmp_path: Path) -> None:
    rows = [{"Key__c": "A"}, {"Key__c": "B", "LastName": "x"}, {"Key__c": "C", "Shoe__c": 44}]
    with pytest.raises(PreflightError, match=r"row 3: .*Shoe__c is no field"):
        Partitioned(tmp_path, rows)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("partitions", 0),
        ("partitions", 1025),
        ("on_repeat", "newest"),
        ("external_id_field", "Legacy_Id__c"),
        ("newer_than", " "),
    ],
)
def test_an_unusable_setting_is_refused_before_the_source_is_read(tmp_path: Path, setting: str, value: Any) -> None:
    with pytest.raises(SettingError) as refused:
        Partitioned(tmp_path, (pytest.fail("read") for _ in [1]), **{setting: value})
    assert refused.value.setting == setting


# The promise


def assert_conserved(run: Partitioned, read: int) -> None:
    staged = [record.row_number for record in run.records]
    ended = list(run.audit.entries)
    assert sorted(staged + ended) == list(range(1, read + 1))
    assert sum(ref.rows for ref in run.refs) == len(staged)


raw_keys = st.one_of(
    st.sampled_from(["A", "a", "ß", "SS", "ss", "É", "e\u0301", " A ", "", None, 1, 1.0, "１"]),
    st.text(max_size=3),
)
raw_rows = st.lists(
    st.fixed_dictionaries(
        {"Key__c": raw_keys},
        optional={
            "AccountId": st.sampled_from([account(1), account(1)[:15], account(2), None]),
            "Born__c": st.sampled_from(["x", "2026-01-02"]),
        },
    ),
    max_size=25,
)


@settings(max_examples=120, deadline=None)
@given(
    rows=raw_rows,
    on_repeat=st.sampled_from([policy for policy in ON_REPEAT if policy != "fail"]),
    partitions=st.sampled_from([1, 2, 7, 1024]),
    grouped=st.booleans(),
)
def test_every_row_ends_once_and_a_key_meets_one_task(
    rows: list[dict[str, Any]], on_repeat: str, partitions: int, grouped: bool
) -> None:
    group_by = "AccountId" if grouped and any("AccountId" in row for row in rows) else None
    with tempfile.TemporaryDirectory() as folder:
        run = Partitioned(Path(folder), rows, on_repeat=on_repeat, partitions=partitions, group_by=group_by)
        assert_conserved(run, len(rows))
        homes: dict[str, set[int]] = {}
        rule = KeyRule(KEY)
        for partition, records in run.partitions.items():
            keys = [(record.wave, rule.fold(record.key)) for record in records]
            assert len(keys) == len(set(keys))
            assert [record.wave for record in records] == sorted(record.wave for record in records)
            for record in records:
                homes.setdefault(rule.partition_fold(record.key), set()).add(partition)
        assert all(len(partition) == 1 for partition in homes.values())


def test_a_large_load_is_conserved_in_a_real_audit(tmp_path: Path) -> None:
    engine = engine_for(f"sqlite:///{tmp_path / 'audit.db'}")
    upgrade(engine)
    audit = SqlAudit(engine)
    generator = random.Random(7)
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["Key__c", "Born__c"], *_lines(generator.choices(range(4000), k=6000), generator)])
    run = Partitioned(tmp_path, csv_in(tmp_path, text.getvalue()), audit=audit)
    totals = audit.totals("load-1")
    load = audit.load("load-1")
    assert load is not None
    assert load.rows_read == 6000
    assert totals.rows + len(run.records) == 6000
    assert set(totals.actions) == {Action.INVALID, Action.SUPERSEDED}
    assert ("MALFORMED_VALUE", "malformed_value") in {(code, reason) for _, code, reason in totals.reasons}


def _lines(keys: Iterable[int], generator: random.Random) -> Iterator[list[str]]:
    for key in keys:
        yield [f"K-{key}", generator.choice(["2026-01-02", "", "", "soon"])]
