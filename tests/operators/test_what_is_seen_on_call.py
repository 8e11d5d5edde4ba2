"""The verdict in the log, the sentence on the exception, and the names of mapped instances."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import SalesforceDuplicateAuditOperator, SalesforceUpsertOperator, salesforce_upsert
from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.audit.base import Totals
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.operators.instance_names import MAP_INDEX_TEMPLATE, outcome_label, size_label
from airflow_sf_dedup.operators.verdict_log import MOST_SHOWN
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import known_to_the_org, leads, seed

Said = Callable[[str], list[str]]

LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}


def load(rows: list[dict[str, Any]], **settings: Any) -> DAG:
    with DAG("load", schedule=None) as dag:
        salesforce_upsert(source=rows, **{**LEAD, "partitions": 2, "retries": 0, **settings})
    return dag


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[str]]:
    """Answers the lines of a level that our own modules have logged."""
    caplog.set_level(logging.INFO)
    return lambda level: [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("airflow_sf_dedup") and record.levelname == level
    ]


@pytest.mark.parametrize("red", [False, True], ids=["green", "red"])
def test_the_log_says_what_the_command_prints(
    salesforce_org: EmulatedOrg, said: Said, capsys: pytest.CaptureFixture[str], red: bool
) -> None:
    rows = leads(10)
    if red:
        del rows[3]["LastName"]
    run = run_dag(load(rows))
    assert (run.state == "failed") is red
    logged = said("INFO")
    command = next(line for line in reversed(logged) if line.startswith("Again: "))
    capsys.readouterr()
    assert main(["show", *command.split(" show ")[1].split()]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    start = len(logged) - 1 - logged[::-1].index(printed[0])
    assert logged[start : start + len(printed)] == printed


def test_the_exception_of_a_red_load_says_what_failed_and_what_to_do(salesforce_org: EmulatedOrg, said: Said) -> None:
    rows = leads(10)
    del rows[3]["LastName"]
    dag = load(rows)
    raised: list[str] = []
    dag.get_task("salesforce_upsert.audit").on_failure_callback = [
        lambda context: raised.append(str(context["exception"]))
    ]
    run_dag(dag)
    complaint = "1 of 10 rows failed (max_failed=0): 1 failed REQUIRED_FIELD_MISSING (LastName)"
    way = (
        "Next: mend the source and clear salesforce_upsert.partition, since clearing the upsert tasks would send the "
        "same values again; or, where the org has to change, mend that and clear the upsert tasks (docs/rerun.md)"
    )
    assert said("ERROR") == [complaint, way]
    assert raised == [f"{complaint}. {way}"]


def test_a_green_load_with_failed_and_many_waiting_rows_warns(salesforce_org: EmulatedOrg, said: Said) -> None:
    rows = leads(10)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 4))
    del rows[9]["LastName"]
    assert run_dag(load(rows, max_failed=5)).state == "success"
    warnings = "\n".join(said("WARNING"))
    assert (
        "green, but 1 of 10 rows are not known to be in the org: 1 failed REQUIRED_FIELD_MISSING (LastName)" in warnings
    )
    assert "green, but 4 of 10 rows await a person" in warnings


def test_the_partition_task_says_what_it_read(salesforce_org: EmulatedOrg, said: Said) -> None:
    rows = [*leads(4), leads(1)[0], {"External_Id__c": "", "LastName": "X", "Company": "Y"}]
    run_dag(load(rows, max_failed=1))
    expected = "6 rows read: 4 staged in 2 partitions, 1 invalid (missing_key), 1 superseded (on_repeat_last)"
    assert expected in said("INFO")


def test_the_partition_task_warns_of_a_required_field_that_the_source_has_no_column_for(
    salesforce_org: EmulatedOrg, said: Said
) -> None:
    rows = [{name: value for name, value in row.items() if name != "Company"} for row in leads(6)]
    run_dag(load(rows))
    [warning] = said("WARNING")
    assert warning.startswith("the source has no column Company, which a new Lead requires: ")
    assert "6 of 6 rows failed (max_failed=0): 6 failed REQUIRED_FIELD_MISSING (Company)" in said("ERROR")


def test_a_retry_with_records_reads_no_row_twice_and_says_what_was_settled(
    salesforce_org: EmulatedOrg, said: Said
) -> None:
    rows = leads(10)
    del rows[3]["LastName"]
    with DAG("records", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=rows, retries=1, retry_delay=timedelta(0), **LEAD)
    run_dag(dag)
    assert [line for line in said("INFO") if " rows read: " in line] == ["10 rows read: 10 staged in 1 partition"] * 2
    assert "9 of 10 rows were settled before, and not sent again" in said("INFO")


def test_a_task_whose_rows_were_all_settled_before_says_so(salesforce_org: EmulatedOrg, said: Said) -> None:
    with DAG("settled", schedule=None) as dag:
        SalesforceUpsertOperator(
            task_id="upsert",
            records=leads(10),
            retries=1,
            retry_delay=timedelta(0),
            post_execute=_fail_once(),
            **LEAD,
        )
    assert run_dag(dag).state == "success"
    assert "all 10 rows were settled before; nothing is sent" in said("INFO")


def _fail_once() -> Callable[..., None]:
    tries = iter([RuntimeError("the worker was lost")])

    def fail(*_: Any) -> None:
        if (error := next(tries, None)) is not None:
            raise error

    return fail


def test_a_run_of_many_red_loads_does_not_flood_its_log(salesforce_org: EmulatedOrg, said: Said) -> None:
    rows = leads(MOST_SHOWN + 2)
    for row in rows:
        del row["LastName"]
    with DAG("many", schedule=None) as dag:
        upserts = SalesforceUpsertOperator.partial(task_id="upsert", retries=0, **LEAD).expand(
            records=[[row] for row in rows]
        )
        SalesforceDuplicateAuditOperator(task_id="audit", upserts=upserts.output)
    run = run_dag(dag)
    errors = said("ERROR")
    assert len(errors) == MOST_SHOWN + 2
    assert all(line.startswith("load ") for line in errors[:-2])
    assert errors[-2] == "and 3 more reasons"
    assert errors[-1].startswith("Next: mend the source and clear the task that gives upsert its rows")
    command = next(line for line in said("INFO") if line.startswith("and 2 more loads of this run: "))
    assert main(["show", *shlex.split(command.split(" show ")[1])]) == 0
    assert run.state == "failed"


def test_mapped_instances_are_named_by_their_size_and_what_was_blocked_and_failed(salesforce_org: EmulatedOrg) -> None:
    rows = leads(30)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 30))
    del rows[29]["LastName"]
    run = run_dag(load(rows, max_failed=1, partitions=1))
    names = [ti.rendered_map_index for ti in run.get_task_instances() if ti.map_index >= 0]
    assert names == ["1 of 1 · 30 rows · 29 blocked · 1 failed"]


@pytest.mark.parametrize(
    ("actions", "label"),
    [
        ({Action.CREATED: 45}, ""),
        ({Action.NOT_SENT: 45}, " · 45 not sent"),
        ({Action.UNKNOWN: 3_000}, " · 3,000 unknown"),
        ({Action.INVALID: 1, Action.CREATED: 2}, " · 1 invalid"),
        ({Action.NOT_SENT: 2, Action.FAILED: 3, Action.SKIPPED: 4}, " · 3 failed · 2 not sent"),
    ],
    ids=["all well", "not sent", "unknown", "invalid", "several"],
)
def test_an_instance_says_failed_of_failed_rows_only(actions: dict[Action, int], label: str) -> None:
    assert outcome_label(Totals(actions, {})) == label


@pytest.mark.parametrize(
    ("work", "name"),
    [
        ({"partition": 1, "partitions": 8, "rows": 1625}, "2 of 8 · 1,625 rows"),
        ([{"A": 1}] * 3, "3 rows"),
        ({"load_id": "damaged"}, ""),
        (None, ""),
        ("{{ params.rows }}", ""),
    ],
)
def test_an_instance_is_named_by_its_work(work: Any, name: str) -> None:
    assert size_label(work) == name


def test_what_the_dag_says_of_names_stands() -> None:
    with DAG("own", schedule=None, default_args={"map_index_template": "by default"}) as dag:
        salesforce_upsert(source=leads(1), group_id="a", **LEAD)
        salesforce_upsert(source=leads(1), group_id="b", map_index_template="by the call", **LEAD)
    assert dag.get_task("a.upsert").map_index_template == "by default"
    assert dag.get_task("b.upsert").map_index_template == "by the call"
    with DAG("plain", schedule=None) as dag:
        salesforce_upsert(source=leads(1), **LEAD)
        SalesforceUpsertOperator.partial(task_id="records", **LEAD).expand(records=[leads(1)])
    for task_id in ("salesforce_upsert.upsert", "records"):
        assert dag.get_task(task_id).map_index_template == MAP_INDEX_TEMPLATE


def test_no_line_holds_a_value_of_a_row(salesforce_org: EmulatedOrg, said: Said) -> None:
    rows = leads(10)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 4))
    run_dag(load(rows))
    lines = "\n".join([*said("INFO"), *said("WARNING"), *said("ERROR")])
    assert "10 rows read" in lines
    values = {str(row[name]) for row in rows for name in ("External_Id__c", "Email") if row.get(name)}
    assert [value for value in values if value in lines] == []
