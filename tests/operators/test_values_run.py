"""Values and names on their way in: whole runs against an emulated org."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag

AuditRows = Callable[..., list[tuple[Any, ...]]]
KEY = "External_Id__c"


def load(source: Any, sobject: str = "Contact", **settings: Any) -> Any:
    with DAG("values", schedule=None) as dag:
        salesforce_upsert(
            source=source, sobject=sobject, external_id_field=KEY, **{"partitions": 1, "retries": 0, **settings}
        )
    return run_dag(dag)


def contacts(org: EmulatedOrg) -> dict[str, dict[str, Any]]:
    return {record[KEY]: record for record in org.records("Contact")}


def calls(org: EmulatedOrg, word: str) -> int:
    """How many calls of a kind the org counted."""
    return sum(count for call, count in org.state.stats()["by_call"].items() if word in call)


def ndjson(row: dict[str, Any]) -> str:
    return json.dumps(row) + "\n"


CHECKBOXES = [
    pytest.param(
        "a.ndjson",
        "".join(
            ndjson({KEY: f"N-{n}", "LastName": f"Name {n}", "DoNotCall": None if n % 2 else True}) for n in range(300)
        ),
        {},
        id="NDJSON null",
    ),
    pytest.param(
        "a.csv",
        f"{KEY},LastName,DoNotCall\n" + "".join(f"N-{n},Name {n},{'#N/A' if n % 2 else 'true'}\n" for n in range(300)),
        {},
        id="CSV #N/A",
    ),
    pytest.param(
        "a.csv",
        f"{KEY},LastName,DoNotCall\n" + "".join(f"N-{n},Name {n},{'' if n % 2 else 'true'}\n" for n in range(300)),
        {"blank_means": "null"},
        id="CSV blank",
    ),
]


@pytest.mark.parametrize(("name", "content", "options"), CHECKBOXES)
def test_a_checkbox_without_a_value_is_unticked_and_refuses_nothing(
    salesforce_org: EmulatedOrg, tmp_path: Path, name: str, content: str, options: dict[str, Any]
) -> None:
    (tmp_path / name).write_text(content)

    assert load({"path": str(tmp_path / name), **options}).state == "success"

    found = contacts(salesforce_org)
    assert {found[f"N-{n}"]["DoNotCall"] for n in range(1, 300, 2)} == {False}
    assert {found[f"N-{n}"]["DoNotCall"] for n in range(0, 300, 2)} == {True}
    assert calls(salesforce_org, "composite") == 1


def test_dates_with_zones_are_dates_and_what_leaves_something_to_guess_is_invalid(
    salesforce_org: EmulatedOrg, tmp_path: Path, audit_rows: AuditRows
) -> None:
    rows = ["B-1,1985-03-04Z,", "B-2,1985-03-04,2024-01-15+02:00", "B-3,1985-03-04,2024-01-15 2024"]
    rows += ["B-4,1985-03-04,2024-01-15 10:30:00 UTC"]
    content = f"{KEY},LastName,Birthdate,Last_Visit__c\n" + "".join(
        row.replace(",", f",Name {n},", 1) + "\n" for n, row in enumerate(rows)
    )
    (tmp_path / "a.csv").write_text(content)

    assert load(str(tmp_path / "a.csv"), max_failed=1).state == "success"

    found = contacts(salesforce_org)
    assert {record["Birthdate"] for record in found.values()} == {"1985-03-04"}
    assert {key: record.get("Last_Visit__c") for key, record in found.items()} == {
        "B-1": None,
        "B-2": "2024-01-14T22:00:00.000+0000",
        "B-4": "2024-01-15T10:30:00.000+0000",
    }
    assert [row[:3] for row in audit_rows() if row[1] != "created"] == [(3, "invalid", "MALFORMED_VALUE")]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("Account.Extern_Id__c", "nearest: External_Id__c"),
        ("Account.Name", "which is no External ID"),
        ("Acount.External_Id__c", "nearest: Account"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "mappings"])
def test_a_parent_that_cannot_be_named_so_is_refused_before_the_first_row(
    salesforce_org: EmulatedOrg, capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str, column: str, words: str
) -> None:
    relationship, _, name = column.partition(".")
    if form == "csv":
        (tmp_path / "a.csv").write_text(f"{KEY},LastName,{column}\nT-1,Kuhl,ACC-1\nT-2,Rau,ACC-1\n")
        source: Any = str(tmp_path / "a.csv")
    else:
        source = [{KEY: f"T-{n}", "LastName": f"Name {n}", relationship: {name: "ACC-1"}} for n in range(2)]

    assert load(source).state == "failed"

    assert salesforce_org.records("Contact") == []
    assert calls(salesforce_org, "composite") == 0
    assert words in capsys.readouterr().out


def test_no_slip_of_a_parents_key_finds_another_parent(
    salesforce_org: EmulatedOrg, tmp_path: Path, audit_rows: AuditRows
) -> None:
    names = ["1.10", "1.1", "1", "9007199254740992", "9007199254740993", "true", "2024-01-15"]
    ids = salesforce_org.seed("Account", [{"Name": name, KEY: name} for name in names])
    parents = ["1.10", "1.0", "9007199254740992.0", "9007199254740993", "true", '"\\u00a01"', '" 1.10 "', '"\\ufeff1"']
    lines = [
        f'{{"{KEY}": "P-{n}", "LastName": "Name {n}", "Account": {{"{KEY}": {parent}}}}}'
        for n, parent in enumerate(parents)
    ]
    (tmp_path / "a.ndjson").write_text("\n".join(lines))

    assert load(str(tmp_path / "a.ndjson"), max_failed=8).state == "success"

    parent = dict(zip(ids, names, strict=True))
    assert {key: parent[record["AccountId"]] for key, record in contacts(salesforce_org).items()} == {
        "P-3": "9007199254740993",
        "P-6": "1.10",
    }
    actions = {row_number: action for row_number, action, *_ in audit_rows()}
    assert [n for n, action in actions.items() if action == "invalid"] == [1, 2, 3, 5, 8]
    assert actions[6] == "failed"


def test_a_parents_describe_is_asked_once_and_counted(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    salesforce_org.seed("Account", [{"Name": "Acme", KEY: "ACC-1"}])
    rows = [
        {
            KEY: f"P-{n}",
            "LastName": f"Name {n}",
            "Account": {KEY: "ACC-1"},
            "Owner": {"Username": "loader@example.com"},
        }
        for n in range(20)
    ]

    assert load(rows, partitions=4).state == "success"

    assert calls(salesforce_org, "describe") == 3, "the Contact, its Account, its User"
    assert {record["AccountId"] for record in salesforce_org.records("Contact")} == {
        salesforce_org.records("Account")[0]["Id"]
    }
    [(predicted, made)] = audit_rows("SELECT predicted_calls, api_calls FROM sf_dedup_load")
    assert predicted == made


def test_two_forms_of_one_parents_id_are_one_partition(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    [account] = salesforce_org.seed("Account", [{"Name": "Acme"}])
    forms = [account, account[:15], account.lower(), account.upper()]
    rows = [{KEY: f"G-{n}", "LastName": f"Name {n}", "AccountId": form} for n, form in enumerate(forms)]

    assert load(rows, partitions=8, group_by="Account").state == "success"

    assert len(audit_rows("SELECT DISTINCT partition FROM sf_dedup_entry")) == 1
    assert {record["AccountId"] for record in salesforce_org.records("Contact")} == {account}


def test_an_array_in_a_cell_is_one_invalid_row(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    rows = [{KEY: "A-1", "LastName": "Kuhl"}, {KEY: "A-2", "LastName": ["Rau"]}, {KEY: ["A-3"], "LastName": "Zorn"}]

    assert load(rows, max_failed=2).state == "success"

    assert [row[:2] for row in audit_rows()] == [(1, "created"), (2, "invalid"), (3, "invalid")]


@pytest.mark.parametrize(
    ("masked", "policy"),
    [("AccountId", "update_existing | skip"), ("account.external_id__c", "update_existing(fields=['Account']) | skip")],
)
def test_a_parent_is_masked_and_written_however_settings_spell_it(
    salesforce_org: EmulatedOrg, tmp_path: Path, masked: str, policy: str
) -> None:
    salesforce_org.seed("Account", [{"Name": "Acme", KEY: "SECRET-1"}])
    salesforce_org.seed("Contact", [{"LastName": "Kuhl", "Email": "kuhl@acme.example"}])
    row = {KEY: "P-1", "LastName": "Kuhl", "Email": "kuhl@acme.example", "Account.External_Id__c": "SECRET-1"}

    assert load([row], masked_fields=[masked], audit_values="all", on_duplicate=policy).state == "success"

    assert b"SECRET-1" not in (tmp_path / "audit.db").read_bytes()
    assert salesforce_org.records("Contact")[0]["AccountId"] is not None


@pytest.mark.parametrize(
    "settings",
    [
        {"masked_fields": ["Emial"]},
        {"on_duplicate": "update_existing(fields=['Emial'])"},
        {"on_duplicate": "update_existing(fields=['OwnerId'])"},
        {"group_by": "Emial"},
        {"newer_than": "Emial"},
    ],
    ids=["mask", "policy", "policy, not carried", "group", "order"],
)
def test_a_setting_that_names_no_field_of_the_load_sends_nothing(
    salesforce_org: EmulatedOrg, settings: dict[str, Any]
) -> None:
    row = {KEY: "P-1", "LastName": "Kuhl", "Email": "kuhl@acme.example"}

    assert load([row], **settings).state == "failed"

    assert salesforce_org.records("Contact") == []
