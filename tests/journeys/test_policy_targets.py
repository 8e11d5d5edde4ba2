"""What a policy writes beside the row's own columns is checked before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import PreflightError, SettingError
from airflow_sf_dedup.journeys.field_settings import policy_of
from airflow_sf_dedup.journeys.policy_targets import check_other_fields
from airflow_sf_dedup.journeys.prediction import predict_calls
from airflow_sf_dedup.policies import UpdateOther, read_policy
from airflow_sf_dedup.testing.fake_org import CONTACT, KEY, LEAD, STAMP

FIELDS = {"LastName": "LastName"}
FURTHER = (
    Field("Computed__c", "Computed", "string", createable=False, updateable=False),
    Field("Notes__c", "Notes", "textarea", length=32000),
    Field("Number__c", "Number", "double"),
)
SEEN = {"contact": replace(CONTACT, fields=(*CONTACT.fields, *FURTHER)), "task": SObject("Task", (), updateable=False)}


def describe(name: str) -> SObject:
    if name.lower() not in SEEN:
        raise PreflightError(f"sobject: the org has no {name!r}", setting="sobject")
    return SEEN[name.lower()]


def check(**options: Any) -> None:
    policy = UpdateOther(**{"sobject": "Contact", "fields": FIELDS, "stamp": STAMP, **options})
    check_other_fields(read_policy(policy), LEAD, KEY, describe)


def test_an_sobject_that_may_be_written_is_described_once() -> None:
    asked: list[str] = []
    policy = read_policy(UpdateOther("Contact", FIELDS, STAMP) | UpdateOther("Contact", {"Phone": "Phone"}, STAMP))

    def seen(name: str) -> SObject:
        asked.append(name)
        return describe(name)

    check_other_fields(policy, LEAD, KEY, seen)
    assert asked == ["Contact"]


def test_a_policy_that_writes_to_no_other_sobject_asks_nothing() -> None:
    def describe(name: str) -> SObject:
        raise AssertionError(name)

    check_other_fields(read_policy("update_existing | link(field='Contact__c')"), LEAD, KEY, describe)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sobject": "Contract"}, "the org has no sObject Contract"),
        ({"sobject": "lead"}, "is the sObject of the rows: that is update_existing"),
        ({"sobject": "Task"}, "Task records cannot be updated"),
        ({"fields": {"LastName": "Lastnam"}}, "Contact has no field Lastnam that this user can see (nearest: LastName"),
        ({"fields": {"LastName": "Computed__c"}}, "Contact.Computed__c cannot be updated by this user"),
        ({"fields": {"LastName": "Id"}}, "Contact.Id cannot be updated"),
        ({"stamp": "Lead_Kee__c"}, "Contact has no field Lead_Kee__c"),
        ({"stamp": "Computed__c"}, "Contact.Computed__c cannot be updated"),
        ({"stamp": "Notes__c"}, "of type textarea, which cannot hold keys"),
        ({"stamp": "Number__c"}, "of type double, which cannot hold keys"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_cannot_be_written_to_the_other_sobject_is_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError) as raised:
        check(**options)
    assert says in str(raised.value)
    assert raised.value.setting == "on_duplicate"


@pytest.mark.parametrize(
    ("policy", "columns", "says"),
    [
        ("link(field='Contact_c')", (), "Lead has no field Contact_c that this user can see (nearest: Contact__c"),
        ("skip | by_rule({'A': 'link(field=\\'LastName\\')'})", (), "Lead.LastName is no look-up field"),
        (
            UpdateOther("Contact", {"Phone": "Phone"}, STAMP),
            ("LastName",),
            "names Phone, which the load does not carry",
        ),
        (UpdateOther("Contact", {"OwnerId": "OwnerId"}, STAMP), ("Owner.Key__c",), "names a parent by its key"),
    ],
    ids=["no field", "no look-up", "not carried", "a parent by its key"],
)
def test_what_cannot_be_read_of_or_written_to_the_row_is_refused_by_name(
    policy: Any, columns: tuple[str, ...], says: str
) -> None:
    with pytest.raises(SettingError) as raised:
        policy_of(policy, LEAD, columns, KEY)
    assert says in str(raised.value)


def test_a_look_up_field_need_not_be_a_column() -> None:
    policy_of("link(field='contact__c')", LEAD, ["LastName"], KEY)


def test_a_look_up_field_that_the_user_may_not_write_is_refused() -> None:
    read_only = replace(LEAD, fields=tuple(replace(f, updateable=f.name != "Contact__c") for f in LEAD.fields))
    with pytest.raises(SettingError, match="cannot be written by this user"):
        policy_of("link(field='Contact__c')", read_only, ["LastName"], KEY)


def test_records_of_other_sobjects_are_in_the_prediction() -> None:
    without = predict_calls([5000], blocked_share=0.2)
    both = predict_calls([5000], blocked_share=0.2, other_sobjects=1)
    assert (without.steps["read matches"], both.steps["read matches"]) == (1, 2)
    assert both.calls == without.calls + 1
