"""Where a login may lead, and that nothing else takes a token elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError, LoginRefusedError, SettingError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.connecting.instances import InstanceRefusedError, instance_of_login
from airflow_sf_dedup.salesforce.reader import describe
from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup

LEAD = SObject("Lead", (Field("Id", "Id", "id"),))

LED = {
    "https://acme.my.salesforce.com": "https://acme.my.salesforce.com",
    "https://acme.my.salesforce.com/": "https://acme.my.salesforce.com",
    "https://ACME.my.salesforce.com:443/services/Soap/u/62.0/00D": "https://acme.my.salesforce.com",
    "https://na1-api.salesforce.com/services": "https://na1.salesforce.com",
    "https://acme.my.salesforce.com:8443": "https://acme.my.salesforce.com:8443",
    "https://acme--dev.sandbox.my.salesforce.com.": "https://acme--dev.sandbox.my.salesforce.com",
    "https://acme.my.sfcrmproducts.cn": "https://acme.my.sfcrmproducts.cn",
}


@pytest.mark.parametrize(("url", "origin"), LED.items(), ids=LED.keys())
@pytest.mark.parametrize("is_local", [True, False], ids=["local login", "remote login"])
def test_a_login_may_lead_to_a_host_of_the_internet_by_https(url, origin, is_local):
    assert instance_of_login(url, is_local=is_local) == origin


LOCAL = [
    "http://127.0.0.1:8089",
    "https://127.0.0.1",
    "http://localhost:8089",
    "http://[::1]:8089",
    "http://127.3.2.1/x",
    "https://LOCALHOST",
]
NOWHERE = [
    "http://acme.my.salesforce.com",
    "ftp://acme.my.salesforce.com",
    "HTTP://acme.my.salesforce.com",
    "acme.my.salesforce.com",
    "https://[bad",
    "https://",
    "",
    "https://acme.my.salesforce.com:port",
    "https://acme.my.salesforce.com:99999",
    "https://user:word@acme.my.salesforce.com",
    "https://acme.my.salesforce.com@127.0.0.1",
    "https://@acme.my.salesforce.com",
    "https://169.254.169.254",
    "https://[fe80::1]",
    "https://[::ffff:127.0.0.1]",
    "https://0.0.0.0",
    "https://[::]",
    "https://10.0.0.5",
    "https://2130706433",
    "https://127.1",
    "https://0x7f.0.0.0x1",
    "https://0x7f000001",
    "https://127.0.0.1.",
    "https://localhost.",
    "https://api.localhost",
    "https://metadata.google.internal",
    "https://printer.local",
    "https://intranet",
    "https://acme.my.salesforce.com\\@evil.example",
    "https://acme my.salesforce.com",
    "https://①②⑦.⓪.⓪.①",
    "https://acmé.example",
    "https://-acme.example",
]


@pytest.mark.parametrize("url", [*NOWHERE, *LOCAL])
def test_a_remote_login_leads_to_no_machine_of_ours_and_to_nothing_in_the_clear(url):
    with pytest.raises(InstanceRefusedError):
        instance_of_login(url, is_local=False)


@pytest.mark.parametrize("url", LOCAL)
def test_a_login_on_this_machine_may_lead_to_this_machine(url):
    assert url.startswith(instance_of_login(url, is_local=True))


@pytest.mark.parametrize("url", NOWHERE)
def test_a_login_on_this_machine_leads_to_nothing_else_that_a_remote_one_may_not(url):
    with pytest.raises(InstanceRefusedError):
        instance_of_login(url, is_local=True)


@pytest.mark.parametrize("form", ["oauth", "soap"])
@pytest.mark.parametrize("url", ["http://acme.my.salesforce.com/x", "https://169.254.169.254/x", "https://[bad"])
def test_no_token_follows_a_login_that_leads_elsewhere(canned_org, reply, form, url):
    soap = (
        "<Envelope><Body><loginResponse><result><sessionId>hidden-session</sessionId>"
        f"<serverUrl>{url}</serverUrl></result></loginResponse></Body></Envelope>"
    )
    canned_org.answers(reply(200, {"access_token": "hidden-token", "instance_url": url}), path="/oauth2/token")
    canned_org.answers(reply(200, soap), path="/Soap/u/")
    app = {"consumer_key": "k", "consumer_secret": "s", "domain": "acme.my"}
    extra = {"loopback_org": canned_org.url, **(app if form == "oauth" else {"security_token": "x"})}
    session = SalesforceSession(from_parts("my_org", "salesforce", "me@acme.com", "word", None, extra))
    with pytest.raises(LoginRefusedError, match="leads to") as raised:
        session.rest("POST", "composite", body={})
    assert "hidden" not in str(raised.value)
    assert len(canned_org.requests) == 1


# -- redirects -------------------------------------------------------------------------------------------------


@pytest.fixture
def session(canned_org: Any) -> SalesforceSession:
    extra = {"access_token": "hidden-token", "instance_url": canned_org.url}
    return SalesforceSession(from_parts("my_org", "salesforce_dedup", None, None, None, extra))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.rest("GET", "limits"),
        lambda session: session.soap(str.encode),
        lambda session: session.simple_salesforce().limits(),
        lambda session: session.simple_salesforce().Lead.create({"LastName": "x"}),
        lambda session: session.simple_salesforce().query("SELECT Id FROM Lead"),
        lambda session: session.simple_salesforce().mdapi.describe_metadata(),
        lambda session: list(session.simple_salesforce().bulk2.Lead.query("SELECT Id FROM Lead")),
    ],
    ids=["rest", "soap", "simple_salesforce", "its create", "its query", "its metadata API", "its bulk"],
)
def test_no_redirect_takes_a_token_along(session, canned_org, reply, call, status):
    canned_org.answers(reply(status, "", {"Location": f"{canned_org.url}/elsewhere"}))
    with pytest.raises(Exception, match=r"(?i)redirect|302|30\d"):
        call(session)
    assert canned_org.sent_to("/elsewhere") == []
    assert len(canned_org.requests) == 1


# -- names -----------------------------------------------------------------------------------------------------

NO_NAMES = [
    "../../../oauth2/userinfo?x=",
    "Lead?x=",
    "Lead/Id",
    "Lead%2F",
    "Lead WHERE",
    "Lead'",
    "",
    "1Lead",
    "Lëad",
    "L" * 200,
]


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_api_name_is_put_into_no_url_and_no_query(session, canned_org, name):
    for make, setting in (
        (lambda: describe(session, name), "sobject"),
        (lambda: CollectionsApi(session, sobject=name, external_id_field="Key__c"), "sobject"),
        (lambda: CollectionsApi(session, sobject="Lead", external_id_field=name), "external_id_field"),
        (lambda: SoapUpsertLookup(session, sobject=LEAD, external_id_field=name), "external_id_field"),
    ):
        with pytest.raises(SettingError, match="no API name") as raised:
            make()
        assert raised.value.setting == setting
        assert len(str(raised.value)) < 250
    assert canned_org.requests == []


@pytest.mark.parametrize(
    "path", ["../x", "sobjects/../../oauth2/userinfo", "sobjects/%2e%2E/x", "/services/../x", "https://x/"]
)
def test_no_path_leads_upwards(session, canned_org, path):
    with pytest.raises(SettingError):
        session.rest("GET", path)
    assert canned_org.requests == []


FIELD = {"name": "Key__c", "label": "Key", "type": "string"}
DESCRIBED = {
    "sobject": {"name": "Lead WHERE", "fields": [FIELD]},
    "field": {"name": "Lead", "fields": [FIELD, {**FIELD, "name": "Id FROM Lead"}]},
    "field without a name": {"name": "Lead", "fields": [{"label": "x"}]},
    "no fields": {"name": "Lead", "fields": None},
    "length": {"name": "Lead", "fields": [{**FIELD, "length": "long"}]},
}


@pytest.mark.parametrize("answer", DESCRIBED.values(), ids=DESCRIBED.keys())
def test_an_org_that_describes_what_none_has_is_not_believed(session, canned_org, reply, answer):
    canned_org.answers(reply(200, answer))
    session = SalesforceSession(session.settings, attempts=1)
    with pytest.raises(CallError) as raised:
        describe(session, "Lead")
    assert raised.value.code == "UNREADABLE_ANSWER"


def test_a_parent_that_is_no_name_is_none(session, canned_org, reply):
    odd = {
        **FIELD,
        "relationshipName": "a><b",
        "referenceTo": ["Account", "x y"],
        "label": "a\x1b[2Jb",
        "type": "x" * 999,
    }
    canned_org.answers(reply(200, {"name": "Lead", "fields": [odd]}))
    (field,) = describe(session, "Lead").fields
    assert (field.relationship_name, field.reference_to) == (None, ("Account",))
    assert "\x1b" not in field.label
    assert len(field.type) < 200
