"""What a describe says of an sObject, kept small and readable back."""

from __future__ import annotations

import json

import pytest

from airflow_sf_dedup.core.sobjects import Field, SObject

DESCRIBE = {
    "name": "Lead",
    "createable": True,
    "updateable": False,
    "fields": [
        {
            "name": "External_Id__c",
            "label": "External ID",
            "type": "string",
            "length": 80,
            "externalId": True,
            "unique": True,
            "caseSensitive": True,
            "idLookup": True,
            "createable": True,
            "updateable": True,
            "relationshipName": None,
            "referenceTo": [],
        },
        {"name": "OwnerId", "type": "reference", "relationshipName": "Owner", "referenceTo": ["Group", "User"]},
        {"name": "Amount__c", "label": None, "type": "double", "length": 0, "scale": 2, "createable": False},
    ],
}
LEAD = SObject.from_describe(DESCRIBE)


def test_a_describe_is_read_field_by_field() -> None:
    key, owner, amount = LEAD.fields
    assert key == Field(
        "External_Id__c",
        "External ID",
        "string",
        length=80,
        external_id=True,
        unique=True,
        case_sensitive=True,
        id_lookup=True,
    )
    assert (owner.relationship_name, owner.reference_to) == ("Owner", ("Group", "User"))
    assert (amount.label, amount.scale, amount.createable) == ("Amount__c", 2, False)
    assert (LEAD.createable, LEAD.updateable) == (True, False)


def test_fields_and_parents_are_found_in_any_case() -> None:
    assert LEAD.field("external_id__C") is LEAD.fields[0]
    assert LEAD.parent("OWNER") is LEAD.fields[1]
    assert LEAD.field("Owner") is None
    assert LEAD.parent("OwnerId") is None


def test_only_some_fields_travel_with_a_load() -> None:
    small = LEAD.only(["OWNERID", "Nothing"])
    assert [field.name for field in small.fields] == ["OwnerId"]
    assert (small.name, small.updateable) == ("Lead", False)


def test_it_survives_json() -> None:
    assert SObject.from_json(json.loads(json.dumps(LEAD.to_json()))) == LEAD


@pytest.mark.parametrize("prefix", [None, "", 7, "0015g"], ids=repr)
def test_a_describe_may_not_say_how_ids_begin(prefix: object) -> None:
    assert SObject.from_describe({**DESCRIBE, "keyPrefix": prefix}).has_id("0015g0000000001AAA")


def test_an_id_of_another_sobject_is_told_by_its_beginning() -> None:
    lead = SObject.from_describe({**DESCRIBE, "keyPrefix": "00Q"})
    assert lead.has_id("00Q5g0000000001AAA")
    assert not lead.has_id("0035g0000000001AAA")
    assert SObject.from_json(json.loads(json.dumps(lead.to_json()))) == lead
