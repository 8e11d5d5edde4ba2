"""A file that calls its columns otherwise, in a Dag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforcePartitionOperator, salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.sources import RenamedColumns, source_of
from airflow_sf_dedup.testing import run_dag
from tests.operators.conftest import execute
from tests.operators.test_dag_side import serialised

AuditRows = Callable[..., list[tuple[Any, ...]]]
LEAD: dict[str, Any] = {"sobject": "Lead", "external_id_field": "External_Id__c"}
RENAME = {"Kunden-Nr.": "External_Id__c", "Nachname": "LastName", "Firma": "Company", "E-Mail": "Email"}
ROW = ("C-1", "Nowak", "Optik", "nowak@optik.example")


def file_in(folder: Path, *rows: tuple[str, ...]) -> str:
    path = folder / "customers.csv"
    path.write_text("".join(";".join(row) + "\n" for row in (tuple(RENAME), *rows)))
    return str(path)


def test_new_names_can_be_templates(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    params = {"path": file_in(tmp_path, ROW), "surname": "LastName"}
    rename = {**RENAME, "Nachname": "{{ params.surname }}"}
    with DAG("load", schedule=None, params=params) as dag:
        source = {"path": "{{ params.path }}", "delimiter": ";", "rename": rename}
        salesforce_upsert(source=source, partitions=1, retries=0, **LEAD)

    assert run_dag(dag).state == "success"
    [lead] = salesforce_org.state.records("Lead")
    assert tuple(lead[field] for field in RENAME.values()) == ROW


def test_rows_of_a_dag_file_are_renamed_and_never_shown(salesforce_org: EmulatedOrg) -> None:
    rows = [dict(zip(RENAME, ROW, strict=True))]
    with DAG("load", schedule=None) as dag:
        salesforce_upsert(source=RenamedColumns(source_of(rows), RENAME), partitions=1, retries=0, **LEAD)

    document = serialised(dag)
    assert "nowak" not in document.lower()
    assert "RenamedColumns(source=<1 row>" in document
    assert document == serialised(dag)

    assert run_dag(dag).state == "success"
    [lead] = salesforce_org.state.records("Lead")
    assert tuple(lead[field] for field in RENAME.values()) == ROW


@pytest.mark.parametrize(
    ("rename", "said"),
    [
        pytest.param(
            {"Nahcname": "LastName"}, r"^rename: .*no column 'Nahcname' \(nearest: Nachname\)$", id="misspelt"
        ),
        pytest.param({"Nachname": ""}, "^rename: the new name of 'Nachname' is ''", id="blank"),
        pytest.param("Nachname", "^rename: expected a mapping", id="text"),
    ],
)
def test_a_renaming_that_cannot_be_done_fails_the_task_at_once_and_stages_nothing(
    salesforce_shared_org: EmulatedOrg, tmp_path: Path, rename: Any, said: str
) -> None:
    source = {"path": file_in(tmp_path, ROW), "delimiter": ";", "rename": rename}
    operator = SalesforcePartitionOperator(task_id="partition", source=source, **LEAD)
    with pytest.raises(AirflowFailException, match=said):
        execute(operator)


def test_rows_that_are_no_mappings_are_told_what_to_do_under_other_names_too(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    source = RenamedColumns(source_of([ROW, ROW]), RENAME)
    operator = SalesforcePartitionOperator(task_id="partition", source=source, **LEAD)
    with pytest.raises(AirflowFailException, match=r"tuple, not a mapping.*handler=lambda cursor"):
        execute(operator)
    assert audit_rows("SELECT action, count(*) FROM sf_dedup_entry GROUP BY 1") == [("invalid", 2)]


def test_an_invalid_row_is_audited_by_the_column_that_its_file_has(
    salesforce_org: EmulatedOrg, tmp_path: Path, audit_rows: AuditRows
) -> None:
    source = {"path": file_in(tmp_path, ROW, ("", *ROW[1:])), "delimiter": ";", "rename": RENAME}
    with DAG("load", schedule=None) as dag:
        salesforce_upsert(source=source, partitions=1, retries=0, **LEAD)
    run_dag(dag)
    messages = audit_rows("SELECT error_message FROM sf_dedup_entry WHERE action = 'invalid'")
    assert messages == [("column Kunden-Nr. is blank: the row has no key",)]
