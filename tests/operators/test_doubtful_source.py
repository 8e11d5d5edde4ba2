"""A source of which nothing can be sent is no small success."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforcePartitionOperator, SalesforceUpsertOperator, salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from tests.operators.conftest import execute, xcom

AuditRows = Callable[..., list[tuple[Any, ...]]]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
GOOD = {"External_Id__c": "A-9", "LastName": "Nowak", "Company": "Nowak Optics"}

DOUBTFUL = [
    pytest.param([("A-1", "Nowak"), ("A-2", "Weiß")], "tuple, not a mapping.*handler=lambda cursor", id="tuples"),
    pytest.param([["A-1", "Nowak"]], "list, not a mapping.*handler=lambda cursor", id="lists"),
    pytest.param(["A-1", "A-2"], "str, not a mapping.*SQLExecuteQueryOperator", id="texts"),
    pytest.param([None, None], "NoneType, not a mapping", id="nothing at all"),
    pytest.param([{1: "A-1"}], "a column whose name is no text", id="numbers for columns"),
    pytest.param([{}, {}], "External_Id__c is blank.*external_id_field", id="rows without columns"),
    pytest.param([{"LastName": "Nowak"}, {"LastName": "Weiß"}], "2 UNUSABLE_KEY.*external_id_field", id="no key"),
    pytest.param([{**GOOD, "External_Id__c": " "}], "1 UNUSABLE_KEY.*external_id_field", id="blank keys"),
    pytest.param([{**GOOD, "Birthdate__c": "x"}], "1 MALFORMED_VALUE.*column Birthdate__c", id="malformed dates"),
    pytest.param([("A-1",), {"LastName": "Nowak"}], "1 UNREADABLE_ROW .*1 UNUSABLE_KEY", id="for several reasons"),
    pytest.param("External_Id__c,LastName\n,Nowak\n,Weiß\n", "UNUSABLE_KEY", id="a file without keys"),
    pytest.param("External_Id__c,LastName\n,\n,\n", "UNUSABLE_KEY", id="a file of blank cells"),
    pytest.param("External_Id__c,LastName\nA-1,Nowak,1\nA-2,Weiß,2\n", "UNREADABLE_ROW.*delimiter", id="ragged file"),
]


def source_in(folder: Path, given: Any) -> Any:
    if not isinstance(given, str):
        return given
    file = folder / "leads.csv"
    file.write_text(given)
    return str(file)


@pytest.mark.parametrize(("given", "said"), DOUBTFUL)
def test_a_source_of_which_no_row_can_be_sent_fails_with_the_remedy_and_is_audited(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, tmp_path: Path, given: Any, said: str
) -> None:
    source = source_in(tmp_path, given)
    operator = SalesforcePartitionOperator(task_id="partition", source=source, **LEAD)

    with pytest.raises(AirflowFailException, match=f"source: no row of .* can be sent: .*{said}") as raised:
        execute(operator)

    assert "Nowak" not in str(raised.value), "no value of a row"
    [(read, partitions)] = audit_rows("SELECT rows_read, partitions FROM sf_dedup_load")
    assert partitions == 0
    assert audit_rows("SELECT action, count(*) FROM sf_dedup_entry GROUP BY 1") == [("invalid", read)]
    assert not list(tmp_path.glob("staging/**/*.ndjson"))


@pytest.mark.parametrize(
    "settings",
    [{"newer_than": "ModifiedAt"}, {"group_by": "Company"}, {"on_duplicate": "update_existing(fields=['Company'])"}],
    ids=["order", "group", "policy"],
)
def test_no_other_setting_hides_that_rows_are_no_rows(
    salesforce_shared_org: EmulatedOrg, settings: dict[str, Any]
) -> None:
    operator = SalesforcePartitionOperator(task_id="partition", source=[("A-1", "Nowak")], **LEAD, **settings)

    with pytest.raises(AirflowFailException, match="handler=lambda cursor"):
        execute(operator)


@pytest.mark.parametrize("bad", [("A-1", "x"), {}, {"LastName": "x"}], ids=["tuple", "nothing", "no key"])
def test_one_good_row_makes_the_others_bad_rows(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, bad: Any
) -> None:
    operator = SalesforcePartitionOperator(task_id="partition", source=[bad, bad, GOOD], **LEAD)

    assert [ref["rows"] for ref in execute(operator)] == [1]
    assert audit_rows("SELECT action, count(*) FROM sf_dedup_entry GROUP BY 1") == [("invalid", 2)]


@pytest.mark.parametrize("given", [[], "External_Id__c,LastName\n", "External_Id__c,LastName\n\n\n"])
def test_an_empty_source_is_no_doubtful_one(salesforce_shared_org: EmulatedOrg, tmp_path: Path, given: Any) -> None:
    operator = SalesforcePartitionOperator(task_id="partition", source=source_in(tmp_path, given), **LEAD)
    assert execute(operator) == []


def test_whatever_may_fail_a_source_that_all_fails_is_red(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    """Rows as a query's operator returns them."""

    @task
    def query() -> list[list[str]]:
        return [["A-1", "Nowak"], ["A-2", "Weiß"]]

    with DAG("load", schedule=None) as dag:
        salesforce_upsert(source=query(), max_failed=None, retries=3, **LEAD)

    run = run_dag(dag)

    states = {ti.task_id.rpartition(".")[2]: (str(ti.state), ti.try_number) for ti in run.get_task_instances()}
    assert states["partition"] == ("failed", 1)
    assert states["audit"][0] == "failed"
    assert xcom(run, "salesforce_upsert.audit")["actions"] == {"invalid": 2}
    assert audit_rows("SELECT ended_at IS NULL FROM sf_dedup_load") == [(0,)]


def test_records_are_no_other(salesforce_shared_org: EmulatedOrg) -> None:
    operator = SalesforceUpsertOperator(task_id="upsert", records=[("A-1", "Nowak")], max_failed=100, **LEAD)
    with pytest.raises(AirflowFailException, match="handler=lambda cursor"):
        execute(operator)
