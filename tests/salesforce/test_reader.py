"""Records are read in bulk; what cannot be read is absent, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import OutcomeUnknownError, PermissionRefusedError, PreflightError, TransientCallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.ports import Origin
from airflow_sf_dedup.salesforce.reader import OrgReader, describe

KEY = Field("Key__c", "Key", "string", length=80, external_id=True, unique=True)
LEAD = SObject("Lead", (KEY,))
ONE, TWO, THREE = (to_18(f"00Q00000000000{n}") for n in (1, 2, 3))
XML = {"Content-Type": "text/xml"}


@pytest.fixture
def session(canned_org: Any) -> SalesforceSession:
    access = {"access_token": "t", "instance_url": canned_org.url}
    return SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)


def reader(session: SalesforceSession, key: Field = KEY) -> OrgReader:
    return OrgReader(session, sobject=LEAD, key_rule=KeyRule(key))


def page(*rows: dict[str, str], locator: str = "") -> bytes:
    records = "".join(
        "<records><sf:type>Lead</sf:type>" + "".join(f"<sf:{n}>{v}</sf:{n}>" for n, v in row.items()) + "</records>"
        for row in rows
    )
    done = f"<done>false</done><queryLocator>{locator}</queryLocator>" if locator else "<done>true</done>"
    return (
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:sf="urn:sobject.partner.soap.sforce.com"><soapenv:Body><queryResponse><result>'
        f"{done}{records}</result></queryResponse></soapenv:Body></soapenv:Envelope>"
    ).encode()


def test_records_are_read_by_id_and_those_in_the_recycle_bin_are_marked(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(
        reply(body=[{"attributes": {"type": "Lead"}, "Id": ONE, "Key__c": "A"}, None, None]), path="composite/sobjects"
    )
    canned_org.answers(reply(body=page({"Id": TWO, "IsDeleted": "true"}), headers=XML), path="Soap")
    found = reader(session).by_id("Lead", [ONE, TWO, THREE], ["Id", "Key__c"])
    assert found.keys() == {ONE, TWO}
    assert (found[ONE].values, found[ONE].is_deleted) == ({"Id": ONE, "Key__c": "A"}, False)
    assert found[TWO].is_deleted
    assert canned_org.sent_to("composite/sobjects")[0].json == {"ids": [ONE, TWO, THREE], "fields": ["Id", "Key__c"]}


def test_no_ids_are_no_call(canned_org: Any, session: SalesforceSession) -> None:
    assert reader(session).by_id("Lead", [], ["Id"]) == {}
    assert canned_org.requests == []


def test_a_recycle_bin_that_may_not_be_asked_leaves_its_records_unreadable(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(reply(body=[None]), path="composite/sobjects")
    canned_org.answers(reply(403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}]), path="Soap")
    assert reader(session).by_id("Lead", [ONE], ["Id"]) == {}


@pytest.mark.parametrize("answer", [{}, 5, "x", None], ids=str)
def test_a_garbled_answer_is_an_error_that_may_pass(
    canned_org: Any, reply: Any, session: SalesforceSession, answer: Any
) -> None:
    canned_org.answers(reply(body=answer), path="composite/sobjects")
    with pytest.raises(TransientCallError):
        reader(session).by_id("Lead", [ONE], ["Id"])


def test_what_is_no_record_is_not_read_as_one(canned_org: Any, reply: Any, session: SalesforceSession) -> None:
    canned_org.answers(reply(body=[1, "x", {}, {"Id": None}, {"Id": "no id"}]), path="composite/sobjects")
    canned_org.answers(reply(body=page(), headers=XML), path="Soap")
    assert reader(session).by_id("Lead", [ONE], ["Id"]) == {}


def test_many_ids_are_asked_for_in_statements_that_are_not_too_long(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(reply(body=[None] * 2000), path="composite/sobjects")
    canned_org.answers(reply(body=page(), headers=XML), path="Soap")
    reader(session).by_id("Lead", [to_18(f"00Q{n:012d}") for n in range(4500)], ["Id"])
    assert [len(seen.json["ids"]) for seen in canned_org.sent_to("composite/sobjects")] == [2000, 2000, 500]
    assert all(len(seen.body) < 100_000 for seen in canned_org.sent_to("Soap"))


def test_an_answer_of_fewer_records_than_were_asked_for_says_of_none_that_it_is_not_there(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(reply(body=[{"Id": ONE}]), path="composite/sobjects")
    with pytest.raises(OutcomeUnknownError, match="cannot be read"):
        reader(session).by_id("Lead", [ONE, TWO], ["Id"])
    assert list(reader(session).by_id("Lead", [ONE, ONE], ["Id"])) == [ONE]


@pytest.mark.parametrize(
    ("case_sensitive", "held"), [(False, {"a": (ONE, TWO)}), (True, {"a": (TWO,)})], ids=["folds case", "does not"]
)
def test_holders_are_found_over_all_pages_by_the_fields_case_rule(
    canned_org: Any, reply: Any, session: SalesforceSession, case_sensitive: bool, held: dict[str, Any]
) -> None:
    canned_org.answers(
        reply(body=page({"Id": ONE, "Key__c": "A"}, locator="01g-2000"), headers=XML),
        reply(body=page({"Id": TWO, "Key__c": "a"}), headers=XML),
    )
    key = Field("Key__c", "Key", "string", external_id=True, unique=True, case_sensitive=case_sensitive)
    assert reader(session, key).holders(["a", "b"]) == held
    assert b"01g-2000" in canned_org.requests[1].body


def test_a_key_that_xml_cannot_carry_spoils_no_query(canned_org: Any, reply: Any, session: SalesforceSession) -> None:
    canned_org.answers(reply(body=page({"Id": ONE, "Key__c": "A"}), headers=XML))
    assert reader(session).holders(["A", "b\x01"]) == {"A": (ONE,)}
    assert b"\x01" not in canned_org.requests[0].body
    assert reader(session).holders(["\x01"]) == {}
    assert len(canned_org.requests) == 1


def test_an_sobject_that_is_not_there_is_a_preflight_error_that_names_it(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(reply(404, [{"errorCode": "NOT_FOUND", "message": "no"}]))
    with pytest.raises(PreflightError, match="'Leed'"):
        describe(session, "Leed")


def test_another_refusal_of_a_describe_stays_what_it_is(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(reply(403, [{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}]))
    with pytest.raises(PermissionRefusedError):
        reader(session).describe("Lead")


CREATED = (Field("Id", "Id", "id"), Field("CreatedDate", "Created", "datetime"))
BY = Field("CreatedById", "By", "reference")
USER = to_18("005000000000001")


def origins(session: SalesforceSession, *ids: str, fields: tuple[Field, ...] = (KEY, *CREATED, BY)) -> Any:
    return OrgReader(session, sobject=SObject("Lead", fields), key_rule=KeyRule(KEY)).origins(ids)


def test_origins_tell_when_and_by_whom_live_records_were_created(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    row = {"attributes": {"type": "Lead"}, "Id": ONE[:15], "CreatedDate": "2026-03-01T13:00:05.000+0100"}
    canned_org.answers(reply(body=[{**row, "CreatedById": USER[:15]}, None, {**row, "Id": THREE, "CreatedById": None}]))
    moment = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
    assert origins(session, ONE, TWO, THREE) == {ONE: Origin(moment, USER), THREE: Origin(moment, None)}
    [asked] = canned_org.requests
    assert (asked.method, asked.path) == ("POST", "/services/data/v62.0/composite/sobjects/Lead")
    assert asked.json == {"ids": [ONE, TWO, THREE], "fields": ["Id", "CreatedDate", "CreatedById"]}


@pytest.mark.parametrize("value", [None, 5, "", "noon", "2026-03-01", "2026-02-30T12:00:00.000+0000"], ids=str)
def test_a_date_that_cannot_be_read_is_no_origin(
    canned_org: Any, reply: Any, session: SalesforceSession, value: Any
) -> None:
    canned_org.answers(reply(body=[{"Id": ONE, "CreatedDate": value}]))
    assert origins(session, ONE)[ONE].created_at is None


def test_fields_that_the_sobject_does_not_have_are_not_asked_for(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(reply(body=[{"Id": ONE, "CreatedDate": "2026-03-01T12:00:00.000Z"}]))
    assert origins(session, ONE, fields=CREATED)[ONE].created_by is None
    assert canned_org.requests[0].json["fields"] == ["Id", "CreatedDate"]
    assert origins(session, ONE, fields=(KEY, BY)) == {}
    assert len(canned_org.requests) == 1


def test_many_origins_are_asked_for_2000_at_a_time(canned_org: Any, reply: Any, session: SalesforceSession) -> None:
    canned_org.answers(reply(body=[None] * 2000))
    assert origins(session, *(to_18(f"00Q{n:012d}") for n in range(4001))) == {}
    assert [len(seen.json["ids"]) for seen in canned_org.requests] == [2000, 2000, 1]
    assert origins(session) == {}
    assert len(canned_org.requests) == 3


def test_holders_in_the_recycle_bin_are_asked_for_by_query_all(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(reply(body=page({"Id": ONE, "Key__c": "A"}), headers=XML))
    assert reader(session).deleted_holders(["a", "b"]) == {"a": (ONE,)}
    assert b"<urn:queryAll>" in canned_org.requests[0].body
    assert b"AND IsDeleted = true</urn:queryString>" in canned_org.requests[0].body


def test_a_recycle_bin_that_may_not_be_asked_holds_nothing(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    canned_org.answers(reply(403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}]))
    assert reader(session).deleted_holders(["a"]) == {}


@pytest.mark.parametrize("body", [{}, {"name": "Lead"}, {"name": "Lead", "fields": [5]}, [], ""], ids=str)
def test_a_garbled_description_is_an_error_that_may_pass(
    canned_org: Any, reply: Any, session: SalesforceSession, body: Any
) -> None:
    canned_org.answers(reply(body=body))
    with pytest.raises(TransientCallError):
        describe(session, "Lead")


def test_an_emulated_org_tells_origins_and_who_holds_a_key_in_its_recycle_bin(salesforce_org: EmulatedOrg) -> None:
    access = {"access_token": salesforce_org.access_token, "instance_url": salesforce_org.url}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access))
    lead = describe(session, "Lead")
    rows = [{"LastName": "A", "Company": "B", "External_Id__c": key} for key in ("live", "gone")]
    live, gone = (session.rest("POST", "sobjects/Lead", body=row)["id"] for row in rows)
    session.rest("DELETE", f"sobjects/Lead/{gone}")
    key = lead.field("External_Id__c")
    assert key is not None
    org = OrgReader(session, sobject=lead, key_rule=KeyRule(key))
    assert org.deleted_holders(["live", "gone"]) == {"gone": (gone,)}
    assert org.origins([live, gone]).keys() == {live}
    told = session.org_now()
    assert told is not None
    assert abs(org.origins([live])[live].created_at - told) < timedelta(minutes=1)


def test_an_id_of_another_sobject_is_no_record_and_spoils_no_request(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    others = to_18("003000000000009")
    canned_org.answers(reply(body=[{"Id": ONE, "Key__c": "A"}]), path="composite/sobjects")
    dated = SObject("Lead", (KEY, Field("CreatedDate", "Created", "datetime")), key_prefix="00Q")
    org = OrgReader(session, sobject=dated, key_rule=KeyRule(KEY))
    assert org.by_id("Lead", [others, ONE], ["Id"]).keys() == {ONE}
    assert org.by_id("Lead", [others], ["Id"]) == {}
    assert org.origins([others]) == {}
    assert [seen.json["ids"] for seen in canned_org.sent_to("composite/sobjects")] == [[ONE]]
