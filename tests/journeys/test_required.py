"""A source without a column that new records need is warned of, by what describe tells."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.required import lacking


def field(name: str, **says: Any) -> dict[str, Any]:
    plain = {"type": "string", "createable": True, "updateable": True, "nillable": True, "defaultedOnCreate": False}
    return {"name": name, **plain, **says}


TICKET = SObject.from_describe(
    {
        "name": "Ticket__c",
        "fields": [
            field("Key__c", externalId=True, unique=True),
            field("Subject__c", nillable=False),
            field("Site__c", nillable=False, type="reference", relationshipName="Site__r", referenceTo=["Account"]),
            field("Urgent__c", nillable=False, type="boolean"),
            field("OwnerId", nillable=False, defaultedOnCreate=True),
            field("Name", nillable=False, createable=False),
            {"name": "Untold__c", "type": "string", "createable": True},
        ],
    }
)


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        (["Key__c", "Subject__c", "Site__c"], None),
        (["KEY__C", "subject__c", "Site__r.Number__c"], None),
        (["Key__c", "Site__c"], "Subject__c"),
        (["Key__c"], "Subject__c and Site__c"),
    ],
    ids=["all there", "in other spellings", "one missing", "two missing"],
)
def test_required_fields_without_a_column_are_named(columns: list[str], missing: str | None) -> None:
    said = lacking(TICKET, columns)
    assert said is None if missing is None else f"no column {missing}, which a new Ticket__c requires: " in str(said)
