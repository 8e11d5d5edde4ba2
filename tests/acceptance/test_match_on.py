"""Loads whose rows are told apart by the values of several fields, in an org over sockets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from dags_examples.leads_without_ids import leads_without_ids
from tests.acceptance.test_gone_records import audited, matches, seed


def lead(name: str, mail: str, company: str, **fields: Any) -> dict[str, Any]:
    return {"LastName": name, "Email": mail, "Company": company, **fields}


def load(*rows: Mapping[str, Any], policy: str = "ask_reviewer", **settings: Any) -> str:
    """Runs a load; answers the state of its run."""
    with DAG("load", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(
            source=list(rows),
            sobject="Lead",
            match_on=settings.pop("match_on", ["Email", "Company"]),
            on_duplicate=policy,
            retries=0,
            **settings,
        )
    return str(run_dag(dag).state)


def audit(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "audit.db") as connection:
        return connection.execute(query).fetchall()


def test_the_example_finds_its_leads_again_the_next_morning(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    known = seed(salesforce_org, **lead("Ahlberg", "Anna@Acme.example", "ACME", Status="Working - Contacted"))
    source = tmp_path / "leads.csv"
    source.write_text(
        "Email,Company,LastName,Title,Status\n"
        "anna@acme.example, Acme ,Ahlberg,CEO,Open - Not Contacted\n"
        "berg@works.example,Works,Berg,CTO,Open - Not Contacted\n",
        encoding="utf-8",
    )

    assert run_dag(leads_without_ids(), run_conf={"leads": str(source)}).state == "success"
    [updated, created] = audited(tmp_path)
    assert updated == ("updated", "fields_kept", known)
    assert created[:2] == ("created", None)
    held = salesforce_org.record(known)
    assert held["Company"] == "ACME", "as it is spelled there"
    assert (held["Title"], held["Status"]) == ("CEO", "Working - Contacted")

    assert run_dag(leads_without_ids(), run_conf={"leads": str(source)}).state == "success"
    assert [record_id for _, _, record_id in audited(tmp_path)] == [known, created[2]]
    assert len(salesforce_org.records("Lead")) == 2


def test_the_page_quotes_the_example() -> None:
    root = Path(__file__).parents[2]
    text = (root / "dags_examples" / "leads_without_ids.py").read_text(encoding="utf-8")
    quoted = text.partition("    # [start leads_without_ids]\n")[2].partition("    # [end leads_without_ids]")[0]
    assert quoted.strip()
    assert quoted in (root / "docs" / "match_on.md").read_text(encoding="utf-8")


def test_the_audit_shows_the_key_and_that_it_is_no_external_id(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    assert load(lead("O'Neil", "O'Neil@acme.example", 'The "A\\B" Works ')) == "success"
    [(key,)] = audit(tmp_path, "SELECT key FROM sf_dedup_entry")
    assert json.loads(key) == {"Company": 'the "a\\b" works', "Email": "o'neil@acme.example"}
    [(field,)] = audit(tmp_path, "SELECT external_id_field FROM sf_dedup_load")
    assert field == "match_on(Company, Email)"
    [held] = salesforce_org.records("Lead")
    assert held["Company"] == 'The "A\\B" Works'
    assert load(lead("O'Neil", "o'neil@acme.example", 'the "a\\b" works', Title="CEO")) == "success"
    assert audited(tmp_path) == [("updated", None, held["Id"])]


def test_rows_without_a_part_of_the_key_are_invalid_and_repeats_are_settled_as_of_any_key(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    rows = [
        lead("Ahlberg", "a@acme.example", "Acme", Title="old"),
        lead("Ahlberg", "", "Acme"),
        lead("Ahlberg", "A@ACME.example", " acme", Title="new"),
        lead("Ahlberg", "a@acme.example", None),
        lead("Czerny", "c@works.example", "Other"),
    ]
    assert load(*rows) == "failed", "rows that cannot be sent make a load red"
    told = audit(tmp_path, "SELECT action, error_message FROM sf_dedup_entry ORDER BY row_number")
    assert [action for action, _ in told] == ["superseded", "invalid", "created", "invalid", "created"]
    assert told[1][1].startswith("Email is blank")
    assert told[3][1].startswith("Company is blank")
    assert {(each["Company"], each.get("Title")) for each in salesforce_org.records("Lead")} == {
        ("acme", "new"),
        ("Other", None),
    }


def test_several_records_that_hold_the_key_are_a_case_for_policies_with_its_holders_as_matches(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    held = [seed(salesforce_org, **lead("Ahlberg", "a@acme.example", "Acme", Title=title)) for title in ("x", "y")]
    assert (
        load(
            lead("Ahlberg", "a@acme.example", "Acme", Title="z"), policy="update_existing | save_anyway | ask_reviewer"
        )
        == "success"
    )
    assert [each[:2] for each in audited(tmp_path)] == [("awaiting_review", "key_held_by_many")]
    assert sorted(record_id for (record_id,) in matches(tmp_path, "record_id")) == sorted(held)
    assert {each["Title"] for each in salesforce_org.records("Lead")} == {"x", "y"}


@pytest.mark.parametrize(
    ("mode", "said", "titles"),
    [
        ("update_only", ["updated", "not_found"], {"new"}),
        ("create_only", ["skipped", "created"], {"old", "new"}),
        ("upsert", ["updated", "created"], {"new"}),
    ],
)
def test_modes_hold(salesforce_org: EmulatedOrg, tmp_path: Path, mode: str, said: list[str], titles: set[str]) -> None:
    seed(salesforce_org, **lead("Ahlberg", "a@acme.example", "Acme", Title="old"))
    rows = [
        lead("Ahlberg", "a@acme.example", "acme", Title="new"),
        lead("Berg", "b@acme.example", "Acme", Title="new"),
    ]
    assert load(*rows, mode=mode) == "success"
    assert [action for action, _, _ in audited(tmp_path)] == said
    assert {each["Title"] for each in salesforce_org.records("Lead")} == titles


@pytest.mark.parametrize("known", [0, 30, 12], ids=["all new", "all known", "both"])
def test_the_prediction_knows_what_is_read_first(salesforce_org: EmulatedOrg, tmp_path: Path, known: int) -> None:
    rows = [lead(f"P{number}", f"p{number}@acme.example", f"Works {number}") for number in range(450)]
    salesforce_org.seed("Lead", rows[:known])
    assert load(*({**row, "Title": "x"} for row in rows), partitions=1) == "success"
    [(predicted, made)] = audit(tmp_path, "SELECT predicted_calls, api_calls FROM sf_dedup_load")
    assert predicted == made


@pytest.mark.parametrize(
    ("match_on", "seeded", "row"),
    [
        (["Phone"], {"Phone": "030 1"}, {"Phone": " 030 1 "}),
        (["AnnualRevenue", "LastName"], {"AnnualRevenue": 1500000000}, {"AnnualRevenue": "1500000000.00"}),
        (["Status", "Email"], {"Status": "Working - Contacted"}, {"Status": "working - contacted"}),
    ],
    ids=["one field", "a number", "a picklist"],
)
def test_values_of_a_key_are_compared_as_the_org_compares_them(
    salesforce_org: EmulatedOrg,
    tmp_path: Path,
    match_on: list[str],
    seeded: Mapping[str, Any],
    row: Mapping[str, Any],
) -> None:
    known = seed(salesforce_org, **lead("Ahlberg", "a@acme.example", "Acme", **seeded))
    sent = lead("Ahlberg", "a@acme.example", "Acme", **row, Title="CEO")
    assert load(sent, match_on=match_on) == "success"
    assert audited(tmp_path) == [("updated", None, known)]


@pytest.mark.parametrize(
    "company", ["İstanbul Ltd", "STRASSE ẞ", "ΟΔΟΣ", "100% _x_", "Émile", "  padded\t", "a, b; (c) OR"], ids=ascii
)
def test_whatever_stands_in_a_value_a_second_load_finds_what_the_first_created(
    salesforce_org: EmulatedOrg, tmp_path: Path, company: str
) -> None:
    for _ in range(2):
        assert load(lead("Ahlberg", "a@acme.example", company)) == "success"
    assert len(salesforce_org.records("Lead")) == 1
    assert [action for action, _, _ in audited(tmp_path)] == ["updated"]


def test_a_match_is_updated_without_a_stamp_and_found_again_only_if_it_comes_to_hold_the_key(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    """The rule compares e-mails: the lead has another company than the row."""
    same = seed(salesforce_org, **lead("Ahlberg", "ahlberg@acme.example", "Acme Ltd"))
    row = lead("Ahlberg", "ahlberg@acme.example", "Acme", Title="CEO")
    assert load(row, policy="update_existing(fields='fill_blanks')") == "success"
    assert audited(tmp_path) == [("matched_updated", None, same)]
    assert load(row, policy="update_existing") == "success"
    assert audited(tmp_path) == [("matched_updated", None, same)], "it held another company still"
    assert load(row, policy="update_existing") == "success"
    assert audited(tmp_path) == [("updated", None, same)], "it is found by its own values now"
    assert len(salesforce_org.records("Lead")) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"match_on": ["Email", "Secret__c"]}, "match_on: Lead has no field"),
        ({"match_on": ["Email", "Description"]}, "match_on: Lead.Description is of type textarea"),
        ({"match_on": ["Email", "IsConverted"]}, "match_on: Lead.IsConverted is of type boolean"),
        ({"field_rules": {"Email": "never"}}, "field_rules: Email is the key"),
        ({"masked_fields": ["Email"]}, "masked_fields: Email is the key"),
        (
            {"policy": "update_other(sobject='Contact', fields={'Email': 'Email'}, stamp='Department')"},
            "update_other stamps the row's key",
        ),
    ],
    ids=["not seen", "long text", "checkbox", "a rule about it", "masked", "a stamp"],
)
def test_what_does_not_fit_is_told_before_anything_is_staged(
    salesforce_org: EmulatedOrg,
    tmp_path: Path,
    settings: Mapping[str, Any],
    says: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert load(lead("Ahlberg", "a@acme.example", "Acme"), **settings) == "failed"
    assert says in capfd.readouterr().out
    assert audit(tmp_path, "SELECT count(*) FROM sf_dedup_entry") == [(0,)]
    assert salesforce_org.records("Lead") == []
