"""What every audit promises."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain
from typing import Any, Protocol
from uuid import uuid4

import pytest

from airflow_sf_dedup.audit.base import (
    DOUBTFUL_BELOW,
    Audit,
    AuditKeeper,
    DoubtfulMatches,
    Load,
    LoadKind,
    LoadMissingError,
    Period,
    SentAgain,
    WaitedForRules,
)
from airflow_sf_dedup.core.entries import NOT_IN_SAMPLE, UNSETTLED, Action, Entry, MatchEntry
from airflow_sf_dedup.core.plan_differences import Departure
from airflow_sf_dedup.core.rule_reports import RuleReport
from airflow_sf_dedup.core.rule_waits import RuleWait
from airflow_sf_dedup.core.volume import Volume

# ruff: noqa: S101

#: When the loads of the contract start; a purge of the contract never reaches younger ones.
BEGIN = datetime(2001, 2, 3, 4, 5, 6, 789, UTC)


class KeptAudit(Audit, AuditKeeper, Protocol):
    """An audit that can also forget."""


def a_load(**changes: Any) -> Load:
    """A load of its own id and run."""
    load = Load(
        load_id=uuid4().hex,
        org_id="00D000000000001EAA",
        sobject="Lead",
        external_id_field="Source_Key__c",
        dag_id="morning_leads",
        run_id=f"manual__{uuid4().hex}",
        task_id="load.partition",
        started_at=BEGIN,
        settings={"on_repeat": "last", "columns": ["Email"]},
    )
    return replace(load, **changes)


def an_entry(row_number: int, action: Action = Action.CREATED, **changes: Any) -> Entry:
    """A plain entry of one row."""
    return replace(Entry(row_number=row_number, action=action, at=BEGIN, key=f"key-{row_number}"), **changes)


def a_wait(times: int) -> RuleWait:
    """A row that was put off first when the load began, and for the last time five minutes long."""
    return RuleWait(times, since=BEGIN, until=BEGIN + timedelta(minutes=5))


MATCH = MatchEntry(
    record_id="00Q000000000001EAA",
    sobject="Lead",
    duplicate_rule="Standard_Lead_Duplicate_Rule",
    matching_rule="Standard_Lead_Match_Rule_v1_0",
    engine="FuzzyMatchEngine",
    confidence=87.5,
    allow_save=True,
    is_deleted=False,
    key=None,
    field_differences={"Email": ["a@new.example", "a@old.example"]},
    field_states={"Email": "different", "LastName": "same"},
    cautions=("names_disagree", "shared_mailbox"),
)

A_REPORT = RuleReport("0GK000000000001AAA", "Leads_by_mail", BEGIN, 2, ("00Q000000000002EAA",))


class AuditContract:
    """Inherit, and answer :meth:`make_audit`; the database need not be empty.

    One long class: a backend that inherits it keeps every promise, those to come among them.
    """

    def make_audit(self) -> KeptAudit:
        """An audit whose tables are ready."""
        raise NotImplementedError

    @pytest.fixture
    def audit(self) -> KeptAudit:
        return self.make_audit()

    @pytest.fixture
    def load(self, audit: KeptAudit) -> Load:
        load = a_load()
        audit.open_load(load)
        return load

    def test_a_load_reads_back_as_it_was_opened(self, audit: KeptAudit) -> None:
        load = a_load(policy="update_existing | ask_reviewer", api="collections", partitions=8, predicted_calls=41)
        audit.open_load(load)
        assert audit.load(load.load_id) == load

    def test_what_a_load_creates_changes_and_has_blocked_is_what_its_entries_say(
        self, audit: KeptAudit, load: Load
    ) -> None:
        refused = {"error_code": "DUPLICATES_DETECTED"}
        audit.remember(
            load.load_id,
            [
                an_entry(1, Action.CREATED, partition=0),
                an_entry(2, Action.UPDATED, partition=0),
                an_entry(3, Action.FAILED, partition=0, **refused),
                an_entry(4, Action.FAILED, partition=0, **refused),
                an_entry(5, Action.MATCHED_UPDATED, partition=1, **refused),
                an_entry(6, Action.SAVED_ANYWAY, partition=1, **refused),
                an_entry(7, Action.INVALID),
            ],
        )
        expected = {0: Volume(created=1, changed=1, blocked=2), 1: Volume(created=1, changed=1, blocked=2)}
        assert audit.volumes(load.load_id) == expected

        # A later try: one is settled, one fails for another reason, and what was settled stays.
        audit.remember(
            load.load_id,
            [
                an_entry(1, Action.UPDATED, partition=0),
                an_entry(3, Action.AWAITING_REVIEW, partition=0, **refused),
                an_entry(4, Action.FAILED, partition=0, error_code="INVALID_FIELD"),
            ],
        )
        assert audit.volumes(load.load_id)[0] == Volume(created=1, changed=1, blocked=1)

    def test_blocked_rows_without_an_entry_are_said_beside_the_others(self, audit: KeptAudit, load: Load) -> None:
        audit.note_waiting(load.load_id, 0, 7)
        audit.remember(load.load_id, [an_entry(1, partition=0)])
        audit.note_waiting(load.load_id, 0, 5)
        assert audit.volumes(load.load_id) == {0: Volume(created=1, waiting=5)}
        with pytest.raises(LoadMissingError):
            audit.note_waiting("never-opened", 0, 1)

    def test_tasks_that_write_at_once_count_together(self, audit: KeptAudit, load: Load) -> None:
        def write(number: int) -> None:
            audit.remember(load.load_id, [an_entry(number, partition=0), an_entry(100 + number, partition=1)])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(1, 21)))
        assert audit.volumes(load.load_id) == {0: Volume(created=20), 1: Volume(created=20)}

    def test_a_load_is_compared_with_its_plan_row_by_row(self, audit: KeptAudit, load: Load) -> None:
        plan = a_load(kind=LoadKind.PLAN)
        audit.open_load(plan)
        audit.remember(
            plan.load_id,
            [
                an_entry(1, key="same"),
                an_entry(2, key="otherwise"),
                an_entry(3, Action.UPDATED, key="another", record_id="00Q1"),
                an_entry(4, Action.INVALID, key=None),
                an_entry(5, Action.SUPERSEDED, key="twice"),
                an_entry(6, Action.UPDATED, key="twice", record_id="00Q2"),
                an_entry(7, key="gone"),
                an_entry(8, Action.NOT_SENT, key="unplanned", reason=NOT_IN_SAMPLE),
                an_entry(9, Action.NOT_SENT, key="unplanned and gone", reason=NOT_IN_SAMPLE),
            ],
        )
        audit.remember(
            load.load_id,
            [
                an_entry(1, Action.INVALID, key=None),
                an_entry(2, Action.AWAITING_REVIEW, key="otherwise", reason="several_matches"),
                an_entry(3, Action.UPDATED, key="another", record_id="00Q9"),
                an_entry(4, key="same", record_id="00Q3"),
                an_entry(5, Action.SUPERSEDED, key="twice"),
                an_entry(6, key="twice", record_id="00Q4"),
                an_entry(7, key="unplanned"),
                an_entry(8, key="new"),
            ],
        )
        told = [
            (each.departure, each.key, each.planned_row, each.row_number, each.planned, each.became)
            for each in audit.plan_differences(plan.load_id, load.load_id)
        ]
        assert told == [
            (Departure.OTHERWISE, "otherwise", 2, 2, Action.CREATED, Action.AWAITING_REVIEW),
            (Departure.OTHER_RECORD, "another", 3, 3, Action.UPDATED, Action.UPDATED),
            (Departure.OTHERWISE, "twice", 6, 6, Action.UPDATED, Action.CREATED),
            (Departure.NEW, "new", None, 8, None, Action.CREATED),
            (Departure.GONE, "gone", 7, None, Action.CREATED, None),
        ]
        compared = audit.compared(plan.load_id, load.load_id)
        assert (compared.as_planned, compared.unplanned, compared.rows_otherwise) == (3, 1, 5)
        assert compared.otherwise[None, Action.CREATED] == 1
        assert compared.otherwise[Action.CREATED, None] == 1

    def test_entries_are_read_by_their_numbers(self, audit: KeptAudit, load: Load) -> None:
        audit.remember(load.load_id, [an_entry(1), an_entry(2, Action.SKIPPED, matches=(MATCH,)), an_entry(3)])
        found = audit.entries_of(load.load_id, [2, 3, 99])
        assert sorted(found) == [2, 3]
        assert found[2].matches == (MATCH,)
        assert audit.entries_of(load.load_id, []) == {}

    def test_a_purged_load_has_no_volume(self, audit: KeptAudit) -> None:
        old = a_load(started_at=BEGIN - timedelta(days=9))
        audit.open_load(old)
        audit.remember(old.load_id, [an_entry(1)])
        audit.update_load(old.load_id, ended_at=BEGIN - timedelta(days=8))
        audit.purge(BEGIN - timedelta(days=7))
        assert audit.volumes(old.load_id) == {}

    def test_what_earlier_loads_of_a_task_did_is_told_of_the_whole_ones_latest_first(self, audit: KeptAudit) -> None:
        org_id, dag_id = uuid4().hex[:18], uuid4().hex

        def opened(hour: int, *actions: Action, **changes: Any) -> Load:
            at = BEGIN + timedelta(hours=hour)
            load = a_load(org_id=org_id, dag_id=dag_id, rows_read=9, started_at=at, ended_at=at)
            audit.open_load(load := replace(load, **changes))
            blocked = ("error_code", "DUPLICATES_DETECTED")
            for row, action in enumerate(actions, 1):
                code = dict([blocked]) if action in (Action.AWAITING_REVIEW, Action.MATCHED_UPDATED) else {}
                audit.remember(load.load_id, [an_entry(row, action, partition=row % 2, **code)])
            return load

        opened(1, Action.CREATED, Action.CREATED, Action.UPDATED)
        opened(2, Action.UNCHANGED)
        opened(3, Action.AWAITING_REVIEW, Action.MATCHED_UPDATED, Action.FAILED, sobject="LEAD")
        opened(4, Action.CREATED, Action.NOT_SENT)
        opened(5, Action.CREATED, Action.UNKNOWN)
        opened(6, Action.FAILED, Action.INVALID)
        opened(7, Action.CREATED, kind=LoadKind.PLAN)
        opened(8, Action.CREATED, ended_at=None)
        opened(9, Action.CREATED, task_id="other")
        opened(9, Action.CREATED, dag_id="other")
        opened(9, Action.CREATED, sobject="Contact")
        opened(9, Action.CREATED, external_id_field="Other__c")
        opened(9, Action.CREATED, org_id="other")
        opened(9)
        load = opened(10, Action.CREATED)
        opened(11, Action.CREATED)

        whole = [Volume(changed=1, blocked=2), Volume(), Volume(created=2, changed=1)]
        assert audit.earlier_volumes(load, 20) == whole
        assert audit.earlier_volumes(load, 2) == whole[:2]

    def test_a_row_that_is_not_sent_again_keeps_the_reason_why_it_failed(self, audit: KeptAudit, load: Load) -> None:
        failed = Entry(1, Action.FAILED, BEGIN, error_code="STRING_TOO_LONG")
        unknown = Entry(2, Action.UNKNOWN, BEGIN)
        audit.remember(load.load_id, [failed, unknown])
        audit.remember(load.load_id, [Entry(number, Action.NOT_SENT, BEGIN) for number in (1, 2, 3)])
        kept = {entry.row_number: entry.action for entry in audit.entries(load.load_id)}
        assert kept == {1: Action.FAILED, 2: Action.NOT_SENT, 3: Action.NOT_SENT}

    def test_a_row_that_waits_for_a_rule_was_sent_again_and_says_so(self, audit: KeptAudit, load: Load) -> None:
        audit.remember(load.load_id, [Entry(1, Action.FAILED, BEGIN, error_code="STRING_TOO_LONG")])
        audit.remember(load.load_id, [Entry(1, Action.NOT_SENT, BEGIN, reason="rule_inactive", rule_wait=a_wait(1))])
        [entry] = audit.entries(load.load_id)
        assert (entry.action, entry.rule_wait) == (Action.NOT_SENT, a_wait(1))

    def test_how_a_row_waited_outlives_the_entries_that_say_so(self, audit: KeptAudit, load: Load) -> None:
        """Whoever writes the last entry need not know of it."""
        for times in (1, 2):
            audit.remember(load.load_id, [an_entry(1, Action.NOT_SENT, partition=3, rule_wait=a_wait(times))])
        audit.remember(load.load_id, [an_entry(2, partition=3)])
        assert audit.rule_waits(load.load_id, 3) == {1: a_wait(2)}
        audit.remember(load.load_id, [an_entry(1, Action.CREATED, partition=3)])
        assert {e.row_number: e.rule_wait for e in audit.entries(load.load_id)} == {1: a_wait(2), 2: None}
        assert audit.rule_waits(load.load_id, 4) == {}
        assert audit.waited_for_rules(load.load_id) == WaitedForRules(1, 2, 300.0)

    def test_a_settled_row_waits_for_nothing_any_more(self, audit: KeptAudit, load: Load) -> None:
        audit.remember(load.load_id, [an_entry(1)])
        audit.remember(load.load_id, [an_entry(1, Action.NOT_SENT, rule_wait=a_wait(1))])
        assert audit.rule_waits(load.load_id, -1) == {}

    def test_what_rules_report_of_a_row_is_kept_beside_its_entry(self, audit: KeptAudit, load: Load) -> None:
        audit.remember(load.load_id, [an_entry(1), an_entry(2)])
        many = RuleReport("0GK000000000002AAA", "Leads_by_phone", None, 700)
        audit.remember_reports(load.load_id, {1: [A_REPORT, many], 2: [A_REPORT]})
        assert [entry.reports for entry in audit.entries(load.load_id)] == [(A_REPORT, many), (A_REPORT,)]
        assert audit.rows_by_report(load.load_id) == {"Leads_by_mail": 2, "Leads_by_phone": 1}

    def test_what_is_found_later_takes_the_place_of_what_was_found(self, audit: KeptAudit, load: Load) -> None:
        """Of the rows that were asked for again, and of no other."""
        audit.remember(load.load_id, [an_entry(1), an_entry(2)])
        audit.remember_reports(load.load_id, {1: [A_REPORT], 2: [A_REPORT]})
        audit.remember_reports(load.load_id, {1: [A_REPORT]})
        audit.remember_reports(load.load_id, {2: []})
        assert [entry.reports for entry in audit.entries(load.load_id)] == [(A_REPORT,), ()]

    def test_nothing_is_reported_of_a_load_that_was_not_opened(self, audit: KeptAudit) -> None:
        with pytest.raises(LoadMissingError):
            audit.remember_reports("no such load", {1: [A_REPORT]})

    def test_an_unknown_load_is_none(self, audit: KeptAudit) -> None:
        assert audit.load("no such load") is None

    def test_opening_a_load_again_changes_nothing(self, audit: KeptAudit, load: Load) -> None:
        audit.update_load(load.load_id, rows_read=7)
        audit.open_load(replace(load, sobject="Contact"))
        assert audit.load(load.load_id) == replace(load, rows_read=7)

    def test_update_load_sets_columns(self, audit: KeptAudit, load: Load) -> None:
        end = BEGIN + timedelta(minutes=3)
        audit.update_load(load.load_id, rows_read=5000, ended_at=end)
        audit.update_load(load.load_id, predicted_calls=12)
        expected = replace(load, rows_read=5000, ended_at=end, predicted_calls=12)
        assert audit.load(load.load_id) == expected

    def test_calls_are_counted_up_to_the_budget_of_their_round(self, audit: KeptAudit, load: Load) -> None:
        counted = [audit.count_call(load.load_id, round_number=1, budget=3) for _ in range(5)]
        assert counted == [True, True, True, False, False]
        assert audit.count_call(load.load_id, round_number=2, budget=3)
        kept = audit.load(load.load_id)
        assert kept is not None
        assert kept.api_calls == 4

    def test_calls_without_a_budget_are_counted_too(self, audit: KeptAudit, load: Load) -> None:
        assert all(audit.count_call(load.load_id, round_number=1, budget=None) for _ in range(3))
        assert not audit.count_call(load.load_id, round_number=1, budget=3)
        assert audit.count_call(load.load_id, round_number=1, budget=4)

    def test_a_budget_of_nothing_lets_no_call_through(self, audit: KeptAudit, load: Load) -> None:
        assert not audit.count_call(load.load_id, round_number=1, budget=0)
        assert audit.load(load.load_id) == load

    def test_loads_have_budgets_of_their_own(self, audit: KeptAudit, load: Load) -> None:
        other = a_load()
        audit.open_load(other)
        assert audit.count_call(load.load_id, round_number=1, budget=1)
        assert audit.count_call(other.load_id, round_number=1, budget=1)

    def test_calls_counted_at_once_never_exceed_the_budget(self, audit: KeptAudit, load: Load) -> None:
        def calls(_: int) -> int:
            return sum(audit.count_call(load.load_id, round_number=1, budget=30) for _ in range(10))

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(calls, range(4))) == 30
        kept = audit.load(load.load_id)
        assert kept is not None
        assert kept.api_calls == 30

    def test_update_load_refuses_names_it_does_not_know(self, audit: KeptAudit, load: Load) -> None:
        with pytest.raises(TypeError, match="rows_red"):
            audit.update_load(load.load_id, rows_red=1)

    def test_a_load_that_was_not_opened_is_named(self, audit: KeptAudit) -> None:
        with pytest.raises(LoadMissingError, match="nowhere"):
            audit.remember("nowhere", [an_entry(1)])
        with pytest.raises(LoadMissingError, match="nowhere"):
            audit.update_load("nowhere", rows_read=1)
        with pytest.raises(LoadMissingError, match="nowhere"):
            audit.note("nowhere", "event", {})
        with pytest.raises(LoadMissingError, match="nowhere"):
            audit.note_beginning("nowhere", 0)
        for budget in (None, 0, 1):
            with pytest.raises(LoadMissingError, match="nowhere"):
                audit.count_call("nowhere", round_number=1, budget=budget)

    def test_loads_of_a_run_come_oldest_first(self, audit: KeptAudit) -> None:
        younger = a_load(started_at=BEGIN + timedelta(hours=1))
        older = a_load(run_id=younger.run_id)
        for load in (younger, older, a_load()):
            audit.open_load(load)
        assert audit.loads_of_run("morning_leads", younger.run_id) == [older, younger]

    def test_an_entry_reads_back_whole(self, audit: KeptAudit, load: Load) -> None:
        entry = an_entry(
            1,
            Action.AWAITING_REVIEW,
            row_hash="ff" * 16,
            record_id="00Q000000000001EAA",
            error_code="DUPLICATES_DETECTED",
            error_message="Use one of these records?",
            reason="several_matches",
            partition=3,
            map_index=3,
            try_number=2,
            attempts=4,
            waited_seconds=31.25,
            twin_group=1,
            matches=(MATCH, replace(MATCH, record_id="00Q000000000002EAA", field_differences=None)),
            values={"Email": "a@new.example", "Score__c": 1.5, "Fax": None, "Optout": True},
        )
        audit.remember(load.load_id, [entry])
        assert list(audit.entries(load.load_id)) == [entry]

    def test_times_are_utc_whatever_zone_they_came_in(self, audit: KeptAudit, load: Load) -> None:
        local = BEGIN.astimezone(timezone(timedelta(hours=5, minutes=30)))
        audit.remember(load.load_id, [an_entry(1, at=local)])
        (entry,) = audit.entries(load.load_id)
        assert entry.at == BEGIN
        assert entry.at.utcoffset() == timedelta(0)

    def test_remembering_twice_leaves_one_entry_a_row(self, audit: KeptAudit, load: Load) -> None:
        entries = [an_entry(row, matches=(MATCH,), values={"A": row}) for row in range(1, 6)]
        audit.remember(load.load_id, entries)
        audit.remember(load.load_id, entries)
        assert list(audit.entries(load.load_id)) == entries

    @pytest.mark.parametrize("action", sorted(set(Action) - UNSETTLED))
    def test_a_settled_entry_is_never_overwritten(self, audit: KeptAudit, load: Load, action: Action) -> None:
        first = an_entry(1, action, matches=(MATCH,), values={"A": "1"})
        audit.remember(load.load_id, [first])
        audit.remember(load.load_id, [an_entry(1, Action.SKIPPED, try_number=2), an_entry(2)])
        assert list(audit.entries(load.load_id)) == [first, an_entry(2)]

    @pytest.mark.parametrize("action", sorted(UNSETTLED))
    def test_an_unsettled_entry_is_replaced_with_all_that_hangs_on_it(
        self, audit: KeptAudit, load: Load, action: Action
    ) -> None:
        audit.remember(load.load_id, [an_entry(1, action, matches=(MATCH,), values={"A": "1"})])
        audit.remember(load.load_id, [an_entry(1, Action.UPDATED, try_number=2)])
        assert list(audit.entries(load.load_id)) == [an_entry(1, Action.UPDATED, try_number=2)]

    def test_of_several_entries_for_a_row_the_first_settled_one_counts(self, audit: KeptAudit, load: Load) -> None:
        audit.remember(
            load.load_id,
            [an_entry(1, Action.FAILED), an_entry(1, Action.CREATED), an_entry(1, Action.SKIPPED)],
        )
        assert list(audit.entries(load.load_id)) == [an_entry(1, Action.CREATED)]

    def test_remembering_nothing_is_fine(self, audit: KeptAudit, load: Load) -> None:
        audit.remember(load.load_id, [])
        assert audit.totals(load.load_id).rows == 0

    @pytest.mark.parametrize(
        "text",
        ["a\x00b", "half \ud800 pair", "Zoë 東京 🙂 \u202e", "tab\tnew\nline\r\\N \\. quote'\"", "", "x" * 4_000_000],
        ids=["nul", "surrogate", "unicode", "control", "empty", "4 MB"],
    )
    def test_no_text_breaks_the_audit(self, audit: KeptAudit, load: Load, text: str) -> None:
        entry = an_entry(
            1,
            Action.INVALID,
            key=text,
            error_code=text,
            error_message=text,
            reason=text,
            matches=(replace(MATCH, duplicate_rule=text, key=text, field_differences={text: [text, None]}),),
            values={text: text, "Number": float("nan")},
        )
        audit.remember(load.load_id, [entry])
        (kept,) = audit.entries(load.load_id)
        visible = text.replace("\x00", "␀").replace("\ud800", "\\ud800")
        assert kept.values is not None
        assert kept.values[visible] == visible
        assert (kept.error_message or "")[:1000] == visible[:1000]

    def test_settled_rows_leave_out_what_is_sent_again(self, audit: KeptAudit, load: Load) -> None:
        entries = [an_entry(row, action, partition=1) for row, action in enumerate(Action, start=1)]
        audit.remember(load.load_id, [*entries, an_entry(99, partition=2)])
        expected = {entry.row_number: entry.action for entry in entries if entry.action not in UNSETTLED}
        assert audit.settled_rows(load.load_id, 1) == expected
        some = {row: action for row, action in expected.items() if row in (1, 2, 99)}
        assert audit.settled_rows(load.load_id, 1, [2, 1, 99]) == some
        assert audit.settled_rows(load.load_id, 1, []) == {}

    def test_what_a_try_found_failed_is_not_sent_again_in_that_try(self, audit: KeptAudit, load: Load) -> None:
        failed = [an_entry(row, Action.FAILED, partition=1, try_number=row) for row in (1, 2)]
        open_ones = [an_entry(row, action, partition=1) for row, action in ((3, Action.UNKNOWN), (4, Action.NOT_SENT))]
        audit.remember(load.load_id, [*failed, *open_ones, an_entry(5, Action.CREATED, partition=1)])
        assert audit.settled_rows(load.load_id, 1, failed_in_try=2) == {2: Action.FAILED, 5: Action.CREATED}

    def test_unknown_rows_are_those_that_nobody_has_settled_since(self, audit: KeptAudit, load: Load) -> None:
        unknown = [an_entry(row, Action.UNKNOWN, partition=1) for row in (1, 2, 3)]
        audit.remember(load.load_id, [*unknown, an_entry(4, partition=1), an_entry(5, Action.UNKNOWN, partition=2)])
        audit.remember(load.load_id, [an_entry(2, partition=1), an_entry(3, Action.FAILED, partition=1)])
        assert audit.unknown_rows(load.load_id, 1) == {1}
        assert audit.unknown_rows(load.load_id, 2) == {5}
        assert audit.unknown_rows(load.load_id, 3) == frozenset()

    def test_the_actions_of_some_rows_are_told_whatever_their_partition(self, audit: KeptAudit, load: Load) -> None:
        audit.remember(
            load.load_id,
            [an_entry(1, partition=1), an_entry(2, Action.UNKNOWN, partition=2), an_entry(3, Action.FAILED)],
        )
        assert audit.actions(load.load_id, [1, 2, 9]) == {1: Action.CREATED, 2: Action.UNKNOWN}
        assert audit.actions(load.load_id, []) == audit.actions("purged", [1]) == {}

    def test_a_partition_that_began_to_be_sent_is_told(self, audit: KeptAudit, load: Load) -> None:
        other = a_load()
        audit.open_load(other)
        assert audit.begun_partitions(load.load_id) == frozenset()
        for partition in (3, 0, 3):
            audit.note_beginning(load.load_id, partition)
        assert audit.begun_partitions(load.load_id) == {0, 3}
        assert audit.begun_partitions(other.load_id) == frozenset()

    def test_totals_count_by_action_and_by_reason(self, audit: KeptAudit, load: Load) -> None:
        failed = an_entry(3, Action.FAILED, error_code="REQUIRED_FIELD_MISSING")
        audit.remember(
            load.load_id,
            [an_entry(1), an_entry(2, partition=5), failed, replace(failed, row_number=4)],
        )
        totals = audit.totals(load.load_id)
        assert totals.actions == {Action.CREATED: 2, Action.FAILED: 2}
        assert totals.reasons == {(Action.FAILED, "REQUIRED_FIELD_MISSING", None): 2}
        assert totals.rows == 4
        assert audit.totals(load.load_id, partition=5).actions == {Action.CREATED: 1}

    @pytest.mark.parametrize("page_size", [1, 3, 500])
    def test_pages_lose_and_double_nothing(self, audit: KeptAudit, load: Load, page_size: int) -> None:
        entries = [
            an_entry(row, Action.SKIPPED if row % 2 else Action.CREATED, partition=row % 3) for row in range(1, 21)
        ]
        audit.remember(load.load_id, entries[::-1])
        assert list(audit.entries(load.load_id, page_size=page_size)) == entries
        some = audit.entries(load.load_id, actions=[Action.SKIPPED], partition=1, page_size=page_size)
        assert [entry.row_number for entry in some] == [1, 7, 13, 19]

    def test_notes_are_taken(self, audit: KeptAudit, load: Load) -> None:
        audit.note(load.load_id, "pre_flight", {"nul": "\x00", "org": load.org_id})

    def test_an_erased_key_leaves_a_tombstone_that_still_counts(self, audit: KeptAudit) -> None:
        load, key = a_load(), uuid4().hex
        audit.open_load(load)
        differences = {"Email": [f"{key}@new", f"{key}@old"]}
        audit.remember(
            load.load_id,
            [
                an_entry(
                    1,
                    Action.AWAITING_REVIEW,
                    key=key,
                    row_hash=key,
                    error_message=f"{key} exists",
                    matches=(replace(MATCH, key=key, field_differences=differences),),
                    values={"Email": f"{key}@new"},
                ),
                an_entry(2, matches=(replace(MATCH, key=key, field_differences=differences),)),
            ],
        )
        audit.note(load.load_id, "asked", {"keys": [key]})
        assert audit.erase(key) == 1
        erased, other = audit.entries(load.load_id)
        assert (erased.key, erased.values, erased.reason) == (None, None, "erased")
        [match] = erased.matches
        assert (match.key, match.field_differences, match.field_states, match.cautions) == (None, None, None, ())
        assert other.key == "key-2"
        assert key not in repr([erased, other])
        assert audit.totals(load.load_id).actions == {Action.AWAITING_REVIEW: 1, Action.CREATED: 1}

    def test_erasing_keeps_to_the_sobject_it_was_given(self, audit: KeptAudit) -> None:
        key, lead, contact = uuid4().hex, a_load(), a_load(sobject="Contact")
        for load in (lead, contact):
            audit.open_load(load)
            audit.remember(load.load_id, [an_entry(1, key=key)])
        assert audit.erase(key, sobject="Contact", external_id_field="Source_Key__c") == 1
        assert [entry.key for entry in audit.entries(lead.load_id)] == [key]
        assert [entry.key for entry in audit.entries(contact.load_id)] == [None]

    def test_a_purge_takes_old_loads_with_all_that_hangs_on_them(self, audit: KeptAudit) -> None:
        old = a_load(started_at=BEGIN - timedelta(days=700))
        late = a_load(started_at=BEGIN - timedelta(days=700), ended_at=BEGIN)
        waiting = a_load(started_at=BEGIN - timedelta(days=700))
        for load in (old, late, waiting):
            audit.open_load(load)
            action = Action.AWAITING_REVIEW if load is waiting else Action.UPDATED
            audit.remember(load.load_id, [an_entry(1, action, matches=(MATCH,), values={"A": "1"})])
        purged = audit.purge(BEGIN - timedelta(days=600))
        assert (purged.loads, purged.entries, purged.kept) == (1, 1, (waiting.load_id,))
        assert audit.load(old.load_id) is None
        assert list(chain(audit.entries(old.load_id))) == []
        assert audit.load(late.load_id) is not None
        assert audit.purge(BEGIN - timedelta(days=600), force=True).loads == 1
        assert audit.load(waiting.load_id) is None

    def test_fields_of_an_error_are_kept_and_counted(self, audit: KeptAudit) -> None:
        load = a_load()
        audit.open_load(load)
        fields: tuple[tuple[str, ...], ...] = (("Company", "LastName"), ("Company",), ())
        failed = an_entry(1, Action.FAILED, error_code="REQUIRED_FIELD_MISSING")
        entries = [
            replace(failed, row_number=number, error_fields=names) for number, names in enumerate(fields, start=1)
        ]
        audit.remember(load.load_id, entries)
        assert [entry.error_fields for entry in audit.entries(load.load_id)] == list(fields)
        key = (Action.FAILED, "REQUIRED_FIELD_MISSING", None)
        totals = audit.totals(load.load_id)
        assert (totals.reasons, totals.fields) == ({key: 3}, {key: {"Company": 2, "LastName": 1}})

    @pytest.mark.parametrize(
        ("hours_before", "ended", "goes"),
        [(25, False, True), (23, False, False), (1, True, True), (-1, True, False)],
        ids=["never ended", "may be going on", "just ended", "ended later"],
    )
    def test_a_load_without_an_end_is_over_a_day_after_it_began(
        self, audit: KeptAudit, hours_before: int, ended: bool, goes: bool
    ) -> None:
        moment = BEGIN - timedelta(days=600)
        at = moment - timedelta(hours=hours_before)
        load = a_load(started_at=at, ended_at=at if ended else None)
        audit.open_load(load)
        purged = audit.purge(moment)
        assert (load.load_id in purged.load_ids, audit.load(load.load_id) is None) == (goes, goes)
        assert len(purged.named) == purged.loads

    def test_the_latest_load_of_a_dag_is_the_one_that_began_last(self, audit: KeptAudit) -> None:
        dag_id = uuid4().hex
        latest, older = (a_load(dag_id=dag_id, started_at=BEGIN + timedelta(hours=hours)) for hours in (2, 1))
        for load in (latest, older, a_load(started_at=BEGIN + timedelta(hours=3))):
            audit.open_load(load)
        assert audit.latest_load(dag_id) == latest
        assert audit.latest_load(uuid4().hex) is None
        assert audit.latest_load() is not None

    def test_a_plan_is_no_load_unless_it_is_asked_for(self, audit: KeptAudit) -> None:
        """It stands in the same tables, and is in no history, no run, no count of rules."""
        dag_id, org_id = uuid4().hex, uuid4().hex[:18]
        load = a_load(dag_id=dag_id, org_id=org_id, rows_read=1, ended_at=BEGIN)
        plan = replace(
            load, load_id=str(uuid4()), kind=LoadKind.PLAN, started_at=BEGIN + timedelta(hours=1), digest="f" * 32
        )
        other = replace(load, load_id=str(uuid4()), run_id="other")
        for each in (load, plan, other):
            audit.open_load(each)
            audit.remember(each.load_id, [an_entry(1, Action.AWAITING_REVIEW, matches=(MATCH,))])
        period = Period(BEGIN, BEGIN + timedelta(days=1), org_id, "Lead")

        assert [audit.load(each.load_id) for each in (load, plan, other)] == [load, plan, other]
        assert audit.loads_of_run(dag_id, load.run_id) == [load]
        assert audit.loads_of_run(dag_id, load.run_id, kind=LoadKind.PLAN) == [plan]
        latest = audit.latest_load(dag_id)
        assert latest is not None
        assert latest.kind is LoadKind.LOAD
        assert audit.latest_load(dag_id, kind=LoadKind.PLAN) == plan
        sent = audit.latest_sent(org_id, "Lead", load.external_id_field)
        assert sent is not None
        assert sent.kind is LoadKind.LOAD
        plans = replace(period, kind=LoadKind.PLAN)
        assert [sum(audit.loads_in(each).values()) for each in (period, plans)] == [2, 1]
        counts = [sum(audit.rule_uses(each)[0].actions.values()) for each in (period, plans)]
        assert counts == [2, 1]

    def test_nobody_waits_for_the_rows_of_a_plan(self, audit: KeptAudit) -> None:
        moment = BEGIN - timedelta(days=700)
        old = moment - timedelta(hours=2)
        plan = a_load(kind=LoadKind.PLAN, started_at=old, ended_at=old)
        load = a_load(started_at=old, ended_at=old)
        for each in (plan, load):
            audit.open_load(each)
            audit.remember(each.load_id, [an_entry(1, Action.AWAITING_REVIEW)])
        purged = audit.purge(moment)
        assert (purged.plans, purged.loads, purged.kept) == (1, 0, (load.load_id,))
        assert purged.load_ids == (plan.load_id,)
        assert not list(audit.entries(plan.load_id))

    def test_rows_without_an_entry_are_told_in_their_order(self, audit: KeptAudit, load: Load) -> None:
        audit.remember(load.load_id, [an_entry(4), an_entry(2, Action.UNKNOWN, partition=3)])
        assert list(audit.rows_without_entry(load.load_id, 5)) == [1, 3, 5]
        assert list(audit.rows_without_entry(load.load_id, 0)) == []

    def test_the_latest_load_that_sent_is_one_that_ended_and_sent_rows(self, audit: KeptAudit) -> None:
        org_id = uuid4().hex[:18]

        def opened(hours: int, action: Action, **changes: Any) -> None:
            load = a_load(org_id=org_id, rows_read=1, ended_at=BEGIN + timedelta(hours=hours))
            audit.open_load(load := replace(load, **changes))
            audit.remember(load.load_id, [an_entry(1, action)])

        assert audit.latest_sent(org_id, "Lead", "Source_Key__c") is None
        opened(1, Action.CREATED)
        opened(2, Action.UPDATED, task_id="other")
        opened(3, Action.INVALID)
        opened(4, Action.FAILED, ended_at=None)
        opened(5, Action.FAILED, sobject="Contact")
        latest = audit.latest_sent(org_id, "lead", "SOURCE_KEY__C")
        of_task = audit.latest_sent(org_id, "Lead", "Source_Key__c", made_by=("morning_leads", "load.partition"))
        assert [found and found.task_id for found in (latest, of_task)] == ["other", "load.partition"]

    def test_rows_that_were_sent_again_are_counted(self, audit: KeptAudit, load: Load) -> None:
        assert audit.sent_again(load.load_id) == SentAgain(0, 0, 0.0)
        waited = [(1, 90.0), (2, 31.25), (5, 8.0)]
        entries = [an_entry(row, attempts=times, waited_seconds=wait) for row, (times, wait) in enumerate(waited, 1)]
        audit.remember(load.load_id, entries)
        assert audit.sent_again(load.load_id) == SentAgain(2, 5, 31.25)

    def test_the_best_match_of_a_record_says_whether_its_update_was_doubtful(
        self, audit: KeptAudit, load: Load
    ) -> None:
        assert audit.doubtful_matches(load.load_id) == DoubtfulMatches(0, 0.0)
        sure, none = replace(MATCH, confidence=DOUBTFUL_BELOW), replace(MATCH, confidence=None)
        matches = [(MATCH,), (MATCH, sure), (none,), (replace(MATCH, record_id="00Q000000000002EAA"),)]
        for row, named in enumerate(matches, 1):
            entry = an_entry(row, Action.MATCHED_UPDATED, record_id=MATCH.record_id, matches=named)
            audit.remember(load.load_id, [entry])
        assert audit.doubtful_matches(load.load_id) == DoubtfulMatches(1, 87.5)

    def test_rules_are_told_with_the_rows_that_they_named_records_for(self, audit: KeptAudit, load: Load) -> None:
        other = replace(MATCH, duplicate_rule="Leads_by_mail")
        entries = [an_entry(1, matches=(MATCH, MATCH)), an_entry(2, matches=(MATCH, other)), an_entry(3)]
        audit.remember(load.load_id, entries)
        assert list(audit.rows_by_rule(load.load_id).items()) == [(MATCH.duplicate_rule, 2), ("Leads_by_mail", 1)]

    def test_what_rules_did_is_counted_over_loads(self, audit: KeptAudit) -> None:
        """A row counts once at each of its rules, whatever the number of records that they name."""
        # An org of its own: the database may hold other loads.
        org_id = uuid4().hex[:18]
        first, second = (a_load(org_id=org_id, started_at=BEGIN + timedelta(days=day)) for day in (0, 1))
        other = replace(MATCH, record_id="003000000000001AAA", sobject="Contact", confidence=None)
        by_mail = replace(MATCH, duplicate_rule="Leads_by_mail", matching_rule="Mail", confidence=100.0)
        for load in (first, second):
            audit.open_load(load)
        audit.remember(
            first.load_id,
            [
                an_entry(1, Action.MATCHED_UPDATED, matches=(MATCH, by_mail)),
                an_entry(2, Action.AWAITING_REVIEW, matches=(MATCH, other)),
                an_entry(3),
            ],
        )
        audit.remember(second.load_id, [an_entry(1, Action.MATCHED_UPDATED, matches=(MATCH,))])
        period = Period(BEGIN, BEGIN + timedelta(days=2), org_id, "LEAD")

        standard, mail = audit.rule_uses(period, examples=2)

        assert audit.loads_in(period) == {"Lead": 2}
        assert (standard.rule, standard.sobject, standard.matching_rules) == (
            MATCH.duplicate_rule,
            "Lead",
            (MATCH.matching_rule,),
        )
        assert standard.actions == {Action.MATCHED_UPDATED: 2, Action.AWAITING_REVIEW: 1}
        assert (standard.several, standard.elsewhere, standard.confidences) == (1, 1, {87.5: 3})
        assert [(row.load_id, row.row_number) for row in standard.examples] == [(second.load_id, 1), (first.load_id, 1)]
        assert (mail.rule, mail.actions, mail.several, mail.confidences) == (
            "Leads_by_mail",
            {Action.MATCHED_UPDATED: 1},
            0,
            {100.0: 1},
        )
        assert audit.rule_uses(period)[0].examples == ()

    @pytest.mark.parametrize(
        ("change", "loads"),
        [
            ({"until": BEGIN}, 0),
            ({"since": BEGIN + timedelta(microseconds=1)}, 0),
            ({"sobject": "Contact"}, 0),
            ({"sobject": None}, 1),
        ],
        ids=["its end does not count", "its begin does", "another sObject", "any sObject"],
    )
    def test_which_loads_are_in_a_period(self, audit: KeptAudit, change: dict[str, Any], loads: int) -> None:
        org_id = uuid4().hex[:18]
        audit.open_load(load := a_load(org_id=org_id))
        audit.remember(load.load_id, [an_entry(1, matches=(MATCH,))])
        period = replace(Period(BEGIN, BEGIN + timedelta(days=1), org_id, "Lead"), **change)
        assert sum(audit.loads_in(period).values()) == loads
        assert len(audit.rule_uses(period)) == loads

    def test_cautions_are_told_with_the_waiting_rows_that_have_them(self, audit: KeptAudit, load: Load) -> None:
        mailbox, none = replace(MATCH, cautions=("shared_mailbox",)), replace(MATCH, cautions=())
        waiting = [(MATCH, MATCH), (mailbox, none), (none,)]
        entries = [an_entry(row, Action.AWAITING_REVIEW, matches=found) for row, found in enumerate(waiting, 1)]
        audit.remember(load.load_id, [*entries, an_entry(9, Action.SKIPPED, matches=(MATCH,))])
        told = list(audit.rows_by_caution(load.load_id).items())
        assert told == [("shared_mailbox", 2), ("names_disagree", 1)]

    @pytest.mark.parametrize(
        ("hours_before", "ended", "goes_on"),
        [(23, False, True), (25, False, False), (1, True, False)],
        ids=["may be going on", "never ended", "ended"],
    )
    def test_a_load_is_going_on_until_it_ends_or_for_a_day(
        self, audit: KeptAudit, hours_before: int, ended: bool, goes_on: bool
    ) -> None:
        started = BEGIN - timedelta(hours=hours_before)
        audit.open_load(load := a_load(started_at=started, ended_at=started if ended else None))
        assert (load.load_id in audit.going_on(BEGIN)) == goes_on

    def test_places_that_loads_name_for_their_staging_are_told(self, audit: KeptAudit, load: Load) -> None:
        own = f"s3://bucket/{uuid4().hex}"
        for path in (own, own, None):
            audit.open_load(a_load(settings={"staging_path": path}))
        assert own in audit.staging_paths()
        assert all(audit.staging_paths())


def remembered(sequence: Sequence[Sequence[Entry]]) -> dict[int, Entry]:
    """The model: what must be in the audit after these calls of ``remember``, by row number."""
    kept: dict[int, Entry] = {}
    for entry in chain.from_iterable(sequence):
        known = kept.get(entry.row_number)
        hides = known is not None and known.action is Action.FAILED and entry.action is Action.NOT_SENT
        if known is None or (known.action in UNSETTLED and not hides):
            kept[entry.row_number] = entry
    return kept
