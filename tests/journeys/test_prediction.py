"""The prediction of a load's API calls, beside what an emulated org counts of real loads."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.audit.base import Load, Totals
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.partitioning import partition_of
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.journeys.history import history_of
from airflow_sf_dedup.journeys.limits import CallLimits
from airflow_sf_dedup.journeys.prediction import Prediction, Shares, predict_calls, shares_of, warnings_of
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS
from airflow_sf_dedup.testing import run_dag
from airflow_sf_dedup.testing.fake_org import KEY, ORG_ID
from tests.acceptance.morning import known_to_the_org, leads, seed, stats
from tests.journeys.conftest import NOW

# The arithmetic


def test_the_states_of_rules_are_asked_for_once_a_settlement_where_a_policy_goes_by_them() -> None:
    asked = predict_calls([5000, 40], blocked_share=0.5, asks_rule_states=True)
    plain = predict_calls([5000, 40], blocked_share=0.5)
    assert asked.steps["ask which rules are active"] == 3
    assert (asked.likely or 0) - (plain.likely or 0) == 3
    assert predict_calls([5000], blocked_share=0.0, asks_rule_states=True).steps["ask which rules are active"] == 0


def test_children_are_counted_for_blocked_rows_that_no_policy_writes() -> None:
    asked = predict_calls([5000, 40], blocked_share=0.5, settled_share=0.0, child_relationships=2)
    # A describe of what matches and of both kinds, and the queries: for two settlements, and for one.
    assert asked.steps["count children"] == (3 + 2 * 2) + (3 + 2)
    assert predict_calls([5000], blocked_share=0.5, child_relationships=2).steps["count children"] == 0


@pytest.mark.parametrize(
    ("partitions", "calls"), [([5000], 16), ([1250] * 4, 29), ([625] * 8, 41)], ids=["one", "four", "eight"]
)
def test_the_calls_of_the_demo_are_those_the_docs_name(partitions: list[int], calls: int) -> None:
    predicted = predict_calls(partitions, blocked_share=1200 / 5000, settled_share=1080 / 5000)
    assert predicted.likely == calls
    assert sum(predicted.steps.values()) == calls


def test_without_history_only_the_least_is_known() -> None:
    predicted = predict_calls([1000, 1001, 0], blocked_share=None)
    assert predicted == Prediction(4, None, {"check the org": 1, "write": 3})
    assert predicted.calls == 4
    assert str(predicted) == (
        "at least 4 API calls: 1 to check the org, 3 to write; more when rows are blocked as duplicates"
    )


def test_a_prediction_says_what_the_calls_are_for() -> None:
    predicted = predict_calls([5000], blocked_share=0.24, settled_share=0.0)
    assert str(predicted) == (
        "about 14 API calls: 1 to check the org, 5 to write, 6 to look up what blocks, 1 to read matches, "
        "1 to read holders of keys; at least 6"
    )


@pytest.mark.parametrize(
    ("rows", "blocked", "settled", "calls"),
    [
        pytest.param(0, 0.5, 0.5, 0, id="no rows"),
        pytest.param(1000, 0.0, 0.0, 1, id="nothing blocked"),
        pytest.param(100, 0.004, 0.004, 1, id="less than half a row"),
        pytest.param(200, 0.005, 0.005, 5, id="one row"),
        pytest.param(1000, 1.0, 1.0, 1 + 5 + 2 + 1, id="all"),
        pytest.param(2001, 1.0, 1.0, 3 + (10 + 2 + 2) + (1 + 2 + 1), id="more than are settled together"),
        pytest.param(1000, 0.2, 0.9, 1 + 1 + 2 + 1, id="no more settled than blocked"),
        pytest.param(1000, 0.2, None, 1 + 1 + 2 + 1, id="settled unknown"),
    ],
)
def test_each_step_rounds_up(rows: int, blocked: float, settled: float | None, calls: int) -> None:
    assert predict_calls([rows], blocked_share=blocked, settled_share=settled, before=0).likely == calls


@pytest.mark.parametrize("blocked", [None, 0.0, 0.5])
def test_what_rules_report_is_asked_once_for_two_thousand_rows_of_each_partition(blocked: float | None) -> None:
    plain = predict_calls([2001, 10, 0], blocked_share=blocked)
    asking = predict_calls([2001, 10, 0], blocked_share=blocked, asks_reports=True)
    assert (asking.calls - plain.calls, asking.least - plain.least) == (3, 3)


@given(
    st.lists(st.integers(0, 10_000), max_size=8),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 10),
)
def test_the_likely_calls_are_never_fewer_than_the_least(
    rows: list[int], blocked: float, settled: float, before: int
) -> None:
    predicted = predict_calls(rows, blocked_share=blocked, settled_share=settled, before=before)
    assert predicted.likely is not None
    assert predicted.least <= predicted.likely == sum(predicted.steps.values())
    assert predict_calls([sum(rows)], blocked_share=None, before=before).least <= predicted.least


# What an earlier load says


def totals(*rows: tuple[Action, str | None, int]) -> Totals:
    actions: dict[Action, int] = {}
    for action, _, count in rows:
        actions[action] = actions.get(action, 0) + count
    return Totals(actions, {(action, None, reason): count for action, reason, count in rows if reason})


@pytest.mark.parametrize(
    ("rows", "shares"),
    [
        pytest.param([(Action.CREATED, None, 60), (Action.MATCHED_UPDATED, None, 40)], Shares(0.4, 0.4), id="updates"),
        pytest.param(
            [
                (Action.UPDATED, None, 70),
                (Action.SAVED_ANYWAY, None, 10),
                (Action.AWAITING_REVIEW, "several_matches", 10),
                (Action.SKIPPED, "skip", 10),
            ],
            Shares(0.3, 0.1),
            id="every policy",
        ),
        pytest.param(
            [
                (Action.CREATED, None, 80),
                (Action.CREATED, "resolved_on_lookup", 10),
                (Action.FAILED, "matched_updated_failed", 10),
            ],
            Shares(0.2, 0.1),
            id="blocked all the same",
        ),
        pytest.param(
            [
                (Action.CREATED, None, 9),
                (Action.AWAITING_REVIEW, "several_matches", 1),
                (Action.INVALID, "missing_key", 50),
                (Action.SUPERSEDED, "on_repeat_last", 50),
                (Action.HELD, "earlier_row_awaits_review", 50),
                (Action.NOT_SENT, "keys_in_flight", 50),
                (Action.SKIPPED, "stale", 50),
            ],
            Shares(0.1, 0.0),
            id="rows that were not sent",
        ),
        pytest.param([(Action.INVALID, "missing_key", 5), (Action.SKIPPED, "stale", 5)], None, id="nothing sent"),
        pytest.param([], None, id="no rows"),
    ],
)
def test_shares_are_of_the_rows_that_were_sent(
    rows: list[tuple[Action, str | None, int]], shares: Shares | None
) -> None:
    assert shares_of(totals(*rows)) == shares


@pytest.mark.parametrize(
    ("lookup", "settings", "calls"),
    [
        ("soap_upsert", {}, {"look up what blocks": 6, "read holders of keys": 2}),
        ("find_duplicates", {}, {"look up what blocks": 24, "read holders of keys": 4}),
        ("rest", {"by_soap": False}, {"look up what blocks": 1200, "read holders of keys": 4}),
        ("predupe", {}, {"look up what blocks": 1200, "read holders of keys": 4}),
        ("rest", {"max_lookup_calls": 500}, {"look up what blocks": 1000, "read holders of keys": 2}),
    ],
    ids=["soap_upsert", "find_duplicates", "rest", "predupe", "rest, at most 500 a task"],
)
def test_each_look_up_costs_what_its_line_in_the_table_says(
    lookup: str, settings: dict[str, Any], calls: dict[str, int]
) -> None:
    found = predict_calls([2500, 2500], blocked_share=0.24, lookup=LOOKUP_PATHS[lookup], **settings)
    assert {step: found.steps[step] for step in calls} == calls


def test_the_latest_load_of_that_org_sobject_and_field_that_ended_is_asked(
    sql_audit: SqlAudit, new_load: Callable[..., Load]
) -> None:
    def ended(days: int, rows: int, sobject: str = "Lead") -> None:
        load = new_load(rows_read=rows, ended_at=NOW + timedelta(days=days))
        entries = [Entry(row_number=n, action=Action.CREATED, at=NOW, key=f"K-{n}") for n in range(1, rows + 1)]
        sql_audit.remember(load.load_id, entries)

    assert sql_audit.latest_sent("00D-other", "Lead", KEY) is None
    ended(9001, 3)
    ended(9000, 5)
    ended(9002, 0)
    sql_audit.remember(new_load(rows_read=1).load_id, [Entry(row_number=1, action=Action.CREATED, at=NOW, key="K")])
    found = sql_audit.latest_sent(ORG_ID, "lead", KEY.upper())
    assert found is not None
    assert found.rows_read == 3
    assert sql_audit.latest_sent(ORG_ID, "Contact", KEY) is None
    assert sql_audit.latest_sent(ORG_ID, "Lead", "Other__c") is None


def test_a_task_goes_by_its_own_history_and_by_others_only_without_one(sql_audit: SqlAudit) -> None:
    def load(org_id: str, dag_id: str, task_id: str, day: int, **actions: int) -> Load:
        ended = NOW + timedelta(days=day)
        load = Load(f"{org_id}{dag_id}{task_id}{day}", org_id, "Lead", KEY, dag_id, "run", task_id, ended)
        sql_audit.open_load(load)
        names = [name for name, rows in actions.items() for _ in range(rows)]
        entries = [Entry(row, Action(name), NOW, key="K") for row, name in enumerate(names, start=1)]
        sql_audit.remember(load.load_id, entries)
        sql_audit.update_load(load.load_id, rows_read=len(entries), ended_at=ended)
        return load

    def blocked(dag_id: str, task_id: str) -> tuple[float, str] | None:
        asking = replace(own, load_id="asking", dag_id=dag_id, task_id=task_id, sobject="lead")
        history = history_of(sql_audit, asking)
        return history and (history.shares.blocked, history.words)

    own = load("00D-history", "morning", "partition", 1, created=3, matched_updated=1)
    load("00D-history", "sign_ups", "upsert", 2, matched_updated=2)
    load("00D-elsewhere", "night", "partition", 3, matched_updated=1)

    this_task = "blocked rows as in the latest load of this task"
    any_task = f"this task has no load before, so blocked rows as in the latest load of lead by {KEY}"
    assert blocked("morning", "partition") == (0.25, this_task)
    assert blocked("sign_ups", "upsert") == (1.0, this_task)
    assert blocked("morning", "another_task") == (1.0, any_task)
    assert blocked("night", "partition") == (1.0, any_task), "its own load was of another org"
    load("00D-history", "morning", "partition", 4, not_sent=5)
    load("00D-history", "morning", "partition", 5, invalid=1)
    assert blocked("morning", "partition") == (0.25, this_task), "a load that sent nothing says nothing"
    assert history_of(sql_audit, replace(own, org_id="00D-new")) is None


# Warnings


@pytest.mark.parametrize(
    ("limits", "limit_info", "words"),
    [
        pytest.param(CallLimits(), None, [], id="no limits"),
        pytest.param(CallLimits(api_budget=20), None, [], id="just enough budget"),
        pytest.param(CallLimits(api_budget=19), None, ["api_budget=19 .* 20 API calls"], id="too small a budget"),
        pytest.param(CallLimits(), LimitInfo(82, 100), [], id="just enough left"),
        pytest.param(CallLimits(), LimitInfo(83, 100), ["17 of 100 .* 18 more"], id="too few left"),
        pytest.param(CallLimits(), LimitInfo(120, 100), ["0 of 100"], id="none left"),
        pytest.param(CallLimits(api_floor_pct=10), LimitInfo(72, 100), [], id="just above the floor"),
        pytest.param(
            CallLimits(api_floor_pct=10), LimitInfo(73, 100), ["27 of 100 .* api_floor_pct keeps 10"], id="floor"
        ),
        pytest.param(CallLimits(5, 0), LimitInfo(99, 100), ["api_budget", "1 of 100"], id="both"),
    ],
)
def test_a_load_that_will_not_reach_its_end_is_warned_of(
    limits: CallLimits, limit_info: LimitInfo | None, words: list[str]
) -> None:
    found = warnings_of(Prediction(5, 20), limits, limit_info, made=2)
    assert len(found) == len(words)
    for sentence, pattern in zip(found, words, strict=True):
        assert re.search(pattern, sentence), sentence


# Beside real loads


def loaded(rows: list[dict[str, Any]], folder: Path, **settings: Any) -> Load:
    """The load as the audit has it after a run, whatever became of it."""
    with DAG("predicted", schedule=None) as dag:
        salesforce_upsert(
            source=rows,
            sobject="Lead",
            external_id_field="External_Id__c",
            on_duplicate="update_existing | ask_reviewer",
            retries=0,
            **settings,
        )
    run = run_dag(dag)
    return SqlAudit(engine_for(f"sqlite:///{folder / 'audit.db'}")).loads_of_run("predicted", run.run_id)[-1]


@pytest.mark.parametrize(
    ("rows", "blocked", "within", "settings"),
    [
        pytest.param(30, 12, 0, {"partitions": 2}, id="small"),
        pytest.param(1201, 300, 0, {"partitions": 1}, id="one task"),
        pytest.param(1500, 400, 0, {"partitions": 4}, id="four tasks"),
        pytest.param(2400, 450, 0, {"partitions": 3, "max_in_flight": 3}, id="several calls in flight"),
        # As many blocked rows a task as a look-up carries: of some tasks more, of others fewer.
        pytest.param(1200, 600, 3, {"partitions": 3}, id="on the edge"),
    ],
)
def test_the_second_load_costs_what_the_first_one_lets_expect(
    salesforce_org: EmulatedOrg,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    rows: int,
    blocked: int,
    within: int,
    settings: dict[str, Any],
) -> None:
    source = leads(2 * rows)
    first, second = source[:rows], source[rows:]
    for part in (first, second):
        seed(salesforce_org.url, "Lead", known_to_the_org(part, blocked))

    load = loaded(first, tmp_path, **settings)
    assert load.predicted_calls == 1 + sum(-(-part // 1000) for part in _parts(first, settings["partitions"]))

    before = stats(salesforce_org.url)["api_calls"]
    with caplog.at_level(logging.INFO):
        load = loaded(second, tmp_path, **settings)
    counted = stats(salesforce_org.url)["api_calls"] - before
    assert load.api_calls == counted
    assert load.predicted_calls == pytest.approx(counted, abs=within)
    assert f"about {load.predicted_calls:,} API calls: 1 to check the org" in caplog.text
    assert "blocked rows as in the latest load of this task" in caplog.text


def _parts(rows: list[dict[str, Any]], partitions: int) -> list[int]:
    """Rows of each partition."""
    return list(Counter(partition_of(row["External_Id__c"].lower(), partitions) for row in rows).values())


def test_a_load_in_waves_costs_what_its_waves_cost(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    rows = [row | {"Title": title} for title in ("Ms", "Dr", "Prof") for row in leads(5)]
    load = loaded(rows, tmp_path, partitions=1, on_repeat="in_order")
    assert load.predicted_calls == load.api_calls == stats(salesforce_org.url)["api_calls"] == 1 + 3


def test_a_budget_that_will_not_do_is_warned_of_before_anything_is_written(
    salesforce_org: EmulatedOrg, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        loaded(leads(2), tmp_path, partitions=1, api_budget=1)
    assert "api_budget=1 will probably not do for 2 API calls" in caplog.text
