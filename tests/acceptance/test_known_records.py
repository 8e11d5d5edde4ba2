"""Loads that ask what the org has of a key before they write, in an org over sockets."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.testing import run_dag
from airflow_sf_dedup.testing.contracts.orgs import ALERT_BY_PHONE
from dags_examples.enrich_leads import enrich_leads
from dags_examples.fill_blanks import fill_blanks
from tests.acceptance.test_gone_records import KEY, audited, lead, load, seed

HEADER = f"{KEY},LastName,Company,Phone,Title,Status,Description\n"


def test_the_example_fills_what_is_empty_and_leaves_what_sales_has_typed(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    known = seed(salesforce_org, **lead("Ahlberg", **{KEY: "CRM-1", "Phone": "777", "Status": "Working - Contacted"}))
    source = tmp_path / "leads.csv"
    rows = "CRM-1,Ahlberg,New Works,555,CEO,Open - Not Contacted,x\nCRM-2,Czerny,Works,556,CTO,Open - Not Contacted,x\n"
    source.write_text(HEADER + rows, encoding="utf-8")

    run = run_dag(fill_blanks(), run_conf={"leads": str(source)})

    assert run.state == "success"
    told = {(action, reason) for action, reason, _ in audited(tmp_path)}
    assert told == {("updated", "fields_kept"), ("created", None)}
    shown = ("Company", "Phone", "Title", "Status", "Description")
    held = {each[KEY]: tuple(each.get(name) for name in shown) for each in salesforce_org.records("Lead")}
    assert held == {
        "CRM-1": ("New Works", "777", "CEO", "Working - Contacted", None),
        "CRM-2": ("Works", "556", "CTO", "Open - Not Contacted", None),
    }
    assert salesforce_org.record(known)["Phone"] == "777"


def test_the_example_updates_the_leads_it_knows_and_creates_none(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    known = seed(salesforce_org, **lead("Ahlberg", **{KEY: "CRM-1", "AnnualRevenue": 10}))
    source = tmp_path / "provider.csv"
    source.write_text(f"{KEY},AnnualRevenue,Industry\nCRM-1,20,Optics\nCRM-2,30,Optics\n", encoding="utf-8")

    run = run_dag(enrich_leads(), run_conf={"leads": str(source)})

    assert run.state == "success"
    assert audited(tmp_path) == [("updated", None, known), ("not_found", None, None)]
    [only] = salesforce_org.records("Lead")
    assert (only["AnnualRevenue"], only["Industry"]) == (20, "Optics")


@pytest.mark.parametrize("example", ["fill_blanks", "enrich_leads"])
def test_the_page_quotes_the_example(example: str) -> None:
    root = Path(__file__).parents[2]
    text = (root / "dags_examples" / f"{example}.py").read_text(encoding="utf-8")
    quoted = text.partition(f"    # [start {example}]\n")[2].partition(f"    # [end {example}]")[0]
    assert quoted.strip()
    assert quoted in (root / "docs" / "known_records.md").read_text(encoding="utf-8")


def test_a_load_that_only_creates_leaves_the_records_of_known_keys_alone(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    known = seed(salesforce_org, **lead("Ahlberg", **{KEY: "CRM-1"}))
    before = dict(salesforce_org.record(known))
    rows = [lead("Berg", **{KEY: "crm-1"}), lead("Czerny", **{KEY: "CRM-2"})]
    assert load("ask_reviewer", *rows, mode="create_only") == "success"
    [skipped, created] = audited(tmp_path)
    assert skipped == ("skipped", "key_exists", known)
    assert created[:2] == ("created", None)
    assert salesforce_org.record(known) == before


def test_a_match_is_not_written_to_by_a_load_that_only_creates(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    """Nor by a look-up that saves what nothing blocks."""
    same = seed(salesforce_org, **lead("Ahlberg"))
    before = dict(salesforce_org.record(same))
    assert load("update_existing | skip", lead("Ahlberg", **{KEY: "CRM-1"}), mode="create_only") == "success"
    assert audited(tmp_path) == [("skipped", "create_only", None)]
    assert salesforce_org.record(same) == before


class TestAnAlertRule:
    @pytest.fixture
    def salesforce_org_file(self) -> Mapping[str, Any]:
        return {"extends": "default", "duplicate_rules": {"Lead_Phone": ALERT_BY_PHONE}}

    def test_an_update_that_it_refuses_goes_to_the_policy_and_is_saved_anyway_by_the_rules_of_the_load(
        self, salesforce_org: EmulatedOrg, tmp_path: Path
    ) -> None:
        seed(salesforce_org, **lead("Czerny", Phone="030 555 12 34"))
        known = seed(salesforce_org, **lead("Ahlberg", **{KEY: "CRM-1", "Title": "CEO"}))
        row = lead("Ahlberg", **{KEY: "CRM-1", "Title": "CTO", "Phone": "030 555 12 34"})
        rules = {"Title": "only_blanks"}
        assert load("save_anyway | skip", row, mode="update_only", field_rules=rules) == "success"
        assert audited(tmp_path) == [("saved_anyway", "fields_kept", known)]
        held = salesforce_org.record(known)
        assert (held["Title"], held["Phone"]) == ("CEO", "030 555 12 34")
        assert len(salesforce_org.records("Lead")) == 2


@pytest.mark.parametrize(
    ("mode", "field_rules", "said"),
    [
        ("create_only", None, [("skipped", "key_exists"), ("created", "answer_lost")]),
        ("update_only", None, [("updated", "answer_lost"), ("not_found", None)]),
        ("upsert", {"Title": "only_blanks"}, [("updated", "answer_lost"), ("created", "answer_lost")]),
    ],
    ids=["create_only", "update_only", "rules"],
)
def test_an_answer_that_is_lost_on_the_way_back_doubles_nothing(
    salesforce_org: EmulatedOrg,
    tmp_path: Path,
    mode: str,
    field_rules: Mapping[str, str] | None,
    said: list[tuple[str, str | None]],
) -> None:
    seed(salesforce_org, **lead("Ahlberg", **{KEY: "CRM-1"}))
    salesforce_org.add_faults(Fault("reset", on="POST /composite", calls=(1,), parameters={"after_commit": True}))
    rows = [lead("Ahlberg", **{KEY: "CRM-1"}), lead("Czerny", **{KEY: "CRM-2"})]
    assert load("ask_reviewer", *rows, mode=mode, field_rules=field_rules, partitions=1) == "success"
    told = [(action, reason) for action, reason, _ in audited(tmp_path)]
    assert [action for action, _ in told] == [action for action, _ in said]
    assert len(salesforce_org.records("Lead")) == (1 if mode == "update_only" else 2)


def test_a_field_that_the_user_cannot_see_is_told_before_anything_is_staged(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    state = load("ask_reviewer", lead("Ahlberg", **{KEY: "CRM-1"}), field_rules={"Secret__c": "only_blanks"})
    assert state == "failed"
    with sqlite3.connect(tmp_path / "audit.db") as audit:
        assert audit.execute("SELECT count(*) FROM sf_dedup_entry").fetchone() == (0,)
    assert salesforce_org.records("Lead") == []


@pytest.mark.parametrize(
    ("known", "settings"),
    [
        (0, {"mode": "create_only"}),
        (30, {"mode": "update_only"}),
        (30, {"mode": "update_only", "field_rules": {"Title": "only_blanks"}}),
        (12, {"field_rules": {"Title": "only_blanks"}}),
        (12, {"keep_before": True}),
    ],
    ids=["create_only", "update_only", "with values", "both ways", "keep_before"],
)
def test_the_prediction_knows_what_is_read_first(
    salesforce_org: EmulatedOrg, tmp_path: Path, known: int, settings: Mapping[str, Any]
) -> None:
    names = [f"Person{number}" for number in range(30)]
    for name in names[:known]:
        seed(salesforce_org, **lead(name, **{KEY: name, "Title": "x"}))
    rows = [lead(name, **{KEY: name, "Title": "y"}) for name in names]
    assert load("ask_reviewer", *rows, partitions=1, **settings) == "success"
    with sqlite3.connect(tmp_path / "audit.db") as audit:
        [(predicted, made)] = audit.execute("SELECT predicted_calls, api_calls FROM sf_dedup_load").fetchall()
    assert predicted == made


def test_the_same_rows_by_another_mode_are_another_load(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    """Nothing of what ``create_only`` skipped is settled for an upsert."""
    known = seed(salesforce_org, **lead("Ahlberg", **{KEY: "CRM-1"}))
    row = lead("Ahlberg", **{KEY: "CRM-1", "Title": "CEO"})
    assert load("ask_reviewer", row, mode="create_only") == "success"
    assert audited(tmp_path) == [("skipped", "key_exists", known)]
    with DAG("again", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(source=[row], sobject="Lead", external_id_field=KEY, retries=0)
    assert run_dag(dag).state == "success"
    assert salesforce_org.record(known)["Title"] == "CEO"
