"""What would be deleted with a record is asked of the org, kind by kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.children import OrgChildren
from airflow_sf_dedup.salesforce.connecting.fields import from_parts


@pytest.fixture
def org() -> Iterator[EmulatedOrg]:
    with EmulatedOrg.start(None) as org:
        yield org


@pytest.fixture
def session(org: EmulatedOrg) -> Iterator[SalesforceSession]:
    extra = {"access_token": org.access_token, "instance_url": org.url}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, extra), sleep=lambda s: None)
    yield session
    session.close()


@pytest.mark.parametrize(("name", "values"), [("Contact", {"LastName": "Ann"}), ("Opportunity", {"Name": "Big"})])
def test_an_account_with_work_on_it_is_a_parent(
    org: EmulatedOrg, session: SalesforceSession, name: str, values: dict[str, str]
) -> None:
    one, two = org.seed("Account", [{"Name": "One"}, {"Name": "Two"}])
    more = {"StageName": "New", "CloseDate": "2026-03-01"} if name == "Opportunity" else {}
    org.seed(name, [{**values, **more, "AccountId": one}])
    assert OrgChildren(session).parents_among("Account", [one, two]) == {one}


def test_records_with_nothing_on_them_are_none(org: EmulatedOrg, session: SalesforceSession) -> None:
    ids = org.seed("Lead", [{"LastName": f"L{n}", "Company": "C"} for n in range(3)])
    assert OrgChildren(session).parents_among("Lead", ids) == frozenset()


def test_where_the_org_does_not_let_it_be_seen_all_are(org: EmulatedOrg, session: SalesforceSession) -> None:
    [one] = org.seed("Lead", [{"LastName": "L", "Company": "C"}])
    children = OrgChildren(session)
    assert children.parents_among("Lead", [one]) == frozenset()
    org.add_faults(Fault("refuse_request", on="SOAP query", parameters={"code": "INVALID_TYPE"}))
    assert children.parents_among("Lead", [one]) == {one}
