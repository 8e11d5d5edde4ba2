"""Children are counted in an org over sockets: what is open, relationship by relationship."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.child_counts import OrgChildCounts
from airflow_sf_dedup.salesforce.soap_access import SoapAccess


@pytest.fixture
def account(org: EmulatedOrg) -> str:
    """Has two contacts and a case."""
    [record_id] = org.seed("Account", [{"Name": "One"}])
    org.seed("Contact", [{"LastName": name, "AccountId": record_id} for name in ("Ann", "Bob")])
    org.seed("Case", [{"Subject": "Lost", "AccountId": record_id}])
    return str(record_id)


@pytest.mark.parametrize("by_soap", [True, False], ids=["SOAP", "REST"])
def test_each_sobject_has_its_own_relationships(
    org: EmulatedOrg, session: SalesforceSession, account: str, by_soap: bool
) -> None:
    [lead, other] = [org.seed(name, [{"LastName": "L", "Company": "C"}])[0] for name in ("Lead", "Lead")]
    if not by_soap:
        org.add_faults(Fault("refuse_request", on="SOAP query", parameters={"code": "API_DISABLED_FOR_ORG"}))
    counts = OrgChildCounts(session, SoapAccess(), ["contacts", "Cases"])
    assert counts.of({"Account": [account], "Lead": [lead, other]}) == {account: {"Contact": 2, "Case": 1}}


def test_kinds_are_described_once_and_counted_each_time(
    org: EmulatedOrg, session: SalesforceSession, account: str
) -> None:
    counts = OrgChildCounts(session, SoapAccess(), ["Contacts"])
    counts.of({"Account": [account]})
    before = len(org.calls())
    assert counts.of({"Account": [account]}) == {account: {"Contact": 2}}
    assert len(org.calls()) - before == 1


def test_no_names_and_no_matches_cost_no_call(org: EmulatedOrg, session: SalesforceSession, account: str) -> None:
    before = len(org.calls())
    assert OrgChildCounts(session, SoapAccess(), []).of({"Account": [account]}) == {}
    assert OrgChildCounts(session, SoapAccess(), ["Contacts"]).of({}) == {}
    assert len(org.calls()) == before


@pytest.mark.parametrize(
    ("on", "unseen"),
    [("SOAP query", "Contact"), ("GET /sobjects/{sobject}/describe", "Account")],
    ids=["query", "describe"],
)
def test_what_the_user_may_not_see_counts_nothing_and_is_said_once(
    org: EmulatedOrg, session: SalesforceSession, account: str, on: str, unseen: str, caplog: pytest.LogCaptureFixture
) -> None:
    org.add_faults(Fault("refuse_request", on=on, parameters={"code": "INVALID_TYPE"}))
    counts = OrgChildCounts(session, SoapAccess(), ["Contacts"])
    assert [counts.of({"Account": [account]}) for _ in range(2)] == [{}, {}]
    assert caplog.text.count(f"this user may not count {unseen}") == 1
    assert "no child relationship" not in caplog.text


def test_an_org_that_does_not_answer_is_no_count(org: EmulatedOrg, session: SalesforceSession, account: str) -> None:
    org.add_faults(Fault("request_limit", on="SOAP query"))
    with pytest.raises(CallError):
        OrgChildCounts(session, SoapAccess(), ["Contacts"]).of({"Account": [account]})


def test_a_name_that_no_sobject_has_is_said_once(
    session: SalesforceSession, account: str, caplog: pytest.LogCaptureFixture
) -> None:
    counts = OrgChildCounts(session, SoapAccess(), ["Contact", "Contacts"])
    assert [counts.of({"Account": [account]}) for _ in range(2)] == [{account: {"Contact": 2}}] * 2
    assert caplog.text.count("no child relationship of Account is called 'Contact'") == 1
