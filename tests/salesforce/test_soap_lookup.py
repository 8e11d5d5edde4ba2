"""The look-up asks for every row that XML can carry, and each row has one outcome in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, PermissionRefusedError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.http.answers import root_of
from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup
from tests.salesforce.answers import answer_bytes

LEAD = SObject("Lead", (Field("Key__c", "Key", "string"),))
XML = {"Content-Type": "text/xml"}


def record(number: int, **fields: Any) -> Record:
    return Record(number, f"A-{number}", {"Key__c": f"A-{number}", **fields}, "0")


@pytest.fixture
def lookup(canned_org: Any) -> SoapUpsertLookup:
    access = {"access_token": "t", "instance_url": canned_org.url}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)
    return SoapUpsertLookup(session, sobject=LEAD, external_id_field="Key__c")


def test_rows_that_xml_cannot_carry_keep_their_place_and_are_not_sent(
    canned_org: Any, reply: Any, lookup: SoapUpsertLookup
) -> None:
    canned_org.answers(reply(body=answer_bytes("soap_upsert.xml"), headers=XML))
    rows = [record(1), record(2, Name="a\x01"), *(record(n) for n in (3, 4, 5, 6))]
    outcomes = lookup.look_up(rows)
    assert isinstance(outcomes, list)
    kinds = [Saved, DuplicatesFound, Saved, DuplicatesFound, Failed, DuplicatesFound]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert outcomes[1].matches == ()  # type: ignore[union-attr]
    assert b"A-2" not in canned_org.requests[0].body


def test_no_row_that_can_be_asked_for_makes_no_call(canned_org: Any, lookup: SoapUpsertLookup) -> None:
    [outcome] = lookup.look_up([record(1, Name="\x0b")])  # type: ignore[misc]
    assert isinstance(outcome, DuplicatesFound)
    assert not outcome.allow_save
    assert canned_org.requests == []


def fault(code: str, message: str) -> bytes:
    return (
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><soapenv:Fault>'
        f"<faultcode>{code}</faultcode><faultstring>{message}</faultstring></soapenv:Fault></soapenv:Body>"
        "</soapenv:Envelope>"
    ).encode()


@pytest.mark.parametrize(
    ("code", "error"),
    [("soapenv:Client", RequestRefusedError), ("sf:INSUFFICIENT_ACCESS", PermissionRefusedError)],
)
def test_a_fault_is_an_error_of_the_call(
    canned_org: Any, reply: Any, lookup: SoapUpsertLookup, code: str, error: type[Exception]
) -> None:
    canned_org.answers(reply(500, fault(code, "no"), headers=XML))
    with pytest.raises(error):
        lookup.look_up([record(1)])


@pytest.mark.parametrize(
    "answer",
    [b"<a><b></a>", b"busy", b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'],
    ids=["broken", "no XML", "declares entities"],
)
def test_an_answer_that_is_no_plain_xml_leaves_the_outcome_unknown(answer: bytes) -> None:
    with pytest.raises(OutcomeUnknownError):
        root_of(answer)


def test_a_look_up_without_an_answer_in_time_is_not_repeated_because_its_caller_asks_for_less(
    canned_org: Any, reply: Any
) -> None:
    canned_org.answers(reply(delay=0.4))
    access = {"access_token": "t", "instance_url": canned_org.url, "read_timeout": 0.2}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)
    with pytest.raises(OutcomeUnknownError) as raised:
        SoapUpsertLookup(session, sobject=LEAD, external_id_field="Key__c").look_up([record(1)])
    assert raised.value.code == "READ_TIMEOUT"
    assert len(canned_org.requests) == 1


def test_a_look_up_that_may_still_be_carried_out_is_told_even_if_its_repeat_is_refused(
    canned_org: Any, reply: Any, lookup: SoapUpsertLookup
) -> None:
    fault = b"<e:Envelope><e:Body><e:Fault><faultcode>sf:X</faultcode></e:Fault></e:Body></e:Envelope>"
    canned_org.answers(reply(reset=True), reply(status=500, body=fault, headers=XML))
    heard: list[None] = []
    with pytest.raises(CallError):
        lookup.look_up([record(1)], on_late=lambda: heard.append(None))
    assert len(heard) >= 1


def test_a_saved_row_with_the_id_of_another_sobject_has_no_answer(
    canned_org: Any, reply: Any, lookup: SoapUpsertLookup
) -> None:
    canned_org.answers(reply(body=answer_bytes("soap_upsert.xml"), headers=XML))
    lookup = SoapUpsertLookup(lookup._session, sobject=replace(LEAD, key_prefix="001"), external_id_field="Key__c")
    outcomes = lookup.look_up([record(n) for n in range(5)])
    assert isinstance(outcomes, list)
    assert [type(outcome) for outcome in outcomes[:2]] == [Unanswered, Unanswered]
