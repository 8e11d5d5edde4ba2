"""A name means one field, however it is spelled and whoever names it."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.core.field_names import FieldName, carried_as, field_named, nearest_fields, parts_of
from airflow_sf_dedup.core.sobjects import Field, SObject

ACCOUNT = Field("AccountId", "Account", "reference", relationship_name="Account", reference_to=("Account",))
OWNER = Field("OwnerId", "Owner", "reference", relationship_name="Owner", reference_to=("Group", "User"))
FIRST = Field("FirstName", "First Name", "string", compound="Name")
NAME = Field("Name", "Name", "string")
CONTACT = SObject("Contact", (ACCOUNT, OWNER, FIRST, NAME, Field("Email", "Email", "email")))


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("AccountId", FieldName(ACCOUNT)),
        (" accountid ", FieldName(ACCOUNT)),
        ("account", FieldName(ACCOUNT, True)),
        ("Account.External_Id__c", FieldName(ACCOUNT, True, "External_Id__c")),
        ("ACCOUNT.external_id__c", FieldName(ACCOUNT, True, "external_id__c")),
        ("User:Owner.Emp__c", FieldName(OWNER, True, "Emp__c", "User")),
        ("user:owner.emp__c", FieldName(OWNER, True, "emp__c", "user")),
    ],
)
def test_every_spelling_of_a_field_means_it(name: str, means: FieldName) -> None:
    assert field_named(CONTACT, name) == means


@pytest.mark.parametrize(
    "name", ["Emial", "", ".", "Account.", "Account.Owner.Name", "AccountId.Name", "User:Owner", "Acount.Ext__c", ":"]
)
def test_anything_else_means_nothing(name: str) -> None:
    assert field_named(CONTACT, name) is None


def test_a_row_carries_a_parent_under_two_names() -> None:
    assert carried_as(ACCOUNT) == {"accountid", "account"}
    assert carried_as(FIRST) == {"firstname"}


def test_the_parts_of_a_compound_field_are_known() -> None:
    assert parts_of(CONTACT, NAME) == (FIRST,)
    assert parts_of(CONTACT, FIRST) == ()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Emial", " (nearest: Email)"),
        ("Acount.Ext__c", " (nearest: Account)"),
        ("User:Ownr.Emp__c", " (nearest: Owner)"),
        ("Zzz", ""),
    ],
)
def test_a_name_that_means_nothing_is_told_the_nearest_ones(name: str, near: str) -> None:
    assert nearest_fields(CONTACT, name) == near
