"""zeep reads the WSDL that the emulator serves, and every answer by it, strictly."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree
from zeep import Client as Zeep
from zeep import Settings, xsd
from zeep.exceptions import Fault
from zeep.transports import Transport

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client

_SOBJECT = "urn:sobject.partner.soap.sforce.com"
_BINDING = "{urn:partner.soap.sforce.com}SoapBinding"
NOBODY = "001000000000000AAA"


class Partner:
    """The calls of the WSDL; an answer is what its ``result`` is."""

    def __init__(self, org: EmulatedOrg, path: str = "/services/Soap/u/60.0/") -> None:
        settings = Settings(strict=True)  # type: ignore[no-untyped-call]
        self._zeep = Zeep(f"{org.url}/soap/wsdl.jsp", settings=settings, transport=Transport(timeout=10))  # type: ignore[no-untyped-call]
        self._port = self._zeep.create_service(_BINDING, f"{org.url}{path}")  # type: ignore[no-untyped-call]
        self.session = org.access_token
        self.operations = set(self._port._operations)

    def call(self, operation: str, *arguments: Any, **headers: Any) -> Any:
        given = {"SessionHeader": {"sessionId": self.session}, **headers}
        answer = getattr(self._port, operation)(*arguments, _soapheaders=given)
        body = answer.body
        return body.result if body is not None and "result" in body else None

    def record(self, sobject: str, record_id: str | None = None, nulls: list[str] | None = None, **fields: str) -> Any:
        elements = []
        for name, value in fields.items():
            element = etree.Element(f"{{{_SOBJECT}}}{name}")
            element.text = value
            elements.append(element)
        kind = self._zeep.get_type(f"{{{_SOBJECT}}}sObject")  # type: ignore[no-untyped-call]
        return kind(type=sobject, fieldsToNull=nulls or [], Id=record_id or xsd.SkipValue, _value_1=elements)


@pytest.fixture
def partner(org: EmulatedOrg) -> Partner:
    return Partner(org)


def test_records_are_written_read_and_deleted(partner: Partner) -> None:
    saved, refused = partner.call(
        "create", [partner.record("Account", Name="Acme", Phone="1"), partner.record("Account")]
    )
    assert (saved.success, refused.success, refused.id) == (True, False, None)
    assert refused.errors[0].statusCode == "REQUIRED_FIELD_MISSING"
    (changed,) = partner.call("update", [partner.record("Account", saved.id, ["Phone"], Website="x.example")])
    assert changed.success
    (upserted,) = partner.call(
        "upsert", "External_Id__c", [partner.record("Contact", External_Id__c="c", LastName="Doe", AccountId=saved.id)]
    )
    assert (upserted.created, upserted.success) == (True, True)
    found = partner.call("query", "SELECT Id, LastName, Birthdate, Account.Name, Account.Phone FROM Contact")
    assert (found.size, found.done, found.queryLocator) == (1, True, None)
    assert (found.records[0].type, found.records[0].Id) == ("Contact", upserted.id)
    one, missing = partner.call("retrieve", "Id, Name", "Account", [saved.id, NOBODY])
    assert (one.Id, missing.Id) == (saved.id, None)
    gone, unknown = partner.call("delete", [saved.id, NOBODY])
    assert (gone.success, unknown.errors[0].statusCode) == (True, "INVALID_CROSS_REFERENCE_KEY")
    assert partner.call("queryAll", "SELECT COUNT() FROM Contact").size == 1
    assert partner.call("undelete", [saved.id])[0].success
    partner.call("delete", [saved.id])
    assert partner.call("emptyRecycleBin", [saved.id])[0].success
    assert partner.call("queryAll", "SELECT Id FROM Account").records == []


def test_pages(partner: Partner, org: EmulatedOrg) -> None:
    org.state.seed("Account", [{"Name": str(number)} for number in range(250)])
    first = partner.call("query", "SELECT Id FROM Account", QueryOptions={"batchSize": 200})
    second = partner.call("queryMore", first.queryLocator, QueryOptions={"batchSize": 200})
    assert (len(first.records), first.done, len(second.records), second.done) == (200, False, 50, True)
    groups = partner.call("query", "SELECT Name, COUNT(Id) FROM Account GROUP BY Name LIMIT 2")
    assert [each.type for each in groups.records] == ["AggregateResult"] * 2


def test_duplicates_are_found_and_merged(partner: Partner, client: Client) -> None:
    lead = {"LastName": "Doe", "Company": "Acme", "Email": "jane@example.com"}
    known = client.create("Lead", **lead)
    details = {"allowSave": False, "includeRecordDetails": True, "runAsCurrentUser": False}
    (refused,) = partner.call("create", [partner.record("Lead", **lead)], DuplicateRuleHeader=details)
    match = refused.errors[0].duplicateResult.matchResults[0].matchRecords[0]
    assert (match.record.Id, match.fieldDiffs[0].difference) == (known, "SAME")
    (found,) = partner.call("findDuplicates", [partner.record("Lead", **lead)], DuplicateRuleHeader=details)
    assert found.duplicateResults[0].matchResults[0].size == 1
    (alone,) = partner.call("findDuplicatesByIds", [known])
    assert [each.matchResults[0].size for each in alone.duplicateResults] == [0, 0, 0]
    victim = client.create("Lead", LastName="Roe", Company="Zeta")
    task = client.create("Task", Subject="x", WhoId=victim)
    merged, again = partner.call(
        "merge",
        [{"masterRecord": partner.record("Lead", known, City="Bonn"), "recordToMergeIds": [victim]}] * 2,
    )
    assert (merged.id, merged.mergedRecordIds, merged.updatedRelatedIds) == (known, [victim], [task])
    assert (again.success, again.errors[0].statusCode) == (False, "ENTITY_IS_DELETED")


def test_everything_is_described(partner: Partner) -> None:
    listed = partner.call("describeGlobal")
    names = [each.name for each in listed.sobjects]
    assert {"Account", "Contact", "Lead", "Invoice__c"} <= set(names)
    for name in names:
        assert partner.call("describeSObject", name).name == name
    lead, account = partner.call("describeSObjects", ["Lead", "Account"])
    assert (lead.mergeable, account.urlDetail.endswith("/{ID}")) == (True, True)


def conversion(lead: str, **options: Any) -> dict[str, Any]:
    flags = {"doNotCreateOpportunity": False, "overwriteLeadSource": False, "sendNotificationEmail": False}
    return {"leadId": lead, "convertedStatus": "Closed - Converted", **flags, **options}


def test_a_lead_becomes_an_account_a_contact_and_an_opportunity(partner: Partner, client: Client) -> None:
    lead = client.create("Lead", FirstName="Jane", LastName="Doe", Company="Acme", City="Bonn", Email="j@example.com")
    task = client.create("Task", Subject="call", WhoId=lead)
    (made,) = partner.call("convertLead", [conversion(lead)])
    assert (made.success, made.leadId) == (True, lead)
    (contact,) = client.query("SELECT Id, Name, MailingCity, Account.Name FROM Contact")
    assert (contact["Id"], contact["Name"], contact["MailingCity"]) == (made.contactId, "Jane Doe", "Bonn")
    assert contact["Account"]["Name"] == "Acme"
    (opportunity,) = client.query("SELECT Id, AccountId FROM Opportunity")
    assert (opportunity["Id"], opportunity["AccountId"]) == (made.opportunityId, made.accountId)
    (found,) = client.query("SELECT IsConverted, Status, ConvertedContactId FROM Lead")
    assert (found["IsConverted"], found["Status"]) == (True, "Closed - Converted")
    assert client.query("SELECT Id, WhoId FROM Task")[0]["WhoId"] == made.contactId
    assert client.query("SELECT Id FROM Task")[0]["Id"] == task


def test_a_lead_joins_what_is_there(partner: Partner, client: Client) -> None:
    lead = client.create("Lead", LastName="Doe", Company="Acme", Phone="1", Title="CEO")
    account = client.create("Account", Name="Known")
    contact = client.create("Contact", LastName="Known", AccountId=account, Phone="2")
    options = {"accountId": account, "contactId": contact, "doNotCreateOpportunity": True}
    (made,) = partner.call("convertLead", [conversion(lead, **options)])
    assert (made.accountId, made.contactId, made.opportunityId) == (account, contact, None)
    (found,) = client.query("SELECT LastName, Phone, Title FROM Contact")
    assert (found["LastName"], found["Phone"], found["Title"]) == ("Known", "2", "CEO")


def test_a_lead_that_cannot_be_converted_says_why(partner: Partner, client: Client, org: EmulatedOrg) -> None:
    lead = client.create("Lead", LastName="Doe", Company="Acme")
    requests = [
        conversion(lead, convertedStatus="Open - Not Contacted"),
        conversion(NOBODY),
        conversion(lead, accountId=NOBODY),
        conversion(lead),
        conversion(lead),
    ]
    rows = partner.call("convertLead", requests)
    assert [each.success for each in rows] == [False, False, False, True, False]
    assert [each.errors[0].statusCode for each in rows if not each.success] == [
        "INVALID_STATUS",
        "INVALID_CROSS_REFERENCE_KEY",
        "INVALID_CROSS_REFERENCE_KEY",
        "CANNOT_UPDATE_CONVERTED_LEAD",
    ]
    changed = client.send("PATCH", f"/sobjects/Lead/{lead}", json={"City": "Bonn"})
    assert (changed.status_code, changed.json()[0]["errorCode"]) == (400, "CANNOT_UPDATE_CONVERTED_LEAD")
    assert len(org.state.records("Account")) == 1


def test_what_a_conversion_creates_may_be_a_duplicate(partner: Partner, client: Client, org: EmulatedOrg) -> None:
    known = client.create("Contact", LastName="Doe", Email="jane@example.com")
    (lead,) = org.state.seed("Lead", [{"LastName": "Doe", "Company": "Acme", "Email": "jane@example.com"}])
    (refused,) = partner.call("convertLead", [conversion(lead)])
    (match,) = refused.errors[0].duplicateResult.matchResults[0].matchRecords
    assert (refused.errors[0].statusCode, match.record.Id) == ("DUPLICATES_DETECTED", known)
    assert org.state.records("Account") == []
    (made,) = partner.call("convertLead", [conversion(lead, bypassContactDedupeCheck=True)])
    assert made.success


def test_every_header_is_taken(partner: Partner) -> None:
    headers = {
        "AllOrNoneHeader": {"allOrNone": True},
        "AssignmentRuleHeader": {"assignmentRuleId": None, "useDefaultRule": True},
        "AllowFieldTruncationHeader": {"allowFieldTruncation": True},
        "CallOptions": {"client": "test", "defaultNamespace": None},
        "DuplicateRuleHeader": {"allowSave": True, "includeRecordDetails": False, "runAsCurrentUser": True},
        "EmailHeader": {"triggerAutoResponseEmail": True, "triggerOtherEmail": False, "triggerUserEmail": False},
        "LocaleOptions": {"language": "de"},
        "MruHeader": {"updateMru": True},
        "PackageVersionHeader": {"packageVersions": [{"majorNumber": 1, "minorNumber": 2, "namespace": "x"}]},
    }
    (row,) = partner.call("create", [partner.record("Lead", LastName="Doe", Company="Acme")], **headers)
    assert row.success


def test_text_is_cut_off_when_asked_for_and_in_old_versions(org: EmulatedOrg, partner: Partner) -> None:
    def lead(company: str) -> Any:
        return partner.record("Lead", LastName="x" * 90, Company=company)

    (refused,) = partner.call("create", [lead("A")])
    assert refused.errors[0].statusCode == "STRING_TOO_LONG"
    header = {"AllowFieldTruncationHeader": {"allowFieldTruncation": True}}
    assert partner.call("create", [lead("A")], **header)[0].success
    assert Partner(org, "/services/Soap/u/14.0").call("create", [lead("B")])[0].success
    assert {each["LastName"] for each in org.state.records("Lead")} == {"x" * 80}


def test_sessions(partner: Partner, org: EmulatedOrg) -> None:
    assert partner.call("getUserInfo").userName == "loader@example.com"
    assert partner.call("getServerTimestamp").timestamp.tzinfo is not None
    other = partner.call("login", "loader@example.com", "loader-passwordloader-token")
    closed, unknown = partner.call("invalidateSessions", [other.sessionId, "nonsense"])
    assert (closed.success, unknown.success) == (True, False)
    assert partner.call("logout") is None
    with pytest.raises(Fault) as refused:
        partner.call("getUserInfo")
    assert refused.value.code == "sf:INVALID_SESSION_ID"


def test_a_mistake_in_a_query_has_its_place(partner: Partner) -> None:
    with pytest.raises(Fault) as refused:
        partner.call("query", "SELECT Nonsense FROM Lead")
    detail = refused.value.detail[0]
    assert etree.QName(detail).localname == "InvalidFieldFault"
    assert [etree.QName(each).localname for each in detail][-2:] == ["row", "column"]


def test_the_wsdl_describes_what_is_answered_and_nothing_else(partner: Partner) -> None:
    from airflow_sf_dedup.emulator.soap.api import OPERATIONS

    assert partner.operations == {*OPERATIONS, "login"}


@pytest.mark.parametrize("query", ["type=*", "ver=x"])
def test_another_wsdl_is_not_there(query: str, client: Client) -> None:
    assert client.session.get(f"{client.url}/soap/wsdl.jsp?{query}", timeout=5).status_code == 404
