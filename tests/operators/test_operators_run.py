"""Red when it should be, and every row accounted for: the operators in Dag runs against an emulated org."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_sf_dedup import (
    SalesforceDuplicateAuditOperator,
    SalesforcePartitionOperator,
    SalesforceUpsertOperator,
    duplicate_entries,
    salesforce_upsert,
)
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import calls, known_to_the_org, leads, records, seed, stats
from tests.operators.conftest import xcom

AuditRows = Callable[..., list[tuple[Any, ...]]]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}


def load(source: Any, **settings: Any) -> DAG:
    with DAG("load", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(source=source, **{**LEAD, "partitions": 2, "retries": 0, **settings})
    return dag


def states(run: Any) -> dict[str, str]:
    return {
        f"{ti.task_id.rpartition('.')[2]}{'' if ti.map_index < 0 else ti.map_index}": str(ti.state)
        for ti in run.get_task_instances()
    }


def test_a_row_that_salesforce_refuses_makes_the_run_red_with_its_reason_in_the_table(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    rows = leads(10)
    del rows[3]["LastName"]

    run = run_dag(load(rows))

    assert run.state == "failed"
    assert states(run)["audit"] == "failed"
    assert [row for row in audit_rows() if row[1] != "created"] == [(4, "failed", "REQUIRED_FIELD_MISSING", None)]
    assert xcom(run, "salesforce_upsert.audit")["actions"] == {"created": 9, "failed": 1}


def test_an_allowed_number_of_failures_stays_green(salesforce_org: EmulatedOrg) -> None:
    rows = leads(10)
    del rows[3]["LastName"]

    assert run_dag(load(rows, max_failed=1)).state == "success"
    assert run_dag(load(rows, max_failed=None, max_failed_pct=9.9)).state == "failed"
    assert run_dag(load(rows, max_failed=None, max_failed_pct=10)).state == "success"


def test_too_many_rows_that_await_a_person_are_red(salesforce_org: EmulatedOrg) -> None:
    rows = leads(4)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 2))

    assert run_dag(load(rows, max_awaiting_review=1)).state == "failed"


def test_a_failed_partition_task_makes_the_run_red_and_the_verdict_leads_to_its_log(
    salesforce_org: EmulatedOrg, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_dag(load([{"External_Id__c": "A-1", "Lastname__c": "no such field"}]))

    assert run.state == "failed"
    assert states(run) == {"partition": "failed", "upsert": "upstream_failed", "audit": "failed"}
    said = "Next: see the log of salesforce_upsert.partition, mend what it says and clear it (docs/rerun.md)"
    assert said in [record.getMessage() for record in caplog.records]


def test_a_failed_mapped_task_makes_the_run_red_and_its_rows_are_accounted_for(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    """The second partition's staged rows are spoilt between the two tasks."""

    @task
    def spoil(refs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [refs[0], {**refs[1], "checksum": "0" * 32}]

    with DAG("load", schedule=None) as dag:
        partition = SalesforcePartitionOperator(task_id="partition", source=leads(40), partitions=2, **LEAD)
        upsert = SalesforceUpsertOperator.partial(task_id="upsert").expand(partition=spoil(partition.output))
        partition >> SalesforceDuplicateAuditOperator(task_id="audit", upserts=upsert.output)

    run = run_dag(dag)

    assert run.state == "failed"
    assert states(run)["upsert1"] == "failed"
    assert states(run)["audit"] == "failed"
    assert len(audit_rows()) == 40


@pytest.mark.parametrize("kind", ["no record", "a header alone"])
def test_zero_rows_are_green_with_zero_rows_and_a_warning(
    salesforce_org: EmulatedOrg, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    (tmp_path / "empty.csv").write_text("External_Id__c,LastName,Company\n", encoding="utf-8")
    run = run_dag(load([] if kind == "no record" else str(tmp_path / "empty.csv")))

    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "the source has no row: nothing is sent, and the load is green" in said

    assert run.state == "success"
    assert xcom(run, "salesforce_upsert.audit")["rows"] == 0


def test_a_few_records_load_in_one_task(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    with DAG("few", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=leads(3), **LEAD)

    run = run_dag(dag)

    assert run.state == "success"
    assert xcom(run, "upsert")["actions"] == {"created": 3}
    assert len(records(salesforce_org.url, "Lead")) == 3


def test_one_failed_record_of_a_few_is_red_and_a_repeat_sends_only_that_one(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    rows = leads(3)
    del rows[1]["LastName"]
    with DAG("few", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=rows, retries=1, retry_delay=timedelta(0), **LEAD)

    run = run_dag(dag)

    assert run.state == "failed"
    found = audit_rows("SELECT row_number, action, try_number FROM sf_dedup_entry ORDER BY 1")
    assert found == [(1, "created", 1), (2, "failed", 2), (3, "created", 1)]


def test_the_summary_stays_small_and_says_nothing_of_a_customer(salesforce_org: EmulatedOrg) -> None:
    rows = leads(600)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 300))
    for row in rows[400:500]:
        row["LastName"] = ""

    run = run_dag(load(rows, max_failed=None))

    for document in (xcom(run, "salesforce_upsert.audit"), xcom(run, "salesforce_upsert.upsert", map_index=1)):
        text = json.dumps(document)
        assert len(text.encode()) <= 4096
        assert document["sample"]
        assert not any(row["Email"] in text or row["External_Id__c"] in text for row in rows)


def test_a_downstream_task_reads_the_entries_with_their_matches(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    rows = leads(6)
    ids = seed(salesforce_org.url, "Lead", known_to_the_org(rows, 1))
    ids += seed(salesforce_org.url, "Lead", known_to_the_org(rows, 1))
    report = tmp_path / "report.json"

    @task
    def read(audit: dict[str, Any]) -> None:
        entries = duplicate_entries(audit, action="awaiting_review", page_size=1)
        found = [[e.row_number, e.reason, sorted(e.matched_ids)] for e in entries]
        report.write_text(json.dumps(found))

    with DAG("load", schedule=None) as dag:
        read(salesforce_upsert(source=leads(6), retries=0, **LEAD))

    run_dag(dag)

    assert json.loads(report.read_text()) == [[1, "several_matches", sorted(ids)]]


@pytest.mark.parametrize("size", [0, -1, 2.5, float("nan"), "500", None], ids=repr)
def test_a_page_size_that_cannot_be_is_refused_by_name(size: Any) -> None:
    document = {"audit": {"audit_conn_id": None, "load_id": "load"}}
    with pytest.raises(SettingError, match=r"^page_size="):
        next(duplicate_entries(document, page_size=size))


def test_a_partition_of_another_sobject_is_refused(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    with DAG("load", schedule=None) as dag:
        partition = SalesforcePartitionOperator(task_id="partition", source=leads(2), partitions=1, **LEAD)
        SalesforceUpsertOperator.partial(task_id="upsert", sobject="Contact").expand(partition=partition.output)

    assert run_dag(dag).state == "failed"
    assert records(salesforce_org.url, "Contact") == []


def test_templates_name_the_source_and_the_policy(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("External_Id__c,LastName,Company\nA-1,Doe,Acme\n")
    with DAG("load", schedule=None, params={"path": str(tmp_path / "leads.csv"), "policy": "skip"}) as dag:
        salesforce_upsert(source="{{ params.path }}", on_duplicate="{{ params.policy }}", retries=0, **LEAD)

    assert run_dag(dag).state == "success"
    assert len(records(salesforce_org.url, "Lead")) == 1


@pytest.mark.parametrize("policy", ["skip", ["skip"], {"skip": None}], ids=["string", "list", "mapping"])
def test_a_policy_can_be_written_in_yaml(salesforce_org: EmulatedOrg, audit_rows: AuditRows, policy: Any) -> None:
    rows = leads(2)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 1))

    run_dag(load(rows, on_duplicate=policy))

    assert audit_rows("SELECT row_number, action FROM sf_dedup_entry ORDER BY 1") == [(1, "skipped"), (2, "created")]


def test_a_matched_lead_keeps_its_owner(salesforce_org: EmulatedOrg) -> None:
    rows = leads(1)
    [lead_id] = seed(salesforce_org.url, "Lead", known_to_the_org(rows, 1))
    before = records(salesforce_org.url, "Lead")[0]["OwnerId"]

    run_dag(load(rows, on_duplicate="update_existing"))

    [lead] = records(salesforce_org.url, "Lead")
    assert (lead["Id"], lead["External_Id__c"], lead["OwnerId"]) == (lead_id, "CRM-00001", before)


def test_repeated_rows_of_a_key_go_in_order_and_are_held_behind_a_row_that_awaits_a_person(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    first, second = leads(2)
    seed(salesforce_org.url, "Lead", known_to_the_org([second], 1))
    changes = [first, second, {**first, "Company": "Later"}, {**second, "Company": "Later"}]

    run = run_dag(load(changes, on_repeat="in_order"))

    assert run.state == "success"
    actions = [(row, action) for row, action, *_ in audit_rows()]
    assert actions == [(1, "created"), (2, "awaiting_review"), (3, "updated"), (4, "held")]
    assert {record["Company"] for record in records(salesforce_org.url, "Lead")} == {"Later", second["Company"]}


def test_a_mapped_task_asks_for_no_describe_of_its_own(salesforce_org: EmulatedOrg) -> None:
    run_dag(load(leads(50), partitions=8))

    described = sum(count for call, count in stats(salesforce_org.url)["by_call"].items() if "describe" in call)
    assert described == 1


def test_mapped_loads_of_a_run_are_one_audit_and_are_read_back_together(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    rows = leads(6)
    report = tmp_path / "report.json"

    @task
    def read(audit: dict[str, Any]) -> None:
        report.write_text(json.dumps([audit["rows"], sorted(entry.key for entry in duplicate_entries(audit))]))

    with DAG("load", schedule=None) as dag:
        upsert = SalesforceUpsertOperator.partial(task_id="upsert", **LEAD).expand(
            records=[rows[:1], rows[1:3], rows[3:]]
        )
        audit = SalesforceDuplicateAuditOperator(task_id="audit", upserts=upsert.output)
        read(audit.output)

    run = run_dag(dag)

    assert run.state == "success"
    assert json.loads(report.read_text()) == [6, [row["External_Id__c"] for row in rows]]


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        ([{"External_Id__c": "A-1", "Lastname__c": "no such field"}], {}),
        ("/no/such/file.csv", {}),
        ([{"External_Id__c": "A-1"}], {"external_id_field": "Email"}),
        (leads(2), {"on_duplicate": "update_existing(fields=['Emial'])"}),
        (leads(2), {"masked_fields": ["external_id__c"]}),
        ([*leads(2), *leads(2)], {"on_repeat": "fail"}),
    ],
    ids=["unknown column", "no file", "no key field", "field of a policy", "masked key", "repeated keys"],
)
def test_what_a_person_has_to_mend_is_not_retried(
    salesforce_org: EmulatedOrg, source: Any, settings: dict[str, Any]
) -> None:
    run = run_dag(load(source, **{"retries": 3, "retry_delay": timedelta(0), **settings}))

    assert run.state == "failed"
    assert {ti.try_number for ti in run.get_task_instances()} <= {0, 1}
    assert records(salesforce_org.url, "Lead") == []


def test_refused_credentials_are_sent_once(salesforce_org: EmulatedOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {
        "conn_type": "salesforce",
        "login": "loader@example.com",
        "password": "wrong",
        "extra": {"security_token": "loader-token", "loopback_org": salesforce_org.url},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps(connection))

    run = run_dag(load(leads(2), retries=3, retry_delay=timedelta(0)))

    assert run.state == "failed"
    logins = [call for call in calls(salesforce_org.url) if call["status"] >= 400]
    assert len(logins) == 1


def test_a_row_behind_a_failed_one_of_its_key_is_no_reason_to_retry(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    first, second = leads(2)
    broken = {**first, "LastName": None}

    run = run_dag(
        load([broken, first, second], on_repeat="in_order", max_failed=2, retries=2, retry_delay=timedelta(0))
    )

    assert run.state == "success"
    found = [(row, action, reason) for row, action, _, reason in audit_rows()]
    assert found == [(1, "failed", None), (2, "not_sent", "earlier_row_not_settled"), (3, "created", None)]


def test_a_finished_load_claims_no_record_any_more(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    rows = leads(2)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 2))

    run_dag(load(rows, on_duplicate="update_existing"))

    ends = [datetime.fromisoformat(end) for (end,) in audit_rows("SELECT expires_at FROM sf_dedup_record_claim")]
    assert len(ends) == 2
    assert max(ends) <= datetime.now(UTC)


def test_a_load_of_few_records_ends_with_its_task(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, tmp_path: Path
) -> None:
    rows = leads(2)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 2))
    with DAG("few", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=rows, on_duplicate="update_existing", **LEAD)

    run_dag(dag)

    ends = [datetime.fromisoformat(end) for (end,) in audit_rows("SELECT expires_at FROM sf_dedup_record_claim")]
    assert len(ends) == 2
    assert max(ends) <= datetime.now(UTC)
    assert audit_rows("SELECT count(*) FROM sf_dedup_load WHERE ended_at IS NULL") == [(0,)]
    assert not list(tmp_path.glob("staging/**/*.ndjson"))
