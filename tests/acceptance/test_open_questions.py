"""Salesforce leaves some questions open; a load comes out right whichever way they are answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from airflow.sdk import DAG

import airflow_sf_dedup.emulator
from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import known_to_the_org, leads, records, seed

COMMON_ORG = Path(airflow_sf_dedup.emulator.__file__).with_name("definition") / "default_org.yaml"

QUIRKS: list[dict[str, Any]] = [
    {},
    {"duplicate_result_spelling": "new"},
    {"composite_carries_duplicate_result": True},
    {"collections_honour_duplicate_header": False},
    {"deleted_records_match": False},
    {"deleted_records_hold_unique_values": False},
    {"duplicate_value_names": "unknown"},
    {"refused_rows_say_created": False},
    {"soap_empty_element": "null"},
]


@pytest.fixture(params=QUIRKS, ids=lambda quirk: ", ".join(f"{k}={v}" for k, v in quirk.items()) or "as shipped")
def quirk(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture
def salesforce_org_file(quirk: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**yaml.safe_load(COMMON_ORG.read_text()), "quirks": dict(quirk)}


def delete(org: EmulatedOrg, lead_id: str) -> None:
    answer = requests.delete(
        f"{org.url}/services/data/v62.0/sobjects/Lead/{lead_id}",
        headers={"Authorization": f"Bearer {org.access_token}"},
        timeout=10,
    )
    answer.raise_for_status()


def test_every_kind_of_duplicate_is_settled_safely(
    salesforce_org: EmulatedOrg, quirk: Mapping[str, Any], tmp_path: Path
) -> None:
    rows = leads(8)
    one, twice, contact, deleted, other_key, similar, emptied, _new = rows
    url = salesforce_org.url
    [one_id] = seed(url, "Lead", known_to_the_org([one], 1))
    for _ in range(2):
        seed(url, "Lead", known_to_the_org([twice], 1))
    seed(url, "Contact", [{"LastName": contact["LastName"], "Email": contact["Email"]}])
    [deleted_id] = seed(url, "Lead", known_to_the_org([deleted], 1))
    delete(salesforce_org, deleted_id)
    seed(url, "Lead", [{**other_key, "External_Id__c": "OTHER"}])
    seed(url, "Lead", [{**known_to_the_org([similar], 1)[0], "Email": "else@example.com"}])
    seed(url, "Lead", [{**known_to_the_org([emptied], 1)[0], "Phone": "555 0100"}])
    emptied["Phone"] = ""
    with DAG("load", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(
            source=rows,
            sobject="Lead",
            external_id_field="External_Id__c",
            on_duplicate="update_existing(min_confidence=95) | save_anyway | ask_reviewer",
            partitions=2,
            retries=0,
        )

    run = run_dag(dag)

    assert run.state == "success"
    with sqlite3.connect(tmp_path / "audit.db") as audit:
        found = dict(audit.execute("SELECT row_number, action FROM sf_dedup_entry ORDER BY 1"))
    blocked_by_deleted = quirk.get("deleted_records_match", True)
    assert found == {
        1: "matched_updated",
        2: "awaiting_review",
        3: "awaiting_review",
        4: "awaiting_review" if blocked_by_deleted else "created",
        5: "awaiting_review",
        6: found[6],
        7: "matched_updated",
        8: "created",
    }
    assert found[6] in ("matched_updated", "saved_anyway")
    held = {lead["External_Id__c"]: lead for lead in records(url, "Lead") if lead.get("External_Id__c")}
    assert held[one["External_Id__c"]]["Id"] == one_id
    assert not held[emptied["External_Id__c"]].get("Phone")
    assert held.keys() >= {row["External_Id__c"] for row in (one, similar, emptied, _new)}
    assert not {row["External_Id__c"] for row in (twice, contact, other_key)} & held.keys()
