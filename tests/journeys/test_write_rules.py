"""What a load may create and overwrite: a setting that protects nothing ends the load before its first row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.field_rules import FieldRule
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.write_rules import write_rules_of
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.testing.fake_org import KEY, KEY_FIELD, KEY_RULE, LEAD

LOOSE = replace(KEY_FIELD, unique=False)
NAMED = replace(
    LEAD,
    fields=(
        *LEAD.fields,
        Field("Name", "Name", "string"),
        *(Field(name, name, "string", compound="Name") for name in ("FirstName", "MiddleName")),
    ),
)


@pytest.mark.parametrize(
    ("field_rules", "says"),
    [
        ({"Phne": "never"}, r"Lead has no field .* called Phne"),
        ({"Phone": "sometimes"}, "Phone has the rule 'sometimes'; it may have 'always' or 'only_blanks'"),
        ({"Phone": ["never"]}, r"Phone has the rule \['never'\]"),
        ({"": "never"}, "expected field names"),
        (["Phone"], "expected field names with a rule for each"),
        ("only_blanks", "expected field names with a rule for each, got 'only_blanks'"),
        ({KEY.lower(): "never"}, f"{KEY} is the key"),
        ({"OwnerId": "never", "Owner": "always"}, "OwnerId and Owner are one field"),
        ({"Phone": "never", "PHONE": "never"}, "Phone and PHONE are one field"),
    ],
    ids=["unknown", "no rule", "a list", "no name", "names alone", "a word", "the key", "a parent twice", "twice"],
)
def test_rules_that_mean_nothing_are_an_error_that_says_why(field_rules: Any, says: str) -> None:
    with pytest.raises(SettingError, match=says) as raised:
        settings = WriteSettings(field_rules=field_rules)
        settings.check()
        write_rules_of(settings, LEAD, KEY_RULE)
    assert raised.value.setting == "field_rules"


@pytest.mark.parametrize("mode", ["update", "", None, "UPSERT"])
def test_a_mode_that_is_none_names_those_that_there_are(mode: Any) -> None:
    with pytest.raises(SettingError, match="create_only") as raised:
        WriteSettings(mode=mode).check()
    assert raised.value.setting == "mode"


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (WriteSettings(mode="create_only"), "mode"),
        (WriteSettings(field_rules={"Phone": "on_create_only"}), "field_rules"),
        (WriteSettings(mode="create_only", field_rules={"Phone": "never"}), "mode"),
        (WriteSettings(keep_before=True), "keep_before"),
    ],
    ids=["create_only", "rules", "both", "keep_before"],
)
def test_rows_are_not_inserted_by_a_key_that_two_records_may_hold(settings: WriteSettings, names: str) -> None:
    with pytest.raises(SettingError, match="not Unique") as raised:
        write_rules_of(settings, LEAD, KeyRule(LOOSE))
    assert raised.value.setting == names
    assert write_rules_of(replace(settings, mode="update_only"), LEAD, KeyRule(LOOSE)).ask_first


@pytest.mark.parametrize(
    ("settings", "asks"),
    [
        (WriteSettings(), False),
        (WriteSettings(field_rules={}), False),
        (WriteSettings(field_rules={"*": "always", "Phone": "always"}), False),
        (WriteSettings(field_rules={"Phone": "never"}), True),
        (WriteSettings(keep_before=True), True),
        (WriteSettings(mode="update_only"), True),
        (WriteSettings(mode="create_only"), True),
    ],
)
def test_nothing_is_asked_where_nothing_depends_on_it(settings: WriteSettings, asks: bool) -> None:
    assert (settings.asks_first, write_rules_of(settings, LEAD, KEY_RULE).ask_first) == (asks, asks)
    assert (settings.lookup_path.writes, settings.lookup_path.name == "soap_upsert") == (not asks, not asks)


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        (WriteSettings(), [KEY, "LastName", "Phone"]),
        (WriteSettings(field_rules={"LastName": "never", "Phone": "on_create_only"}), [KEY, "Phone"]),
        (WriteSettings(mode="update_only"), []),
    ],
    ids=["all", "but those that are never sent", "none are made"],
)
def test_of_which_columns_new_records_are_made(settings: WriteSettings, columns: list[str]) -> None:
    """A required field that is not among them is worth a warning."""
    assert write_rules_of(settings, LEAD, KEY_RULE).made_of([KEY, "LastName", "Phone"]) == columns


def test_a_rule_for_a_field_that_shows_others_holds_for_them_but_for_those_with_a_rule_of_their_own() -> None:
    rules = write_rules_of(WriteSettings(field_rules={"Name": "never", "FirstName": "always"}), NAMED, KEY_RULE).rules
    shared = rules.on_create({KEY: "A-1", "FirstName": "Ada", "MiddleName": "K."})
    assert (set(shared.sent), set(shared.held_back)) == ({KEY, "FirstName"}, {"MiddleName"})
    assert rules.kinds == {FieldRule.ALWAYS, FieldRule.NEVER}


LINKS = "link(field='contact__c') | ask_reviewer"


@pytest.mark.parametrize(
    ("mode", "rules"),
    [
        ("upsert", {"Contact__c": "never"}),
        ("upsert", {"Contact__r": "on_create_only"}),
        ("update_only", {"*": "only_blanks"}),
        ("create_only", {"Contact__c": "never"}),
    ],
)
def test_a_field_that_a_policy_fills_in_is_kept_by_no_rule(mode: str, rules: dict[str, str]) -> None:
    """A link is written to the row's own record, which may be there already."""
    with pytest.raises(SettingError, match="fills in Contact__c by link") as raised:
        write_rules_of(WriteSettings(mode=mode, field_rules=rules, on_duplicate=LINKS), LEAD, KEY_RULE)
    assert raised.value.setting == "field_rules"


@pytest.mark.parametrize(
    ("mode", "rules"),
    [
        ("upsert", {"*": "only_blanks", "Contact__c": "always"}),
        ("create_only", {"Contact__c": "on_create_only"}),
        ("upsert", {"Phone": "never"}),
    ],
)
def test_a_field_that_a_policy_fills_in_may_have_a_rule_that_keeps_it_from_no_record(
    mode: str, rules: dict[str, str]
) -> None:
    assert write_rules_of(WriteSettings(mode=mode, field_rules=rules, on_duplicate=LINKS), LEAD, KEY_RULE).ask_first
