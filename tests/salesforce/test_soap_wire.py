"""Rows become an envelope that says the same as JSON would; answers become the same outcomes."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Match, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.salesforce.wire import soap
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions
from tests.salesforce.answers import answer_bytes

SF = "{urn:sobject.partner.soap.sforce.com}"
URN = "{urn:partner.soap.sforce.com}"
LEAD = SObject(
    "Lead",
    (
        Field("Key__c", "Key", "string"),
        Field("AccountId", "Account", "reference", relationship_name="Account", reference_to=("Account",)),
        Field("WhoId", "Who", "reference", relationship_name="Who", reference_to=("Contact", "Lead")),
    ),
)


def record(**fields: Any) -> Record:
    return Record(1, "A", {"Key__c": "A", **fields}, "0")


def sent(*records: Record) -> list[Element]:
    """The sObjects as a server reads them."""
    body = soap.upsert_body(records, LEAD, "Key__c")
    root = fromstring(soap.envelope("token", soap.write_headers(WriteOptions()), body))
    assert root.findtext(f".//{URN}externalIDFieldName") == "Key__c"
    return list(root.iter(f"{URN}sObjects"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (17, "17"),
        (0.1, "0.1"),
        (12345678901234567, "12345678901234567"),
        ("2026-03-02", "2026-03-02"),
        ("", None),
        ('a < b & c > "d"', 'a < b & c > "d"'),
        (" padded ", " padded "),
        ("one\r\ntwo\rthree\nfour", "one\r\ntwo\rthree\nfour"),
        ("]]>", "]]>"),
        ("日本語 😀", "日本語 😀"),
    ],
    ids=repr,
)
def test_values_arrive_as_they_are(value: Any, text: str | None) -> None:
    [sobject] = sent(record(Field__c=value))
    assert sobject.findtext(f"{SF}type") == "Lead"
    assert (sobject.find(f"{SF}Field__c").text or None) == text  # type: ignore[union-attr]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_xml_can_carry_arrives_as_it_is(value: str) -> None:
    if soap.can_carry(record(Field__c=value)):
        [sobject] = sent(record(Field__c=value))
        assert (sobject.findtext(f"{SF}Field__c") or "") == value


@pytest.mark.parametrize("value", ["\x00", "a\x01b", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"], ids=ascii)
@pytest.mark.parametrize("nested", [False, True], ids=["in a field", "in a parent"])
def test_a_row_that_xml_cannot_carry_is_told(value: str, nested: bool) -> None:
    assert not soap.can_carry(record(Account={"Ext__c": value}) if nested else record(Field__c=value))


def test_a_null_clears_its_field_and_an_absent_field_is_left_alone() -> None:
    [sobject] = sent(record(Phone=None, Fax="1"))
    assert [element.text for element in sobject.iter(f"{SF}fieldsToNull")] == ["Phone"]
    assert [element.tag for element in sobject] == [
        f"{SF}{name}" for name in ("type", "fieldsToNull", "Key__c", "Fax")
    ], "the order of the WSDL"


@pytest.mark.parametrize(
    ("fields", "type_name"),
    [
        ({"Account": {"Ext__c": "P-1"}}, "Account"),
        ({"Who": {"attributes": {"type": "Lead"}, "Ext__c": "P-1"}}, "Lead"),
        ({"Who": {"Ext__c": "P-1"}}, "Contact"),
    ],
    ids=["one parent", "one of several, named", "one of several, not named"],
)
def test_a_parent_is_named_by_its_type_and_key(fields: dict[str, Any], type_name: str) -> None:
    [sobject] = sent(record(**fields))
    [name] = fields
    parent = sobject.find(f"{SF}{name}")
    assert parent is not None
    assert (parent.findtext(f"{SF}type"), parent.findtext(f"{SF}Ext__c")) == (type_name, "P-1")
    assert parent.find(f"{SF}attributes") is None


@pytest.mark.parametrize(
    ("rules", "name", "text"),
    [(True, "useDefaultRule", "true"), ("01Q000000000001", "assignmentRuleId", "01Q000000000001")],
)
def test_assignment_rules_run_only_when_asked_for(rules: bool | str, name: str, text: str) -> None:
    root = fromstring(soap.envelope("t", soap.write_headers(WriteOptions(rules)), ""))
    assert root.findtext(f".//{URN}AssignmentRuleHeader/{URN}{name}") == text
    none = fromstring(soap.envelope("t", soap.write_headers(WriteOptions()), ""))
    assert none.find(f".//{URN}AssignmentRuleHeader") is None


def test_the_duplicate_rule_header_says_the_same_as_in_rest() -> None:
    options = WriteOptions(allow_save=True, run_as_current_user=True)
    header = fromstring(soap.envelope("t", soap.write_headers(options), "")).find(f".//{URN}DuplicateRuleHeader")
    assert header is not None
    assert [(e.tag.removeprefix(URN), e.text) for e in header] == [
        ("allowSave", "true"),
        ("includeRecordDetails", "false"),
        ("runAsCurrentUser", "true"),
    ]


def test_each_result_has_its_outcome() -> None:
    message = "You're creating a duplicate record. We recommend you use an existing record instead."
    match = Match(
        "0034C00000UQ6jIQAT",
        "Contact",
        "Custom_Contact_Duplicate_Rule",
        "Contact_Email",
        "ExactMatchEngine",
        100.0,
        True,
    )
    assert soap.read_upsert(fromstring(answer_bytes("soap_upsert.xml")), 5) == [
        Saved("0038M0000016Wv8QAE", True),
        Saved("0038M0000016Wv8QAE", False),
        DuplicatesFound(message, (match,), allow_save=True, rules=(match.duplicate_rule,)),
        Failed("REQUIRED_FIELD_MISSING", "Required fields are missing", ("LastName", "Company")),
        DuplicatesFound("none to show", (), all_named=False, rules=("Hidden",)),
    ]


def test_results_that_are_not_as_many_as_rows_are_attributed_to_none() -> None:
    outcomes = soap.read_upsert(fromstring(answer_bytes("soap_upsert.xml")), 4)
    assert outcomes == [Unanswered("4 rows sent, 5 answered")] * 4


def test_a_page_of_a_query_is_read_with_its_ids_that_stand_twice_and_its_nils() -> None:
    rows, locator = soap.read_query(fromstring(answer_bytes("soap_query.xml")))
    assert rows == [
        {"type": "Lead", "Id": "0015c00002Lz9mUAAR", "Key__c": "A & B"},
        {"type": "Lead", "Id": "0038M0000016Wv8QAE", "Key__c": None},
    ]
    assert locator == "01g5c00000-2000"
