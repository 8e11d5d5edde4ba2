"""What would be deleted with a record is asked of the org, kind by kind."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.children import OrgChildren


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
