"""A load that does far more than it should stops, says what it saw, and goes on when a person lets it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforceUpsertOperator, salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import known_to_the_org, leads
from tests.operators.conftest import TaskOnce, execute

AuditRows = Callable[..., list[tuple[Any, ...]]]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
COUNTS = "SELECT action, error_code, count(*) FROM sf_dedup_entry GROUP BY 1, 2 ORDER BY 1, 2"


def load(rows: list[dict[str, Any]], *, try_number: int = 1, **settings: Any) -> dict[str, Any]:
    operator = SalesforceUpsertOperator(task_id="load", records=rows, max_in_flight=1, **{**LEAD, **settings})
    return execute(operator, TaskOnce("load", try_number=try_number))  # type: ignore[no-any-return]


def api_calls(org: EmulatedOrg) -> int:
    return org.stats()["api_calls"]  # type: ignore[no-any-return]


def test_a_load_that_creates_too_much_stops_at_the_call_that_shows_it_and_says_what_it_saw(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    with pytest.raises(AirflowFailException, match=r"max_created=500: the load has 1,000 created.* of 3,000 rows"):
        load(leads(3000), max_created=500)

    assert audit_rows(COUNTS) == [("created", None, 1000), ("not_sent", "VOLUME_GUARD", 2000)]
    assert len(salesforce_org.records("Lead")) == 1000


def test_a_retry_stops_again_before_it_sends_anything(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    rows = leads(3000)
    with pytest.raises(AirflowFailException):
        load(rows, max_created=500)
    before = audit_rows(COUNTS)

    with pytest.raises(AirflowFailException, match=r"max_created=500: the load has 1,000 created.*a retry stops again"):
        load(rows, max_created=500, try_number=2)

    assert audit_rows(COUNTS) == before
    assert len(salesforce_org.records("Lead")) == 1000


def test_a_load_that_may_do_more_goes_on_with_what_was_not_sent(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    rows = leads(3000)
    with pytest.raises(AirflowFailException):
        load(rows, max_created=500)

    load(rows, max_created=3000, try_number=2)

    assert audit_rows(COUNTS) == [("created", None, 3000)]
    assert len(salesforce_org.records("Lead")) == 3000


@pytest.mark.parametrize("mode", ["create_only", "upsert"])
def test_where_the_org_is_asked_first_a_load_stops_before_it_writes(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, mode: str
) -> None:
    with pytest.raises(AirflowFailException, match=r"max_created=50: .*the next call would add 300 created"):
        load(leads(300), max_created=50, mode=mode, field_rules={"Email": "only_blanks"})

    assert salesforce_org.records("Lead") == []
    assert audit_rows(COUNTS) == [("not_sent", "VOLUME_GUARD", 300)]


def test_a_load_that_changes_too_much_stops(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    rows = leads(2400)
    salesforce_org.seed("Lead", rows[:1500])
    with pytest.raises(AirflowFailException, match=r"max_changed_pct=30: .*1,000 changed, 0 blocked of 2,400 rows"):
        load(rows, max_changed_pct=30)

    assert audit_rows(COUNTS) == [("not_sent", "VOLUME_GUARD", 1400), ("updated", None, 1000)]


@pytest.mark.parametrize("policy", ["ask_reviewer", "update_existing", "save_anyway", "skip"])
def test_a_load_of_which_rules_block_too_much_is_neither_looked_up_nor_decided(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, policy: str
) -> None:
    rows = leads(2000)
    salesforce_org.seed("Lead", known_to_the_org(rows, 600))
    with pytest.raises(AirflowFailException, match=r"max_blocked_pct=20: .*400 created, 0 changed, 600 blocked"):
        load(rows, max_blocked_pct=20, on_duplicate=policy)

    assert audit_rows(COUNTS) == [("created", None, 400), ("not_sent", "VOLUME_GUARD", 1600)]
    assert len(salesforce_org.records("Lead")) == 1000

    calls = api_calls(salesforce_org)
    with pytest.raises(AirflowFailException, match=r"600 blocked of 2,000 rows"):
        load(rows, max_blocked_pct=20, on_duplicate=policy, try_number=2)
    assert len(salesforce_org.records("Lead")) == 1000
    assert api_calls(salesforce_org) - calls <= 1, "the describe; nothing is sent to find out what is known"


def test_a_load_within_its_limits_is_as_ever(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    rows = leads(400)
    salesforce_org.seed("Lead", known_to_the_org(rows, 100))
    load(rows, max_created=300, max_changed_pct=25, max_blocked_pct=25, on_duplicate="update_existing")

    assert audit_rows(COUNTS) == [("created", None, 300), ("matched_updated", "DUPLICATES_DETECTED", 100)]
    assert audit_rows("SELECT created, changed, blocked, waiting FROM sf_dedup_volume") == [(300, 100, 100, 0)]


def history(*created: int) -> None:
    """Loads of the same task before this one, each of which created so many leads that no other has."""
    others = iter(leads(6000)[3000:])
    for day, rows in enumerate(created):
        again(list(islice(others, rows)), run_id=f"day {day}")


def again(rows: list[dict[str, Any]], *, run_id: str = "today", try_number: int = 1, **settings: Any) -> Any:
    operator = SalesforceUpsertOperator(task_id="load", records=rows, max_in_flight=1, **{**LEAD, **settings})
    return execute(operator, TaskOnce("load", run_id=run_id, try_number=try_number))


def test_a_load_that_creates_far_more_than_its_history_stops_at_the_call_that_shows_it(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    history(1200, 30, 20, 30)
    rows, stopped = (
        leads(2400),
        r"max_vs_history=3 \(at most 90 created, by the last 4 loads of this task\): the load has",
    )
    for try_number in (1, 2):
        with pytest.raises(AirflowFailException, match=rf"{stopped} 1,000 created.* of 2,400 rows; the latest load"):
            again(rows, max_vs_history=3, try_number=try_number)

    assert audit_rows(COUNTS) == [("created", None, 1280 + 1000), ("not_sent", "VOLUME_GUARD", 1400)]
    again(rows, max_vs_history=100, try_number=3)
    assert audit_rows(COUNTS) == [("created", None, 1280 + 2400)]


@pytest.mark.parametrize("limit", [{"max_created": 50}, {"max_vs_history": 3}], ids=lambda each: next(iter(each)))
def test_a_load_of_one_call_that_does_too_much_is_red_and_green_when_a_person_has_looked(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, limit: dict[str, Any]
) -> None:
    """Before the call nobody knew, and after it no other one would have asked."""
    history(10, 10, 10)
    rows = leads(100)
    with pytest.raises(AirflowFailException, match=r"the load has 100 created.*all of its rows were sent. Look at"):
        again(rows, **limit)
    assert audit_rows(COUNTS) == [("created", None, 130)]

    calls = api_calls(salesforce_org)
    again(rows, try_number=2, **limit)
    assert audit_rows(COUNTS) == [("created", None, 130)]
    assert api_calls(salesforce_org) - calls <= 1, "the describe; nothing is sent again"


def test_where_the_org_is_asked_first_what_is_beyond_the_history_is_not_written(
    salesforce_org: EmulatedOrg,
) -> None:
    history(10, 10, 10)
    with pytest.raises(AirflowFailException, match=r"at most 30 created.*would add 31 created"):
        again(leads(31), max_vs_history=3, mode="create_only")
    assert len(salesforce_org.records("Lead")) == 30
    again(leads(61)[31:], run_id="tomorrow", max_vs_history=3, mode="create_only")
    assert len(salesforce_org.records("Lead")) == 60


def test_rules_that_block_where_they_did_not_before_stop_a_load_before_it_decides(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    history(10, 10, 10)
    rows = leads(60)
    salesforce_org.seed("Lead", known_to_the_org(rows, 40))
    with pytest.raises(AirflowFailException, match=r"at most 20 blocked.*20 created, 0 changed, 40 blocked of 60 rows"):
        again(rows, max_vs_history=3, on_duplicate="update_existing")
    assert dict(audit_rows("SELECT action, count(*) FROM sf_dedup_entry GROUP BY 1")) == {"created": 50, "not_sent": 40}


def test_a_task_without_a_history_says_so_and_is_not_stopped(
    salesforce_org: EmulatedOrg, caplog: pytest.LogCaptureFixture
) -> None:
    """A load that was stopped is none, nor is one of another task."""
    caplog.set_level("INFO")
    history(10, 10)
    with pytest.raises(AirflowFailException):
        again(leads(100), run_id="stopped", max_created=50, mode="create_only")
    again(leads(300), max_vs_history=1)
    assert "max_vs_history=1: no history yet, nothing is compared: this task has 2 whole loads" in caplog.text


@pytest.mark.parametrize("name", ["max_created", "max_changed_pct", "max_blocked_pct", "max_vs_history"])
def test_a_limit_that_is_none_is_refused_when_the_dag_is_parsed(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}='many'"), DAG("leads", schedule=None):
        salesforce_upsert(source=[], **LEAD, **{name: "many"})


def test_partitions_count_together_and_no_task_is_retried_in_vain(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither of the two has more than the limit by itself."""
    rows = leads(1000)
    salesforce_org.seed("Lead", known_to_the_org(rows, 500))
    with DAG("guarded", schedule=None) as dag:
        salesforce_upsert(
            source=rows, partitions=2, on_duplicate="update_existing", max_blocked_pct=30, retries=2, **LEAD
        )

    run = run_dag(dag)

    states = {
        (ti.task_id.split(".")[-1], ti.map_index): (str(ti.state), ti.try_number) for ti in run.get_task_instances()
    }
    # Which of the two goes first is up to the scheduler.
    assert sorted([states["upsert", 0], states["upsert", 1]]) == [("failed", 1), ("success", 1)]
    assert states["audit", -1][0] == "failed"
    told = {(action, code): count for action, code, count in audit_rows(COUNTS)}
    assert told["matched_updated", "DUPLICATES_DETECTED"] <= 300
    assert told["not_sent", "VOLUME_GUARD"] >= 200
    assert "where they are right, let the load do more and clear the upsert tasks" in capsys.readouterr().out


def test_of_a_load_in_several_tasks_all_are_compared_with_its_history_together(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    """None of the four has more than the limit by itself."""
    feed = iter(leads(1000))

    def day(rows: int) -> str:
        with DAG("feed", schedule=None) as dag:
            salesforce_upsert(source=list(islice(feed, rows)), partitions=4, max_vs_history=2, retries=0, **LEAD)
        return str(run_dag(dag).state)

    assert [day(30) for _ in range(3)] == ["success"] * 3
    assert day(200) == "failed"
    stopped = audit_rows("SELECT count(*) FROM sf_dedup_entry WHERE error_code = 'VOLUME_GUARD'")[0][0]
    assert 0 < stopped < 200
    assert day(60) == "success"
