"""Records that were deleted, merged away or converted, and keys of several records, in an org over sockets."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.testing import run_dag
from dags_examples.undelete_leads import undelete_leads
from tests.emulator.client import Client, results, text

KEY = "External_Id__c"


def lead(name: str, **fields: Any) -> dict[str, Any]:
    return {"LastName": name, "Company": f"{name} Works", "Email": f"{name.lower()}@{name.lower()}.example", **fields}


@pytest.fixture
def client(salesforce_org: EmulatedOrg) -> Client:
    return Client(salesforce_org.url, salesforce_org.access_token)


def seed(org: EmulatedOrg, **fields: Any) -> str:
    [record_id] = org.seed("Lead", [fields])
    return record_id


def delete(client: Client, record_id: str) -> None:
    assert client.send("DELETE", f"/sobjects/Lead/{record_id}").status_code == 204


def load(policy: str, *rows: Mapping[str, Any], **settings: Any) -> str:
    """Runs a load; answers the state of its run."""
    with DAG("load", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(
            source=list(rows),
            sobject="Lead",
            external_id_field=settings.pop("external_id_field", KEY),
            on_duplicate=policy,
            retries=0,
            **settings,
        )
    return str(run_dag(dag).state)


def audited(folder: Path) -> list[tuple[Any, ...]]:
    """Action, reason and record of each row of the last load."""
    with sqlite3.connect(folder / "audit.db") as audit:
        return audit.execute(
            "SELECT e.action, e.reason, e.record_id FROM sf_dedup_entry e JOIN sf_dedup_load l USING (load_id) "
            "WHERE l.started_at = (SELECT max(started_at) FROM sf_dedup_load) ORDER BY e.row_number"
        ).fetchall()


def matches(folder: Path, columns: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "audit.db") as audit:
        return audit.execute(f"SELECT {columns} FROM sf_dedup_match ORDER BY row_number, position").fetchall()


def test_the_example_brings_back_what_one_user_deleted_by_mistake(
    salesforce_org: EmulatedOrg, client: Client, tmp_path: Path
) -> None:
    mistake, live = seed(salesforce_org, **lead("Ahlberg", City="Bergen")), seed(salesforce_org, **lead("Czerny"))
    delete(client, mistake)
    deleted_by = salesforce_org.record(mistake)["LastModifiedById"]
    source = tmp_path / "leads.csv"
    source.write_text(
        f"{KEY},LastName,Company,Email\nCRM-1,Ahlberg,Ahlberg Works,ahlberg@ahlberg.example\n"
        "CRM-2,Czerny,Czerny Works,czerny@czerny.example\n",
        encoding="utf-8",
    )

    run = run_dag(undelete_leads(), run_conf={"leads": str(source), "deleted_by": deleted_by})

    assert run.state == "success"
    assert audited(tmp_path) == [("matched_updated", "undeleted", mistake), ("matched_updated", None, live)]
    assert {each["Id"]: (each[KEY], each.get("City")) for each in salesforce_org.records("Lead")} == {
        mistake: ("CRM-1", "Bergen"),
        live: ("CRM-2", None),
    }
    [told, _] = matches(tmp_path, "state, is_deleted, deleted_by, deleted_at IS NOT NULL")
    assert told == ("deleted", 1, deleted_by, 1)


def test_the_page_quotes_the_example() -> None:
    root = Path(__file__).parents[2]
    example = (root / "dags_examples" / "undelete_leads.py").read_text(encoding="utf-8")
    quoted = example.partition("    # [start undelete]\n")[2].partition("    # [end undelete]")[0]
    assert quoted.strip()
    assert quoted in (root / "docs" / "policies.md").read_text(encoding="utf-8")


def test_what_another_user_deleted_stays_where_it_is(
    salesforce_org: EmulatedOrg, client: Client, tmp_path: Path
) -> None:
    erased = seed(salesforce_org, **lead("Ahlberg"))
    delete(client, erased)
    policy = "undelete(deleted_by='005000000000999') | ask_reviewer"
    assert load(policy, lead("Ahlberg", **{KEY: "CRM-1"})) == "success"
    assert audited(tmp_path) == [("awaiting_review", "deleted_by_another_user", None)]
    assert salesforce_org.record(erased)["IsDeleted"]


@pytest.mark.parametrize("call", ["SOAP undelete", "POST /composite"])
def test_an_answer_that_is_lost_on_the_way_back_loses_and_doubles_nothing(
    salesforce_org: EmulatedOrg, client: Client, tmp_path: Path, call: str
) -> None:
    gone = seed(salesforce_org, **lead("Ahlberg"))
    delete(client, gone)
    nth = (1,) if call == "SOAP undelete" else (2,)
    salesforce_org.add_faults(Fault("reset", on=call, calls=nth, parameters={"after_commit": True}))
    assert load("undelete | ask_reviewer", lead("Ahlberg", **{KEY: "CRM-1"})) == "success"
    assert audited(tmp_path) == [("matched_updated", "undeleted", gone)]
    [only] = salesforce_org.records("Lead")
    assert (only["Id"], only[KEY]) == (gone, "CRM-1")


def test_a_key_that_a_record_in_the_recycle_bin_keeps_is_its_own_again(
    salesforce_org: EmulatedOrg, client: Client, tmp_path: Path
) -> None:
    gone = seed(salesforce_org, **lead("Ahlberg", **{KEY: "CRM-1"}))
    delete(client, gone)
    row = lead("Ahlberg", **{KEY: "CRM-1", "Email": "new@ahlberg.example"})
    assert load("undelete | ask_reviewer", row) == "success"
    assert audited(tmp_path) == [("matched_updated", "undeleted", gone)]
    [only] = salesforce_org.records("Lead")
    assert (only["Id"], only["Email"]) == (gone, "new@ahlberg.example")


def test_a_match_that_was_merged_away_is_followed_and_never_undeleted(
    salesforce_org: EmulatedOrg, client: Client, tmp_path: Path
) -> None:
    """The rule still finds the loser, and the survivor has another address."""
    survivor = seed(salesforce_org, **lead("Czerny"))
    loser = seed(salesforce_org, **lead("Ahlberg"))
    master = f"<urn:masterRecord><urn1:type>Lead</urn1:type><Id>{survivor}</Id></urn:masterRecord>"
    request = f"<urn:request>{master}<urn:recordToMergeIds>{loser}</urn:recordToMergeIds></urn:request>"
    [merged] = results(client.soap(f"<urn:merge>{request}</urn:merge>"))
    assert text(merged, "success") == "true"

    row = {KEY: "CRM-1", "LastName": "Ahlberg", "Company": "Ahlberg Works", "Email": "ahlberg@ahlberg.example"}
    assert load("undelete | update_existing(fields=['LastName']) | ask_reviewer", row) == "success"
    assert audited(tmp_path) == [("matched_updated", "followed_merge", survivor)]
    assert matches(tmp_path, "record_id, state, leads_to") == [
        (loser, "merged_away", survivor),
        (survivor, "live", None),
    ]
    assert [each["Id"] for each in salesforce_org.records("Lead")] == [survivor]


@pytest.mark.parametrize(
    ("policy", "state", "action", "reason"),
    [
        ("ask_reviewer", "success", "awaiting_review", "key_held_by_converted"),
        ("update_existing | skip", "success", "skipped", "key_held_by_converted"),
        ("update_existing", "failed", "failed", "key_held_by_converted"),
    ],
)
def test_a_key_of_a_converted_lead_does_not_fail_every_morning(
    salesforce_org: EmulatedOrg, client: Client, tmp_path: Path, policy: str, state: str, action: str, reason: str
) -> None:
    converted = seed(salesforce_org, **lead("Ahlberg", **{KEY: "CRM-1"}))
    status = "<urn:convertedStatus>Closed - Converted</urn:convertedStatus>"
    options = "<urn:doNotCreateOpportunity>true</urn:doNotCreateOpportunity>"
    body = f"<urn:leadConverts>{status}{options}<urn:leadId>{converted}</urn:leadId></urn:leadConverts>"
    [result] = results(client.soap(f"<urn:convertLead>{body}</urn:convertLead>"))
    contact = text(result, "contactId")
    assert load(policy, lead("Ahlberg", **{KEY: "CRM-1"})) == state
    assert audited(tmp_path) == [(action, reason, None)]
    assert matches(tmp_path, "record_id, state, leads_to, duplicate_rule") == [(converted, "converted", contact, None)]


class TestKeysThatAreNotUnique:
    @pytest.fixture
    def salesforce_org_file(self) -> Mapping[str, Any]:
        return {
            "extends": "default",
            "sobjects": {"Lead": {"fields": {"Loose_Key__c": "text(40) external_id"}}},
        }

    @pytest.mark.parametrize(
        ("policy", "state", "action"),
        [
            ("ask_reviewer", "success", "awaiting_review"),
            ("save_anyway | skip", "success", "skipped"),
            ("update_existing", "failed", "failed"),
        ],
    )
    def test_several_holders_of_a_key_are_a_case_with_matches(
        self, salesforce_org: EmulatedOrg, tmp_path: Path, policy: str, state: str, action: str
    ) -> None:
        both = [seed(salesforce_org, **lead(name, Loose_Key__c="K")) for name in ("Ahlberg", "Czerny")]
        row = lead("Dominguez", Loose_Key__c="K")
        assert load(policy, row, external_id_field="Loose_Key__c", allow_non_unique_key=True) == state
        assert audited(tmp_path) == [(action, "key_held_by_many", None)]
        told = matches(tmp_path, "record_id, state, key, duplicate_rule")
        assert sorted(told) == sorted((each, "live", "K", None) for each in both)
