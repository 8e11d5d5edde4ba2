from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.emulator import Org, OrgFileError
from airflow_sf_dedup.emulator.errors import ApiError

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


# --- extends -------------------------------------------------------------------------------------------------


def test_an_org_file_begins_with_the_common_org() -> None:
    org = Org.read(
        {
            "extends": "default",
            "organization": {"name": "Ours"},
            "users": [{"username": "nightly@example.com"}, {"username": "queue@example.com", "last_name": "Renamed"}],
            "sobjects": {
                "Lead": {"fields": {"Region__c": "text(20)", "Website": None, "Title": "text(10)"}},
                "Campaign": None,
                "Region__c": {"key_prefix": "a05", "fields": {"Name": "text(80)"}},
            },
            "duplicate_rules": {"Lead_Email": None, "Contact_Email": {"active": False}},
            "quirks": {"duplicate_value_names": "id18"},
            "records": {"Lead": [{"LastName": "A", "Company": "B", "Region__c": "North"}]},
        }
    )
    lead = org.sobject("Lead")
    assert (lead.fields["Title"].length, "Website" in lead.fields, "Email" in lead.fields) == (10, False, True)
    assert org.schema.find("Campaign") is None
    assert org.sobject("Region__c").key_prefix == "a05"
    names = [(user.username, user.last_name) for user in org.definition.users]
    assert names == [
        ("loader@example.com", "Loader"),
        ("queue@example.com", "Renamed"),
        ("nightly@example.com", "User"),
    ]
    rules = {rule.name: rule.active for rule in org.definition.duplicate_rules}
    assert "Lead_Email" not in rules
    assert (rules["Contact_Email"], rules["Lead_Matches_Contact"]) == (False, True)
    assert (org.definition.org_name, org.org_id) == ("Ours", "00D5g0000000001EAA")
    assert len(org.records("Lead")) == 1


def test_files_of_a_base_are_found_beside_the_base(tmp_path: Path) -> None:
    for folder, name in (("base", "One"), ("own", "Two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "things.csv").write_text(f"Name\n{name}\n")
    (tmp_path / "base" / "org.yaml").write_text(
        "sobjects: {T: {fields: {Name: text(80)}}}\nrecords: {T: things.csv}\n", encoding="utf-8"
    )
    (tmp_path / "own" / "org.yaml").write_text(
        "extends: ../base/org.yaml\nrecords: {T: [things.csv, {Name: Three}]}\n", encoding="utf-8"
    )
    assert {each["Name"] for each in Org.read(tmp_path / "own" / "org.yaml").records("T")} == {"One", "Two", "Three"}


def test_a_file_that_extends_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(OrgFileError, match=r"extends: a\.yaml extends itself"):
        Org.read(tmp_path / "a.yaml")


NEAR: list[tuple[dict[str, Any], str]] = [
    ({"sobject": {}}, "sobject: no such setting; did you mean 'sobjects'?"),
    ({"extends": "defualt"}, "cannot be read"),
    ({"extends": 7}, "extends: should be 'default' or the path of an org file"),
    ({"organization": {"nmae": "x"}}, "organization.nmae: no such setting; did you mean 'name'?"),
    ({"organization": {"daily_api_requests": "many"}}, "organization.daily_api_requests: 'many' should be a whole"),
    ({"organization": {"soap_api": "no"}}, "organization.soap_api: 'no' should be true or false"),
    ({"users": [{"username": "a", "id": "x"}]}, "users[0].id: "),
    ({"users": [{"username": "a", "pasword": "x"}]}, "users[0].pasword: no such setting; did you mean 'password'?"),
    ({"sobjects": {"T": {"feilds": {}}}}, "sobjects.T.feilds: no such setting; did you mean 'fields'?"),
    (
        {"sobjects": {"T": {"fields": {"A": "pick_list(a)"}}}},
        "sobjects.T.fields.A: 'pick_list': no such field type; did",
    ),
    ({"sobjects": {"T": {"fields": {"A": "text uniqe"}}}}, "sobjects.T.fields.A: 'uniqe': no such word; did you mean"),
    (rule(sobject="t1"), "duplicate_rules.R.sobject: no sobject 't1'"),
    (rule(matching=[{"fields": {"Nmae": "exact"}}]), "no field 'Nmae' on T; did you mean 'Name'?"),
    (rule(matching=[{"fields": {"Name": "exakt"}}]), "'exakt': no such method; did you mean 'exact'?"),
    (
        rule(matching=[{"fields": {"Name": "exact"}, "logic": "Name OR Key__c"}]),
        "it may say AND, OR, brackets and: Name",
    ),
    (rule(matching=[{"field": {}}]), "matching[0].field: no such setting; did you mean 'fields'?"),
    ({"quirks": {"record_detail": "all"}}, "quirks.record_detail: no such quirk; did you mean 'record_details'?"),
    ({"physics": {"latencey": 1}}, "physics.latencey: no such setting; did you mean 'latency'?"),
    ({"records": {"Usr": []}}, "records.Usr: no such sobject; did you mean 'User'?"),
    ({"assignment_rules": {"User": {"owner": "admin@example.con"}}}, "did you mean 'admin@example.com'?"),
    ({"sobjects": {"T": SOBJECT}, "records": {"T": [{}, {"Nmae": "x"}]}}, "records.T, row 2, Nmae: "),
]


@pytest.mark.parametrize(("settings", "complaint"), NEAR, ids=[each[1][:40] for each in NEAR])
def test_a_mistake_is_named_with_what_was_meant(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises((OrgFileError, ApiError)) as raised:
        Org.read(settings)
    assert complaint in str(raised.value)


def test_logic_names_fields() -> None:
    matching = [{"fields": {"Name": "exact", "Key__c": "exact", "Id": "exact"}, "logic": "Name AND (Key__c OR id)"}]
    [found] = Org.read(rule(matching=matching)).definition.duplicate_rules[0].matching
    assert found.alternatives == ((1, 2), (1, 3))
