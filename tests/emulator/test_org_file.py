from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.emulator import Org, OrgFileError

SOBJECT = {"key_prefix": "a01", "fields": {"Name": "text(80)", "Key__c": "text(20) external_id unique"}}


def test_a_short_file_makes_an_org(tmp_path: Path) -> None:
    (tmp_path / "things.csv").write_text("Name,Key__c,Count__c,Open__c\nOne,k1,5,true\nTwo,k2,,false\n")
    (tmp_path / "org.yaml").write_text(
        "organization: {name: Small}\n"
        "sobjects:\n"
        "  Thing__c:\n"
        "    key_prefix: a01\n"
        "    fields:\n"
        "      Name: text(80) required name\n"
        "      Key__c: text(20) external_id unique case_insensitive\n"
        "      Count__c: number(4,0)\n"
        "      Open__c: checkbox\n"
        "      Kind__c: {type: picklist, values: [A, B], restricted: true, default: A}\n"
        "records:\n"
        "  Thing__c: things.csv\n"
    )
    org = Org.read(tmp_path / "org.yaml")
    records = org.records("Thing__c")
    assert [(each["Name"], each.get("Count__c"), each["Open__c"]) for each in records] == [
        ("One", 5, True),
        ("Two", None, False),
    ]
    assert records[0]["Kind__c"] == "A"
    key = org.sobject("Thing__c").fields["Key__c"]
    assert (key.external_id, key.unique, key.case_sensitive, key.length) == (True, True, False, 20)


def rule(**settings: Any) -> dict[str, Any]:
    matching = [{"fields": {"Name": "exact"}}]
    return {"sobjects": {"T": SOBJECT}, "duplicate_rules": {"R": {"sobject": "T", "matching": matching, **settings}}}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"nonsense": 1}, "nonsense"),
    ({"sobjects": {"T": {"nonsense": 1}}}, "sobjects.T.nonsense"),
    ({"sobjects": {"T": {"key_prefix": "toolong"}}}, "sobjects.T.key_prefix"),
    ({"sobjects": {"T": {"fields": {"A": "txt"}}}}, "sobjects.T.fields.A"),
    ({"sobjects": {"T": {"fields": {"A": "text(x)"}}}}, "sobjects.T.fields.A"),
    ({"sobjects": {"T": {"fields": {"A": "text shiny"}}}}, "sobjects.T.fields.A"),
    ({"sobjects": {"T": {"fields": {"A": 5}}}}, "sobjects.T.fields.A"),
    ({"sobjects": {"T": SOBJECT, "U": SOBJECT}}, "sobjects.U.key_prefix"),
    (rule(sobject="Nonsense"), "duplicate_rules.R.sobject"),
    (rule(action_on_insert="maybe"), "duplicate_rules.R.action_on_insert"),
    (rule(operations_on_insert=["shout"]), "duplicate_rules.R.operations_on_insert"),
    (rule(matching=[]), "duplicate_rules.R.matching"),
    (rule(matching=[{"fields": {"Name": "magic"}}]), "duplicate_rules.R.matching[0].fields.Name"),
    (rule(matching=[{"fields": {"Foo": "exact"}}]), "duplicate_rules.R.matching[0].fields.Foo"),
    (rule(matching=[{"fields": {"Name": "exact"}, "logic": "1 AND 2"}]), "duplicate_rules.R.matching[0].logic"),
    ({"quirks": {"nonsense": True}}, "quirks.nonsense"),
    ({"quirks": {"duplicate_result_spelling": "modern"}}, "quirks.duplicate_result_spelling"),
    ({"quirks": {"deleted_records_match": "yes"}}, "quirks.deleted_records_match"),
    ({"users": [{"password": "x"}]}, "users[0].username"),
    ({"clients": [{"client_id": "c", "run_as": "nobody"}]}, "clients[0].run_as"),
    ({"assignment_rules": {"User": {"owner": "nobody"}}}, "assignment_rules.User.owner"),
    ({"records": {"Nonsense": []}}, "records.Nonsense"),
    ({"records": {"User": "users.txt"}}, "records.User"),
    ({"organization": {"id": "nonsense"}}, "organization.id"),
]


@pytest.mark.parametrize(("settings", "setting"), BAD, ids=[each[1] for each in BAD])
def test_what_is_wrong_is_named_by_its_path(settings: dict[str, Any], setting: str) -> None:
    with pytest.raises(OrgFileError) as raised:
        Org.read(settings)
    assert raised.value.setting == setting


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "org.yaml"
    path.write_text("a: [")
    with pytest.raises(OrgFileError, match=r"org\.yaml"):
        Org.read(path)
