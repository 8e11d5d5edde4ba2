"""Duplicate rules through the Metadata API, with clients that other people wrote and by hand."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, local, parsed

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
JANE = {"LastName": "Doe", "Company": "Acme", "Email": "jane@example.com"}
ONE_RULE: dict[str, Any] = {
    "sobjects": {"Lead": {"fields": {"LastName": "text(80) required", "Email": "email"}}},
    "duplicate_rules": {
        "One": {"sobject": "Lead", "matching": [{"rule": "By_Email", "fields": {"Email": "exact"}}]},
    },
}
AT_ONCE = {"deploy": 0, "stale_rules": 0, "activate_matching_rule": 0}


@pytest.fixture
def quick(org: EmulatedOrg) -> EmulatedOrg:
    """An org in which changes of rules take no time."""
    org.state.change_physics(AT_ONCE)
    return org


@pytest.fixture
def tls(started: Any, monkeypatch: pytest.MonkeyPatch) -> EmulatedOrg:
    org, _ = started(tls=True)
    emulator: EmulatedOrg = org
    emulator.state.change_physics(AT_ONCE)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulator.ca_file))
    return emulator


@pytest.fixture
def salesforce(tls: EmulatedOrg) -> Any:
    return Salesforce(instance_url=tls.url, session_id=tls.access_token)


def zipped(files: dict[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return packed.getvalue()


def manifest(**members: str) -> str:
    types = "".join(f"<types><members>{each}</members><name>{kind}</name></types>" for kind, each in members.items())
    return f'<Package xmlns="{NAMESPACE}">{types}<version>60.0</version></Package>'


def rule_file(active: str = "false", **changes: str) -> str:
    """The file of Lead.Lead_Email; an empty change leaves its element out."""
    elements = {
        "actionOnInsert": "Block",
        "actionOnUpdate": "Block",
        "alertText": "Use one of these records?",
        "duplicateRuleMatchRules": (
            "<matchRuleSObjectType>Lead</matchRuleSObjectType><matchingRule>Lead_Email_Exact</matchingRule>"
        ),
        "isActive": active,
        "masterLabel": "Lead Email",
        "securityOption": "EnforceSharingRules",
        "sortOrder": "1",
    } | changes
    content = "".join(f"<{name}>{value}</{name}>" for name, value in elements.items() if value)
    return f'<?xml version="1.0"?><DuplicateRule xmlns="{NAMESPACE}">{content}</DuplicateRule>'


def call(
    client: Client, operation: str, body: str, *, token: str | None = None, version: str = "60.0"
) -> requests.Response:
    content = f'<m:{operation} xmlns:m="{NAMESPACE}" xmlns="{NAMESPACE}">{body}</m:{operation}>'
    return client.soap(content, door=f"m/{version}", token=token)


def found(answer: requests.Response, name: str) -> list[str | None]:
    return [each.text for each in parsed(answer).iter() if local(each) == name]


def deploy(client: Client, package: bytes, **options: str) -> requests.Response:
    """The status of a deployment that is done."""
    chosen = "".join(f"<{name}>{value}</{name}>" for name, value in {"singlePackage": "true", **options}.items())
    packed = base64.b64encode(package).decode()
    answer = call(client, "deploy", f"<ZipFile>{packed}</ZipFile><DeployOptions>{chosen}</DeployOptions>")
    assert answer.status_code == 200, answer.text
    (job_id,) = found(answer, "id")
    body = f"<asyncProcessId>{job_id}</asyncProcessId><includeDetails>true</includeDetails>"
    return polled(lambda: call(client, "checkDeployStatus", body), lambda status: found(status, "done") == ["true"])


def polled(ask: Callable[[], requests.Response], done: Callable[[requests.Response], bool]) -> requests.Response:
    deadline = time.monotonic() + 20
    while not done(answer := ask()):
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)
    return answer


def package_of(active: str = "false", **changes: str) -> bytes:
    return zipped(
        {
            "package.xml": manifest(DuplicateRule="Lead.Lead_Email"),
            "duplicateRules/Lead.Lead_Email.duplicateRule": rule_file(active, **changes),
        }
    )


def is_active(client: Client, name: str = "Lead_Email") -> bool:
    (row,) = client.query(f"SELECT IsActive FROM DuplicateRule WHERE DeveloperName = '{name}'")
    active: bool = row["IsActive"]
    return active


def blocked(client: Client) -> bool:
    """Whether Lead_Email keeps a second Jane out."""
    answer = client.send("POST", "/sobjects/Lead", json={**JANE, "LastName": "Roe", "Company": "Zenith"})
    assert answer.status_code in (201, 400), answer.text
    return answer.status_code == 400


# --- the clients of others --------------------------------------------------------------------------------


def test_simple_salesforce_reads_and_switches_a_rule(salesforce: Any, tls: EmulatedOrg) -> None:
    client = Client(tls.url, tls.access_token)
    tls.state.seed("Lead", [JANE])
    rule = salesforce.mdapi.DuplicateRule.read(["Lead.Lead_Email"])
    assert (rule.fullName, rule.isActive, rule.actionOnInsert) == ("Lead.Lead_Email", True, "Block")
    assert rule.duplicateRuleMatchRules[0].matchingRule == "Lead_Email_Exact"
    assert blocked(client)
    rule.isActive = False
    salesforce.mdapi.DuplicateRule.update(rule)
    assert not is_active(client)
    assert not blocked(client)
    again = salesforce.mdapi.DuplicateRule.read(["Lead.Lead_Email"])
    assert again.isActive is False
    described = salesforce.mdapi.describe_metadata()
    assert {each.xmlName: each.directoryName for each in described.metadataObjects} == {
        "DuplicateRule": "duplicateRules",
        "MatchingRules": "matchingRules",
    }
    query = salesforce.mdapi.ListMetadataQuery(type="DuplicateRule")
    assert "duplicateRules/Lead.Lead_Email.duplicateRule" in [
        each.fileName for each in salesforce.mdapi.list_metadata([query])
    ]


def test_simple_salesforce_rules_survive_their_own_round_trip(salesforce: Any, tls: EmulatedOrg) -> None:
    before = tls.state.rules.book
    for name in before.duplicate:
        salesforce.mdapi.DuplicateRule.update(salesforce.mdapi.DuplicateRule.read([name]))
    assert tls.state.rules.book.duplicate == before.duplicate
    for name in ("Lead", "Contact"):
        salesforce.mdapi.MatchingRules.update(salesforce.mdapi.MatchingRules.read([name]))
    assert tls.state.rules.book == before


def test_simple_salesforce_is_told_why_a_rule_is_refused(salesforce: Any, tls: EmulatedOrg) -> None:
    rule = salesforce.mdapi.DuplicateRule.read(["Lead.Lead_Email"])
    rule.fullName = "Lead.No_Such"
    with pytest.raises(Exception, match="INVALID_CROSS_REFERENCE_KEY"):
        salesforce.mdapi.DuplicateRule.update(rule)


def test_simple_salesforce_deploys_and_retrieves(salesforce: Any, tls: EmulatedOrg) -> None:
    client = Client(tls.url, tls.access_token)
    started = salesforce.deploy(io.BytesIO(package_of()), sandbox=False)
    assert started["state"] == "Queued"
    status = salesforce.checkDeployStatus(started["asyncId"])
    assert (status["state"], status["deployment_detail"]["deployed_count"]) == ("Succeeded", "1")
    assert not is_active(client)
    job_id, _ = salesforce.mdapi.retrieve("x", unpackaged={"DuplicateRule": ["*"]})
    state, _, _, packed = salesforce.mdapi.retrieve_zip(job_id)
    assert state == "Succeeded"
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        names = opened.namelist()
    assert {"package.xml", "duplicateRules/Lead.Lead_Email.duplicateRule"} <= set(names)


def test_simple_salesforce_hears_of_failures(salesforce: Any) -> None:
    started = salesforce.deploy(io.BytesIO(package_of(masterLabel="")), sandbox=True)
    status = salesforce.checkDeployStatus(started["asyncId"])
    assert status["state"] == "Failed"
    (error,) = status["deployment_detail"]["errors"]
    assert error["message"] == "Required field is missing: masterLabel"


# --- switching as tools do it -----------------------------------------------------------------------------


def test_a_retrieved_rule_is_switched_by_replacing_one_word(client: Client, quick: EmulatedOrg) -> None:
    """Query the rules, retrieve them, replace isActive in the text, deploy what was retrieved."""
    rules = client.query("SELECT Id, DeveloperName, IsActive, SobjectType, LastModifiedBy.Name FROM DuplicateRule")
    members = "".join(f"<members>{each['SobjectType']}.{each['DeveloperName']}</members>" for each in rules)
    request = f"<unpackaged><types>{members}<name>DuplicateRule</name></types><version>60.0</version></unpackaged>"
    answer = call(client, "retrieve", f"<retrieveRequest><apiVersion>60.0</apiVersion>{request}</retrieveRequest>")
    (job_id,) = found(answer, "id")
    body = f"<asyncProcessId>{job_id}</asyncProcessId><includeZip>true</includeZip>"
    result = polled(lambda: call(client, "checkRetrieveStatus", body), lambda each: found(each, "done") == ["true"])
    (packed,) = found(result, "zipFile")
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed or ""))) as opened:
        contents = {name: opened.read(name).decode() for name in opened.namelist()}
    assert len(contents) == 1 + len(rules)
    switched = {name: text.replace("<isActive>true<", "<isActive>false<") for name, text in contents.items()}
    status = deploy(client, zipped(dict(switched)), singlePackage="false", rollbackOnError="true")
    assert found(status, "status") == ["Succeeded"]
    assert not any(each["IsActive"] for each in client.query("SELECT IsActive FROM DuplicateRule"))
    quick.state.seed("Lead", [JANE])
    assert not blocked(client)


def test_the_rules_of_the_org_file_come_back_with_a_reset(client: Client, quick: EmulatedOrg) -> None:
    deploy(client, package_of())
    assert not is_active(client)
    quick.state.reset()
    assert is_active(client)


def test_a_rule_cannot_be_switched_as_a_record(client: Client) -> None:
    (rule,) = client.query("SELECT Id FROM DuplicateRule WHERE DeveloperName = 'Lead_Email'")
    answer = client.send("PATCH", f"/sobjects/DuplicateRule/{rule['Id']}", json={"IsActive": False})
    assert answer.status_code == 400
    assert is_active(client)


def test_saves_run_stale_rules_for_a_while(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"deploy": 0, "stale_rules": 0.3})
    org.state.seed("Lead", [JANE])
    deploy(client, package_of())
    polled(
        lambda: client.send("POST", "/sobjects/Lead", json={**JANE, "LastName": "Roe", "Company": "Zenith"}),
        lambda answer: answer.status_code == 201,
    )
    org.state.change_physics({"stale_rules": 60})
    deploy(client, package_of("true"))
    assert is_active(client)
    assert not blocked(client)


def test_a_deployment_takes_its_time_and_can_be_cancelled(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"deploy": 60})
    packed = base64.b64encode(package_of()).decode()
    (job_id,) = found(call(client, "deploy", f"<ZipFile>{packed}</ZipFile>"), "id")
    status = call(client, "checkDeployStatus", f"<asyncProcessId>{job_id}</asyncProcessId>")
    assert (found(status, "done"), found(status, "status")) == (["false"], ["Pending"])
    assert found(call(client, "cancelDeploy", f"<String>{job_id}</String>"), "done") == ["true"]
    status = call(client, "checkDeployStatus", f"<asyncProcessId>{job_id}</asyncProcessId>")
    assert found(status, "status") == ["Canceled"]
    assert is_active(client)


def test_a_check_changes_nothing(client: Client, quick: EmulatedOrg) -> None:
    status = deploy(client, package_of(), checkOnly="true")
    assert found(status, "success")[-1] == "true"
    assert is_active(client)


# --- refusals ---------------------------------------------------------------------------------------------

REFUSALS = [
    ({"actionOnInsert": ""}, "Required field is missing: actionOnInsert"),
    ({"isActive": ""}, "Required field is missing: isActive"),
    ({"duplicateRuleMatchRules": ""}, "Required field is missing: duplicateRuleMatchRules"),
    ({"sortOrder": "9"}, "SortOrder must be in sequential order from 1."),
    ({"actionOnUpdate": "Dance"}, "'Dance' is not a valid value for the enum 'DupeActionType'"),
    (
        {
            "duplicateRuleMatchRules": "<matchRuleSObjectType>Lead</matchRuleSObjectType>"
            "<matchingRule>No_Such</matchingRule>"
        },
        "In field: matchingRule - no MatchingRule named Lead.No_Such found",
    ),
]


@pytest.mark.parametrize(("changes", "problem"), REFUSALS)
def test_a_rule_that_lacks_something_is_refused(
    client: Client, quick: EmulatedOrg, changes: dict[str, str], problem: str
) -> None:
    status = deploy(client, package_of(**changes))
    assert found(status, "status") == ["Failed"]
    assert found(status, "problem") == [problem]
    assert is_active(client)
    inner = rule_file(**changes).partition(">")[2].partition(">")[2].rpartition("</")[0]
    component = f'<metadata xsi:type="DuplicateRule"><fullName>Lead.Lead_Email</fullName>{inner}</metadata>'
    updated = call(client, "updateMetadata", component)
    assert (found(updated, "success"), found(updated, "message")) == (["false"], [problem])


def test_a_package_is_deployed_as_a_whole_or_in_part(client: Client, quick: EmulatedOrg) -> None:
    package = zipped(
        {
            "package.xml": manifest(DuplicateRule="*"),
            "duplicateRules/Lead.Lead_Email.duplicateRule": rule_file(),
            "duplicateRules/Lead.Broken.duplicateRule": rule_file(masterLabel=""),
        }
    )
    assert found(deploy(client, package, rollbackOnError="true"), "status") == ["Failed"]
    assert is_active(client)
    assert found(deploy(client, package, rollbackOnError="false"), "status") == ["SucceededPartial"]
    assert not is_active(client)


PACKAGES = [
    (b"no zip", "The zip file cannot be read"),
    (zipped({"x": ""}), "No package.xml found"),
    (zipped({"package.xml": "<Package"}), "Error parsing file"),
    (zipped({"package.xml": manifest(ApexClass="A")}), "Unknown type name 'ApexClass' specified in package.xml"),
    (
        zipped({"package.xml": manifest(DuplicateRule="Lead.X")}),
        "An object 'Lead.X' of type DuplicateRule was named in package.xml, but was not found in zipped directory",
    ),
    (
        zipped({"package.xml": manifest(), "duplicateRules/Lead.Lead_Email.duplicateRule": rule_file()}),
        "Not in package.xml",
    ),
    (
        zipped({"package.xml": manifest(DuplicateRule="*"), "../duplicateRules/../../x.duplicateRule": rule_file()}),
        "Unknown file or type of metadata: ../duplicateRules/../../x.duplicateRule",
    ),
    (
        zipped({"package.xml": manifest(), "bomb": b"\0" * 5_000_000}),
        "Unknown file or type of metadata: bomb",
    ),
]


@pytest.mark.parametrize(("package", "problem"), PACKAGES)
def test_a_package_that_cannot_be_deployed_says_why(
    client: Client, quick: EmulatedOrg, package: bytes, problem: str
) -> None:
    status = deploy(client, package)
    assert found(status, "status") == ["Failed"]
    assert any((each or "").startswith(problem) for each in found(status, "problem")), status.text
    assert is_active(client)


def test_what_is_not_there_is_refused(client: Client) -> None:
    unknown = call(client, "readMetadata", "<type>ApexClass</type><fullNames>Lead</fullNames>")
    assert (unknown.status_code, found(unknown, "faultcode")) == (500, ["sf:INVALID_TYPE"])
    assert call(client, "renameMetadata", "<type>DuplicateRule</type>").status_code == 500
    nothing = call(client, "readMetadata", "<type>DuplicateRule</type><fullNames>Lead.X</fullNames>")
    assert found(nothing, "records") == [None]
    gone = call(client, "checkDeployStatus", "<asyncProcessId>0Af000000000001</asyncProcessId>")
    assert found(gone, "faultcode") == ["sf:INVALID_CROSS_REFERENCE_KEY"]
    stranger = call(client, "describeMetadata", "<asOfVersion>60.0</asOfVersion>", token="x")
    assert found(stranger, "faultcode") == ["sf:INVALID_SESSION_ID"]


MALFORMED = [
    ("deploy", "<ZipFile>no base64!</ZipFile>"),
    ("updateMetadata", "<metadata><fullName>Lead.Lead_Email</fullName></metadata>"),
    ("updateMetadata", "<metadata xsi:type='Foo'><fullName>Lead.Lead_Email</fullName></metadata>"),
    ("updateMetadata", "<metadata>&nothing;</metadata>"),
    ("readMetadata", "<type>DuplicateRule"),
    ("readMetadata", ""),
    ("checkDeployStatus", "<asyncProcessId>x</asyncProcessId>"),
    ("checkRetrieveStatus", ""),
    ("retrieve", "<retrieveRequest/>"),
]


@pytest.mark.parametrize(("operation", "body"), MALFORMED)
def test_a_call_that_makes_no_sense_is_answered_with_a_fault(client: Client, operation: str, body: str) -> None:
    answer = call(client, operation, body)
    assert answer.status_code == 500
    assert found(answer, "faultstring") != []
    assert is_active(client)


def test_the_door_takes_envelopes_only(client: Client) -> None:
    url = f"{client.url}/services/Soap/m/60.0"
    assert client.session.get(url, timeout=10).status_code == 405
    assert found(client.session.post(url, data=b"\xff<", timeout=10), "faultcode") == ["soapenv:Client"]
    assert found(client.session.post(f"{client.url}/services/Soap/m/x", timeout=10), "faultcode") == [
        "sf:UNSUPPORTED_API_VERSION"
    ]


@pytest.mark.parametrize("shows", [True, False])
def test_whether_reading_shows_what_is_nil_is_a_quirk(started: Any, shows: bool) -> None:
    _, client = started({"quirks": {"read_metadata_shows_nil": shows}} | ONE_RULE)
    answer = call(client, "readMetadata", "<type>DuplicateRule</type><fullNames>Lead.One</fullNames>")
    shown = {local(each) for each in parsed(answer).iter()} & {"objectMapping", "duplicateRuleFilter"}
    assert shown == ({"objectMapping", "duplicateRuleFilter"} if shows else set())


def test_logic_by_the_names_of_fields_is_shown_by_numbers(started: Any) -> None:
    fields = {"LastName": "exact", "Email": "exact"}
    rule = {"sobject": "Lead", "matching": [{"rule": "R", "fields": fields, "logic": "LastName OR Email"}]}
    org, client = started(ONE_RULE | {"duplicate_rules": {"One": rule}})
    answer = call(client, "readMetadata", "<type>MatchingRule</type><fullNames>Lead.R</fullNames>")
    assert found(answer, "booleanFilter") == ["1 OR 2"]
    org.state.seed("Lead", [{"LastName": "A", "Email": "x@example.com"}])
    assert client.send("POST", "/sobjects/Lead", json={"LastName": "A"}).status_code == 400
    assert client.send("POST", "/sobjects/Lead", json={"LastName": "B"}).status_code == 201


# --- matching rules ---------------------------------------------------------------------------------------


def matching_rules(status: str, *fields: str) -> str:
    items = "".join(
        f"<matchingRuleItems><blankValueBehavior>NullNotAllowed</blankValueBehavior><fieldName>{each}</fieldName>"
        "<matchingMethod>Exact</matchingMethod></matchingRuleItems>"
        for each in fields
    )
    rule = f"<fullName>By_Phone</fullName><label>By Phone</label>{items}<ruleStatus>{status}</ruleStatus>"
    return f'<MatchingRules xmlns="{NAMESPACE}"><matchingRules>{rule}</matchingRules></MatchingRules>'


PHONE_RULE = rule_file(
    "true",
    sortOrder="4",
    masterLabel="Phones",
    duplicateRuleMatchRules=("<matchRuleSObjectType>Lead</matchRuleSObjectType><matchingRule>By_Phone</matchingRule>"),
)
PHONES = {
    "package.xml": manifest(MatchingRules="Lead", DuplicateRule="Lead.Phones"),
    "matchingRules/Lead.matchingRule": matching_rules("Active", "Phone"),
    "duplicateRules/Lead.Phones.duplicateRule": PHONE_RULE,
}


def test_a_rule_and_its_matching_rule_go_in_one_after_the_other(client: Client, quick: EmulatedOrg) -> None:
    """A matching rule is active only some time after it was deployed."""
    status = deploy(client, zipped(dict(PHONES)))
    assert found(status, "problem") == [
        "Before you can use this duplicate rule, all associated matching rules must be active and have their fields "
        "mapped"
    ]
    alone = {"package.xml": manifest(MatchingRules="Lead"), **{k: v for k, v in PHONES.items() if "matching" in k}}
    assert found(deploy(client, zipped(alone)), "status") == ["Succeeded"]
    polled(
        lambda: client.send("GET", "/query", params={"q": "SELECT RuleStatus FROM MatchingRule"}),
        lambda answer: all(each["RuleStatus"] == "Active" for each in answer.json()["records"]),
    )
    assert found(deploy(client, zipped(dict(PHONES))), "status") == ["Succeeded"]
    quick.state.seed("Lead", [{"LastName": "A", "Company": "B", "Phone": "1"}])
    answer = client.send("POST", "/sobjects/Lead", json={"LastName": "X", "Company": "Y", "Phone": "1"})
    assert answer.json()[0]["duplicateResut"]["duplicateRule"] == "Phones"
    items = client.query("SELECT Field, MatchingMethod, MatchingRule.DeveloperName FROM MatchingRuleItem")
    assert {"Phone"} == {each["Field"] for each in items if each["MatchingRule"]["DeveloperName"] == "By_Phone"}


def test_a_matching_rule_in_use_stays_active(client: Client, quick: EmulatedOrg) -> None:
    component = (
        '<metadata xsi:type="MatchingRule"><fullName>Lead.Lead_Email_Exact</fullName><label>L</label>'
        "<matchingRuleItems><fieldName>Email</fieldName><matchingMethod>Exact</matchingMethod></matchingRuleItems>"
        "<ruleStatus>Inactive</ruleStatus></metadata>"
    )
    refused = call(client, "updateMetadata", component)
    assert found(refused, "statusCode") == ["FIELD_INTEGRITY_EXCEPTION"]
    quick.state.switch_rule("Lead_Email", active=False)
    assert found(call(client, "updateMetadata", component), "success") == ["true"]
    (row,) = client.query("SELECT RuleStatus FROM MatchingRule WHERE DeveloperName = 'Lead_Email_Exact'")
    assert row["RuleStatus"] == "Inactive"


def test_a_filter_lets_the_loader_through(client: Client, quick: EmulatedOrg) -> None:
    quick.state.seed("Lead", [JANE])
    condition = (
        "<duplicateRuleFilterItems><field>Username</field><operation>notEqual</operation>"
        "<value>loader@example.com</value><sortOrder>1</sortOrder><table>User</table></duplicateRuleFilterItems>"
    )
    assert blocked(client)
    assert found(deploy(client, package_of("true", duplicateRuleFilter=condition)), "status") == ["Succeeded"]
    assert not blocked(client)
    quick.state.sessions.reopen("queue", quick.state.definition.users[1].user_id)
    assert blocked(Client(quick.url, "queue"))


# --- REST -------------------------------------------------------------------------------------


def test_a_package_is_deployed_by_rest(client: Client, quick: EmulatedOrg) -> None:
    options = {"deployOptions": {"singlePackage": True, "rollbackOnError": True}}
    parts: Any = {
        "file": ("deploy.zip", package_of(), "application/zip"),
        "entity_content": (None, json.dumps(options), "application/json"),
    }
    answer = client.send("POST", "/metadata/deployRequest", files=parts)
    assert answer.status_code == 201
    assert answer.json()["deployResult"]["status"] in ("Pending", "InProgress")
    path = f"/metadata/deployRequest/{answer.json()['id']}?includeDetails=true"
    done = polled(lambda: client.send("GET", path), lambda each: bool(each.json()["deployResult"]["done"]))
    result = done.json()["deployResult"]
    assert (result["status"], result["numberComponentsDeployed"]) == ("Succeeded", 1)
    assert result["details"]["componentSuccesses"][1]["fullName"] == "Lead.Lead_Email"
    assert not is_active(client)
    assert client.send("GET", "/metadata/deployRequest/0Af000000000001").status_code == 404


# --- control ----------------------------------------------------------------------------------------------


def test_a_test_looks_at_rules_and_switches_them(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Lead", [JANE])
    rules = f"{org.url}/_emulator/rules"
    assert client.session.get(rules, timeout=10).json()[0]["name"] == "Lead_Email"
    answer = client.session.patch(f"{rules}/Lead_Email", json={"active": False}, timeout=10)
    assert answer.json()["active"] is False
    assert not is_active(client)
    assert not blocked(client)
    org.state.switch_rule("Lead.Lead_Email", active=True)
    assert blocked(client)
    changes = {"action_on_insert": "allow", "operations_on_insert": ["alert"]}
    assert client.session.patch(f"{rules}/Lead_Email", json=changes, timeout=10).status_code == 200
    allow = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    answer = client.send("POST", "/sobjects/Lead", json={**JANE, "Company": "Zenith"}, headers=allow)
    assert answer.status_code == 201


def test_a_snapshot_keeps_the_rules(client: Client, org: EmulatedOrg) -> None:
    org.state.switch_rule("Lead_Email", active=False)
    kept = f"{org.url}/_emulator/snapshots/off"
    assert client.session.post(kept, timeout=10).status_code == 201
    org.state.reset()
    assert is_active(client)
    assert client.session.post(f"{kept}/restore", timeout=10).status_code == 200
    assert not is_active(client)
    org.state.seed("Lead", [JANE])
    assert not blocked(client)
    file = client.session.get(kept, timeout=10).json()
    assert client.session.put(f"{org.url}/_emulator/snapshots/read", json=file, timeout=10).status_code == 201
    assert client.session.post(f"{org.url}/_emulator/snapshots/read/restore", timeout=10).status_code == 200
    assert is_active(client)
    for name in ("off", "read"):
        assert client.session.delete(f"{org.url}/_emulator/snapshots/{name}", timeout=10).status_code == 204


def test_a_rule_cannot_be_set_to_nonsense(client: Client, org: EmulatedOrg) -> None:
    rules = f"{org.url}/_emulator/rules"
    for body in ({"active": "yes"}, {"dance": 1}, {"action_on_insert": "x"}, {"operations_on_update": ["x"]}):
        assert client.session.patch(f"{rules}/Lead_Email", json=body, timeout=10).status_code == 400
    assert client.session.patch(f"{rules}/No_Such", json={"active": False}, timeout=10).status_code == 404
    assert client.session.delete(f"{rules}/Lead_Email", timeout=10).status_code == 405
