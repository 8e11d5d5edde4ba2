"""Which field of a contact, an account or a lead says the same as a field of the row."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.core.correspondence import counterpart
from airflow_sf_dedup.core.sobjects import Field, SObject


def sobject(name: str, *fields: Field | str) -> SObject:
    return SObject(name, tuple(Field(each, each, "string") if isinstance(each, str) else each for each in fields))


LEAD = sobject("Lead", "Name", "Company", "Street", "City", "LeadSource", "Email", "Id", "Twin__c")
CONTACT = sobject("Contact", "Name", "MailingStreet", "MailingCity", "LeadSource", "Email", "Id", "OtherStreet")
ACCOUNT = sobject("Account", "Name", "BillingStreet", "BillingCity", "AccountSource", "Phone", "Id")


@pytest.mark.parametrize(
    ("of", "name", "other", "twin"),
    [
        (LEAD, "Street", CONTACT, "MailingStreet"),
        (LEAD, "City", ACCOUNT, "BillingCity"),
        (LEAD, "Company", ACCOUNT, "Name"),
        (LEAD, "LeadSource", ACCOUNT, "AccountSource"),
        (LEAD, "LeadSource", CONTACT, "LeadSource"),
        (LEAD, "Email", CONTACT, "Email"),
        (LEAD, "Name", CONTACT, "Name"),
        (LEAD, "Name", ACCOUNT, None),
        (LEAD, "Company", CONTACT, None),
        (LEAD, "Id", CONTACT, None),
        (LEAD, "Twin__c", CONTACT, None),
        (CONTACT, "MailingCity", LEAD, "City"),
        (CONTACT, "OtherStreet", LEAD, None),
        (CONTACT, "Name", ACCOUNT, None),
        (ACCOUNT, "Name", LEAD, "Company"),
        (ACCOUNT, "BillingStreet", LEAD, "Street"),
    ],
)
def test_a_field_corresponds_to_what_the_conversion_of_a_lead_writes_or_to_its_namesake(
    of: SObject, name: str, other: SObject, twin: str | None
) -> None:
    field = of.field(name)
    assert field is not None
    found = counterpart(of, field, other)
    assert (found.name if found else None) == twin


def reference(*to: str) -> Field:
    return Field("Twin__c", "Twin", "reference", reference_to=to)


@pytest.mark.parametrize(
    ("a", "b", "compares"),
    [
        (Field("Twin__c", "", "email"), Field("Twin__c", "", "string"), True),
        (Field("Twin__c", "", "double"), Field("TWIN__C", "", "currency"), True),
        (Field("Twin__c", "", "double"), Field("Twin__c", "", "string"), False),
        (Field("Twin__c", "", "date"), Field("Twin__c", "", "date"), True),
        (Field("Twin__c", "", "date"), Field("Twin__c", "", "datetime"), False),
        (Field("Twin__c", "", "base64"), Field("Twin__c", "", "base64"), False),
        (reference("User", "Group"), reference("User"), True),
        (reference("Account"), reference("Contact"), False),
        (reference("User"), Field("Twin__c", "", "string"), False),
    ],
    ids=["texts", "numbers", "number and text", "days", "day and moment", "files", "users", "other parents", "an id"],
)
def test_namesakes_correspond_where_their_values_can_be_compared(a: Field, b: Field, compares: bool) -> None:
    assert (counterpart(sobject("Lead", a), a, sobject("Contact", b)) is not None) is compares
