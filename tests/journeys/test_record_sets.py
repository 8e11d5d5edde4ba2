"""Rows are put together some at a time: what an earlier batch made, the next one finds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from airflow_sf_dedup.core.entries import Action, Entry, MatchEntry
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.journeys.record_sets import SetMirror
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.record_sets import OrgRecordSets


@pytest.fixture
def org() -> Iterator[EmulatedOrg]:
    with EmulatedOrg.start(None) as org:
        yield org


@pytest.fixture(params=[False, True], ids=["by SOAP", "by REST"])
def session(request: pytest.FixtureRequest, org: EmulatedOrg) -> Iterator[SalesforceSession]:
    extra = {"access_token": org.access_token, "instance_url": org.url}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, extra), sleep=lambda s: None)
    if request.param:
        org.add_faults(Fault("refuse_request", on="SOAP query", parameters={"code": "API_DISABLED_FOR_ORG"}))
    yield session
    session.close()


def leads(org: EmulatedOrg, number: int) -> list[str]:
    return org.seed("Lead", [{"LastName": f"N{each}", "Company": "C"} for each in range(number)])


def beside(record_id: str, *matches: str) -> Entry:
    """A row that was saved beside its matches."""
    found = tuple(MatchEntry(each, "Lead", duplicate_rule="Lead_Email") for each in matches)
    return Entry(1, Action.SAVED_ANYWAY, datetime(2026, 1, 1, tzinfo=UTC), record_id=record_id, matches=found)


def sets(org: EmulatedOrg) -> list[set[str]]:
    items = [(each["DuplicateRecordSetId"], each["RecordId"]) for each in org.records("DuplicateRecordItem")]
    assert len(items) == len(set(items))
    return sorted(
        ({record for set_id, record in items if set_id == each["Id"]} for each in org.records("DuplicateRecordSet")),
        key=len,
    )


@pytest.mark.parametrize("together", [1, 2, 500])
def test_how_many_rows_are_looked_at_together_makes_no_difference(
    org: EmulatedOrg, session: SalesforceSession, together: int
) -> None:
    one, two, three, four, five, six = leads(org, 6)
    rows = [beside(one, two), beside(three, four), beside(five, two), beside(six, one, two), beside(one, two)]
    made = SetMirror("Lead", OrgRecordSets.opened(session, "Lead"), rows_together=together).show(rows)

    assert sets(org) == [{three, four}, {one, two, five, six}]
    assert (made.rows, made.before, made.sets, made.items, made.gone) == (5, 1, 2, 6, 0)


def test_hundreds_of_rows_cost_few_calls(org: EmulatedOrg, session: SalesforceSession) -> None:
    session.check_org()
    ids = leads(org, 600)
    mirror = SetMirror("Lead", OrgRecordSets.opened(session, "Lead"))
    made = mirror.show(beside(one, other) for one, other in zip(ids[:300], ids[300:], strict=True))
    assert (made.sets, made.items) == (300, 600)
    assert session.calls_by_kind["POST composite"] == 2
    assert all(len(each) == 2 for each in sets(org))


def test_an_item_that_is_refused_for_good_leaves_the_other_sets_whole(
    org: EmulatedOrg, session: SalesforceSession
) -> None:
    one, two, three, four = leads(org, 4)
    org.add_faults(
        Fault(
            "refuse_rows",
            on="POST /composite",
            calls=(2,),
            times=1,
            parameters={"share": 0.25, "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"},
        )
    )
    rows = [beside(one, two), beside(three, four)]
    made = SetMirror("Lead", OrgRecordSets.opened(session, "Lead")).show(rows)
    assert made.failed == {"FIELD_CUSTOM_VALIDATION_EXCEPTION": 4 - made.items}

    again = SetMirror("Lead", OrgRecordSets.opened(session, "Lead")).show(rows)
    assert (again.sets, again.items) == (0, 4 - made.items)
    assert sorted(map(sorted, sets(org))) == sorted(map(sorted, [{one, two}, {three, four}]))
