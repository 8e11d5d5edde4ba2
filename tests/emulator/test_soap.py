from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, local, names, parsed, results, soap_record, soap_upsert, text

KEY = "External_Id__c"
LEAD = {"LastName": "Doe", "Company": "Acme"}
ALLOW = (
    "<urn:DuplicateRuleHeader><urn:allowSave>true</urn:allowSave>"
    "<urn:includeRecordDetails>false</urn:includeRecordDetails>"
    "<urn:runAsCurrentUser>true</urn:runAsCurrentUser></urn:DuplicateRuleHeader>"
)


def lead(key: str, **fields: str) -> str:
    return soap_record("Lead", **{KEY: key, **LEAD, **fields})


def test_an_upsert_answers_row_by_row_in_the_order_of_the_wsdl(client: Client) -> None:
    saved, refused = results(client.soap(soap_upsert("Lead", KEY, lead("a"), lead("b", LastName="x" * 81))))
    assert names(saved) == ["created", "id", "success"]
    assert names(refused) == ["created", "errors", "id", "success"]
    assert (text(saved, "created"), text(saved, "success")) == ("true", "true")
    assert (text(refused, "created"), text(refused, "success")) == ("true", "false")
    assert names(next(each for each in refused if local(each) == "errors")) == ["fields", "message", "statusCode"]


def test_a_blocked_row_carries_the_whole_duplicate_result(client: Client) -> None:
    existing = client.create("Lead", **LEAD, Email="jane@example.com")
    body = soap_upsert("Lead", KEY, lead("a", LastName="Else", Email="jane@example.com"), lead("b", Company="Zeta"))
    blocked, saved = results(client.soap(body, ALLOW))
    assert text(saved, "success") == "true"
    error = next(each for each in blocked if local(each) == "errors")
    assert error.attrib == {"{http://www.w3.org/2001/XMLSchema-instance}type": "DuplicateError"}
    assert names(error) == ["message", "statusCode", "duplicateResult"]
    result = next(each for each in error if local(each) == "duplicateResult")
    assert names(result) == [
        "allowSave",
        "duplicateRule",
        "duplicateRuleEntityType",
        "errorMessage",
        "matchResults",
    ]
    (matches,) = (each for each in result if local(each) == "matchResults")
    assert names(matches) == ["entityType", "matchEngine", "matchRecords", "rule", "size", "success"]
    match = next(each for each in matches if local(each) == "matchRecords")
    assert names(match) == ["matchConfidence", "record"]
    assert text(match, "record", "Id") == existing
    assert text(match, "matchConfidence") == "100.0"


def test_save_anyway_overrides_an_alert(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Lead", [{**LEAD, "FirstName": "Jane"}])
    body = soap_upsert("Lead", KEY, lead("a", FirstName="Jane"))
    (refused,) = results(client.soap(body))
    (saved,) = results(client.soap(body, ALLOW))
    assert (text(refused, "success"), text(saved, "success")) == ("false", "true")


def test_assignment_rules_run_only_when_asked_for(client: Client, org: EmulatedOrg) -> None:
    header = "<urn:AssignmentRuleHeader><urn:useDefaultRule>true</urn:useDefaultRule></urn:AssignmentRuleHeader>"
    client.soap(soap_upsert("Lead", KEY, lead("a")))
    client.soap(soap_upsert("Lead", KEY, lead("b", LastName="Roe", Company="Beta")), header)
    owners = [record["Owner"]["Username"] for record in client.query("SELECT Owner.Username FROM Lead ORDER BY Id")]
    assert owners == ["loader@example.com", "queue@example.com"]


def test_an_assignment_rule_that_there_is_not_is_a_fault(client: Client, org: EmulatedOrg) -> None:
    rule = org.state.definition.assignment_rules["Lead"].record_id
    header = "<urn:AssignmentRuleHeader><urn:assignmentRuleId>{}</urn:assignmentRuleId></urn:AssignmentRuleHeader>"
    refused = client.soap(soap_upsert("Lead", KEY, lead("a")), header.format("01Q000000000000"))
    assert (refused.status_code, "sf:INVALID_ASSIGNMENT_RULE" in refused.text) == (500, True)
    client.soap(soap_upsert("Lead", KEY, lead("b")), header.format(rule))
    (found,) = client.query("SELECT Owner.Username FROM Lead")
    assert found["Owner"]["Username"] == "queue@example.com"


def test_fields_to_null_clear_and_empty_elements_do_not(client: Client) -> None:
    record_id = client.create("Lead", **LEAD, City="Bonn", Phone="1", Last_Contacted__c="2026-01-02T03:04:05Z")
    nulls = "<urn:sObjects><urn1:type>Lead</urn1:type><urn1:fieldsToNull>City</urn1:fieldsToNull>"
    body = f"<urn:update>{nulls}<Id>{record_id}</Id><Phone></Phone></urn:sObjects></urn:update>"
    (result,) = results(client.soap(body))
    assert names(result) == ["id", "success"]
    (found,) = client.query("SELECT City, Phone, Last_Contacted__c FROM Lead")
    assert (found["City"], found["Phone"]) == (None, "1")
    assert found["Last_Contacted__c"] == "2026-01-02T03:04:05.000+0000"


def test_a_parent_is_named_by_its_external_id(client: Client) -> None:
    client.upsert("Account", KEY, [{KEY: "acc", "Name": "Acme"}])
    parent = f"<Account><type>Account</type><{KEY}>acc</{KEY}></Account>"
    record = f"<urn:sObjects><urn1:type>Contact</urn1:type><LastName>Doe</LastName>{parent}</urn:sObjects>"
    (result,) = results(client.soap(f"<urn:create>{record}</urn:create>"))
    assert text(result, "success") == "true"
    assert client.query("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "Acme"


def test_all_or_none_rolls_back(client: Client) -> None:
    header = "<urn:AllOrNoneHeader><urn:allOrNone>true</urn:allOrNone></urn:AllOrNoneHeader>"
    rows = results(client.soap(soap_upsert("Lead", KEY, lead("a"), lead("b", Email="nonsense")), header))
    codes = [text(row, "errors", "statusCode") for row in rows]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_EMAIL_ADDRESS"]
    assert client.query("SELECT Id FROM Lead") == []


def test_delete_and_undelete(client: Client) -> None:
    record_id = client.create("Lead", **LEAD)
    (deleted,) = results(client.soap(f"<urn:delete><urn:ids>{record_id}</urn:ids></urn:delete>"))
    assert text(deleted, "success") == "true"
    undelete = f"<urn:undelete><urn:ids>{record_id}</urn:ids></urn:undelete>"
    (back,) = results(client.soap(undelete))
    (again,) = results(client.soap(undelete))
    assert (text(back, "success"), text(again, "errors", "statusCode")) == ("true", "UNDELETE_FAILED")


def test_a_delete_takes_the_ids_under_the_name_of_older_clients(client: Client) -> None:
    record_id = client.create("Lead", **LEAD)
    (deleted,) = results(client.soap(f"<urn:delete><urn:id>{record_id}</urn:id></urn:delete>"))
    assert text(deleted, "success") == "true"
    assert client.query("SELECT Id FROM Lead") == []


def test_a_moment_without_a_zone_is_in_utc(client: Client) -> None:
    (saved,) = results(client.soap(soap_upsert("Lead", KEY, lead("a", Last_Contacted__c="2026-01-02T03:04:05.5"))))
    assert text(saved, "success") == "true"
    assert client.query("SELECT Last_Contacted__c FROM Lead")[0]["Last_Contacted__c"] == "2026-01-02T03:04:05.500+0000"


def test_the_enterprise_door_types_its_records(client: Client) -> None:
    record_id = client.create("Account", Name="Acme")
    kind = "{http://www.w3.org/2001/XMLSchema-instance}type"
    created = '<urn:sObjects xsi:type="urn1:Contact"><LastName>Doe</LastName>'
    body = f"<urn:create>{created}<AccountId>{record_id}</AccountId></urn:sObjects></urn:create>"
    (saved,) = results(client.soap(body, door="c/60.0"))
    assert text(saved, "success") == "true"
    body = "<urn:query><urn:queryString>SELECT Id, LastName, Account.Name FROM Contact</urn:queryString></urn:query>"
    (result,) = results(client.soap(body, door="c/60.0"))
    record = next(each for each in result if local(each) == "records")
    assert (record.attrib[kind], names(record)) == ("sf:Contact", ["Id", "LastName", "Account"])
    assert next(each for each in record if local(each) == "Account").attrib[kind] == "sf:Account"
    fields = "<urn:fieldList>Id,Name</urn:fieldList><urn:sObjectType>Account</urn:sObjectType>"
    (found,) = results(
        client.soap(f"<urn:retrieve>{fields}<urn:ids>{record_id}</urn:ids></urn:retrieve>", door="c/60.0")
    )
    assert (found.attrib[kind], names(found)) == ("sf:Account", ["Id", "Name"])


def test_a_query_shows_the_id_first_and_again(client: Client) -> None:
    record_id = client.create("Lead", **LEAD)
    body = "<urn:query><urn:queryString>SELECT Id, Name, Owner.Username FROM Lead</urn:queryString></urn:query>"
    (result,) = results(client.soap(body))
    assert names(result) == ["done", "queryLocator", "records", "size"]
    record = next(each for each in result if local(each) == "records")
    assert names(record) == ["type", "Id", "Id", "Name", "Owner"]
    assert text(record, "Id") == record_id
    assert text(record, "Owner", "Username") == "queue@example.com"


def test_a_long_query_comes_in_pages(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Account", [{"Name": f"A{number}"} for number in range(450)])
    options = "<urn:QueryOptions><urn:batchSize>200</urn:batchSize></urn:QueryOptions>"
    body = "<urn:query><urn:queryString>SELECT Name FROM Account</urn:queryString></urn:query>"
    sizes = []
    while True:
        (page,) = results(client.soap(body, options))
        sizes.append(names(page).count("records"))
        if text(page, "done") == "true":
            break
        locator = text(page, "queryLocator")
        body = f"<urn:queryMore><urn:queryLocator>{locator}</urn:queryLocator></urn:queryMore>"
    assert sizes == [200, 200, 50]


def test_retrieve_and_describe(client: Client) -> None:
    record_id = client.create("Account", Name="Acme")
    ids = f"<urn:ids>{record_id}</urn:ids><urn:ids>001000000000999AAA</urn:ids>"
    fields = "<urn:fieldList>Id, Name</urn:fieldList><urn:sObjectType>Account</urn:sObjectType>"
    found, missing = results(client.soap(f"<urn:retrieve>{fields}{ids}</urn:retrieve>"))
    assert (text(found, "Name"), names(missing)) == ("Acme", [])
    described = client.soap("<urn:describeSObject><urn:sObjectType>Lead</urn:sObjectType></urn:describeSObject>")
    (result,) = results(described)
    assert text(result, "keyPrefix") == "00Q"


def login(password: str) -> str:
    name = "<urn:username>loader@example.com</urn:username>"
    return f"<urn:login>{name}<urn:password>{password}</urn:password></urn:login>"


def test_a_login_opens_a_session(client: Client, org: EmulatedOrg) -> None:
    (result,) = results(client.soap(login("loader-passwordloader-token"), token=""))
    session = text(result, "sessionId")
    assert text(result, "serverUrl") == f"{org.url}/services/Soap/u/60.0/{org.org_id[:15]}"
    assert session is not None
    (info,) = results(client.soap("<urn:getUserInfo/>", token=session, door=f"u/60.0/{org.org_id[:15]}"))
    assert text(info, "userName") == "loader@example.com"
    assert org.state.stats()["logins"] == 1


FAULTS = [
    ("no session", "<urn:getUserInfo/>", "wrong", "u/60.0", "sf:INVALID_SESSION_ID"),
    ("a wrong password", login("nonsense"), "", "u/60.0", "sf:INVALID_LOGIN"),
    ("no security token", login("loader-password"), "", "u/60.0", "sf:LOGIN_MUST_USE_SECURITY_TOKEN"),
    ("a login after its end", login("loader-passwordloader-token"), "", "u/65.0", "sf:UNSUPPORTED_API_VERSION"),
    ("a malformed date", soap_upsert("Lead", KEY, lead("a", Birthdate__c="soon")), None, "u/60.0", "soapenv:Client"),
    ("a malformed boolean", soap_upsert("Lead", KEY, lead("a", DoNotCall="no!")), None, "u/60.0", "soapenv:Client"),
    ("an illegal character", soap_upsert("Lead", KEY, lead("a", City="\x01")), None, "u/60.0", "soapenv:Client"),
    ("an unknown field", soap_upsert("Lead", KEY, lead("a", Foo="1")), None, "u/60.0", "sf:INVALID_FIELD"),
    ("no key field", soap_upsert("Lead", "Company", lead("a")), None, "c/60.0", "sf:INVALID_FIELD"),
    ("an unknown type", soap_upsert("Nonsense", KEY, soap_record("Nonsense")), None, "u/60.0", "sf:INVALID_TYPE"),
    ("too many", soap_upsert("Lead", KEY, *[lead(str(n)) for n in range(201)]), None, "u/60", "sf:EXCEEDED_ID_LIMIT"),
    (
        "a bad query",
        "<urn:query><urn:queryString>SELECT</urn:queryString></urn:query>",
        None,
        "u/60.0",
        "sf:MALFORMED_QUERY",
    ),
    ("no such call", "<urn:dance/>", None, "u/60.0", "soapenv:Client"),
    ("an element that it has not", "<urn:delete><urn:uds>x</urn:uds></urn:delete>", None, "u/60.0", "soapenv:Client"),
    ("too many ids", f"<urn:delete>{'<urn:ids>x</urn:ids>' * 201}</urn:delete>", None, "u/60", "sf:EXCEEDED_ID_LIMIT"),
]


@pytest.mark.parametrize(("body", "token", "door", "code"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_call_that_cannot_be_carried_out_is_a_fault(
    client: Client, body: str, token: str | None, door: str, code: str
) -> None:
    answer = client.soap(body, token=token, door=door)
    assert answer.status_code == 500
    fault = next(each for each in parsed(answer).iter() if local(each) == "Fault")
    assert text(fault, "faultcode") == code
    assert client.query("SELECT Id FROM Lead") == []


def test_an_entity_bomb_is_a_fault(client: Client) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>'
    answer = client.session.post(f"{client.url}/services/Soap/u/60.0", data=bomb, timeout=5)
    assert answer.status_code == 500
    assert "soapenv:Client" in answer.text


def test_an_answer_says_how_many_calls_were_made(client: Client) -> None:
    root = parsed(client.soap("<urn:getUserInfo/>"))
    info = next(each for each in root.iter() if local(each) == "limitInfo")
    assert [(local(each), each.text) for each in info] == [
        ("current", "1"),
        ("limit", "100000"),
        ("type", "API REQUESTS"),
    ]


def test_an_org_without_soap_refuses_each_soap_call_and_answers_rest(started: Any) -> None:
    org, client = started({"extends": "default", "organization": {"soap_api": False}})
    login = "<urn:login><urn:username>admin@example.com</urn:username><urn:password>x</urn:password></urn:login>"
    query = "<urn:query><urn:queryString>SELECT Id FROM Lead</urn:queryString></urn:query>"
    for body in (login, query, soap_upsert("Lead", KEY, lead("a"))):
        answer = client.soap(body)
        fault = next(each for each in parsed(answer).iter() if local(each) == "Fault")
        assert (answer.status_code, text(fault, "faultcode")) == (500, "sf:API_DISABLED_FOR_ORG")
    assert org.state.stats()["api_calls"] == 0
    assert client.send("GET", "/query", params={"q": "SELECT Id FROM Lead"}).json()["totalSize"] == 0
