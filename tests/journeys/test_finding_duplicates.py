"""The records of a load are looked for among all others, once each, whatever dies between two calls."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load, LoadKind
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.audit.sql.duplicate_jobs import DuplicateJob, SqlDuplicateJobs
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.outcomes import Failed
from airflow_sf_dedup.errors import (
    LoadFailedError,
    PreflightError,
    RequestRefusedError,
    SettingError,
    TransientCallError,
)
from airflow_sf_dedup.journeys.finding_duplicates import DuplicateSearch, extent_of
from airflow_sf_dedup.testing.contracts.audit import a_load, an_entry
from airflow_sf_dedup.testing.fake_org import LEAD, blocked_by, contact_id, lead_id, match
from airflow_sf_dedup.testing.fake_rules import FakeRules

SOBJECT = replace(LEAD, key_prefix="00Q")


class World:
    """A load of ten rows, of which eight were written to leads, one to a contact and one not at all."""

    def __init__(self, engine: Engine) -> None:
        self.audit, self.jobs, self.org = SqlAudit(engine), SqlDuplicateJobs(engine), FakeRules()
        self.load: Load = a_load()
        self.audit.open_load(self.load)
        written = [an_entry(n, Action.UPDATED if n % 2 else Action.CREATED, record_id=lead_id(n)) for n in range(1, 9)]
        other = an_entry(9, Action.MATCHED_UPDATED, record_id=contact_id(1))
        self.audit.remember(self.load.load_id, [*written, other, an_entry(10, Action.FAILED)])

    def search(self, every: int = 1) -> DuplicateJob:
        return DuplicateSearch(self.audit, self.jobs, self.org).search(self.load, SOBJECT, every)

    def asked(self) -> list[str]:
        return [record_id for chunks in self.org.sent("find") for chunk in chunks for record_id in chunk]


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def test_each_record_that_was_written_is_asked_about_once(world: World) -> None:
    job = world.search()
    assert world.asked() == [lead_id(n) for n in range(1, 9)]
    assert (job.checked, job.unchecked, job.calls, job.ended_at is not None) == (8, 0, 2, True)
    assert world.jobs.found(world.load.load_id).records == 0


def test_what_is_found_is_kept_with_its_row(world: World) -> None:
    world.org.found = {
        lead_id(2): blocked_by(match(lead_id(7)), match(lead_id(90))),
        lead_id(7): blocked_by(match(lead_id(2))),
    }
    world.search()
    found = world.jobs.found(world.load.load_id)
    assert (found.records, found.groups, found.rules) == (2, 1, {"Leads_by_mail": 2})
    assert found.sample == ((lead_id(2), lead_id(7), lead_id(90)),)


def test_a_record_that_cannot_be_asked_about_is_counted(world: World) -> None:
    world.org.found = {lead_id(3): Failed("ENTITY_IS_DELETED", "entity is deleted")}
    job = world.search()
    assert (job.checked, job.unchecked) == (8, 1)


def test_a_search_that_dies_goes_on_with_the_call_that_failed(world: World) -> None:
    world.org.found = {lead_id(1): blocked_by(match(lead_id(90))), lead_id(8): blocked_by(match(lead_id(91)))}
    world.org.errors[2] = TransientCallError("away", code="SERVER_UNAVAILABLE")
    with pytest.raises(TransientCallError):
        world.search()
    job = world.search()
    assert [len(chunk) for [chunk] in world.org.sent("find")] == [4, 4, 4]
    assert (job.checked, job.calls) == (8, 2)
    assert world.jobs.found(world.load.load_id).records == 2


def test_a_sample_is_spread_over_the_load(world: World) -> None:
    assert world.search(every=3).checked == 3
    assert world.asked() == [lead_id(n) for n in (1, 4, 7)]


def test_a_sample_that_dies_goes_on_with_the_same_records(world: World) -> None:
    world.org.ids_per_call = 1
    world.org.errors[2] = TransientCallError("away", code="SERVER_UNAVAILABLE")
    with pytest.raises(TransientCallError):
        world.search(every=3)
    world.search(every=3)
    assert world.asked() == [lead_id(n) for n in (1, 4, 4, 7)]


def test_a_plan_wrote_nothing_to_look_for(world: World) -> None:
    world.load = replace(world.load, kind=LoadKind.PLAN)
    with pytest.raises(SettingError, match="is a plan, which wrote no record"):
        world.search()
    assert world.asked() == []


@pytest.mark.parametrize(
    ("error", "raised", "says"),
    [
        pytest.param(
            RequestRefusedError("no", code="NO_ACTIVE_DUPLICATE_RULE"), LoadFailedError, "is active", id="no rule is on"
        ),
        pytest.param(
            RequestRefusedError("no", code="API_DISABLED_FOR_ORG"), PreflightError, "Duplicate Jobs", id="no SOAP"
        ),
        pytest.param(RequestRefusedError("no", code="INVALID_TYPE"), RequestRefusedError, "no", id="anything else"),
    ],
)
def test_a_call_that_is_refused_is_explained(
    world: World, error: RequestRefusedError, raised: type[Exception], says: str
) -> None:
    world.org.errors[1] = error
    with pytest.raises(raised, match=says):
        world.search()


@pytest.mark.parametrize(
    ("written", "sample", "every", "calls"),
    [(0, None, 1, 0), (1, None, 1, 1), (100, None, 1, 2), (101, None, 1, 3), (1000, 100, 10, 2), (99, 100, 1, 2)],
)
def test_what_a_search_costs_is_known_before(written: int, sample: int | None, every: int, calls: int) -> None:
    extent = extent_of(written, ids_per_call=50, max_calls=100, sample=sample)
    assert (extent.every, extent.calls) == (every, calls)


def test_a_search_that_costs_too_much_is_refused_with_a_sample_that_does_not() -> None:
    with pytest.raises(
        SettingError, match=r"takes 200 calls; allow more, or look at a sample=… of at most 500"
    ) as told:
        extent_of(10_000, ids_per_call=50, max_calls=10, sample=None)
    assert told.value.setting == "max_calls"
    assert extent_of(10_000, ids_per_call=50, max_calls=10, sample=500).calls == 10
