"""A red verdict says what to mend and which task to clear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airflow_sf_dedup.audit.base import ONE_TASK, Load, Totals
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.journeys.collect import Thresholds
from airflow_sf_dedup.journeys.way_on import MOST_WAYS, TABLE, Cause, go_on, ways_on
from airflow_sf_dedup.testing.fake_org import ORG_ID
from tests.journeys.conftest import NOW

LOAD = Load("load", ORG_ID, "Lead", "Key__c", "leads", "manual", "g.partition", NOW, rows_read=100)


def totals(*reasons: tuple[Action, str | None, str | None]) -> Totals:
    return Totals({action: 5 for action, _, _ in reasons}, dict.fromkeys(reasons, 5))


CAUSES = {
    "a bad value": ((Action.FAILED, "INVALID_EMAIL_ADDRESS", None), Cause.SOURCE_OR_ORG),
    "a validation rule": ((Action.FAILED, "FIELD_CUSTOM_VALIDATION_EXCEPTION", None), Cause.SOURCE_OR_ORG),
    "a code of no table": ((Action.FAILED, "BRAND_NEW", None), Cause.SOURCE_OR_ORG),
    "no key": ((Action.INVALID, "UNUSABLE_KEY", "missing_key"), Cause.SOURCE),
    "a permission": ((Action.FAILED, "INSUFFICIENT_ACCESS_OR_READONLY", None), Cause.ORG),
    "storage is full": ((Action.FAILED, "STORAGE_LIMIT_EXCEEDED", None), Cause.ORG),
    "a key of two records": ((Action.FAILED, "DUPLICATE_EXTERNAL_ID", "key_held_by_many"), Cause.ORG),
    "a parent of the load": ((Action.FAILED, "INVALID_FIELD", "parent_not_saved"), Cause.PARENT),
    "behind such a parent": ((Action.NOT_SENT, None, "parent_not_saved"), Cause.PASSES),
    "behind a twin": ((Action.NOT_SENT, None, "twin_not_settled"), Cause.PASSES),
    "a lock": ((Action.FAILED, "UNABLE_TO_LOCK_ROW", "tries_used_up"), Cause.PASSES),
    "the org is down": ((Action.NOT_SENT, "SERVER_UNAVAILABLE", "call_failed"), Cause.PASSES),
    "no answer": ((Action.UNKNOWN, "READ_TIMEOUT", "call_failed"), Cause.PASSES),
    "a status alone": ((Action.NOT_SENT, "HTTP_503", "call_failed"), Cause.PASSES),
    "killed": ((Action.UNKNOWN, "NO_ENTRY", "task_ended_early"), Cause.PASSES),
    "another task": ((Action.NOT_SENT, None, "key_in_flight"), Cause.IN_FLIGHT),
    "no calls left": ((Action.NOT_SENT, "API_BUDGET", "call_failed"), Cause.LIMIT),
    "the floor": ((Action.NOT_SENT, "API_FLOOR", "not_begun"), Cause.LIMIT),
    "the guard on volume": ((Action.NOT_SENT, "VOLUME_GUARD", "call_failed"), Cause.VOLUME),
    "the login": ((Action.NOT_SENT, "INVALID_GRANT", "not_begun"), Cause.SETTING),
    "a setting": ((Action.NOT_SENT, "TASK_ENDED", "not_begun"), Cause.SETTING),
    "staged rows are gone": ((Action.UNKNOWN, "NO_ENTRY", "staged_row_unreadable"), Cause.UNREADABLE),
}


@pytest.mark.parametrize(("reason", "cause"), CAUSES.values(), ids=CAUSES)
def test_where_the_cause_lies_says_what_to_clear(reason: tuple[Action, str | None, str | None], cause: Cause) -> None:
    expected = cause.value.format(read="g.partition", send="the upsert tasks")
    assert ways_on(LOAD, totals(reason), Thresholds()) == [expected]


@pytest.mark.parametrize(
    "reason",
    [
        (Action.SKIPPED, None, "by_policy"),
        (Action.AWAITING_REVIEW, "DUPLICATES_DETECTED", "several_matches"),
        (Action.NOT_SENT, None, "earlier_row_not_settled"),
        (Action.UNKNOWN, None, "erased"),
    ],
    ids=["skipped", "may wait", "goes with another row", "erased"],
)
def test_what_needs_nothing_gets_no_advice(reason: tuple[Action, str | None, str | None]) -> None:
    assert ways_on(LOAD, totals(reason), Thresholds()) == []


def test_of_several_causes_each_says_of_how_many_rows() -> None:
    found = totals((Action.INVALID, "UNUSABLE_KEY", "missing_key"), (Action.NOT_SENT, "HTTP_503", "call_failed"))
    assert ways_on(LOAD, found, Thresholds()) == [
        "5 rows: mend the source and clear g.partition; clearing the upsert tasks would send the same values again",
        "5 rows: it passes by itself: clear the upsert tasks",
    ]


def test_rows_that_wait_too_many_are_decided_in_the_org() -> None:
    found = totals((Action.AWAITING_REVIEW, "DUPLICATES_DETECTED", None))
    assert ways_on(LOAD, found, Thresholds(max_awaiting_review=4)) == [Cause.PERSON.value]


def test_a_source_that_was_not_read_to_its_end_leads_to_its_log() -> None:
    [way] = ways_on(replace(LOAD, rows_read=None), totals((Action.NOT_SENT, "NO_ENTRY", "not_begun")), Thresholds())
    assert way == "see the log of g.partition, mend what it says and clear it"


def test_a_load_of_one_task_names_that_task() -> None:
    load = replace(LOAD, task_id="few", settings={ONE_TASK: True})
    assert ways_on(load, totals((Action.UNKNOWN, "READ_TIMEOUT", None)), Thresholds()) == [
        "it passes by itself: clear few"
    ]
    [way] = ways_on(load, totals((Action.INVALID, "UNUSABLE_KEY", None)), Thresholds())
    assert way.startswith("mend the source and clear the task that gives few its rows; clearing few would")


def test_the_last_sentence_is_one_however_many_loads() -> None:
    ways = [f"clear {number}.upsert" for number in range(1_000)]
    assert go_on(ways) == f"Next: clear 0.upsert; clear 1.upsert; clear 2.upsert and {1_000 - MOST_WAYS} more ({TABLE})"
    assert go_on(["clear upsert"] * 9 + [""]) == f"Next: clear upsert ({TABLE})"
    assert go_on(["", ""]) == ""


def test_the_table_that_it_leads_to_is_there() -> None:
    assert (Path(__file__).parents[2] / TABLE).is_file()
