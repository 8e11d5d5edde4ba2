"""What a load decided about duplicates, as records of the org."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from importlib.resources import files
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforceDuplicateMirrorOperator, SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import LoadFailedError
from airflow_sf_dedup.journeys.mirroring import DEFAULT_FIELDS, FACTS, LONGEST_KEY
from airflow_sf_dedup.testing import run_dag
from dags_examples.mirror_in_org import mirror_in_org
from tests.operators.conftest import TaskOnce, execute

NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"


def shipped() -> dict[str, dict[str, str]]:
    """The fields of the shipped metadata: name to settings."""
    text = files("airflow_sf_dedup.salesforce.org_metadata").joinpath("objects/Duplicate_Audit__c.object").read_text()
    fields = [{each.tag.removeprefix(NAMESPACE): each.text or "" for each in field} for field in ET.fromstring(text)]
    return {field["fullName"]: field for field in fields if "fullName" in field}


def spec(field: dict[str, str]) -> str:
    """The same, as an org file says it."""
    kinds = {
        "Text": f"text({field.get('length')})",
        "Number": f"number({field.get('precision')},{field.get('scale')})",
        "DateTime": "datetime",
    }
    words = "external_id unique case_sensitive" if "externalId" in field else ""
    return f"{kinds[field['type']]} {words}".strip()


@pytest.fixture
def salesforce_org_file() -> dict[str, Any]:
    """An org into which the shipped metadata was deployed."""
    own = {"Short_Key__c": "text(40) external_id unique", "Lead__c": "reference(Lead)", "Done__c": "checkbox"}
    fields = {"Name": "auto_number name", **{name: spec(field) for name, field in shipped().items()}, **own}
    return {"extends": "default", "sobjects": {"Duplicate_Audit__c": {"key_prefix": "a09", "fields": fields}}}


def lead(number: int, **fields: str) -> dict[str, str]:
    return {"External_Id__c": f"A-{number}", "LastName": f"Name {number}", "Company": f"Firm {number}", **fields}


@pytest.fixture
def known(salesforce_org: EmulatedOrg) -> list[str]:
    """Leads that the org knows by their mails; the last two share one."""
    mails = ["one@example.com", "two@example.com", "two@example.com"]
    return salesforce_org.seed("Lead", [{"LastName": "Known", "Company": "Old", "Email": mail} for mail in mails])


@pytest.fixture
def audit(salesforce_org: EmulatedOrg, known: list[str]) -> Any:
    """What a load of three rows returned: one is updated, one waits for a person, one is new."""
    rows = [lead(1, Email="one@example.com"), lead(2, Email="two@example.com"), lead(3, Email="new@example.com")]
    operator = SalesforceUpsertOperator(
        task_id="load",
        records=rows,
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="update_existing | ask_reviewer",
    )
    return execute(operator, TaskOnce("load"))


def mirror(audit: Any, **settings: Any) -> Any:
    return execute(SalesforceDuplicateMirrorOperator(task_id="mirror", audit=audit, **settings))


def test_each_blocked_row_and_matched_record_is_a_record_of_the_org(
    salesforce_org: EmulatedOrg, audit: Any, known: list[str]
) -> None:
    found = mirror(audit)

    calls = {"predicted_calls": 2, "api_calls": 2}
    assert found == {"sobject": "Duplicate_Audit__c", "created": 3, "updated": 0, **calls}
    mirrored = salesforce_org.records("Duplicate_Audit__c")
    assert {(int(each["Source_Row__c"]), each["Matched_Record__c"], each["Action__c"]) for each in mirrored} == {
        (1, known[0], "matched_updated"),
        (2, known[1], "awaiting_review"),
        (2, known[2], "awaiting_review"),
    }
    updated = next(each for each in mirrored if each["Action__c"] == "matched_updated")
    assert (updated["Written_Record__c"], updated["Source_Key__c"], updated["Duplicate_Rule__c"]) == (
        known[0],
        "A-1",
        "Lead_Email",
    )
    assert (updated["Source_Object__c"], updated["Matched_Object__c"]) == ("Lead", "Lead")
    assert updated["Decided_At__c"]


def test_the_example_shows_what_its_load_decided(salesforce_org: EmulatedOrg, known: list[str]) -> None:
    run = run_dag(mirror_in_org(), run_conf={"leads": [lead(1, Email="one@example.com"), lead(2)]})
    assert run.state == "success"
    [mirrored] = salesforce_org.records("Duplicate_Audit__c")
    assert (mirrored["Matched_Record__c"], mirrored["Action__c"]) == (known[0], "matched_updated")
    assert mirrored["Dag__c"] == "mirror_in_org"


def test_to_mirror_again_changes_nothing(salesforce_org: EmulatedOrg, audit: Any) -> None:
    mirror(audit)
    before = salesforce_org.records("Duplicate_Audit__c")
    again = mirror(audit)
    assert (again["created"], again["updated"]) == (0, 3)
    values = [
        {name: each.get(name) for name in DEFAULT_FIELDS} for each in salesforce_org.records("Duplicate_Audit__c")
    ]
    assert values == [{name: each.get(name) for name in DEFAULT_FIELDS} for each in before]


def test_a_mirror_that_was_never_deployed_is_named_with_what_to_do(audit: Any) -> None:
    with pytest.raises(AirflowFailException, match=r"has no 'Nowhere__c'.*; deploy it first \(docs/audit\.md\)"):
        mirror(audit, sobject="Nowhere__c")


def test_the_shipped_metadata_has_a_field_for_each_default() -> None:
    fields = shipped()
    assert fields.keys() == DEFAULT_FIELDS.keys()
    assert set(DEFAULT_FIELDS.values()) <= set(FACTS)
    key = fields["Audit_Key__c"]
    assert (key["externalId"], key["unique"], key["caseSensitive"]) == ("true", "true", "true")
    assert int(key["length"]) >= LONGEST_KEY


def test_fields_of_ones_own_hold_what_they_are_told(salesforce_org: EmulatedOrg, audit: Any) -> None:
    mirror(audit, fields={"Audit_Key__c": "audit_key", "Reason__c": "run_id"})
    assert {each["Reason__c"] for each in salesforce_org.records("Duplicate_Audit__c")} == {"manual"}
    assert {each.get("Action__c") for each in salesforce_org.records("Duplicate_Audit__c")} == {None}


def test_a_text_field_holds_numbers_and_times_and_a_lookup_field_the_record(
    salesforce_org: EmulatedOrg, audit: Any, known: list[str]
) -> None:
    own = {"Reason__c": "row_number", "Run__c": "confidence", "Dag__c": "decided_at", "Lead__c": "matched_record_id"}
    mirror(audit, fields={"Audit_Key__c": "audit_key", **own})
    mirrored = salesforce_org.records("Duplicate_Audit__c")
    assert {(each["Reason__c"], each["Run__c"], each["Lead__c"]) for each in mirrored} == {
        ("1", "100", known[0]),
        ("2", "100", known[1]),
        ("2", "100", known[2]),
    }
    assert all(each["Dag__c"].endswith("Z") for each in mirrored)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param(
            {"fields": {"Audit_Key__c": "audit_keys"}}, r"cannot hold 'audit_keys' \(nearest: audit_key\)", id="fact"
        ),
        pytest.param({"fields": {"Action__c": "action"}}, "just one field holds audit_key, here none", id="no key"),
        pytest.param(
            {"fields": {"Audit_Key__c": "audit_key", "Acton__c": "action"}},
            r"Acton__c \(nearest: Action__c",
            id="field",
        ),
        pytest.param({"fields": {"Load_Id__c": "audit_key"}}, "an External ID that is Unique", id="no external id"),
        pytest.param(
            {"fields": {"Short_Key__c": "audit_key"}}, "holds 40 characters, .* two records would", id="short key"
        ),
        pytest.param(
            {"fields": {"Audit_Key__c": "audit_key", "Done__c": "action"}},
            r"Done__c is of type boolean, which holds no action",
            id="type",
        ),
        pytest.param(
            {"fields": {"Audit_Key__c": "audit_key", "Source_Row__c": "key"}},
            r"Source_Row__c is of type double, which holds no key",
            id="a text for a number",
        ),
        pytest.param(
            {"fields": {"Audit_Key__c": "audit_key", "audit_key__c": "action"}}, "stands there twice", id="twice"
        ),
        pytest.param({"fields": {"Audit_Key__c": ["audit_key"]}}, "cannot hold", id="a list of facts"),
        pytest.param({"sobject": "Nothing__c"}, "the org has no 'Nothing__c'", id="sobject"),
        pytest.param({"audit": {"load_id": "x"}}, "expected the output of an upsert or audit task", id="document"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(
    salesforce_org: EmulatedOrg, audit: Any, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(AirflowFailException, match=says):
        mirror(**{"audit": audit, **settings})
    assert salesforce_org.records("Duplicate_Audit__c") == []


def test_another_org_is_refused(salesforce_org: EmulatedOrg, audit: Any, other_org: EmulatedOrg, lead_to: Any) -> None:
    lead_to(other_org)
    with pytest.raises(AirflowFailException, match=r"leads to org 00D5g0000000002EAA, but load .* went into"):
        mirror(audit)


def test_records_that_are_refused_make_the_task_red_and_a_retry_writes_them(
    salesforce_org: EmulatedOrg, audit: Any
) -> None:
    salesforce_org.add_faults(
        {"kind": "refuse_rows", "on": "write", "calls": [1], "share": 1, "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}
    )
    with pytest.raises(LoadFailedError, match="3 records of Duplicate_Audit__c were not saved: 3 FIELD_CUSTOM"):
        mirror(audit)
    assert mirror(audit)["created"] == 3


def test_a_lost_answer_makes_no_second_record(salesforce_org: EmulatedOrg, audit: Any) -> None:
    salesforce_org.add_faults({"kind": "reset", "on": "write", "calls": [1], "after_commit": True})
    mirror(audit)
    assert len(salesforce_org.records("Duplicate_Audit__c")) == 3
