"""In which sets records stand by a rule is told in one query, or two; what cannot be seen is not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.rule_reports import MOST_NAMED
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.errors import TransientCallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.duplicate_sets import OrgReports
from airflow_sf_dedup.salesforce.soap_access import SoapAccess


def leads(org: EmulatedOrg, number: int) -> list[str]:
    return org.seed("Lead", [{"LastName": f"N{each}", "Company": "C"} for each in range(number)])


def a_set(org: EmulatedOrg, *record_ids: str, rule: str | None = "Lead_Email") -> str:
    rules: Mapping[Any, Any] = {each["DeveloperName"]: each["Id"] for each in org.records("DuplicateRule")}
    [set_id] = org.seed("DuplicateRecordSet", [{"DuplicateRuleId": rules[rule]} if rule else {}])
    org.seed("DuplicateRecordItem", [{"DuplicateRecordSetId": set_id, "RecordId": each} for each in record_ids])
    return set_id


@pytest.fixture(params=[False, True], ids=["by SOAP", "by REST"])
def reports(request: pytest.FixtureRequest, org: EmulatedOrg, session: SalesforceSession) -> OrgReports:
    access = SoapAccess()
    if request.param:
        org.add_faults(Fault("refuse_request", on="SOAP query", parameters={"code": "API_DISABLED_FOR_ORG"}))
    return OrgReports(session, access)


def test_a_record_is_told_its_sets_with_rule_time_and_the_other_records(org: EmulatedOrg, reports: OrgReports) -> None:
    one, two, three, alone = leads(org, 4)
    small = a_set(org, one, two)
    other = a_set(org, one, three, rule="Standard_Lead_Duplicate_Rule")
    found = reports.of([one, two, alone])
    assert found is not None
    assert {
        each: {(r.record_set_id, r.duplicate_rule, r.records, r.others) for r in of} for each, of in found.items()
    } == {
        one: {(small, "Lead_Email", 2, (two,)), (other, "Standard_Lead_Duplicate_Rule", 2, (three,))},
        two: {(small, "Lead_Email", 2, (one,))},
    }
    since = found[one][0].reported_at
    assert since is not None
    assert abs((datetime.now(UTC) - since).total_seconds()) < 3600


def test_what_no_rule_put_there_is_left_out(org: EmulatedOrg, reports: OrgReports) -> None:
    one, two = leads(org, 2)
    a_set(org, one, two, rule=None)
    assert reports.of([one, two]) == {}
    assert reports.of([]) == {}


def test_of_a_large_set_only_the_number_of_records_is_told(org: EmulatedOrg, reports: OrgReports) -> None:
    many = leads(org, MOST_NAMED + 1)
    a_set(org, *many)
    found = reports.of(many[:1])
    assert found is not None
    [report] = found[many[0]]
    assert (report.records, report.others) == (MOST_NAMED + 1, ())


@pytest.mark.parametrize(("records", "calls"), [(2000, 1), (2001, 2)])
def test_it_asks_for_two_thousand_records_at_a_time(
    org: EmulatedOrg, session: SalesforceSession, records: int, calls: int
) -> None:
    assert OrgReports(session).of([to_18(f"00Q5g{each:010d}") for each in range(records)]) == {}
    assert [call["name"] for call in org.calls()] == ["SOAP query"] * calls


def test_who_may_not_see_them_is_told_nothing(org: EmulatedOrg, session: SalesforceSession) -> None:
    org.add_faults(Fault("refuse_request", on=["SOAP query", "GET /query"], parameters={"code": "INVALID_TYPE"}))
    assert OrgReports(session).of(leads(org, 1)) is None


def test_an_org_that_does_not_answer_is_no_org_without_reports(org: EmulatedOrg, session: SalesforceSession) -> None:
    org.add_faults(Fault("reset", on="SOAP query"))
    with pytest.raises(TransientCallError):
        OrgReports(session).of(leads(org, 1))
