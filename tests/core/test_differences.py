"""Field by field: the same, similar, different, only in the row, only in the record."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.differences import Difference, field_states
from airflow_sf_dedup.core.sobjects import Field, SObject

LEAD = SObject(
    "Lead",
    (
        Field("Id", "Id", "id"),
        Field("LastName", "Last Name", "string", length=80),
        Field("Phone", "Phone", "phone", length=40),
        Field("Email", "Email", "email"),
        Field("AnnualRevenue", "Revenue", "currency", scale=2),
        Field("Birthdate__c", "Born", "date"),
        Field("Seen__c", "Seen", "datetime"),
        Field("DoNotCall", "Do not call", "boolean"),
        Field("Parent__c", "Parent", "reference", relationship_name="Parent__r", reference_to=("Account",)),
        Field("OwnerId", "Owner", "reference", reference_to=("User",)),
        Field("CreatedDate", "Created", "datetime"),
        Field("Topics__c", "Topics", "multipicklist"),
    ),
)
SAME, SIMILAR, DIFFERENT = Difference.SAME, Difference.SIMILAR, Difference.DIFFERENT
ROW, RECORD, NOT_COMPARED = Difference.ONLY_IN_ROW, Difference.ONLY_IN_RECORD, Difference.NOT_COMPARED


@pytest.mark.parametrize(
    ("field", "value", "stored", "expected"),
    [
        ("LastName", "Kuhl", "Kuhl", SAME),
        ("LastName", "KUHL", "Kuhl", SIMILAR),
        ("LastName", "Kuhl", "Rau", DIFFERENT),
        ("LastName", "Kuhl", None, ROW),
        ("LastName", "Kuhl", " ", ROW),
        ("LastName", None, "Kuhl", RECORD),
        ("LastName", "", "Kuhl", RECORD),
        ("LastName", "", None, SAME),
        ("Phone", "+49 (228) 1", "+492281", SIMILAR),
        ("Email", "Anna@Example.com", "anna@example.com", SAME),
        ("AnnualRevenue", "1500.00", 1500, SAME),
        ("AnnualRevenue", 0, None, ROW),
        ("AnnualRevenue", None, 0, RECORD),
        ("AnnualRevenue", 1.5, 15, DIFFERENT),
        ("Seen__c", "2026-03-02T07:30:00+01:00", "2026-03-02T06:30:00.000+0000", SAME),
        ("Birthdate__c", "1980-05-17", "1980-05-18", DIFFERENT),
        ("DoNotCall", True, None, ROW),
        ("DoNotCall", False, None, SIMILAR),
        ("DoNotCall", False, True, DIFFERENT),
        ("DoNotCall", None, True, RECORD),
        ("Topics__c", "b;a", "a;b", SAME),
        ("OwnerId", "005000000000001", "005000000000001AAA", SAME),
        ("Unknown__c", "x", "x", SAME),
        ("Parent__r", {"External_Id__c": "A"}, "001000000000001AAA", NOT_COMPARED),
    ],
)
def test_a_field_is_compared_by_its_kind(field: str, value: Any, stored: Any, expected: Difference) -> None:
    assert field_states({field: value}, {field: stored}, LEAD) == {field: expected}


def test_a_field_that_was_not_read_is_not_told() -> None:
    """The user may not see it: it is neither the same nor different."""
    assert field_states({"LastName": "Kuhl", "Phone": "1"}, {"LastName": "Kuhl"}, LEAD) == {"LastName": SAME}


def test_what_only_the_record_has_is_told_of_fields_that_people_fill() -> None:
    stored = {
        "Id": "00Q000000000001AAA",
        "LastName": "Kuhl",
        "Phone": "1",
        "Email": None,
        "DoNotCall": False,
        "OwnerId": "005000000000001AAA",
        "CreatedDate": "2026-01-01T00:00:00.000+0000",
    }
    assert field_states({"LastName": "Kuhl"}, stored, LEAD) == {"LastName": SAME, "Phone": RECORD}


def test_a_ticked_checkbox_that_the_row_does_not_carry_is_told() -> None:
    assert field_states({"LastName": "Kuhl"}, {"LastName": "Kuhl", "DoNotCall": True}, LEAD) == {
        "LastName": SAME,
        "DoNotCall": RECORD,
    }


def test_a_parent_that_the_row_names_by_its_key_is_told_once() -> None:
    parent = {"Parent__r": {"External_Id__c": "A"}}
    stored = {"Parent__r": "001000000000001AAA", "Parent__c": "001000000000001AAA"}
    assert field_states(parent, stored, LEAD) == {"Parent__r": NOT_COMPARED}


def test_without_a_description_values_tell_their_kind() -> None:
    assert field_states({"A": 1, "B": "x"}, {"A": 1.0, "B": "X"}, None) == {"A": SAME, "B": SIMILAR}
